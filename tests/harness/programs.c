/* programs.c: Mutants of lowered programs. Each mutant has one mistake: for example, a moved buffer, a
 * missing barrier, two exchanged calls or a shortened lifetime. program_verify must reject every mutant that
 * gives wrong results in the interpreter. The interpreter runs a mutant in several orders in which the
 * threads of a team may run it; wrong results in one order are enough. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "machine.h"
#include "ops/registry.h"

/* ---- numbers drawn ---- */
typedef struct Draw {
  uint64_t state;
} Draw;

static int64_t draw(Draw *d, int64_t n) { /* 0 .. n-1 */
  d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int64_t)((d->state >> 33) % (uint64_t)(n > 0 ? n : 1));
}

/* ---- a copy to be damaged ---- */
static void *copied(Arena *arena, const void *from, size_t size) {
  void *to = arena_alloc(arena, size + 1);
  memcpy(to, from, size);
  return to;
}
#define COPIED(arena, array, n) copied(arena, array, (size_t)(n) * sizeof *(array))

static Program *program_copy(Arena *arena, const Program *p) {
  Program *copy = COPIED(arena, p, 1);
  copy->calls.data = COPIED(arena, p->calls.data, p->calls.n);
  copy->phases.data = COPIED(arena, p->phases.data, p->phases.n);
  if (p->copies.n) copy->copies.data = COPIED(arena, p->copies.data, p->copies.n);
  if (p->sums.n) copy->sums.data = COPIED(arena, p->sums.data, p->sums.n);
  if (p->cleared.n) copy->cleared.data = COPIED(arena, p->cleared.data, p->cleared.n);
  if (p->initial.n) copy->initial.data = COPIED(arena, p->initial.data, p->initial.n);
  copy->value = COPIED(arena, p->value, 1);
  copy->value[0] = COPIED(arena, p->value[0], p->graph->nodes.n);
  for (int c = 0; c < p->calls.n; c++) {
    const Version *version = p->calls.data[c].version;
    copy->calls.data[c].version = COPIED(arena, version, 1);
    copy->calls.data[c].version[0].argument = COPIED(arena, version->argument, version->lower->b->nbufs);
  }
  return copy;
}

/* ---- damages: false if there is nothing to damage ---- */
static bool movable(const Operand *operand) {
  const SpaceKind space = operand->place.space;
  return operand->used && (space >= SPACE_ARENA || space == SPACE_OUTPUT) && !operand->repeated;
}

static Operand *some_operand(Draw *d, Program *p) {
  for (int tries = 0; tries < 50; tries++) {
    const Version *version = &p->calls.data[draw(d, p->calls.n)].version[0];
    Operand *operand = &version->argument[draw(d, version->lower->b->nbufs)];
    if (movable(operand)) return operand;
  }
  return NULL;
}

static int64_t step(Draw *d) {
  static const int64_t steps[] = {4, 16, 64, 256, 1024};
  return steps[draw(d, 5)] * (draw(d, 2) ? 1 : -1);
}

static bool move_place(Draw *d, Program *p) {
  Operand *operand = some_operand(d, p);
  if (operand) operand->place.offset += step(d);
  return operand != NULL;
}

static bool swap_place(Draw *d, Program *p) { /* moves a buffer to the address of another buffer */
  Operand *operand = some_operand(d, p), *other = some_operand(d, p);
  if (!operand || !other || operand->place.space != other->place.space) return false;
  operand->place.offset = other->place.offset;
  return true;
}

static bool change_stride(Draw *d, Program *p) {
  Operand *operand = some_operand(d, p);
  if (!operand || !operand->place.stride) return false;
  operand->place.stride += draw(d, 2) ? step(d) : -operand->place.stride;
  return true;
}

static bool change_space(Draw *d, Program *p) {
  Operand *operand = some_operand(d, p);
  if (!operand) return false;
  operand->place.space = operand->place.space == SPACE_ARENA ? SPACE_ALL : SPACE_ARENA;
  return true;
}

