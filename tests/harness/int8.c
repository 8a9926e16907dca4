/* int8.c: Int8 models: a program quantized with random parameters, with each rounding. The results must equal
 * eval's results byte for byte, with reference and optimized schedules. Lowered programs run in the
 * interpreter; compiled code runs on every target of this CPU and, in emulators, on other targets. The code
 * for boards, with plain C in place of the boards' instructions, must give the same bytes. Only models with
 * layers in bf16 may differ from eval, by a little. */
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/quantized.h"
#include "bytes.h"
#include "check.h"
#include "emit/emit.h"
#include "graph/bf16.h"
#include "foreign.h"
#include "int8.h"
#include "int8_draw.h"
#include "machine.h"
#include "quantize/quantize.h"

typedef void InferFunction(void *const *input, void **output);

/* Sets the elements of the first image to the least number of their integer type, and the elements of the
 * second image to the greatest number. Float elements become -3 in the first image, 3 in the second. */
static void draw_extremes(Sample *s) {
  for (int i = 0; i < s->graph->inputs.n; i++) {
    const Node *node = s->graph->inputs.data[i].node;
    const int64_t n = shape_elements(node->shape);
    for (int64_t k = 0; k < (s->count < 2 ? s->count : 2) * n; k++) {
      const bool least = k < n;
      double *to = &s->input_double[i][k];
      if (node->port->elem == U8) *to = ((uint8_t *)s->input[i])[k] = least ? 0 : 255;
      else if (node->port->elem == I8) *to = ((int8_t *)s->input[i])[k] = least ? -128 : 127;
      else if (node->port->elem == I16) *to = ((int16_t *)s->input[i])[k] = least ? INT16_MIN : INT16_MAX;
      else *to = (double)(((float *)s->input[i])[k] = least ? -3.f : 3.f);
    }
  }
}

static double element(const Node *node, const void *output, int64_t i) {
  return node->elem == I8    ? ((const int8_t *)output)[i]
         : node->elem == U8  ? ((const uint8_t *)output)[i]
         : node->elem == I32 ? ((const int32_t *)output)[i]
                             : (double)((const float *)output)[i];
}

/* The largest permitted difference between an output and eval's output. Without bf16 it is 0. With bf16, the
 * products of a sum may be added in another order. Then a value may be rounded to another bf16 number, and
 * later to another byte. */
static double allowed(const Check *check, const Node *output) {
  const double STEPS = 2, SHARE = 0.03, *want = check->forward.value[output->id];
  const Quant *quant = output->nin ? output->in[0]->quant : NULL; /* scale of the value before the output */
  double most = 0;
  if (!graph_has_bf16(check->sample.graph)) return 0;
  if (output->elem != F32) return STEPS;
  for (int64_t i = 0; i < check->sample.count * shape_elements(output->shape); i++)
    most = fmax(most, fabs(want[i]));
  return fmax(SHARE * most, quant ? STEPS * (double)quant->scale : 0);
}

/* Number of output elements that differ from eval's by more than `allowed`. */
static double differences(const Check *check, double *const *numbers, void *const *bytes) {
  const Sample *s = &check->sample;
  double n = 0;
  for (int o = 0; o < s->graph->outputs.n; o++) {
    const Node *node = s->graph->outputs.data[o].node;
    const double room = allowed(check, node), *want = check->forward.value[node->id];
    for (int64_t i = 0; i < s->count * shape_elements(node->shape); i++) {
      const double got = numbers ? numbers[o][i] : element(node, bytes[o], i);
      n += got != want[i] && !(fabs(got - want[i]) <= room);
    }
  }
  return n;
}

/* ---- in the interpreter ---- */
/* Each run has its own arena, which is freed after the run, because a net is run hundreds of times. */
static void check_plan(const Check *check, Plan *plan, const char *rounding, const Target *target,
                       bool plain) {
  const Sample *s = &check->sample;
  Arena *arena = arena_new();
  Machine m = {.arena = arena,
               .plan = plan,
               .images = s->count,
               .batch = s->count,
               .single = true,
               .little_ram = plan->bands,
               .weights = s->weights_double,
               .input = s->input_double};
  const bool ran = machine_run(&m, target, plain);
  if (!ran) printf("# %s\n", m.error);
  report_error(check,
               arena_printf(s->arena, "%s: nests %s -O%d%s", rounding, target->name, plain ? 0 : 2,
                            plan->bands ? ", in bands" : ""),
               ran ? differences(check, m.output, NULL) : HUGE_VAL, 0);
  arena_free(arena);
}

