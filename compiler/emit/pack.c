/* pack.c: weights from their natural layout to the order in which kernels read them: the functions that do it at run time, and the same done now for
 * weights that are compiled in, by running the same nests. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "emit/module.h"

/* ---- by the compiler ---- */
static void run_pack(Net *net, const Pack *pack, const float *weights, float *out) {
  const int64_t n = buf_elements(pack->out);
  Run run = {.single = true};
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

static const float *member_values(Net *net, const Member *member) {
  if (member->table) return member->table;
  if (member->copy) return net->options->weights + member->copy->offset;
  float *values = NEW_ARRAY(net->arena, float, member->floats);
  run_pack(net, member->pack, net->options->weights, values);
  return values;
}

/* ---- constants in the text ---- */
enum { LARGE_FLOATS = 1 << 18 }; /* from here on a string, which compilers read ten times faster */

/* With the braces of all dimensions. */
static int64_t put_nested(Text *out, const float *values, int rank, const int64_t *dim) {
  int64_t done = 0;
  text_put(out, "{");
  if (rank <= 1) {
    text_put(out, "\n");
    put_floats(out, values, dim[0], "    ");
    text_put(out, "  ");
    done = dim[0];
  }
  for (int64_t i = 0; rank > 1 && i < dim[0]; i++) {
    if (i) text_put(out, ", ");
    done += put_nested(out, values + done, rank - 1, dim + 1);
  }
  text_put(out, "}");
  return done;
}

/* The bytes of little-endian floats as a string. */
static void put_float_string(Text *out, const float *values, int64_t n) {
  enum { A_LINE = 16 };
  for (int64_t i = 0; i < n; i++) {
    if (i % A_LINE == 0) text_put(out, i ? "\"\n  \"" : "  \"");
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    char s[17];
    size_t length = 0;
    for (int k = 0; k < 4; k++) {
      const unsigned byte = bits >> (8 * k) & 255;
      s[length++] = '\\', s[length++] = (char)('0' + (byte >> 6)), s[length++] = (char)('0' + (byte >> 3 & 7)), s[length++] = (char)('0' + (byte & 7));
    }
    text_bytes(out, s, length);
  }
  text_put(out, "\"");
}

void put_string_table(Text *out, Net *net, const char *name, const Part *part, const float *flat, int64_t floats) {
  text_put(out, "#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n#error \"these weights are little-endian floats\"\n#endif\n");
  text_put(out, "#ifdef __GNUC__\n#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n#endif\n");
  text_put(out, "_Alignas(%d) static const char %s_%s[%" PRId64 " + 1] =\n", ALIGNMENT, net->name, name, 4 * floats);
  if (flat) put_float_string(out, flat, floats);
  for (int i = 0; part && i < part->members.n; i++) {
    text_put(out, "%s  /* %s */\n", i ? "\n" : "", part->members.data[i]->name);
    put_float_string(out, member_values(net, part->members.data[i]), part->members.data[i]->floats);
  }
  text_put(out, ";\n#ifdef __GNUC__\n#pragma GCC diagnostic pop\n#endif\n");
}

bool is_large(int64_t floats) { return floats > LARGE_FLOATS; }

static void put_tables(Text *out, Net *net) {
  for (int i = 0; i < net->tables.n; i++) {
    const Member *table = net->tables.data[i];
    text_put(out, "static const float %s_%s", net->name, table->name);
    put_dims(out, table->rank, table->dim);
    text_put(out, " = ");
    put_nested(out, member_values(net, table), table->rank, table->dim);
    text_put(out, ";\n\n");
  }
}

/* ---- at run time ---- */
static const char *weight_text(Net *net, const Weight *weight) { return arena_printf(net->arena, "weights->%s", name_identifier(net->arena, weight->name)); }

static void put_pack_call(Text *out, Net *net, const Member *member, const char *to) {
  const Pack *pack = member->pack;
  text_put(out, "  %s(", member->function->name);
  int n = 0;
  for (int i = 0; i < pack->nest->nbufs; i++) {
    if (pack->nest->buf[i]->place >= STACK || !emit_nest_uses(pack->nest, i)) continue;
    text_put(out, "%s", n++ ? ", " : "");
    if (i == pack->out->id) text_put(out, "%s", array_argument(net->arena, pack->nest, i, arena_printf(net->arena, "%s%s", to, member->name), member->rank, member->dim));
    for (int s = 0; s < pack->source.n; s++) {
      const Weight *weight = pack->source.data[s];
      if (pack->source_buf.data[s]->id == i) text_put(out, "%s", array_argument(net->arena, pack->nest, i, weight_text(net, weight), weight->rank, weight->dim));
    }
  }
  text_put(out, ");\n");
}

/* `to` is "model->": what stands before the names of the members. */
void put_packing(Text *out, Net *net, const Part *part, const char *to) {
  for (int i = 0; i < part->members.n; i++) {
    const Member *member = part->members.data[i];
    if (member->copy) text_put(out, "  memcpy(%s%s, %s, sizeof %s%s);\n", to, member->name, weight_text(net, member->copy), to, member->name);
    else put_pack_call(out, net, member, to);
  }
}

void put_pack(Text *out, Net *net) {
  if (net->pack.functions.n || net->tables.n || net->model) text_put(out, "/* ---- weights ---- */\n\n");
  put_tables(out, net);
  put_functions(out, &net->pack);
  if (!net->model) return;
  text_put(out, "%svoid %s_pack(%s_model *model, const %s_weights *weights) {\n", net_linkage(net), net->name, net->name, net->name);
  if (!net->infer.members.n) text_put(out, "  (void)weights;\n  memset(model, 0, sizeof *model);\n");
  put_packing(out, net, &net->infer, "model->");
  text_put(out, "}\n\n");
}

/* ---- compiled in ---- */
void put_trained(Text *out, Net *net) {
  if (!net->options->weights || !net->model || net->options->program) return;
  const int64_t floats = net_model_floats(net);
  if (is_large(floats) && net->infer.members.n) {
    put_string_table(out, net, "bytes", &net->infer, NULL, floats);
    text_put(out, "extern const %s_model %s_trained __attribute__((alias(\"%s_bytes\")));\n\n", net->name, net->name, net->name);
    return;
  }
  text_put(out, "_Alignas(%d) const %s_model %s_trained = {\n", ALIGNMENT, net->name, net->name);
  for (int i = 0; i < net->infer.members.n; i++) {
    const Member *member = net->infer.members.data[i];
    text_put(out, "  .%s = ", member->name);
    put_nested(out, member_values(net, member), member->rank, member->dim);
    text_put(out, ",\n");
  }
  if (!net->infer.members.n) text_put(out, "  {0}\n");
  text_put(out, "};\n\n");
}

void put_initial(Text *out, Net *net) {
  const int64_t n = net->graph->parameters;
  if (is_large(n)) {
    put_string_table(out, net, "initial", NULL, net->options->weights, n);
    text_put(out, "\n");
    return;
  }
  text_put(out, "static const float %s_initial[%" PRId64 "] = ", net->name, n);
  put_nested(out, net->options->weights, 1, &n);
  text_put(out, ";\n\n");
}