static bool drop_barrier(Draw *d, Program *p) {
  const int from = (int)draw(d, p->calls.n + p->phases.n);
  for (int i = 0; i < p->calls.n + p->phases.n; i++) {
    const int k = (from + i) % (p->calls.n + p->phases.n);
    bool *barrier =
        k < p->calls.n ? &p->calls.data[k].version[0].barrier : &p->phases.data[k - p->calls.n].barrier;
    if (!*barrier) continue;
    *barrier = false;
    return true;
  }
  return false;
}

static bool exchange_calls(Draw *d, Program *p) {
  const int a = (int)draw(d, p->calls.n), b = draw(d, 2) ? a + 1 : (int)draw(d, p->calls.n);
  if (a == b || b >= p->calls.n || p->calls.data[a].how != p->calls.data[b].how) return false;
  const KernelCall call = p->calls.data[a];
  p->calls.data[a] = p->calls.data[b];
  p->calls.data[b] = call;
  return true;
}

/* Moves a value and all of its parts, at every use. */
static void move_value(Program *p, int home, int64_t by) {
  for (int i = 0; i < p->graph->nodes.n; i++)
    if (p->home[i].node->id == home) p->value[0][i].offset += by;
  for (int c = 0; c < p->calls.n; c++) {
    const Version *version = &p->calls.data[c].version[0];
    for (int i = 0; i < version->lower->b->nbufs; i++) {
      Operand *operand = &version->argument[i];
      if (movable(operand) && operand->binding->kind == BIND_VALUE &&
          p->home[operand->binding->node->id].node->id == home)
        operand->place.offset += by;
    }
  }
}

/* Moves a value to the address of another value in the same space, as if the lifetime of one of the two were
 * shorter. If the other value is in a different space, moves the value by a small offset. */
static bool shorten_life(Draw *d, Program *p) {
  Operand *operand = some_operand(d, p), *other = some_operand(d, p);
  if (!operand || !other || operand->binding->kind != BIND_VALUE) return false;
  const bool same = operand->place.space == other->place.space && other->binding != operand->binding;
  const int64_t by = same ? other->place.offset - operand->place.offset : step(d);
  move_value(p, p->home[operand->binding->node->id].node->id, by);
  return by != 0;
}

static bool shrink_space(Draw *d, Program *p) {
  Space *space = &p->space[SPACE_ARENA + draw(d, SPACE_BATCH - SPACE_ARENA + 1)];
  if (!space->bytes) return false;
  space->bytes -= 4 * (1 + draw(d, 32));
  if (space->bytes < 0) space->bytes = 0;
  return true;
}

static bool move_phase(Draw *d, Program *p) { /* moves a call to the next phase, or the previous one */
  if (p->phases.n < 2) return false;
  const int i = (int)draw(d, p->phases.n - 1);
  Phase *phase = &p->phases.data[i], *next = phase + 1;
  const int by = draw(d, 2) ? 1 : -1;
  if (phase->n + by < 1 || next->n - by < 1) return false;
  phase->n += by;
  next->first += by;
  next->n -= by;
  return true;
}

static bool exchange_phases(Draw *d, Program *p) {
  if (p->phases.n < 3) return false;
  const int i = (int)draw(d, p->phases.n - 2);
  Phase phase = p->phases.data[i];
  p->phases.data[i] = p->phases.data[i + 1];
  p->phases.data[i + 1] = phase;
  return true;
}

static bool move_copy(Draw *d, Program *p) {
  if (!p->copies.n) return false;
  p->copies.data[draw(d, p->copies.n)].after = (int)draw(d, p->calls.n);
  return true;
}

static bool cut(Draw *d, Stretches *of) {
  if (!of->n) return false;
  Stretch *stretch = &of->data[draw(d, of->n)];
  if (draw(d, 2)) stretch->from += 4 * (1 + draw(d, 16));
  else stretch->to -= 4 * (1 + draw(d, 16));
  return stretch->from < stretch->to;
}

static bool cut_sum(Draw *d, Program *p) { return p->shards > 1 && cut(d, &p->sums); }
static bool cut_cleared(Draw *d, Program *p) { return cut(d, &p->cleared); }