static void check_nests_of(const Check *check, const char *rounding, const Target *target) {
  const Sample *s = &check->sample;
  const bool generic = !strcmp(target->name, "generic");
  for (int plain = 0; plain < 1 + generic; plain++) {
    PlanOptions options = {.fusing = plain ? FUSE_NOTHING : FUSE_ALL};
    check_plan(check, plan_new(s->arena, s->graph, PLAN_INFERENCE, options), rounding, target, plain);
    const bool bands = share_has_turn(&check->limits.share, (int)(target - target_table), 4);
    while (bands && sample_next_bands(s, &options))
      check_plan(check, plan_new(s->arena, s->graph, PLAN_INFERENCE, options), rounding, target, plain);
  }
}

/* Whether the target is one of the boards tested here. On this machine, their schedules run as plain C. These
 * boards have different instruction costs, which lead to different schedules, and one of them has vectors. */
static bool board_tried(const Target *target) {
  return target->dsp && (!strcmp(target->name, "armv7e-m") || !strcmp(target->name, "rv32imc") ||
                         !strcmp(target->name, "armv8.1-m"));
}

/* Whether this rounding is tested for the target. Roundings differ only in one primitive, so each target
 * tests only one rounding, and successive targets test different roundings. With $NETCHECK_ALL, or
 * if the program names its targets, each target tests all roundings. */
static bool has_rounding(const Check *check, const Target *target, const char *rounding) {
  Rounding turn = ROUNDING_SINGLE; /* used if `rounding` is not the name of a rounding */
  rounding_find(rounding, &turn);
  return share_has_turn(&check->limits.share, (int)(target - target_table) + (int)turn, ROUNDINGS);
}

/* False for a target that is meant only for nets with bf16 layers, if this net has no bf16 layers. */
static bool is_for_models(const Check *check, const Target *target) {
  return !target->for_bf16 || target->for_int8 || graph_has_bf16(check->sample.graph);
}

/* Checks the nests of the targets that have int8 schedules, and of the target generic, also with reference
 * schedules. Targets that do not test this rounding are left out. */
static void check_all_nests(const Check *check, const char *rounding) {
  for (const Target *target = target_table; target->name; target++)
    if (is_for_models(check, target) &&
        (target->dot != DOT_NONE || board_tried(target) || !strcmp(target->name, "generic")) &&
        has_rounding(check, target, rounding))
      check_nests_of(check, rounding, target);
  check_elements(check, rounding);
}

/* ---- compiled ---- */
static bool put_glue(const Check *check, const char *path) {
  const Sample *s = &check->sample;
  FILE *file = fopen(path, "w");
  if (!file) return false;
  fprintf(file,
          "#include \"net.h\"\nvoid glue(void *const *input, void **output);\n"
          "void glue(void *const *input, void **output) {\n  static %s_workspace workspace;\n",
          s->cname);
  const bool steps = s->graph->stream || graph_states(s->graph) > 0;
  if (steps)
    fprintf(file,
            "  static %s_state state;\n  for (int n = 0, call = 0; n < %lld; n += ++call %% %d == 0) {\n"
            "    if (call %% %d == 0) %s_reset(&state);\n    %s_step(&%s_trained",
            s->cname, (long long)s->count, STATE_CALLS, STATE_CALLS, s->cname, s->cname, s->cname);
  else
    fprintf(file, "  for (int n = 0; n < %lld; n++) %s_infer(&%s_trained", (long long)s->count, s->cname,
            s->cname);
  for (int i = 0; i < s->graph->inputs.n; i++) {
    const Node *node = s->graph->inputs.data[i].node;
    fprintf(file, ", (const %s *)input[%d] + n * %lld", elem_c_type(node->port->elem), i,
            (long long)shape_elements(node->shape));
  }
  for (int o = 0; o < s->graph->outputs.n; o++) {
    const Node *node = s->graph->outputs.data[o].node;
    fprintf(file, ", (%s *)output[%d] + n * %lld", elem_c_type(node->elem), o,
            (long long)shape_elements(node->shape));
  }
  fprintf(file, steps ? ", &state, &workspace);\n  }\n}\n" : ", &workspace);\n}\n");
  return fclose(file) == 0;
}

/* Options in place of a level such as -O2. LEAST means the option that least_flash returns. */
static const char TEAM[] = "--threads=openmp", SLOW_FLASH[] = "--flash-wait=20", LEAST[] = "the least flash";

/* --flash=BYTES with the size of the smallest model, which the compiler reports if the limit is smaller. */
static const char *least_flash(Arena *arena, const char *command) {
  return arena_printf(
      arena,
      "--flash=$(n=$(%s --flash=1 2>&1 | sed -n 's/.* needs \\([0-9,]*\\) bytes of flash.*/\\1/p' "
      "| tr -d ,); echo ${n:-1})",
      command);
}

