/* accuracy.c: Rounding errors of float kernels, compared with double precision. Each operator of a training
 * graph is measured with its chosen schedule, and convolutions also with the other schedules. The gradients
 * of whole nets are measured, too. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "base/random.h"
#include "check.h"
#include "machine.h"
#include "kernel/map.h"
#include "schedule/choose.h"
#include "schedule/schedule.h"

static const double UNIT = 0x1p-23; /* spacing of floats at 1 */
static const double LARGER = 10; /* limit of a schedule's error, relative to the reference schedule's error */
static const double FLOATS = 16; /* the limit is at least this number of UNITs */
static const double TYPICAL = 8; /* Winograd, Strassen: least limit, as a multiple of the typical error */

/* ---- the table ---- */
typedef struct Row {
  const char *group, *schedule;
  const char *op; /* the operator with the largest error */
  double largest;
  VEC(double) error;
  VEC(double) plain; /* errors of the reference schedule for the same inputs */
} Row;

static Arena *rows_arena;
static VEC(Row *) rows;

static Row *row_of(const char *group, const char *schedule) {
  if (!rows_arena) rows_arena = arena_new();
  for (int i = 0; i < rows.n; i++)
    if (!strcmp(rows.data[i]->group, group) && !strcmp(rows.data[i]->schedule, schedule)) return rows.data[i];
  Row *row = NEW(rows_arena, Row);
  row->group = arena_printf(rows_arena, "%s", group);
  row->schedule = arena_printf(rows_arena, "%s", schedule);
  vec_push(rows_arena, rows, row);
  return row;
}

static void note(const char *group, const char *schedule, const char *op, double error, double plain) {
  Row *row = row_of(group, schedule);
  vec_push(rows_arena, row->error, error);
  vec_push(rows_arena, row->plain, plain);
  if (row->op && error <= row->largest) return;
  row->largest = error;
  row->op = arena_printf(rows_arena, "%s", op);
}

static int by_number(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b) {
  const Row *x = *(Row *const *)a, *y = *(Row *const *)b;
  const int group = strcmp(x->group, y->group);
  return group ? group : strcmp(x->schedule, y->schedule);
}

void accuracy_table(void) {
  if (!rows.n) return;
  qsort(rows.data, (size_t)rows.n, sizeof *rows.data, by_name);
  printf("# | kernels | schedule | number | median | worst | of | reference: median | worst |\n"
         "# |---|---|---|---|---|---|---|---|\n");
  for (int i = 0; i < rows.n; i++) {
    Row *row = rows.data[i];
    const int n = row->error.n;
    qsort(row->error.data, (size_t)n, sizeof(double), by_number);
    qsort(row->plain.data, (size_t)n, sizeof(double), by_number);
    printf("# | %s | %s | %d | %.0e | %.0e | %s | %.0e | %.0e |\n", row->group, row->schedule, n,
           row->error.data[n / 2], row->error.data[n - 1], row->op, row->plain.data[n / 2],
           row->plain.data[n - 1]);
  }
}

/* ---- one kernel ---- */
typedef struct Trial {
  const Check *check;
  const GraphRun *run; /* result of eval for the plan's graph */
  double **value;      /* by node id: the values of `run`, rounded to float; kernels read them */
  const Kernel *kernel;
  const Target *target;
  double least; /* errors are relative to at least this number, because sums may cancel */
} Trial;

static int64_t values_of(const Trial *t, const Node *node) {
  return shape_elements(node->shape) * (node->result == RESULT_BATCH ? 1 : t->run->count);
}

static double *pack_of(const Trial *t, const Pack *pack, bool single) {
  Arena *arena = t->check->sample.arena;
  const int64_t n = buf_elements(pack->out);
  double *out = NEW_ARRAY(arena, double, n + 1);
  Run *run = NEW(arena, Run);
  for (int64_t i = 0; pack->values && i < n; i++) out[i] = (double)((const float *)pack->values)[i];
  if (pack->values) return out;
  run->single = single;
  run->mem = NEW_ARRAY(arena, double *, pack->nest->nbufs + 1);
  for (int i = 0; i < pack->source.n; i++)
    run->mem[pack->source_buf.data[i]->id] =
        (double *)(uintptr_t)(t->run->weights + pack->source.data[i]->offset); /* only read */
  run->mem[pack->out->id] = out;
  nest_run(pack->nest, run);
  return out;
}