static bool change_fill(Draw *d, Program *p) {
  if (!p->initial.n) return false;
  Fill *fill = &p->initial.data[draw(d, p->initial.n)];
  switch (draw(d, 4)) {
  case 0: fill->value += 1; break;
  case 1: fill->from += 4 * (1 + draw(d, 4)); break;
  case 2: fill->to -= 4 * (1 + draw(d, 4)); break;
  default: fill->state = (int)draw(d, graph_states(p->graph));
  }
  return true;
}

/* The last operand through which the call writes a state, or NULL. */
static Operand *state_written(const KernelCall *call) {
  const Version *version = &call->version[0];
  Operand *found = NULL;
  for (int k = 0; k < version->lower->b->nbufs; k++) {
    Operand *operand = &version->argument[k];
    if (operand->used && operand->place.space == SPACE_STATE && version->lower->b->buf[k]->place >= OUTPUT)
      found = operand;
  }
  return found;
}

static bool drop_update(Draw *d, Program *p) { /* a call does not update its state */
  const int from = (int)draw(d, p->calls.n);
  for (int i = 0; i < p->calls.n; i++) {
    Operand *operand = state_written(&p->calls.data[(from + i) % p->calls.n]);
    if (!operand) continue;
    operand->place.space = SPACE_ARENA; /* writes the value to another address */
    operand->place.offset = 0;
    return true;
  }
  return false;
}

static bool early_update(Draw *d, Program *p) { /* a call that writes a state runs before earlier calls */
  const int from = (int)draw(d, p->calls.n);
  for (int i = 0; i < p->calls.n; i++) {
    const int c = (from + i) % p->calls.n;
    if (!c || !state_written(&p->calls.data[c])) continue;
    const int to = (int)draw(d, c);
    const KernelCall call = p->calls.data[c];
    for (int k = to; k < c; k++)
      if (p->calls.data[k].how != call.how) return false;
    memmove(&p->calls.data[to + 1], &p->calls.data[to], (size_t)(c - to) * sizeof call);
    p->calls.data[to] = call;
    return true;
  }
  return false;
}

static bool swap_states(Draw *d, Program *p) { /* a call reads or writes a wrong state */
  for (int tries = 0; tries < 50; tries++) {
    const Version *version = &p->calls.data[draw(d, p->calls.n)].version[0];
    Operand *operand = &version->argument[draw(d, version->lower->b->nbufs)];
    const int other = (int)draw(d, graph_states(p->graph));
    if (!operand->used || operand->place.space != SPACE_STATE || operand->place.index == other) continue;
    operand->place.index = other;
    return true;
  }
  return false;
}

/* A call reads or writes a state without the state's first row or without its last row. */
static bool less_history(Draw *d, Program *p) {
  for (int tries = 0; tries < 50; tries++) {
    const Version *version = &p->calls.data[draw(d, p->calls.n)].version[0];
    Operand *operand = &version->argument[draw(d, version->lower->b->nbufs)];
    if (!operand->used || operand->place.space != SPACE_STATE || operand->place.bytes <= operand->place.pitch)
      continue;
    operand->place.bytes -= operand->place.pitch;
    if (draw(d, 2)) operand->place.offset += operand->place.pitch;
    return true;
  }
  return false;
}

static bool (*const damages[])(Draw *, Program *) = {
    move_place,   swap_place,   change_stride, change_space,    drop_barrier, exchange_calls, shorten_life,
    shorten_life, shrink_space, move_phase,    exchange_phases, move_copy,    cut_sum,        drop_barrier,
    move_place,   cut_cleared,  change_fill,   drop_update,     swap_states,  early_update,   less_history};
static const char *const damage_names[] = {
    "place moved",      "place of another", "stride changed", "space changed",   "barrier dropped",
    "calls exchanged",  "lifetime cut",     "lifetime cut",   "space shrunk",    "phase moved",
    "phases exchanged", "copy moved",       "sum cut",        "barrier dropped", "place moved",
    "cleared less",     "fill changed",     "update dropped", "another state",   "update early",
    "history less"};
enum { DAMAGES = sizeof damages / sizeof *damages };

/* ---- the results of a run ---- */
typedef struct Results {
  double *number;
  int64_t n;
} Results;