static InferFunction *build(const Check *check, const char *weights, const char *target, const char *level) {
  static int variant;
  const Sample *s = &check->sample;
  const char *cnnc = getenv("CNNC") ? getenv("CNNC") : "cnnc",
             *dir = arena_printf(s->arena, "%s/int8-%d", check->work, variant++);
  InferFunction *infer = NULL;
  const char *command = arena_printf(s->arena,
                                     "%s -Wno-unread-input -Wno-unused-value -Wno-slide-whole -Wno-not-int8 "
                                     "-Wno-dead-filters %s %s --weights=%s -o %s/net.c --target=%s "
                                     "--prefix=%s",
                                     cnnc, s->options, s->path, weights, dir, target, s->cname);
  command = arena_printf(s->arena, "mkdir -p %s && %s %s", dir, command,
                         strcmp(level, LEAST) ? level : least_flash(s->arena, command));
  if (system(command) != 0 || !put_glue(check, arena_printf(s->arena, "%s/glue.c", dir))) return NULL;
  void *handle = share_library(&check->limits.share, s->arena, dir, strcmp(level, TEAM) ? "" : "-fopenmp");
  if (handle) *(void **)&infer = dlsym(handle, "glue");
  return infer;
}

static void check_compiled_of(const Check *check, const char *rounding, const char *weights,
                              const Target *target, const char *level) {
  const Sample *s = &check->sample;
  InferFunction *infer = build(check, weights, target->name, level);
  void **output = NEW_ARRAY(s->arena, void *, s->graph->outputs.n + 1);
  for (int o = 0; o < s->graph->outputs.n; o++)
    output[o] = NEW_ARRAY(s->arena, float, s->count *shape_elements(s->graph->outputs.data[o].node->shape));
  if (infer) infer(s->input, output);
  report_error(check, arena_printf(s->arena, "%s: infer %s %s", rounding, target->name, level),
               infer ? differences(check, NULL, output) : HUGE_VAL, 0);
}

/* ---- on other CPUs, in emulators ---- */
static int64_t slot_of(const Sample *s, const Node *node) { /* bytes reserved for a port, for all images */
  enum { LINE = 64 };
  return (s->count * shape_elements(node->shape) * (int64_t)sizeof(float) + LINE - 1) / LINE * LINE;
}

/* Appends bare_run and its buffers to glue.c. In the buffers, each port has its own slot. */
static bool put_bare(const Sample *s, const char *path, int64_t in, int64_t out) {
  FILE *file = fopen(path, "a");
  if (!file) return false;
  fprintf(file,
          "_Alignas(64) unsigned char bare_in[%lld], bare_out[%lld];\nconst long bare_in_bytes = %lld, "
          "bare_out_bytes = %lld;\nvoid bare_run(void);\nvoid bare_run(void) {\n  void *const input[] = {",
          (long long)in, (long long)out, (long long)in, (long long)out);
  int64_t at = 0;
  for (int i = 0; i < s->graph->inputs.n; at += slot_of(s, s->graph->inputs.data[i++].node))
    fprintf(file, "bare_in + %lld, ", (long long)at);
  fprintf(file, "};\n  void *output[] = {");
  at = 0;
  for (int o = 0; o < s->graph->outputs.n; at += slot_of(s, s->graph->outputs.data[o++].node))
    fprintf(file, "bare_out + %lld, ", (long long)at);
  fprintf(file, "};\n  glue(input, output);\n}\n");
  return fclose(file) == 0;
}

static void check_foreign_of(const Check *check, const char *rounding, const char *weights,
                             const Target *target) {
  const Sample *s = &check->sample;
  const char *cnnc = variable("CNNC", "cnnc"),
             *dir = arena_printf(s->arena, "%s/%s-%s", check->work, target->name, rounding),
             *glue = arena_printf(s->arena, "%s/glue.c", dir);
  int64_t in_bytes = 0, out_bytes = 0;
  for (int i = 0; i < s->graph->inputs.n; i++) in_bytes += slot_of(s, s->graph->inputs.data[i].node);
  for (int o = 0; o < s->graph->outputs.n; o++) out_bytes += slot_of(s, s->graph->outputs.data[o].node);
  unsigned char *in = NEW_ARRAY(s->arena, unsigned char, in_bytes),
                *out = NEW_ARRAY(s->arena, unsigned char, out_bytes), *at = in;
  void **output = NEW_ARRAY(s->arena, void *, s->graph->outputs.n + 1);
  for (int i = 0; i < s->graph->inputs.n; i++) {
    const Node *node = s->graph->inputs.data[i].node;
    memcpy(at, s->input[i],
           (size_t)(s->count * shape_elements(node->shape)) * (size_t)elem_bytes(node->port->elem));
    at += slot_of(s, node);
  }
  at = out;
  for (int o = 0; o < s->graph->outputs.n; at += slot_of(s, s->graph->outputs.data[o++].node)) output[o] = at;
  const char *command =
      arena_printf(s->arena,
                   "mkdir -p %s && %s -Wno-unread-input -Wno-unused-value -Wno-slide-whole -Wno-not-int8 "
                   "-Wno-dead-filters %s %s --weights=%s -o %s/net.c "
                   "--target=%s --prefix=%s",
                   dir, cnnc, s->options, s->path, weights, dir, target->name, s->cname);
  const bool ran = system(command) == 0 && put_glue(check, glue) && put_bare(s, glue, in_bytes, out_bytes) &&
                   foreign_run(s->arena, target, dir, in, (size_t)in_bytes, out, (size_t)out_bytes);
  report_error(check, arena_printf(s->arena, "%s: infer %s", rounding, target->name),
               ran ? differences(check, NULL, output) : HUGE_VAL, 0);
}

