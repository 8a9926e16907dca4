/* pack.c: Packing of weights into the order in which kernels read them. Prints functions that pack at run
 * time, packs at compile time by interpreting the same nests, and prints constant tables. */
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "emit/pool.h"
#include "nest/instance.h"

/* ---- at compile time ---- */
static bool fill_pack(Arena *arena, const Pack *pack, const float *weights, float *out) {
  const float **from = NEW_ARRAY(arena, const float *, pack->nest->nbufs + 1);
  for (int i = 0; i < pack->source.n; i++)
    from[pack->source_buf.data[i]->id] = weights + pack->source.data[i]->offset;
  return nest_fill(pack->nest, from, out);
}

static void run_pack(Net *net, const Pack *pack, const float *weights, float *out) {
  if (fill_pack(net->arena, pack, weights, out)) return;
  const int64_t n = buf_elements(pack->out);
  Run run = {.mem = NEW_ARRAY(net->arena, double *, pack->nest->nbufs + 1), .single = true};
  for (int i = 0; i < pack->source.n; i++) {
    const Weight *weight = pack->source.data[i];
    double *from = NEW_ARRAY(net->arena, double, weight->size);
    for (int64_t k = 0; k < weight->size; k++) from[k] = (double)weights[weight->offset + k];
    run.mem[pack->source_buf.data[i]->id] = from;
  }
  double *to = run.mem[pack->out->id] = NEW_ARRAY(net->arena, double, n);
  if (!nest_run(pack->nest, &run)) {
    fprintf(stderr, "cnnc: internal error: packing %s: %s\n", pack->name, run.error);
    exit(3);
  }
  for (int64_t k = 0; k < n; k++) out[k] = (float)to[k];
}

static void fill_halves(Net *net, const Pack *pack, uint16_t *to) {
  const int64_t n = buf_elements(pack->out);
  float *floats = NEW_ARRAY(net->arena, float, n);
  run_pack(net, pack, net->options->weights, floats);
  for (int64_t i = 0; i < n; i++)
    to[i] = pack->out->type.elem == F16 ? f16_bits(floats[i]) : bf16_bits(floats[i]);
}

/* Packed weights have no subnormal floats: many CPUs are slow on them. An f16 number that is subnormal is an
 * ordinary float. */
static bool may_be_subnormal(const Member *member) { return member->elem == F32 || member->elem == BF16; }

static int64_t member_elements(const Member *member) { return member->bytes / elem_bytes(member->elem); }

static void clear_subnormals(const Member *member, void *values) {
  enum { EXPONENT = 0xff << 7, SIGN = 1 << 15 };
  const int64_t n = member_elements(member);
  float *const floats = values;
  uint16_t *const halves = values;
  for (int64_t i = 0; member->elem == F32 && i < n; i++)
    if (floats[i] > -FLT_MIN && floats[i] < FLT_MIN) floats[i] *= 0; /* keeps the sign */
  for (int64_t i = 0; member->elem == BF16 && i < n; i++)
    if (!(halves[i] & EXPONENT)) halves[i] &= SIGN;
}

void pack_values(Net *net, const Member *member, void *to) {
  const void *values = member->table  ? member->table
                       : member->copy ? net->options->weights + member->copy->offset
                                      : member->pack->values;
  if (values) memcpy(to, values, (size_t)member->bytes);
  else if (elem_is_half(member->elem)) fill_halves(net, member->pack, to);
  else run_pack(net, member->pack, net->options->weights, to);
  if (may_be_subnormal(member)) clear_subnormals(member, to);
}

/* Whether an earlier target with the same condition needs the table. */
static bool condition_before(const Net *net, const Member *table, int target) {
  const Target *const *of = net->layout->options.target;
  for (int t = 0; t < target; t++)
    if (table->targets >> t & 1 && !strcmp(of[t]->condition, of[target]->condition)) return true;
  return false;
}

/* The condition of the targets that need a table. NULL: no condition, because the lowest target needs the
 * table, or because the table's targets were not recorded. */
static const char *table_condition(const Net *net, const Member *table) {
  const int n = net->layout->options.ntargets;
  const char *all = NULL;
  if (!table->targets || table->targets >> (n - 1) & 1) return NULL;
  for (int t = 0; t < n; t++) {
    const char *condition = net->layout->options.target[t]->condition;
    if (!(table->targets >> t & 1) || condition_before(net, table, t)) continue;
    all = all ? arena_printf(net->arena, "%s || (%s)", all, condition)
              : arena_printf(net->arena, "(%s)", condition);
  }
  return all;
}

static void put_tables(Text *out, Net *net) {
  for (int i = 0; i < net->layout->tables.n; i++) {
    const Member *table = net->layout->tables.data[i];
    const char *condition = table_condition(net, table);
    if (condition) text_put(out, "#if %s\n", condition);
    text_put(out, "static const float %s_%s", net->name, table->name);
    put_dims(out, table->rank, table->dim);
    text_put(out, " = ");
    put_member_values(out, net, table);
    text_put(out, condition ? ";\n#endif\n\n" : ";\n\n");
  }
}

