/* none.c: Stubs for the parts that the browser build omits:
 * - recurrent layers, states, --stream and --slide
 * - attention, operators on parts of rows, audio operators, operators that compute or use indices, axis=
 * - the operators sin, cos, floor, modulo, rmsnorm, stochastic_pool, panoptic
 * - schedules and instructions for int8 models and bf16
 * - Strassen schedules, schedules for convolutions with groups narrower than a vector, for transposed
 *   convolutions with few filters, and for convolutions after nearest upsampling
 * - four schedules for weight gradients (Winograd, by rows, narrow groups, bf16)
 * - tuning, flash and RAM budgets, row bands, rematerialization, merging of functions that differ in numbers
 * - dumps of trees, graphs, programs, nests and schedules; the interpreter of nests
 * - calibration of recurrent layers and indices
 * - embedded weights, translation units, exchange between processes, the help of the command line */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "driver/compilation.h"
#include "emit/emit.h"
#include "emit/prelude.h"
#include "report/dot.h"
#include "report/graph_dump.h"
#include "driver/command.h"
#include "driver/help.h"
#include "passes/passes.h"
#include "lir/layout.h"
#include "lir/lir.h"
#include "schedule/schedule.h"
#include "schedule/float/conv_repeated.h"
#include "schedule/float/conv_tile.h"
#include "schedule/float/strassen.h"
#include "schedule/tuning.h"
#include "syntax/ast.h"
#include "driver/tune.h"
#include "kernel/parts.h"
#include "ops/activation/lines.h"
#include "ops/recurrent/recurrent.h"
#include "ops/shape/stream_mask.h"
#include "passes/passes.h"
#include "quantize/calibrator.h"
#include "sema/fix.h"

/* Schedules that apply to no kernel. */
const Schedule schedule_conv_repeated = {.name = "conv_repeated"};
const Schedule schedule_conv_joined = {.name = "conv_joined"};
const Schedule schedule_conv_groups = {.name = "conv_groups"};
const Schedule schedule_conv_groups_weights = {.name = "conv_groups_weights"};
const Schedule schedule_conv_winograd_weights = {.name = "conv_winograd_weights"};
const Schedule schedule_conv_weights_matrix = {.name = "conv_weights_matrix"};
const Schedule schedule_conv_rows_weights = {.name = "conv_rows_weights"};
const Schedule schedule_conv_strassen = {.name = "conv_strassen"};
const Schedule schedule_dense_strassen = {.name = "dense_strassen"};
const Schedule schedule_int8_direct = {.name = "int8_direct"};
const Schedule schedule_int8_matrix = {.name = "int8_matrix"};
const Schedule schedule_int8_phases = {.name = "int8_phases"};
const Schedule schedule_int8_depthwise = {.name = "int8_depthwise"};
const Schedule schedule_int8_winograd = {.name = "int8_winograd"};
const Schedule schedule_int8_strassen = {.name = "int8_strassen"};
const Schedule schedule_dsp_plain = {.name = "dsp_plain"};
const Schedule schedule_dsp_sum = {.name = "dsp_sum"};
const Schedule schedule_helium_product = {.name = "helium_product"};
const Schedule schedule_helium_depthwise = {.name = "helium_depthwise"};
const Schedule schedule_dsp_direct = {.name = "dsp_direct"};
const Schedule schedule_dsp_depthwise = {.name = "dsp_depthwise"};
const Schedule schedule_dsp_winograd = {.name = "dsp_winograd"};

bool fix_program(Arena *arena, const FixInput *input, const char **path, const char **why) {
  (void)arena, (void)input, (void)path, (void)why;
  return true; /* not called: there is no --fix */
}

/* Operators that the browser build only reports as missing. */
static void absent_shape(ShapeContext *context, Node *node) {
  op_error(context, node, DIAG_unknown_operator, "the browser build has no %s; use cnnc itself",
           node->op->name);
}
static const Param absent_params[] = {{"x", PARAM_OPERANDS, "", "", 0, 0, NULL}, {0}};
#define ABSENT(operator)                                                                                     \
  extern const Op op_##operator;                                                                             \
  const Op op_##operator = {                                                                                 \
      .name = #operator, .group = "attention", .params = absent_params, .shape = absent_shape};
