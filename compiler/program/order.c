/* order.c: where the threads of a team wait for each other.
 *
 * All threads walk through the calls. A call that is not shared is run by the first of them. They wait before
 * a call that touches what another thread may still be at. */
// SPDX-License-Identifier: Apache-2.0
#include "program/program.h"

/* Parts of one joined value are interleaved by pixel: two of them share bytes only where their channels do.
 */
bool program_meet(const Place *a, const Place *b) {
  if (a->space != b->space || a->index != b->index) return false;
  if (a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset) return false;
  if (!a->pitch || a->pitch != b->pitch) return true;
  const Place *first = a->offset < b->offset ? a : b, *second = first == a ? b : a;
  const int64_t gap = (second->offset - first->offset) % a->pitch;
  return gap < first->width || gap + second->width > a->pitch;
}

typedef struct Open { /* touched since the threads last waited */
  const Place *place;
  bool written, one; /* one: by the first thread alone */
} Open;
typedef VEC(Open) Opens;

/* What several calls of an image touch: values, and scratch. */
static bool contended(const Operand *argument) {
  const SpaceKind space = argument->place.space;
  return argument->used && (space == SPACE_ARENA || space == SPACE_OUTPUT);
}

static bool touches_open(const Version *version, bool one, const Opens *opens) {
  const Nest *nest = version->lower->b;
  for (int i = 0; i < nest->nbufs; i++) {
    if (!contended(&version->argument[i])) continue;
    const bool written = nest->buf[i]->place >= OUTPUT;
    for (int k = 0; k < opens->n; k++) {
      const Open *open = &opens->data[k];
      if (one && open->one) continue;
      if ((open->written || written) && program_meet(open->place, &version->argument[i].place)) return true;
    }
  }
  return false;
}

static void open_touched(Arena *arena, const Version *version, bool one, Opens *opens) {
  const Nest *nest = version->lower->b;
  for (int i = 0; i < nest->nbufs; i++)
    if (contended(&version->argument[i]))
      vec_push(arena, *opens, ((Open){&version->argument[i].place, nest->buf[i]->place >= OUTPUT, one}));
}

static void order_calls(Program *p, Arena *arena, int target) {
  Opens opens = {0};
  for (int c = 0; c < p->calls.n; c++) {
    Version *version = &p->calls.data[c].version[target];
    const bool one = !version->shared;
    version->barrier = touches_open(version, one, &opens);
    if (version->barrier) opens.n = 0;
    open_touched(arena, version, one, &opens);
  }
}

/* With kernels for the whole batch: a phase of images is shared out image by image, so all wait between
 * phases, and between the calls of a phase that run once. */
static void order_phases(Program *p) {
  for (int i = 0; i < p->phases.n; i++) {
    Phase *phase = &p->phases.data[i];
    phase->barrier = i > 0;
    for (int c = 0; phase->once && c < phase->n; c++)
      for (int t = 0; t < p->ntargets; t++) p->calls.data[phase->first + c].version[t].barrier = c > 0;
  }
}

void program_order(Program *p, Arena *arena) {
  if (!p->team) return;
  if (p->batching.how == WHOLE_BATCH) order_phases(p);
  else
    for (int t = 0; t < p->ntargets; t++) order_calls(p, arena, t);
}
