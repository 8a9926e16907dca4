/* routine.c: Common code of operators that call runtime functions. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/routine.h"

static const char box_text[] =
#include "ops/detection/box_text.inc"
    ;
static const char match_text[] =
#include "ops/detection/match_text.inc"
    ;
static const char delta_text[] =
#include "ops/detection/delta_text.inc"
    ;
static const char best_text[] =
#include "ops/detection/best_text.inc"
    ;
static const char suppress_text[] =
#include "ops/detection/suppress_text.inc"
    ;

const Routine box_routine = {.name = "box", .text = box_text};
const Routine match_routine = {.name = "match", .text = match_text, .uses = &box_routine};
const Routine delta_routine = {.name = "delta", .text = delta_text, .uses = &match_routine};
const Routine best_routine = {.name = "best", .text = best_text};
const Routine suppress_routine = {.name = "suppress", .text = suppress_text};

Buf *lower_contiguous(Lower *l, const char *name, Buf *in) {
  Nest *b = l->b;
  const int64_t *dim = in->dim + in->leads;
  if (!in->leads && buf_contiguous(in)) return in;
  Buf *copy = lower_scratch(l, name, in->rank - in->leads, dim);
  NEST_FOR(b, y, dim[0])
    NEST_FOR(b, x, dim[1])
      NEST_FOR(b, c, dim[2])
        nest_store(b, nest_at(b, copy, y, x, c), nest_load(b, nest_at(b, in, y, x, c), 1));
  return copy;
}