static double *keys_of(const Trial *t, const Node *node, int64_t image) {
  double *keys = NEW_ARRAY(t->check->sample.arena, double, 2);
  uint32_t key[2];
  random_keys(t->run->seed, t->run->step, (uint64_t)image, key);
  keys[0] = (int32_t)key[0];
  keys[1] = (int32_t)(key[1] ^ (uint32_t)node->salt);
  return keys;
}

static double *table_of(const Trial *t, const Binding *binding) {
  double *table = NEW_ARRAY(t->check->sample.arena, double, binding->elements + 1);
  for (int64_t i = 0; i < binding->elements; i++) table[i] = (double)binding->table[i];
  return table;
}

/* The numbers of an operand that does not depend on the image; NULL for other operands. */
static double *constant_of(const Trial *t, const Binding *binding, const Buf *buf, bool single) {
  Arena *arena = t->check->sample.arena;
  switch (binding->kind) {
  case BIND_PACK: return pack_of(t, binding->pack, single);
  case BIND_TABLE: return table_of(t, binding);
  case BIND_WEIGHT: return (double *)(uintptr_t)(t->run->weights + binding->weight->offset);
  case BIND_GRADIENT: {
    const Weight *weight = binding->weight;
    double *sum = NEW_ARRAY(arena, double, weight->size + 1);
    if (weight->statistic) memcpy(sum, t->run->weights + weight->offset, (size_t)weight->size * sizeof *sum);
    return sum;
  }
  case BIND_SCRATCH: return NEW_ARRAY(arena, double, buf_room(buf, 0) + 1);
  default: return NULL;
  }
}

/* Runs the kernel for all images; false: it failed, or it reads an input of the net, which this test does not
 * support. */
static bool run_kernel(const Trial *t, const Lower *l, bool single, double **out, int64_t *n) {
  Arena *arena = t->check->sample.arena;
  const Nest *nest = l->b;
  const bool once = t->kernel->batch, sum = lower_binding(l, l->out->id)->kind == BIND_GRADIENT;
  const int64_t size = shape_elements(t->kernel->result->shape);
  Run *run = NEW(arena, Run);
  run->mem = NEW_ARRAY(arena, double *, nest->nbufs + 1);
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place < STACK) run->mem[i] = constant_of(t, lower_binding(l, i), nest->buf[i], single);
  *n = sum ? lower_binding(l, l->out->id)->weight->size : values_of(t, t->kernel->result);
  *out = sum ? run->mem[l->out->id] : NEW_ARRAY(arena, double, larger(*n, buf_room(l->out, 0)) + 1);
  for (int64_t image = 0; image < (once ? 1 : t->run->count); image++) {
    for (int i = 0; i < nest->nbufs; i++) {
      if (nest->buf[i]->place >= STACK) continue;
      const Binding *binding = lower_binding(l, i);
      if (binding->kind == BIND_INPUT) return false;
      if (binding->kind == BIND_KEYS) run->mem[i] = keys_of(t, binding->node, image);
      if (binding->kind != BIND_VALUE) continue;
      const bool batch = binding->node->result == RESULT_BATCH;
      run->mem[i] = i == l->out->id ? *out + image * size
                                    : t->value[binding->node->id] +
                                          (batch ? 0 : image * shape_elements(binding->node->shape));
    }
    run->single = single;
    run->size[0] = once ? t->run->count : 1;
    if (!nest_run(nest, run)) {
      printf("# %s: %s\n", nest->name, run->error);
      return false;
    }
  }
  return true;
}

/* Lowers the kernel as for training; with `choices`, as for inference of one image. */
static const Lower *lowered(const Trial *t, bool plain, Tuning *choices) {
  const LowerOptions options = {.layout_lanes = t->target->lanes,
                                .plain = plain,
                                .batch = choices ? 0 : t->run->count + 2,
                                .call = choices != NULL,
                                .images = 1,
                                .tuning = choices};
  return schedule_kernel(t->check->sample.arena, t->kernel, t->target, &options);
}

