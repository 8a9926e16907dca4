/* objects.h: Common code of detection losses. A detection loss is one node (see Loss in ops/registry.h). A
 * nest computes the required logarithms and exponentials. Then a runtime function matches ground-truth
 * objects with boxes, and writes the image's loss and all its gradients into one vector, [1 + elements of the
 * gradients]. The function's text is compiled twice: unchanged in generated code, and in the compiler with
 * double instead of float. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OBJECTS_H
#define CNNC_OBJECTS_H
#include "ops/registry.h"
#include "ops/loss/loss.h"

/* The ground truth of a detection loss: the inputs that follow the `values` inputs from the net. */
typedef struct Objects {
  int64_t most;
  Buf *count, *label, *box; /* I32 [1][1][1], I32 [1][1][most], F32 [1][most][4] */
} Objects;
Objects loss_objects(Lower *, int values);

/* log(width) and log(height) of boxes [n][4], as [n][2]. Empty boxes have the logarithm of a tiny size. */
enum { OBJECTS_LOGS = 2 };
Buf *objects_logs_room(Lower *, const char *name, int64_t n); /* called before nest_fn */
void objects_logs_fill(Lower *, Buf *logs, Buf *boxes, int64_t n);
void objects_logs_run(const double *boxes, int64_t n, double *logs);

/* The softmax and the log(sum of exp) of each row of scores. */
typedef struct Chances {
  int64_t rows, classes;
  Buf *softmax, *log_sum, *row;
} Chances;
Chances chances_room(Lower *, Shape scores); /* called before nest_fn */
void chances_fill(Lower *, const Chances *, Buf *scores);
void chances_run(const double *scores, int64_t rows, int64_t classes, double *softmax, double *log_sum);
/* sigmoid(x) and softplus(x) of each element, for binary cross-entropy and its slope. */
void objects_sigmoid(Lower *, Buf *x, Buf *sigmoid, Buf *softplus);
int64_t objects_rows(Shape); /* number of rows in a table: R x C, or R regions of C */
int64_t objects_columns(Shape);

/* Checks that an operand of the loss is a table, R x C or R regions of C; false after an error. */
bool objects_table(ShapeContext *, const Node *loss, const Node *value, const char *what);
#endif