ABSENT(lstm)
ABSENT(gru)
ABSENT(svdf)
ABSENT(rnn)
ABSENT(state)
ABSENT(update)
ABSENT(argmax)
ABSENT(topk)
ABSENT(gather)
ABSENT(one_hot)
ABSENT(embedding)
ABSENT(grid_sample)
ABSENT(deformable_attention)
ABSENT(rotary)
ABSENT(floor)
ABSENT(modulo)
ABSENT(sin)
ABSENT(cos)
ABSENT(unfold)
ABSENT(preemphasis)
ABSENT(stft)
ABSENT(mel)
ABSENT(dct)
ABSENT(decibel)
ABSENT(pcen)
ABSENT(micro_frontend)
ABSENT(spec_mask)
ABSENT(split_heads)
ABSENT(join_heads)
ABSENT(split_windows)
ABSENT(join_windows)
ABSENT(split_rows)
ABSENT(join_rows)
ABSENT(transpose)
ABSENT(matmul)
ABSENT(attention)
ABSENT(multihead_attention)
ABSENT(relative_bias)
ABSENT(rmsnorm)
ABSENT(panoptic)
ABSENT(stochastic_pool)
const Op op_whole = {.name = "whole numbers"};

int64_t recurrent_summed_bias(const Recurrent *r) { return (void)r, 0; }

/* Stubs for states; none_emit.c has more of these stubs. */
void pass_states(PassState *state) { (void)state; }
Graph *states_last(Arena *arena, Graph *graph) { return (void)arena, graph; }

/* Training with `steps`, which only nets with states have. */
Node *calls_part(Graph *graph, Node *all, Shape shape, int64_t k) {
  return (void)graph, (void)shape, (void)k, all;
}
Node *calls_after(Graph *graph, Node *all, int64_t calls, int64_t first) {
  return (void)graph, (void)calls, (void)first, all;
}
Node *calls_joined(Graph *graph, int64_t n, Node *const *value) { return (void)graph, (void)n, value[0]; }
Node *calls_member(const Node *all, int64_t k) { return (void)all, (void)k, NULL; }
Node *calls_truncated(Graph *graph, Node *value) { return (void)graph, value; }

/* Operators on parts of rows, and axis=. */
Val parts_load(Lower *l, Buf *buf, const Ix *n, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  (void)buf, (void)n, (void)y, (void)x, (void)c, (void)part, (void)lanes;
  return num(l->b, 0);
}
Node *parts_gradient(Gradient *gradient, Node *of, Shape operand, Node *dx) {
  return (void)gradient, (void)of, (void)operand, dx;
}
const Param lines_params[] = {LINES_AXIS, {0}};
void lines_shape(ShapeContext *context, Node *node, const Op *other) {
  (void)other;
  if (arg_is(node, "axis", "channels")) node->shape = node->in[0]->shape;
  else
    op_error(context, node, DIAG_unknown_operator, "the browser build has no axis= of %s; use cnnc itself",
             node->op->name);
}
StreamRule lines_stream_rule(const Node *node) { return (void)node, STREAM_WHOLE; }
int64_t lines_length(const Node *node) { return shape_extent(node->shape).c; }
void lines_run(const Eval *eval, LinesEval of_line) { (void)eval, (void)of_line; }
void lines_lower(Lower *l, LinesBody body) { (void)l, (void)body; }
Val line_sum(const Line *line, const char *name, LineValue value, const void *context) {
  (void)name, (void)value, (void)context;
  return num(line->l->b, 0);
}
Val line_max(const Line *line) { return num(line->l->b, 0); }
void line_store(const Line *line, LineValue value, const void *context) {
  (void)line, (void)value, (void)context;
}

