/* overlap.c: Analysis of results that may overlap a dead operand of their call, and of the permitted distance
 * from the operand's start to the result's start. Some kernels traverse their input from front to back; a
 * convolution, for example, reads row by row. The input and the result of such a kernel together need only
 * the memory of the larger value plus a row or two.
 *
 * The C of a call with such an overlap cannot use restrict, and the loops cannot be parallel. So the analysis
 * runs only for inference of single images without threads, and only if memory is limited: on
 * microcontrollers, with --ram, or with -Os.
 *
 * Requires: the nests of all calls. Preserves: the nests; sets plan->overlaps and, after addresses are
 * assigned, Buf.overlaps. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "base/number.h"
#include "nest/instance.h"
#include "passes/plan.h"
#include "lir/lir.h"

static bool boards_alone(const Program *p) {
  for (int t = 0; t < p->ntargets; t++)
    if (!p->target[t]->dsp) return false;
  return true;
}

static bool wanted(const Program *p, const ProgramOptions *options) {
  return p->kind == PROGRAM_INFERENCE && p->batching.how == ONE_BY_ONE && !p->threads &&
         (options->little_ram || boards_alone(p));
}

/* The buffer through which a kernel reads a node's value; NULL: none or several, or the kernel also writes
 * the value. */
static const Buf *only_reader(const Plan *plan, const Lower *lower, const Node *node) {
  const Buf *found = NULL;
  const int home = plan->home[node->id].node->id;
  for (int i = 0; i < lower->b->nbufs; i++) {
    const Buf *buf = lower->b->buf[i];
    if (buf->place >= STACK || !nest_uses(lower->b, i)) continue;
    const Binding *binding = lower_binding(lower, i);
    if (binding->kind != BIND_VALUE || plan->home[binding->node->id].node->id != home) continue;
    if (found || buf->place != INPUT) return NULL;
    found = buf;
  }
  return found;
}

/* Whether the overlap is proved for all targets; sets the distances that all targets permit. */
static bool allowed(const Program *p, const Plan *plan, const KernelCall *call, ValueOverlap *overlap) {
  overlap->most = INT64_MAX;
  overlap->step = 1;
  for (int t = 0; t < p->ntargets; t++) {
    const Lower *lower = call->version[t].lower;
    const Buf *operand = only_reader(plan, lower, overlap->operand);
    int64_t most, step;
    if (!operand || lower->out->place != OUTPUT || operand->type.elem != lower->out->type.elem ||
        !nest_overlap(lower->b, operand, lower->out, &most, &step))
      return false;
    overlap->most = smaller(overlap->most, most);
    overlap->step = least_multiple(overlap->step, step);
  }
  return true;
}

void program_overlaps(Arena *arena, const Program *p, Plan *plan, const ProgramOptions *options) {
  if (!wanted(p, options)) return;
  for (int c = 0; c < p->calls.n; c++) {
    const KernelCall *call = &p->calls.data[c];
    const Lower *lower = call->version[0].lower;
    for (int i = 0; i < lower->b->nbufs; i++) {
      if (lower->b->buf[i]->place != INPUT || !nest_uses(lower->b, i)) continue;
      const Binding *binding = lower_binding(lower, i);
      ValueOverlap overlap = {.kernel = c, .operand = binding->node};
      if (binding->kind == BIND_VALUE && plan_may_overlap(plan, c, binding->node) &&
          allowed(p, plan, call, &overlap))
        vec_push(arena, plan->overlaps, overlap);
    }
  }
}

/* ---- marks ---- */
/* Whether the call's result shares bytes with this input buffer. */
static bool writes_over(const Version *version, int in) {
  const Lower *lower = version->lower;
  const Buf *out = lower->out;
  return out->place == OUTPUT && lower->b->buf[in]->place == INPUT && version->argument[in].used &&
         (version->argument[in].place.space == SPACE_ARENA ||
          version->argument[in].place.space == SPACE_STATE) &&
         version->argument[out->id].used &&
         program_meet(&version->argument[in].place, &version->argument[out->id].place);
}

typedef struct Marked { /* a call, for sorting by the code of the calls */
  const Key *key;
  const Version *version;
  int call;
} Marked;

static int by_code(const void *a, const void *b) {
  const Marked *x = a, *y = b;
  if (x->key->hash != y->key->hash) return x->key->hash < y->key->hash ? -1 : 1;
  return x->call - y->call;
}

/* The first buffer after `id` that is a parameter of the function; -1: there is none. */
static int next_parameter(const Nest *nest, int id) {
  while (++id < nest->nbufs)
    if (nest->buf[id]->place < STACK && nest_uses(nest, id)) return id;
  return -1;
}

/* Marks the same overlaps in calls with identical code, so that these calls still share their functions. */
static void mark_equal(Arena *arena, const Marked *call, int n) {
  bool *over = NEW_ARRAY(arena, bool,
                         call->version->lower->b->nbufs +
                             1); /* by parameter: whether the parameter may overlap in one of the calls */
  for (int c = 0; c < n; c++) {
    const Nest *nest = call[c].version->lower->b;
    for (int i = next_parameter(nest, -1), k = 0; i >= 0; i = next_parameter(nest, i), k++)
      over[k] = over[k] || writes_over(call[c].version, i);
  }
  for (int c = 0; c < n; c++) {
    const Lower *lower = call[c].version->lower;
    for (int i = next_parameter(lower->b, -1), k = 0; i >= 0; i = next_parameter(lower->b, i), k++)
      if (over[k]) lower->out->overlaps = lower->b->buf[i]->overlaps = true;
  }
}

static void mark_target(Arena *arena, Program *p, int t) {
  Marked *call = NEW_ARRAY(arena, Marked, p->calls.n + 1);
  for (int c = 0; c < p->calls.n; c++) {
    const Version *version = &p->calls.data[c].version[t];
    call[c] = (Marked){nest_key(arena, version->lower->b, false), version, c};
  }
  qsort(call, (size_t)p->calls.n, sizeof *call, by_code);
  for (int from = 0, to; from < p->calls.n; from = to) {
    for (to = from + 1; to < p->calls.n && key_equal(call[from].key, call[to].key);) to++;
    mark_equal(arena, call + from, to - from);
  }
}

void program_mark_overlaps(Program *p, const Plan *plan) {
  if (!plan->overlaps.n && !plan->state_of) return;
  Arena *arena = arena_new();
  for (int t = 0; t < p->ntargets; t++) mark_target(arena, p, t);
  arena_free(arena);
}