/* ---- at run time ---- */
static void put_pack_call(Text *out, Net *net, const Member *member, const char *to) {
  const Pack *pack = member->pack;
  text_put(out, "  %s(", member->function->name);
  int n = 0;
  for (int i = 0; i < pack->nest->nbufs; i++) {
    if (pack->nest->buf[i]->place >= STACK || !nest_uses(pack->nest, i)) continue;
    text_put(out, "%s", n++ ? ", " : "");
    if (i == pack->out->id)
      text_put(out, "%s",
               array_argument(net->arena, pack->nest, i, arena_printf(net->arena, "%s%s", to, member->name),
                              member->rank, member->dim));
    for (int s = 0; s < pack->source.n; s++) {
      const Weight *weight = pack->source.data[s];
      if (pack->source_buf.data[s]->id == i)
        text_put(out, "%s",
                 array_argument(net->arena, pack->nest, i, weight_text(net, "weights", weight), weight->rank,
                                weight->dim));
    }
  }
  text_put(out, ");\n");
}

static void put_member_packing(Text *out, Net *net, const Member *member, const char *to) {
  if (member->copy)
    text_put(out, "  memcpy(%s%s, %s, sizeof %s%s);\n", to, member->name,
             weight_text(net, "weights", member->copy), to, member->name);
  else put_pack_call(out, net, member, to);
}

/* to: the prefix of the members' names, such as "model->". */
void put_packing(Text *out, Net *net, const Part *part, const char *to) {
  for (int i = 0; i < part->members.n; i++) put_member_packing(out, net, part->members.data[i], to);
}

/* ---- at the start of each training step ---- */
enum {
  SHARED_FLOATS = 1 << 15
}; /* packing this number of floats takes about as long as waking the threads of a team */

bool packing_shared(const Net *net) {
  return net->layout->train.program && (net->options->openmp || net_pool(net)) &&
         net->layout->train.members.n > 1 && floats_in(members_bytes(&net->layout->train)) >= SHARED_FLOATS;
}

void put_shared_packing(Text *out, Net *net) {
  const int64_t all = floats_in(members_bytes(&net->layout->train));
  int64_t before = 0;
  if (!packing_shared(net)) return;
  text_put(
      out,
      "// Packs the weights for the kernels of a training step. The floats of all arrays are divided into "
      "equal ranges, one per thread; a thread packs the arrays whose middle float is in its range.\n");
  Parameters list = {0};
  add_parameter(net->arena, &list, "workspace",
                arena_printf(net->arena, "%s *workspace", net->own->training));
  add_parameter(net->arena, &list, "weights",
                arena_printf(net->arena, "const %s *weights", net->own->weights));
  add_parameter(net->arena, &list, "thread", "int thread");
  add_parameter(net->arena, &list, "threads", "int threads");
  put_signature(out, arena_printf(net->arena, "static void %s", net->own->pack_step), &list, " {\n");
  for (int i = 0; i < net->layout->train.members.n; i++) {
    const Member *member = net->layout->train.members.data[i];
    text_put(out, "  if (INT64_C(%" PRId64 ") * threads / %" PRId64 " == thread)\n  ",
             before + floats_in(member->bytes) / 2, all);
    put_member_packing(out, net, member, "workspace->");
    before += floats_in(member->bytes);
  }
  text_put(out, "}\n\n");
  list.n -= 2; /* without `thread` and `threads` */
  if (net_pool(net)) pool_describe(out, net, net->own->pack_step, &list, "", net->layout->train.members.n);
}

/* ---- subnormal weights, at run time ---- */
const char *pack_clears(const Net *net, Elem elem) {
  for (int i = 0; i < net->layout->infer.members.n; i++)
    if (net->weights && net->layout->infer.members.data[i]->elem == elem &&
        may_be_subnormal(net->layout->infer.members.data[i]))
      return elem == F32 ? net->own->clear_floats : net->own->clear_halves;
  return NULL;
}

static void put_clearing_functions(Text *out, const Net *net) {
  const char *floats = pack_clears(net, F32), *halves = pack_clears(net, BF16);
  if (floats || halves) text_put(out, "// Replaces subnormal weights by 0: many CPUs are slow on them.\n");
  if (floats)
    text_put(out,
             "static void %s(float *x, int64_t n) {\n  for (int64_t i = 0; i < n; i++)\n"
             "    if (x[i] > -0x1p-126f && x[i] < 0x1p-126f) x[i] *= 0.f; // keeps the sign\n}\n\n",
             floats);
  if (halves)
    text_put(out,
             "static void %s(uint16_t *x, int64_t n) {\n  for (int64_t i = 0; i < n; i++)\n"
             "    if (!(x[i] & 0x7f80)) x[i] &= 0x8000;\n}\n\n",
             halves);
}

static void put_clearing(Text *out, const Net *net) {
  for (int i = 0; i < net->layout->infer.members.n; i++) {
    const Member *member = net->layout->infer.members.data[i];
    if (may_be_subnormal(member))
      text_put(out, "  %s((%s *)model->%s, %" PRId64 ");\n", pack_clears(net, member->elem),
               elem_c_type(member->elem), member->name, member_elements(member));
  }
}

void put_pack(Text *out, Net *net) {
  if (net->pack.functions.n || net->layout->tables.n || net->weights)
    text_put(out, "/* ---- weights ---- */\n\n");
  put_tables(out, net);
  if (!net->weights) return; /* cnnc has packed the weights, or the net has none */
  put_functions(out, net, &net->pack);
  put_clearing_functions(out, net);
  text_put(out, "%svoid %s(%s *model, const %s *weights) {\n", net_linkage(net), net->own->pack,
           net->own->model, net->own->weights);
  if (!net->layout->infer.members.n) text_put(out, "  (void)weights;\n  memset(model, 0, sizeof *model);\n");
  put_packing(out, net, &net->layout->infer, "model->");
  put_clearing(out, net);
  text_put(out, "}\n\n");
}
