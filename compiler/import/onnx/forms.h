/* forms.h: Pattern matching on ONNX nodes. Private to forms.c and forms_*.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORMS_H
#define CNNC_FORMS_H
#include "import/import.h"

bool is_op(const OnnxNode *, const char *op);
/* The node that produces a tensor, if it has this operator; or NULL. */
OnnxNode *op_before(const ModelImport *, int tensor, const char *op);
OnnxNode *either_before(const ModelImport *, int tensor, const char *one, const char *other);
double single_number(const ModelImport *,
                     int tensor); /* the number of a constant with one element; NaN: not such a constant */
/* If the node combines a value with a number (for Add and Mul in either order, otherwise the value first):
 * the value's tensor, and the number in *number. 0: the node has other operands. */
int beside_number(const ModelImport *, const OnnxNode *, double *number);
/* The only axis of a reduction or an Unsqueeze; INT64_MIN: there are several, or the axes are unknown. */
int64_t only_axis(const ModelImport *, const OnnxNode *reduction);
/* Changes a node to another operator, without attributes. */
void turn_into(ModelImport *, OnnxNode *, const char *op, int n, const int *in);
void turn_into_one(ModelImport *, OnnxNode *, const char *op, int in);

void form_norms(ModelImport *, OnnxNode *);      /* forms_norm.c */
void form_deformable(ModelImport *, OnnxNode *); /* forms_deformable.c */
void form_attention(ModelImport *, OnnxNode *);  /* forms_attention.c */
/* The numbers of a value that is a constant, even if statements have reshaped it; NULL: the value is
 * computed. */
const Tensor *numbers_of_constant(ModelImport *, const Value *);
#endif