static Results results_of(const Machine *m) {
  const Program *p = m->program;
  const Graph *graph = p->graph;
  const bool training = p->kind == PROGRAM_TRAINING;
  Results r = {NULL, 0};
  for (int o = 0; o < graph->outputs.n; o++) r.n += m->images * shape_elements(p->output[o]->shape);
  const int states = graph_states(graph);
  for (int k = 0; k < states; k++) r.n += m->images * shape_elements(graph_state(graph, k)->shape);
  const int64_t shares = training ? graph->training->losses.n * m->images : 0,
                gradients = training ? graph->parameters : 0;
  r.number = NEW_ARRAY(m->arena, double, r.n + shares + gradients + 1);
  double *to = r.number;
  for (int o = 0; o < graph->outputs.n; o++) {
    const int64_t n = m->images * shape_elements(p->output[o]->shape);
    memcpy(to, m->output[o], (size_t)n * sizeof *to);
    to += n;
  }
  for (int k = 0; k < states; k++) {
    const int64_t n = m->images * shape_elements(graph_state(graph, k)->shape);
    memcpy(to, m->state[k], (size_t)n * sizeof *to);
    to += n;
  }
  for (int i = 0; training && i < graph->training->losses.n; i++) {
    if (m->loss[i]) memcpy(to, m->loss[i], (size_t)m->images * sizeof *to);
    else *to = NAN;
    to += m->images;
  }
  if (gradients) memcpy(to, m->gradients, (size_t)gradients * sizeof *to);
  r.n += shares + gradients;
  return r;
}

static bool same(const Results *a, const Results *b) {
  for (int64_t i = 0; i < a->n; i++)
    if (!(fabs(a->number[i] - b->number[i]) <= 1e-9 * (1 + fabs(a->number[i])))) return false;
  return true;
}

/* ---- mutants of a program ---- */
typedef struct Count {
  int mutants, refused, harmless; /* harmless: rejected mutants with correct results */
  const char *missed;
} Count;

static bool behaves(Machine *m, const Program *p, const Results *right) {
  for (m->turns = 0; m->turns < 3; m->turns++) {
    if (m->turns && !p->team) break;
    if (!machine_execute(m, p)) return false;
    const Results r = results_of(m);
    if (!same(right, &r)) return false;
  }
  return true;
}

static void judge(const Check *check, Machine *m, const Program *mutant, const Results *right,
                  const char *damage, const char *error, Count *count) {
  const bool fine = behaves(m, mutant, right);
  count->mutants++;
  count->refused += error != NULL;
  count->harmless += error && fine;
  if (!error && !fine && !count->missed)
    count->missed =
        arena_printf(check->sample.arena, "%s: %s", damage, m->error ? m->error : "other results");
}

static void try_mutant(const Check *check, const Machine *like, const Program *p, const Results *right,
                       Draw *d, Count *count) {
  Arena *arena = arena_new();
  Machine m = *like;
  m.arena = arena;
  Program *mutant = program_copy(arena, p);
  const int kind = (int)draw(d, DAMAGES);
  if (damages[kind](d, mutant))
    judge(check, &m, mutant, right, damage_names[kind], program_verify(arena, mutant), count);
  arena_free(arena);
}

/* For each output and each call, makes a mutant that copies the output to the caller after this call. Runs
 * the mutants that the verifier accepts. */
static void try_copies(const Check *check, const Machine *like, const Program *p, const Results *right,
                       Count *count) {
  for (int i = 0; i < p->copies.n; i++)
    for (int c = 0; c < p->calls.n && !count->missed; c++) {
      Arena *arena = arena_new();
      Machine m = *like;
      m.arena = arena;
      Program *mutant = program_copy(arena, p);
      mutant->copies.data[i].after = c;
      if (!program_verify(arena, mutant)) judge(check, &m, mutant, right, "copy moved", NULL, count);
      arena_free(arena);
    }
}