/* ---- a program ---- */
bool int8_quantize(Check *check, const char *weights) {
  Sample *s = &check->sample;
  Sources sources = {.arena = s->arena};
  Diags *diags = diags_new(s->arena, &sources);
  QuantFile *file = NULL;
  const WeightsSource way = {.path = weights};
  const bool read = quantized_read(s->arena, diags, &way, &file) && file;
  s->graph = read ? quantize_graph(s->arena, diags, s->graph, file, &(QuantizeOptions){0}) : NULL;
  if (!s->graph) {
    diags_print(diags, stderr, DIAG_TEXT, false);
    return false;
  }
  const float *weights_of_floats = constant_weights(s->arena, s->graph);
  s->weights_double = NEW_ARRAY(s->arena, double, s->graph->parameters + 1);
  for (int64_t i = 0; i < s->graph->parameters; i++) s->weights_double[i] = (double)weights_of_floats[i];
  return true;
}

/* Whether no value is computed in float. eval computes float values in double. Therefore a number close to
 * the middle between two int8 values may be rounded differently by eval and by a kernel. */
bool int8_whole_numbers(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (node->elem == F32 && !node_is_input(node) && strncmp(node->op->name, "int8_", 5) != 0) return false;
  }
  return true;
}

void int8_compare(Check *check, const char *rounding, const char *weights, int64_t images) {
  const int64_t all = check->sample.count;
  check->sample.count = images;
  check_all_nests(check, rounding);
  check->sample.count = all;
  for (const Target *target = target_table; target->name; target++) {
    if (!is_for_models(check, target) || !(target_runs_here(target) || board_tried(target)) ||
        !share_target(&check->limits.share, target->name))
      continue;
    if (!has_rounding(check, target, rounding)) continue;
    if (strcmp(target->name, "generic") == 0) check_compiled_of(check, rounding, weights, target, "-O0");
    const char *other = target->dsp ? SLOW_FLASH : target->dot != DOT_NONE ? TEAM : NULL;
    const int way = (int)(target - target_table);
    if (!other || share_has_turn(&check->limits.share, way, 2))
      check_compiled_of(check, rounding, weights, target, "-O2");
    if (other && share_has_turn(&check->limits.share, way + 1, 2))
      check_compiled_of(check, rounding, weights, target, other);
    if (target->dsp && share_has_turn(&check->limits.share, way + 2, 3))
      check_compiled_of(check, rounding, weights, target, LEAST);
  }
  for (const Target *target = target_table; target->name; target++)
    if (target_is_foreign(target) &&
        (target->vectors || (target->dot != DOT_NONE && !strcmp(rounding, "double"))) &&
        share_target(&check->limits.share, target->name) &&
        share_has_turn(&check->limits.share, (int)(target - target_table), 2) &&
        !foreign_missing(check->sample.arena, target))
      check_foreign_of(check, rounding, weights, target);
}

static void check_rounding(const Check *of, const char *rounding, bool nests) {
  Check check = *of;
  Sample *s = &check.sample;
  const char *weights = arena_printf(s->arena, "%s/%s-%s.safetensors", check.work, s->cname, rounding);
  if (!int8_draw(s->arena, s->graph, weights, rounding, SEED, nests) || !int8_quantize(&check, weights)) {
    report(false, &check, arena_printf(s->arena, "%s: quantized", rounding), HUGE_VAL, 0);
    return;
  }
  sample_draw(s, check.limits.images ? check.limits.images : 4, SEED);
  draw_extremes(s);
  if (nests && !graph_has_bf16(s->graph) && !int8_whole_numbers(s->graph)) return;
  check.forward = sample_infer(s);
  if (nests) check_all_nests(&check, rounding);
  else int8_compare(&check, rounding, weights, s->count);
}

void check_int8(Check *check, bool nests) {
  check->sample.training.graph = NULL;
  check_calibrated(check);
  for (int r = 0; r < ROUNDINGS; r++) check_rounding(check, rounding_name((Rounding)r), nests);
}
