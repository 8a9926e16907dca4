/* tflite_nodes_spectrum.c: Conversion of Fourier transforms and complex numbers to ONNX nodes. A tensor of
 * complex numbers gets a last dimension of two: real and imaginary part. */
// SPDX-License-Identifier: Apache-2.0
#include "import/tflite/tflite_nodes.h"

bool nodes_complex(const Nodes *n) {
  for (int k = 0; k < n->op->nin; k++) {
    const TflTensor *t = nodes_tensor(n, k);
    if (t && (t->code == TFL_COMPLEX64 || t->code == TFL_COMPLEX128)) return true;
  }
  return false;
}

/* Converts a transform of real numbers [...][1][length] over the last dimension. */
void nodes_rfft(Nodes *n) {
  const TflTensor *x = nodes_tensor(n, 0);
  const int64_t last[] = {-1};
  int64_t length[2 * MOST_DIMS];
  if (!x || x->rank < 2)
    return nodes_refuse(n, "a Fourier transform of a tensor with fewer than two dimensions");
  if (nodes_list(n, 1, length) != 2) return nodes_refuse(n, "a Fourier transform with a computed size");
  if (length[0] != 1 || x->dim[x->rank - 2] != 1 || length[1] < 1)
    return nodes_refuse(n, "a Fourier transform over two axes");
  const int apart[] = {nodes_in(n, 0), nodes_integers(n, 1, last)};
  const int in[] = {nodes_apply(n, "Unsqueeze", 2, apart), nodes_integers(n, 1, length + 1)};
  const int made = nodes_apply(n, n->onnx_name, 2, in);
  onnx_set_int(n->arena, nodes_last(n), "axis", x->rank - 1);
  onnx_set_int(n->arena, nodes_last(n), "onesided", 1);
  nodes_finish(n, made);
}

/* The real parts (part = 0) or imaginary parts (part = 1) of input 0. */
static int part_of_complex(Nodes *n, int64_t part) {
  const int64_t last[] = {-1};
  const int in[] = {nodes_in(n, 0), nodes_integers(n, 1, &part)};
  const int one = nodes_apply(n, "Gather", 2, in);
  onnx_set_int(n->arena, nodes_last(n), "axis", -1);
  const int without[] = {one, nodes_integers(n, 1, last)};
  return nodes_apply(n, "Squeeze", 2, without);
}

void nodes_real(Nodes *n) { nodes_finish(n, part_of_complex(n, 0)); }

void nodes_imaginary(Nodes *n) { nodes_finish(n, part_of_complex(n, 1)); }

void nodes_complex_abs(Nodes *n) {
  int square[2];
  for (int k = 0; k < 2; k++) {
    const int part = part_of_complex(n, k), both[] = {part, part};
    square[k] = nodes_apply(n, "Mul", 2, both);
  }
  nodes_finish(n, nodes_apply_one(n, "Sqrt", nodes_apply(n, "Add", 2, square)));
}
