/* order.c: Barriers between the threads of a team.
 *
 * All threads visit all calls. The threads share the parallel loops of a call; a call without parallel loops
 * runs on the first thread. Per-image phases of programs with batched kernels are different: each thread runs
 * all calls for some of the images. There is a barrier before a call that accesses data that another thread
 * may still use. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/lir.h"

/* Aliases in one concat have interleaved pixels: such aliases share bytes only if they share channels. */
bool program_meet(const Place *a, const Place *b) {
  if (a->space != b->space || a->index != b->index) return false;
  if (a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset) return false;
  if (!a->pitch || a->pitch != b->pitch) return true;
  const Place *first = a->offset < b->offset ? a : b, *second = first == a ? b : a;
  const int64_t gap = (second->offset - first->offset) % a->pitch;
  return gap < first->width || gap + second->width > a->pitch;
}

typedef struct Open { /* a place accessed since the last barrier */
  Place place;
  bool written, one; /* one: only the first thread has accessed the place */
} Open;
typedef VEC(Open) Opens;

/* Whether calls of inference write to the space of the argument. */
static bool contended(const Operand *argument) {
  const SpaceKind space = argument->place.space;
  return argument->used &&
         (space == SPACE_ARENA || space == SPACE_OUTPUT || space == SPACE_ALL || space == SPACE_STATE);
}

/* The bytes that threads may access at the same time: the argument's place or, in a program with batched
 * kernels, this place in all images. */
static Place touched(const Program *p, const Operand *argument) {
  Place place = argument->place;
  if (p->batching.how != WHOLE_BATCH || !place.stride) return place;
  place.bytes += place.stride * (p->batching.images - 1);
  place.pitch = 0;
  return place;
}

static bool touches_open(const Program *p, const Version *version, bool one, const Opens *opens) {
  const Nest *nest = version->lower->b;
  for (int i = 0; i < nest->nbufs; i++) {
    if (!contended(&version->argument[i])) continue;
    const bool written = nest->buf[i]->place >= OUTPUT;
    const Place place = touched(p, &version->argument[i]);
    for (int k = 0; k < opens->n; k++) {
      const Open *open = &opens->data[k];
      if (one && open->one) continue;
      if ((open->written || written) && program_meet(&open->place, &place)) return true;
    }
  }
  return false;
}

static void open_touched(const Program *p, Arena *arena, const Version *version, bool one, Opens *opens) {
  const Nest *nest = version->lower->b;
  for (int i = 0; i < nest->nbufs; i++)
    if (contended(&version->argument[i]))
      vec_push(arena, *opens,
               ((Open){touched(p, &version->argument[i]), nest->buf[i]->place >= OUTPUT, one}));
}

static void order_calls(Program *p, Arena *arena, int target) {
  Opens opens = {0};
  for (int c = 0; c < p->calls.n; c++) {
    Version *version = &p->calls.data[c].version[target];
    const bool one = !version->shared;
    version->barrier = touches_open(p, version, one, &opens);
    if (version->barrier) opens.n = 0;
    open_touched(p, arena, version, one, &opens);
  }
}

/* Whether a phase needs a barrier before it. In a per-image phase, each thread runs all calls for some
 * images, without barriers. In a phase of calls that run once, only the first call is checked here;
 * order_phases places the barriers before the other calls. */
static bool phase_waits(const Program *p, const Phase *phase, const Opens *opens) {
  for (int t = 0; t < p->ntargets; t++)
    for (int c = phase->first; c < phase->first + (phase->once ? 1 : phase->n); c++)
      if (touches_open(p, &p->calls.data[c].version[t], false, &opens[t])) return true;
  return false;
}

static void order_phases(Program *p, Arena *arena) {
  Opens *opens = NEW_ARRAY(arena, Opens, p->ntargets);
  for (int i = 0; i < p->phases.n; i++) {
    Phase *phase = &p->phases.data[i];
    phase->barrier = phase_waits(p, phase, opens);
    for (int t = 0; t < p->ntargets; t++) {
      if (phase->barrier) opens[t].n = 0;
      for (int c = phase->first; c < phase->first + phase->n; c++) {
        Version *version = &p->calls.data[c].version[t];
        version->barrier = phase->once && c > phase->first && touches_open(p, version, false, &opens[t]);
        if (version->barrier) opens[t].n = 0;
        open_touched(p, arena, version, false, &opens[t]);
      }
    }
  }
}

void program_order(Program *p, Arena *arena) {
  if (!p->team) return;
  if (p->batching.how == WHOLE_BATCH) order_phases(p, arena);
  else
    for (int t = 0; t < p->ntargets; t++) order_calls(p, arena, t);
}