/* --stream and --slide. */
Graph *stream_graph(Arena *arena, Diags *diags, const Graph *from, const Graph *written,
                    const Streaming *options) {
  (void)arena, (void)from, (void)options;
  diag_report(diags, DIAG_stream_whole, written->name_span, NULL,
              "the browser build has no --stream; use cnnc itself");
  return NULL;
}
double stream_first_row(const Eval *eval, const StreamRow *row) { return (void)eval, (void)row, 0; }
Val stream_row_number(Lower *l, const StreamRow *row, const Ix *index) {
  return (void)row, (void)index, num(l->b, 0);
}

const char prelude_sine[] = "", prelude_floor[] = "";

bool strassen_takes(const Correlation *k) {
  (void)k;
  return false;
}

const char *strassen_refused_for(Arena *arena, const Target *layout, bool exact, const Correlation *k,
                                 int parts) {
  (void)arena, (void)layout, (void)exact, (void)k, (void)parts;
  return "the browser build has no Strassen";
}

/* For int8 products, which the browser build omits (schedule/int8/int8_words.h). */
Val halves_plus(Val, Val), wrapped_plus(Val, Val), wrapped_minus(Val, Val);
Val halves_plus(Val a, Val b) { return (void)b, a; }
Val wrapped_plus(Val a, Val b) { return (void)b, a; }
Val wrapped_minus(Val a, Val b) { return (void)b, a; }

/* The browser build has no diagonals of groups (schedule/float/conv_diagonals.c). */
int diagonal_cuts(const Direct *d) { return (void)d, 1; }
int diagonal_pieces(const Direct *d) { return (void)d, 1; }
int diagonal_squares(const Direct *d) { return (void)d, 1; }
int diagonal_pixels(const Direct *d, int64_t width) { return (void)d, (int)width; }
int diagonal_inputs(const Tile *t, int input) { return (void)t, input; }
void diagonal_terms(Tile *t, int cut) { (void)t, (void)cut; }
bool diagonal_starts_with_bias(const Direct *d) { return (void)d, false; }
void diagonal_keep(Nest *b, const Tile *t, Buf *acc) { (void)b, (void)t, (void)acc; }
void diagonal_outputs(Nest *b, const Tile *t, Buf *acc, const Ix *pixel, Val out[MOST_VECTORS]) {
  (void)b, (void)t, (void)acc, (void)pixel, (void)out;
}

bool *conv_repeated_where(Arena *arena, const Graph *graph, const Target *target) {
  (void)target;
  return NEW_ARRAY(arena, bool, graph->nodes.n);
}

const char *primitive_text(Arena *arena, const Primitive *primitive) {
  (void)arena, (void)primitive;
  return "";
}

EmitUnit *emit_units(Arena *arena, Net *net, bool several, int *n) {
  EmitUnit *unit = NEW(arena, EmitUnit);
  (void)several;
  unit->text.arena = arena;
  emit_c(&unit->text, net);
  return *n = 1, unit;
}

KernelCache *kernel_cache_new(Arena *arena) {
  return (void)arena, NULL;
} /* only fitting to a board reuses kernels */
void kernel_cache_begin(KernelCache *kept, ProgramKind kind, const Graph *graph) {
  (void)kept, (void)kind, (void)graph;
}
Lower *kernel_cache_get(KernelCache *kept, Arena *arena, const Kernel *kernel, const Target *target,
                        const LowerOptions *options) {
  return (void)kept, (void)arena, (void)kernel, (void)target, (void)options, NULL;
}
void merge_similar(Arena *arena, Functions *functions) { (void)arena, (void)functions; }

const char prelude_lookup[] = "";

void prelude_vector_primitive(Text *out, const Primitive *primitive, int lanes, const PreludeNames *names) {
  (void)out, (void)primitive, (void)lanes, (void)names;
}

bool prelude_vector_of_floats(const Primitive *primitive) {
  (void)primitive;
  return false;
}