static const char *operator_of(const Trial *t) {
  const Node *node = t->kernel->root, *forward = node_forward(node);
  if (node->op == &op_map_gradient)
    return arena_printf(t->check->sample.arena, "%s input gradient", forward->op->name);
  return node->op->name;
}

static const char *group_of(const Trial *t) {
  const Node *node = t->kernel->root, *forward = node_forward(node);
  const char *group = forward->op->group;
  switch (node->op->family) {
  case FAMILY_CONV:
  case FAMILY_CONV_SCATTER:
  case FAMILY_DEPTHWISE:
  case FAMILY_DEPTHWISE_SCATTER: return node == forward ? "convolution" : "convolution, input gradient";
  case FAMILY_CONV_WEIGHTS:
  case FAMILY_DEPTHWISE_WEIGHTS: return "convolution, weight gradient";
  case FAMILY_DENSE: return "dense";
  case FAMILY_DENSE_INPUT: return "dense, input gradient";
  case FAMILY_DENSE_WEIGHTS: return "dense, weight gradient";
  default: break;
  }
  if (!group) return "other";
  return node->hidden || node->backward ? arena_printf(t->check->sample.arena, "%s, backward pass", group)
                                        : group;
}

/* Compares the results of the lowered kernel with `want`, n numbers. *worst is the largest error so far, as a
 * fraction of its limit, and is updated. `plain`: error of the reference schedule. */
static void judge(const Trial *t, const Lower *l, const double *want, int64_t n, double plain,
                  double *worst) {
  const Candidate *candidate = &l->decision->candidates.data[l->decision->chosen];
  double *got;
  int64_t size;
  if (!run_kernel(t, l, true, &got, &size) || size != n) return;
  const double error = numbers_error(got, want, n, t->least);
  note(group_of(t), candidate->name, operator_of(t), error, plain);
  const double limit = fmax(fmax(LARGER * plain, FLOATS * UNIT), TYPICAL * candidate->error.typical);
  if (!(error <= limit))
    printf("# %s, %s, %s: error %.2g, limit %.2g, reference %.2g\n",
           t->kernel->root->name ? t->kernel->root->name : "", operator_of(t), candidate->name, error, limit,
           plain);
  *worst = worse(*worst, error / limit);
}

static void try_kernel(const Trial *t, double *worst) {
  Arena *arena = t->check->sample.arena;
  const Lower *plain = lowered(t, true, NULL), *first = lowered(t, false, NULL);
  double *want, *got;
  int64_t n, same;
  if (!run_kernel(t, plain, false, &want, &n) || !run_kernel(t, plain, true, &got, &same)) return;
  const double error = numbers_error(got, want, n, t->least);
  if (!isfinite(error)) return;
  judge(t, first, want, n, error, worst);
  const Decision *d = first->decision;
  const Family family = t->kernel->root->op->family;
  const bool chosen = !t->kernel->batch && (family == FAMILY_CONV || family == FAMILY_CONV_SCATTER ||
                                            family == FAMILY_CONV_WEIGHTS);
  for (int i = 0; i < d->candidates.n && chosen; i++) {
    if (i == d->chosen || d->candidates.data[i].refused) continue;
    Tuning choices = {.arena = arena};
    tuning_set(&choices, (Tuned){.target = d->target, .key = d->key, .choice = d->candidates.data[i].choice});
    judge(t, lowered(t, false, &choices), want, n, error, worst);
  }
}

/* ---- a plan ---- */
static double **in_floats(const Trial *t, const Graph *graph) {
  Arena *arena = t->check->sample.arena;
  double **value = NEW_ARRAY(arena, double *, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!t->run->value[i]) continue;
    const int64_t n = values_of(t, node);
    value[i] = NEW_ARRAY(arena, double, n + 1);
    for (int64_t k = 0; k < n; k++) value[i][k] = (double)(float)t->run->value[i][k];
  }
  return value;
}

