// schedule.c: Lowering of a kernel to a proved and simplified nest: the operator's reference schedule, or a
// schedule of its family.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/choose.h"
#include "schedule/schedule.h"
#include <stdio.h>
#include <stdlib.h>
#include "schedule/float/images.h"

/* A nest that cannot be proved is a compiler bug. The compiler then exits and writes no output. */
static void schedule_check(Nest *nest) {
  Proof proof;
  if (nest_prove(nest, &proof)) {
    nest_simplify(nest);
    return;
  }
  fprintf(stderr, "cnnc: internal error: the code for %s could not be proved: %s\n", nest->name, proof.error);
  exit(3);
}

static bool all_int8(const Node *node) {
  bool bytes = node->elem == I8 || node->elem == U8;
  for (int k = 0; k < node->nin; k++) bytes &= node->in[k]->elem == I8 || node->in[k]->elem == U8;
  return bytes;
}

/* For batch-innermost layout: builds the nest with vectors if the kernel supports this. False: the nest must
 * be built with scalars and then widened to vectors. */
static bool built_interleaved(Lower *l) {
  const Schedule *s = l->choice.schedule;
  return images_gather(l) || (s->build_interleaved && s->build_interleaved(l));
}

static bool built(Lower *l) { return l->choice.schedule->build && l->choice.schedule->build(l); }

static Lower *lowered(Arena *arena, const Kernel *kernel, const Target *target, const LowerOptions *given) {
  LowerOptions with_vectors = *given;
  const LowerOptions *options = given;
  if (target->vectors && given->layout && given->layout->vectors && all_int8(kernel->root)) {
    target = with_vectors.layout = target->vectors;
    with_vectors.layout_lanes = target->lanes;
    options = &with_vectors;
  }
  const bool images = options->images > 1 && kernel->root->result != RESULT_BATCH;
  Lower *l =
      images ? images_begin(arena, kernel, target, options) : lower_begin(arena, kernel, target, options);
  choose_schedule(l);
  if (!images || !built_interleaved(l)) {
    if (!built(l)) l->node->op->lower(l);
    if (images) images_end(l);
  }
  return l;
}

/* Lowers the kernel again, without the proposal that could not be proved: either the kernel's result gets
 * separate memory, or the kernel adds its gradient to the gradient in memory instead of overwriting it. */
static Lower *lowered_otherwise(Arena *arena, const Kernel *kernel, const Target *target,
                                const LowerOptions *options) {
  LowerOptions added = *options;
  added.sole = false;
  if (!kernel->over) return lowered(arena, kernel, target, &added);
  Kernel *apart = NEW(arena, Kernel);
  *apart = *kernel;
  apart->over = NULL;
  return lowered(arena, apart, target, options);
}

/* A result may be written in place if the proof shows that each element is read for the last time before it
 * is overwritten. The proof fails if partial sums are kept in the result or two tiles compute the same pixel.
 * A gradient may be stored rather than added to memory if the proof shows that each element is written, and
 * that no element is read before it is written. This proof fails if the gradients of images, or of blocks of
 * images, are added one after the other. */
Lower *schedule_kernel(Arena *arena, const Kernel *kernel, const Target *target,
                       const LowerOptions *options) {
  const bool proposed = kernel->over || options->sole;
  Proof proof;
  Lower *l = lowered(arena, kernel, target, options);
  if (proposed && nest_prove(l->b, &proof)) nest_simplify(l->b);
  else {
    if (proposed) l = lowered_otherwise(arena, kernel, target, options);
    schedule_check(l->b);
  }
  for (int i = 0; i < l->packs.n; i++) schedule_check(l->packs.data[i]->nest);
  return l;
}

Nest *schedule_outputs(Arena *arena, const Node *value, int images) {
  Nest *nest = images_scatter(arena, value, images);
  schedule_check(nest);
  return nest;
}