const char *prelude_bf16(PreludeFn fn, int lanes, int most) {
  return (void)fn, (void)lanes, (void)most, NULL;
}
const char *prelude_f16(int lanes, int most) { return (void)lanes, (void)most, NULL; }
const char *prelude_helium(PreludeFn fn, Elem elem, int lanes) {
  (void)fn, (void)elem, (void)lanes;
  return NULL;
}

bool tune_kernels(const TuneJob *job, const char **why) {
  (void)job;
  *why = "the browser build runs no programs";
  return false;
}

Tuned *tuning_find(const Tuning *tuning, const char *target, const char *key) {
  (void)tuning, (void)target, (void)key;
  return NULL;
}

const char *tuning_choice(Arena *arena, const Choice *choice) {
  (void)arena, (void)choice;
  return "";
}

void tuning_read(Tuning *tuning, Diags *diags, const Sources *sources, uint32_t file) {
  (void)tuning, (void)diags, (void)sources, (void)file;
}

void tuning_put(Text *out, const Tuning *tuning, const char *program) {
  (void)out, (void)tuning, (void)program;
}

void tuning_report(const Tuning *tuning, Diags *diags) { (void)tuning, (void)diags; }

void pass_bands(PassState *state) { (void)state; }

void fit_ram(Compilation *c) { (void)c; }

void fit_flash(Compilation *c) { (void)c; }

bool fits_board(Compilation *c) { return (void)c, true; }

void graph_dot(Text *out, const Graph *graph) { (void)out, (void)graph; }

void graph_dump(Text *out, const Graph *graph) { (void)out, (void)graph; }

void plan_dump(Text *out, const Plan *plan) { (void)out, (void)plan; }

void nest_dump(Text *out, const Nest *nest) { (void)out, (void)nest; }

bool nest_run(const Nest *nest, Run *run) {
  (void)nest;
  snprintf(run->error, sizeof run->error, "the browser build reads no weights");
  return false;
}

bool nest_fill(const Nest *nest, const float *const *from, float *to) {
  (void)nest, (void)from, (void)to;
  return false;
}

void program_dump(Text *out, const Program *program) { (void)out, (void)program; }

void program_nests(Text *out, const Programs *programs) { (void)out, (void)programs; }

void program_schedules(Text *out, const Programs *programs, const ProgramOptions *options,
                       const Sources *sources) {
  (void)out, (void)programs, (void)options, (void)sources;
}

void help_options(Text *out) { text_put(out, "No help in the browser; see cnnc --help.\n"); }

bool help_topic(Text *out, const char *name) {
  (void)name;
  help_options(out);
  return true;
}

const char *const *help_names(Arena *arena) {
  static const char *const none[] = {NULL};
  (void)arena;
  return none;
}

int command_help(Arena *arena, const Command *command) {
  (void)arena;
  return printf("No help in the browser; see cnnc %s --help.\n", command->name), 0;
}

void ast_dump(Text *out, const Ast *ast) { (void)out, (void)ast; }

void program_share(Program *p, Arena *arena, const Graph *written) { (void)p, (void)arena, (void)written; }

/* No recomputation: a net that does not fit into --memory without it is rejected. */
Plan *plan_training_within(Arena *arena, const Graph *graph, PlanOptions options, int64_t room,
                           int64_t shards) {
  (void)room, (void)shards;
  return plan_new(arena, graph, PLAN_TRAINING, options);
}

int64_t stream_rows(Shape shape) { return (void)shape, 0; }

/* Calibration of recurrent layers and indices. */
bool calibrate_indices(Calibrator *k, const Node *node, bool for_floats) {
  return (void)k, (void)node, (void)for_floats, false;
}
bool calibrate_has_form(const Calibrator *k, const Node *node) { return (void)k, (void)node, true; }
double calibrate_sums_beyond(const Calibrator *k, const Node *node) { return (void)k, (void)node, 0; }
bool quantize_is_border(const Node *node) { return node->op->traits.padding != NULL; }
void calibrate_recurrent(Calibrator *k, const Node *node) { (void)k, (void)node; }
void calibrate_svdf(Calibrator *k, const Node *node) { (void)k, (void)node; }
