/* broadcast.c: Broadcasting in opsets before 7: attributes `broadcast` and `axis` place the second operand.
 */
// SPDX-License-Identifier: Apache-2.0
#include "import/import.h"

/* Number of dimensions of size 1 to append to the second operand's shape; -1 after no(). */
static int dimensions_behind(ModelImport *im, const OnnxNode *node, int rank, int own, const int64_t *size,
                             const int64_t *of) {
  if (im->onnx->opset >= 7 || node->nin != 2 || !onnx_int(node, "broadcast", 0)) return 0;
  int64_t axis = onnx_int(node, "axis", rank - own);
  if (axis < 0) axis += rank;
  bool fits = axis >= 0 && axis + own <= rank;
  for (int d = 0; fits && d < own; d++) fits = size[d] == 1 || of[axis + d] == size[d];
  if (!fits)
    return no(im, "broadcast=1, axis=%lld: the shapes of the operands do not match", (long long)axis), -1;
  return (int)(rank - axis - own);
}

const Tensor *constant_beside(ModelImport *im, const OnnxNode *node, int input, const View *x) {
  const Tensor *t = im->item[node->in[input]].constant;
  const int more = t && input == 1 ? dimensions_behind(im, node, x->rank, t->rank, t->dim, x->size) : 0;
  int64_t dim[MOST_DIMS];
  if (more <= 0) return more < 0 ? NULL : t;
  for (int d = 0; d < t->rank + more; d++) dim[d] = d < t->rank ? t->dim[d] : 1;
  return tensor_shaped(im->arena, t, t->rank + more, dim);
}

bool place_operand(ModelImport *im, const OnnxNode *node, Item *item) {
  const Item *first = given(node, 0) ? &im->item[node->in[0]] : NULL,
             *second = given(node, 1) ? &im->item[node->in[1]] : NULL;
  if (!first || !second || im->onnx->opset >= 7) return true;
  View *x = first->view ? first->view : NULL, *y = second->view;
  if (!x && first->constant) {
    x = view_new(im, NULL, first->constant->rank);
    for (int d = 0; d < x->rank; d++) x->size[d] = first->constant->dim[d];
  }
  if (!y) {
    item->constant = constant_beside(im, node, 1, x);
    return item->constant != NULL;
  }
  const int more = dimensions_behind(im, node, x->rank, y->rank, y->size, x->size);
  if (more > 0) {
    item->view = view_new(im, y->value, y->rank + more);
    for (int d = 0; d < y->rank; d++) {
      item->view->size[d] = y->size[d];
      item->view->along[d] = y->along[d];
    }
  }
  return more >= 0;
}
