// schedule.c: from a kernel to a nest that is proved and simplified: the operator's plain loops, or the
// schedule of its family.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/choice.h"
#include "schedule/schedule.h"
#include <stdio.h>
#include <stdlib.h>
#include "schedule/float/images.h"
#include "schedule/mcu/dsp.h"

/* All rows of the leading axis at once. */
static bool schedule_rows(Lower *l) {
  const bool winograd = l->choice.method == METHOD_WINOGRAD;
  switch (l->node->op->family) {
  case FAMILY_CONV:
  case FAMILY_CONV_SCATTER: return winograd ? schedule_conv_winograd(l) : schedule_conv_rows(l);
  case FAMILY_CONV_WEIGHTS:
    return winograd ? schedule_conv_winograd_weights(l) : schedule_conv_rows_weights(l);
  default: return l->choice.method == METHOD_STRASSEN ? schedule_dense_strassen(l) : schedule_dense_rows(l);
  }
}

static bool scheduled(Lower *l) {
  if (l->plain || choice_near_limits(l)) return false;
  if (l->rows && !l->node->op->traits.loops_over_rows) return schedule_rows(l);
  if (l->choice.method == METHOD_GROUPS)
    return l->node->op->family == FAMILY_CONV_WEIGHTS ? schedule_conv_groups_weights(l)
                                                      : schedule_conv_groups(l);
  switch (l->node->op->family) {
  case FAMILY_MAP: return schedule_map(l);
  case FAMILY_CONV:
    return l->choice.method == METHOD_WINOGRAD   ? schedule_conv_winograd(l)
           : l->choice.method == METHOD_STRASSEN ? schedule_conv_strassen(l)
           : l->choice.method == METHOD_COLUMNS  ? schedule_conv_columns(l)
                                                 : schedule_conv(l);
  case FAMILY_CONV_SCATTER:
    return l->choice.method == METHOD_WINOGRAD   ? schedule_conv_winograd(l)
           : l->choice.method == METHOD_STRASSEN ? schedule_conv_strassen(l)
           : l->choice.method == METHOD_JOINED   ? schedule_conv_joined(l)
                                                 : schedule_conv_scatter(l);
  case FAMILY_CONV_REPEATED: return schedule_conv_repeated(l);
  case FAMILY_CONV_WEIGHTS:
    return l->choice.method == METHOD_WINOGRAD ? schedule_conv_winograd_weights(l) : schedule_conv_weights(l);
  case FAMILY_DEPTHWISE: return schedule_depthwise(l);
  case FAMILY_DEPTHWISE_SCATTER: return schedule_depthwise_scatter(l);
  case FAMILY_DEPTHWISE_WEIGHTS: return schedule_depthwise_weights(l);
  case FAMILY_DENSE: return schedule_dense(l);
  case FAMILY_DENSE_INPUT: return schedule_dense_input(l);
  case FAMILY_DENSE_WEIGHTS: return schedule_dense_weights(l);
  case FAMILY_INT8: return l->target->dsp ? schedule_dsp(l) : schedule_int8(l);
  case FAMILY_NONE:
  case FAMILY_POOL:
  case FAMILY_ALIAS: return false; /* nests of their own follow the target: kernel/walk.h */
  }
  return false;
}

/* With images side by side: the kernels in which they are more than lanes that know nothing of each other. */
static bool built_of_vectors(Lower *l) {
  if (l->plain) return images_gather(l);
  return images_gather(l) ||
         (l->node->op->family == FAMILY_DENSE_WEIGHTS && schedule_dense_weights_images(l));
}

/* A nest that cannot be proved is a bug of the compiler: nothing is written. */
static void check(Nest *nest) {
  Proof proof;
  if (nest_prove(nest, &proof)) {
    nest_simplify(nest);
    return;
  }
  fprintf(stderr, "cnnc: internal error: the code for %s could not be proved: %s\n", nest->name, proof.error);
  exit(3);
}

static bool of_bytes(const Node *node) {
  bool bytes = node->elem == I8 || node->elem == U8;
  for (int k = 0; k < node->nin; k++) bytes &= node->in[k]->elem == I8 || node->in[k]->elem == U8;
  return bytes;
}

static Lower *lowered(Arena *arena, const Kernel *kernel, const Target *target, const LowerOptions *given) {
  LowerOptions with_vectors = *given;
  const LowerOptions *options = given;
  if (target->vectors && given->layout && given->layout->vectors && of_bytes(kernel->root)) {
    target = with_vectors.layout = target->vectors;
    with_vectors.layout_lanes = target->lanes;
    options = &with_vectors;
  }
  const bool images = options->images > 1 && kernel->root->result != RESULT_BATCH;
  Lower *l =
      images ? images_begin(arena, kernel, target, options) : lower_begin(arena, kernel, target, options);
  choice_make(l);
  if (!images || !built_of_vectors(l)) {
    if (!scheduled(l)) l->node->op->lower(l);
    if (images) images_end(l);
  }
  return l;
}

/* A result may be written in place if the proof shows that each element is read for the last time before it
 * is written over. It fails where partial sums are kept in the result or two tiles compute the same pixel. */
static Lower *lowered_over(Arena *arena, const Kernel *kernel, const Target *target,
                           const LowerOptions *options) {
  Proof proof;
  Lower *l = lowered(arena, kernel, target, options);
  if (nest_prove(l->b, &proof)) return l;
  Kernel *apart = NEW(arena, Kernel);
  *apart = *kernel;
  apart->over = NULL;
  return lowered(arena, apart, target, options);
}

/* A gradient may be stored instead of added to if the proof shows that all of it is written, and nothing of
 * it read before. It fails where images, or blocks of them, are added one after the other. */
static Lower *lowered_sole(Arena *arena, const Kernel *kernel, const Target *target,
                           const LowerOptions *options) {
  Proof proof;
  Lower *l = lowered(arena, kernel, target, options);
  if (nest_prove(l->b, &proof)) return l;
  LowerOptions added = *options;
  added.sole = false;
  return lowered(arena, kernel, target, &added);
}

Lower *schedule_kernel(Arena *arena, const Kernel *kernel, const Target *target,
                       const LowerOptions *options) {
  Lower *l = (kernel->over    ? lowered_over
              : options->sole ? lowered_sole
                              : lowered)(arena, kernel, target, options);
  check(l->b);
  for (int i = 0; i < l->packs.n; i++) check(l->packs.data[i]->nest);
  return l;
}

Nest *schedule_outputs(Arena *arena, const Node *value, int images) {
  Nest *nest = images_scatter(arena, value, images);
  check(nest);
  return nest;
}
