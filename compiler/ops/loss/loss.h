/* loss.h: Common code of losses. Most losses are three operators (Loss in ops/registry.h): the share of one
 * image in the mean loss, the scale of the batch (weight / normalizer), and the gradient. Detection losses
 * are one operator (objects.h). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LOSS_H
#define CNNC_LOSS_H
#include "ops/registry.h"
#include "kernel/map.h"
#include "kernel/walk.h"

double loss_weight(const Node *);     /* weight= of the loss: a factor of the scale */
double loss_smoothing(const Node *);  /* label_smoothing */
int64_t loss_uncounted(const Node *); /* for a scale node: number of rows at the start of the target that are
                                         ignored */

/* ---- elementwise losses: sums over all elements of f(o, t) ----
 * The loss defines f with map_eval and map (x[0]: the output, x[1]: the target), and its gradient df/do with
 * map_slope and map_gradient (dy: the scale). */
void loss_elements_shape(ShapeContext *, Node *);
void loss_elements_run(const Eval *);
void loss_elements_lower(Lower *);
void loss_elements_scale_run(const Eval *); /* weight / (images * elements that count) */
void loss_elements_scale_lower(Lower *);
void loss_images_scale_run(const Eval *); /* weight / images */
void loss_images_scale_lower(Lower *);
void loss_elements_gradient_run(const Eval *);
void loss_elements_gradient_lower(Lower *);

#define LOSS_ELEMENTS                                                                                        \
  .group = "loss", .shape = loss_elements_shape, .eval = loss_elements_run, .lower = loss_elements_lower
#define LOSS_ELEMENTS_SCALE .eval = loss_elements_scale_run, .lower = loss_elements_scale_lower
#define LOSS_ELEMENTS_GRADIENT .eval = loss_elements_gradient_run, .lower = loss_elements_gradient_lower

/* ---- losses over classes: a label per pixel; -1, `ignore` and invalid classes do not count ---- */
void loss_classes_shape(ShapeContext *,
                        Node *); /* checks the number of classes (at least two) and the class weights */
double loss_class_weight(const Node *, int64_t c); /* the class's weight, or 1 without weights */
bool loss_has_weights(const Node *);
double loss_label_weight(const Node *, double label,
                         int64_t channels); /* weight of a label, 0 if it does not count */
bool loss_label_counts(const Node *, double label, int64_t channels);
void loss_classes_scale_run(const Eval *); /* weight / sum of the labels' weights; 0 if the sum is 0 */
void loss_classes_scale_lower(Lower *);

/* The nest of a loss over classes: `share` returns the term of a pixel; the result is the sum of the terms of
 * all pixels times the scale. `row`: scratch for the classes of a pixel. */
typedef Val LossShare(Lower *, Buf *row, const Ix *y, const Ix *x);
void loss_classes_lower(Lower *, LossShare *);

typedef struct LabelValues {
  Val label, score, weight, counts;
} LabelValues; /* at a pixel: the label, the output of the label's class, the label's weight (0: it does not
                  count), 1 if the label counts */
void loss_label_weights(Lower *, Val label, Val *counts, Val *weight);
LabelValues loss_label(Lower *, const Ix *y, const Ix *x);
Val loss_class_weight_value(Lower *, const Ix *c);  /* weight of class c, as in the source */
Val loss_is_label(Lower *, Val label, const Ix *c); /* mask: whether the label is class c */
#endif