static void check_memory(const Check *check, Plan *plan, const char *how, int64_t batch, int mutants,
                         bool little_ram) {
  const Sample *s = &check->sample;
  const Target *target = target_find(plan->images > 1 ? "x86-64" : "generic");
  Machine m = {.arena = s->arena,
               .plan = plan,
               .images = s->count,
               .batch = batch,
               .threads = !little_ram,
               .little_ram = little_ram,
               .seed = SEED,
               .step = STEP,
               .weights = s->weights_double,
               .input = s->input_double,
               .target = s->target_double};
  const Program *p = machine_lower(&m, target, false);
  const char *error = program_verify(s->arena, p);
  Count count = {.missed = error};
  if (!error && !machine_execute(&m, p)) count.missed = m.error;
  if (!count.missed) {
    const Results right = results_of(&m);
    Draw d = {(uint64_t)p->calls.n * 7919 + (uint64_t)plan->images};
    if (!behaves(&m, p, &right)) count.missed = "the order in which threads run it matters";
    for (int tries = 0; count.mutants < mutants && tries < 20 * mutants && !count.missed; tries++)
      try_mutant(check, &m, p, &right, &d, &count);
    try_copies(check, &m, p, &right, &count);
  }
  if (count.missed) printf("# %s\n", count.missed);
  printf("# %s: %d mutants, %d refused, of which %d behave\n", how, count.mutants, count.refused,
         count.harmless);
  report(count.missed == NULL, check, arena_printf(s->arena, "damaged programs of %s are refused", how), 0,
         0);
}

static void check_plan(const Check *check, Plan *plan, const char *how, int64_t batch, int mutants) {
  check_memory(check, plan, how, batch, mutants, false);
}

static void check_training_together(const Check *check, int mutants) {
  const Sample *s = &check->sample;
  const PlanOptions options = sample_together(s, target_find("generic"), false);
  Plan *plan = plan_new(s->arena, s->graph, PLAN_TRAINING, options);
  if (!plan_any_together(plan)) return;
  check_plan(check, plan, "training of a whole batch", s->count + 2, mutants);
  check_plan(check, plan_training_within(s->arena, s->graph, options, 0, 1),
             "training of a whole batch in little memory", s->count + 2, mutants);
}

/* Number of mutants per lowered program: $MUTANTS, but fewer for a large net, because the interpreter runs
 * each mutant. */
static int mutants_of(const Graph *graph) {
  static const double MOST_MACS = 5e7;
  const char *wanted = getenv("MUTANTS");
  const int most = wanted ? atoi(wanted) : 12;
  double macs = 1;
  for (int i = 0; i < graph->nodes.n; i++) macs += (double)node_macs(graph->nodes.data[i]);
  return (int)fmin(most, fmax(1, MOST_MACS / macs));
}

void check_programs(Check *check) {
  const Sample *s = &check->sample;
  const int mutants = mutants_of(s->graph), lanes = target_find("x86-64")->lanes;
  Arena *arena = s->arena;
  const Graph *graph = s->graph;
  check_plan(check, plan_inference(arena, graph, FUSE_ALL, 1, 0), "inference", 1, mutants);
  check_memory(check, plan_inference(arena, graph, FUSE_ALL, 1, 0), "inference in little memory", 1, mutants,
               true);
  PlanOptions bands = {.fusing = FUSE_ALL};
  if (sample_next_bands(s, &bands))
    check_memory(check, plan_new(arena, graph, PLAN_INFERENCE, bands), "inference in bands", 1, mutants,
                 true);
  Plan *whole = plan_new(arena, graph, PLAN_INFERENCE, sample_together(s, target_find("generic"), false));
  if (whole->together) check_plan(check, whole, "inference of a whole batch", s->count + 2, mutants);
  check_plan(check, plan_inference(arena, graph, FUSE_ALL, lanes, 0), "inference, interleaved", s->count + 2,
             mutants);
  if (!graph->training) return;
  check_plan(check, plan_training(arena, graph, FUSE_ALL, 1), "training", s->count + 2, mutants);
  Plan *interleaved = plan_training(arena, graph, FUSE_ALL, lanes);
  if (interleaved->images > 1) check_plan(check, interleaved, "training, interleaved", s->count + 2, mutants);
  check_plan(check, plan_training_within(arena, graph, (PlanOptions){.fusing = FUSE_ALL}, 0, 1),
             "training in little memory", s->count + 2, mutants);
  check_training_together(check, mutants);
}