static double plan_accuracy(const Check *check, const Plan *plan, const Target *target) {
  const Sample *s = &check->sample;
  double *gradients = NEW_ARRAY(s->arena, double, s->graph->parameters + 1), worst = 0;
  GraphRun run = {.count = s->count,
                  .training = true,
                  .seed = SEED,
                  .step = STEP,
                  .weights = s->weights_double,
                  .input = (const double *const *)s->input_double,
                  .target = (const double *const *)s->target_double,
                  .gradients = gradients};
  graph_run(s->arena, plan->graph, &run);
  Trial t = {.check = check, .run = &run, .target = target};
  t.value = in_floats(&t, plan->graph);
  for (int k = 0; k < plan->kernels.n; k++) {
    Kernel kernel = *plan->kernels.data[k];
    kernel.home = NULL; /* each value in its own buffer */
    kernel.over = NULL;
    t.kernel = &kernel;
    const Weight *summed = kernel.root->result == RESULT_SUM ? kernel.root->target : NULL;
    t.least = summed ? gradient_floor(s, &check->training, summed, 1e-2) : 0;
    try_kernel(&t, &worst);
  }
  return worst;
}

/* ---- whole nets ---- */
/* Gradients of the net, computed in floats; NULL if the interpreter failed. */
static const double *net_gradients(const Check *check, const Target *target, Plan *plan, bool plain,
                                   bool exact) {
  const Sample *s = &check->sample;
  Machine m = {.arena = s->arena,
               .plan = plan,
               .images = s->count,
               .batch = s->count + 2,
               .single = true,
               .exact = exact,
               .seed = SEED,
               .step = STEP,
               .weights = s->weights_double,
               .input = s->input_double,
               .target = s->target_double};
  return machine_run(&m, target, plain) ? m.gradients : NULL;
}

/* Error of the gradient of one weight, relative to the gradient's largest element. Because the summands of a
 * gradient may cancel, the error is relative to at least `least`, which depends on the size and the rounding
 * errors of the summands. */
static double gradient_error(const Check *check, const Weight *weight, const double *gradients,
                             const double *moved) {
  const double least = fmax(gradient_floor(&check->sample, &check->training, weight, 1e-2),
                            gradient_rounding(weight, moved) / check->limits.gradient);
  return numbers_error(gradients + weight->offset, check->gradients + weight->offset, weight->size, least);
}

static void note_net(const Check *check, const Target *target, const double *moved) {
  const Sample *s = &check->sample;
  const double *way[] = {
      net_gradients(check, target, plan_training(s->arena, s->graph, FUSE_NOTHING, 1), true, true),
      net_gradients(check, target, plan_training(s->arena, s->graph, FUSE_ALL, 1), false, true),
      net_gradients(check, target, plan_training(s->arena, s->graph, FUSE_ALL, 1), false, false)};
  static const char *const name[] = {"-O0", "-O2 --exact", "-O2"};
  const Graph *graph = s->training.graph;
  for (int w = 0; w < graph->weights.n && way[0]; w++) {
    const Weight *weight = graph->weights.data[w];
    if (weight->frozen || weight->statistic) continue;
    const double plain = gradient_error(check, weight, way[0], moved);
    for (int i = 0; i < 3; i++)
      if (way[i])
        note("whole nets, gradients of weights", name[i], weight->member,
             gradient_error(check, weight, way[i], moved), plain);
  }
}

void check_accuracy(Check *check) {
  const Sample *s = &check->sample;
  if (!check->gradients) return;
  const double *moved = sample_round(s, check->gradients);
  for (const Target *target = target_table; target->name; target++) {
    if (machine_seen(target, s->graph) || !share_target(&check->limits.share, target->name) ||
        !share_has_turn(&check->limits.share, (int)(target - target_table), 4))
      continue;
    double worst = plan_accuracy(check, plan_training(s->arena, s->graph, FUSE_NOTHING, 1), target);
    PlanOptions together = sample_together(s, target, false);
    together.fusing = FUSE_NOTHING;
    const Plan *plan = plan_new(s->arena, s->graph, PLAN_TRAINING, together);
    if (plan_any_together(plan)) worst = worse(worst, plan_accuracy(check, plan, target));
    note_net(check, target, moved);
    report_error(check,
                 arena_printf(s->arena, "rounding of kernels %s, as a fraction of the limit", target->name),
                 worst, 1);
  }
}
