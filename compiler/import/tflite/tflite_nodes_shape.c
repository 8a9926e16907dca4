/* tflite_nodes_shape.c: Conversion of TensorFlow Lite's operators that move elements to ONNX nodes. */
// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <string.h>
#include "import/tflite/tflite_nodes.h"

int nodes_axes(Nodes *, int k);

/* ---- reshapes and transposes ---- */
void nodes_reshape(Nodes *n) {
  const TflTensor *out = &n->m->tensor[n->op->out[0]];
  const bool listed = n->op->nlist > 0 || (n->op->nlist == 0 && out->rank == 0);
  const int shape = nodes_rank(n, 1) == 1 ? nodes_in(n, 1)
                    : listed              ? nodes_integers(n, n->op->nlist, n->op->list)
                                          : nodes_integers(n, out->rank, out->dim);
  const int in[] = {nodes_in(n, 0), shape};
  nodes_finish(n, nodes_apply(n, "Reshape", 2, in));
}

void nodes_squeeze(Nodes *n) {
  const bool listed = n->op->nlist > 0;
  int64_t *list = NEW_ARRAY(n->arena, int64_t, n->op->nlist + 1);
  /* an axis that counts from the end skips the dimension of real and imaginary parts */
  for (int i = 0; i < n->op->nlist; i++)
    list[i] = n->op->list[i] < 0 && nodes_complex(n) ? n->op->list[i] - 1 : n->op->list[i];
  const int in[] = {nodes_in(n, 0), listed ? nodes_integers(n, n->op->nlist, list) : 0};
  nodes_finish(n, nodes_apply(n, "Squeeze", listed ? 2 : 1, in));
}

void nodes_expand_dims(Nodes *n) {
  if (!nodes_in(n, 1)) return nodes_refuse(n, "its axis is missing");
  const int in[] = {nodes_in(n, 0), nodes_axes(n, 1)};
  nodes_finish(n, nodes_apply(n, "Unsqueeze", 2, in));
}

void nodes_transpose(Nodes *n) {
  int64_t perm[2 * MOST_DIMS];
  const int rank = nodes_rank(n, 0);
  if (nodes_list(n, 1, perm) != rank) return nodes_refuse(n, "its permutation is not constant");
  nodes_finish(n, nodes_permuted(n, nodes_in(n, 0), rank, perm));
}

/* ---- concatenation and splitting ---- */
void nodes_concat(Nodes *n) {
  int *in = NEW_ARRAY(n->arena, int, n->op->nin + 1);
  for (int i = 0; i < n->op->nin; i++) in[i] = nodes_in(n, i);
  const int made = nodes_apply(n, "Concat", n->op->nin, in);
  onnx_set_int(n->arena, nodes_last(n), "axis", n->op->axis);
  nodes_finish(n, made);
}

void nodes_pack(Nodes *n) {
  const int64_t rank = nodes_rank(n, 0), axis = n->op->axis < 0 ? n->op->axis + rank + 1 : n->op->axis;
  int *in = NEW_ARRAY(n->arena, int, n->op->nin + 1);
  for (int i = 0; i < n->op->nin; i++) {
    const int one[] = {nodes_in(n, i), nodes_integers(n, 1, &axis)};
    in[i] = nodes_apply(n, "Unsqueeze", 2, one);
  }
  const int made = nodes_apply(n, "Concat", n->op->nin, in);
  onnx_set_int(n->arena, nodes_last(n), "axis", axis);
  nodes_finish(n, made);
}

/* Selects element i along an axis; the result does not have that axis. */
static int gather_element_at(Nodes *n, int tensor, int64_t axis, int64_t i) {
  const int in[] = {tensor, nodes_constant(n, tensor_scalar(n->arena, TENSOR_INT64, (double)i))};
  const int made = nodes_apply(n, "Gather", 2, in);
  onnx_set_int(n->arena, nodes_last(n), "axis", axis);
  return made;
}

void nodes_unpack(Nodes *n) {
  for (int i = 0; i < n->op->nout; i++)
    nodes_finish_as(n, gather_element_at(n, nodes_in(n, 0), n->op->axis, i), i);
}

static void split_into(Nodes *n, int x, int axis, int parts) {
  int64_t along[2 * MOST_DIMS];
  if (nodes_list(n, axis, along) != 1) return nodes_refuse(n, "its axis is not a constant");
  const int in[] = {nodes_in(n, x), parts < 0 ? 0 : nodes_in(n, parts)};
  nodes_apply(n, "Split", parts < 0 ? 1 : 2, in);
  OnnxNode *node = nodes_last(n);
  onnx_set_int(n->arena, node, "axis", along[0]);
  node->nout = n->op->nout;
  node->out = NEW_ARRAY(n->arena, int, node->nout + 1);
  for (int i = 0; i < node->nout; i++) node->out[i] = nodes_out(n, i);
}

void nodes_split(Nodes *n) { split_into(n, 1, 0, -1); }

/* Converts SPLIT_V to slices or, if its sizes or its axis are computed, to a Split. One size may be -1, which
 * means the remainder. The other sizes may be 0. */
void nodes_split_v(Nodes *n) {
  int64_t along[2 * MOST_DIMS], size[2 * MOST_DIMS], at = 0, left;
  const TflTensor *x = nodes_tensor(n, 0);
  const int parts = nodes_list(n, 1, size);
  if (!x || nodes_list(n, 2, along) != 1 || parts != n->op->nout) return split_into(n, 0, 2, 1);
  const int64_t axis = along[0] < 0 ? along[0] + x->rank : along[0];
  if (axis < 0 || axis >= x->rank) return nodes_refuse(n, "it has an invalid axis");
  left = x->dim[axis];
  for (int i = 0; i < parts; i++) left -= size[i] < 0 ? 0 : size[i];
  for (int i = 0; i < parts; i++) {
    const int64_t end = at + (size[i] < 0 ? left : size[i]);
    const int in[] = {nodes_in(n, 0), nodes_integers(n, 1, &at), nodes_integers(n, 1, &end),
                      nodes_integers(n, 1, &axis)};
    nodes_finish_as(n, nodes_apply(n, "Slice", 4, in), i);
    at = end;
  }
}

void nodes_gather(Nodes *n) {
  const int in[] = {nodes_in(n, 0), nodes_in(n, 1)};
  if (n->op->groups) return nodes_refuse(n, "it uses different indices for each image or row (batch_dims)");
  const int made = nodes_apply(n, "Gather", 2, in);
  onnx_set_int(n->arena, nodes_last(n), "axis", n->op->axis);
  nodes_finish(n, made);
}

/* If the indices of a GATHER_ND are constant pairs (0, position) in a tensor [1, n, 2], converts it to a
 * Gather of these positions; otherwise to an ONNX node with the same inputs. */
void nodes_gather_nd(Nodes *n) {
  const TflTensor *at = nodes_tensor(n, 1);
  const int t = nodes_in(n, 1);
  const Tensor *pairs = t ? n->constants.data[t] : NULL;
  if (!pairs || !tensor_whole(pairs->type) || at->rank != 3 || at->dim[0] != 1 || at->dim[2] != 2)
    return nodes_same(n);
  int64_t *position = NEW_ARRAY(n->arena, int64_t, pairs->n / 2 + 1);
  for (int64_t i = 0; i < pairs->n / 2; i++) {
    if (tensor_integer(pairs, 2 * i) != 0) return nodes_same(n);
    position[i] = tensor_integer(pairs, 2 * i + 1);
  }
  const int in[] = {nodes_in(n, 0), nodes_integers(n, (int)(pairs->n / 2), position)};
  const int made = nodes_apply(n, "Gather", 2, in);
  onnx_set_int(n->arena, nodes_last(n), "axis", 1);
  nodes_finish(n, made);
}

/* ---- slices ---- */
static int sliced(Nodes *n, int rank, const int64_t *low, const int64_t *high, const int64_t *step) {
  const int in[] = {nodes_in(n, 0), nodes_integers(n, rank, low), nodes_integers(n, rank, high), 0,
                    nodes_integers(n, rank, step)};
  return nodes_apply(n, "Slice", 5, in);
}

/* SLICE has starts and sizes; a size of -1 means the remainder. */
void nodes_slice(Nodes *n) {
  int64_t low[2 * MOST_DIMS], size[2 * MOST_DIMS], step[MOST_DIMS], high[MOST_DIMS];
  const int rank = nodes_rank(n, 0);
  if (nodes_list(n, 1, low) == rank && nodes_list(n, 2, size) == rank) {
    for (int d = 0; d < rank; d++) {
      step[d] = 1;
      high[d] = size[d] < 0 ? INT_MAX : low[d] + size[d];
    }
    return nodes_finish(n, sliced(n, rank, low, high, step));
  }
  const int64_t far[] = {INT_MAX}, none[] = {-1};
  const int sum[] = {nodes_in(n, 1), nodes_in(n, 2)}, rest[] = {nodes_in(n, 2), nodes_integers(n, 1, none)};
  const int choice[] = {nodes_apply(n, "Equal", 2, rest), nodes_integers(n, 1, far),
                        nodes_apply(n, "Add", 2, sum)};
  const int in[] = {nodes_in(n, 0), nodes_in(n, 1), nodes_apply(n, "Where", 3, choice)};
  nodes_finish(n, nodes_apply(n, "Slice", 3, in));
}

/* The changes that a STRIDED_SLICE makes to each dimension of its input. */
typedef struct Spec {
  int rank, result;    /* result: number of result dimensions so far (new ones count, dropped ones do not) */
  int from[MOST_DIMS]; /* for each dimension of the input: index of its entry in the lists of begins, ends
                          and steps; -1: the dimension has no entry, and is used as a whole */
  int64_t drop[MOST_DIMS], add[2 * MOST_DIMS];
  int ndrop, nadd; /* number of dropped dimensions of the input, and number of new dimensions of the result */
} Spec;

static bool read_spec(const Nodes *n, int entries, Spec *s) {
  const int64_t *mask = n->op->mask; /* begin, end, ellipsis, new, shrink */
  int given = 0;
  *s = (Spec){.rank = nodes_rank(n, 0)};
  for (int i = 0; i < entries; i++) given += !(mask[2] >> i & 1) && !(mask[3] >> i & 1);
  int d = 0, all = s->rank - given;
  for (int i = 0; i < entries; i++) {
    if (mask[2] >> i & 1) {
      for (; all > 0; all--) s->result++, s->from[d++] = -1;
    } else if (mask[3] >> i & 1) s->add[s->nadd++] = s->result++;
    else if (d >= s->rank) return false;
    else {
      s->from[d] = i;
      if (mask[4] >> i & 1) s->drop[s->ndrop++] = d++;
      else s->result++, d++;
    }
  }
  while (d < s->rank) s->from[d++] = -1;
  return true;
}

static void bounds(const Nodes *n, const Spec *s, int64_t list[3][2 * MOST_DIMS], int64_t to[3][MOST_DIMS]) {
  const int64_t *mask = n->op->mask;
  for (int d = 0; d < s->rank; d++) {
    const int i = s->from[d];
    const bool all = i < 0;
    const int64_t step = all ? 1 : list[2][i];
    const int64_t end = all ? 0 : list[1][i] + (n->op->relative ? list[0][i] : 0);
    const bool one = !all && (mask[4] >> i & 1);
    to[2][d] = one ? 1 : step;
    to[0][d] = all || (!one && (mask[0] >> i & 1)) ? (step > 0 ? 0 : INT_MAX) : list[0][i];
    to[1][d] = all || (mask[1] >> i & 1) ? (step > 0 ? INT_MAX : -INT_MAX) : end;
    if (one) to[1][d] = to[0][d] == -1 ? INT_MAX : to[0][d] + 1;
  }
}

/* Converts a STRIDED_SLICE whose bounds are not constants. The operator must have no ellipsis, no
 * new dimensions, and no ends that are relative to the start. */
static int slice_computed(Nodes *n, int entries) {
  const int64_t *mask = n->op->mask;
  int64_t number[3][MOST_DIMS], axes[MOST_DIMS];
  for (int i = 0; i < entries; i++) {
    axes[i] = i;
    number[0][i] = mask[0] >> i & 1;
    number[1][i] = mask[1] >> i & 1;
    number[2][i] = mask[4] >> i & 1;
  }
  const int64_t none[] = {0}, one[] = {1}, last[] = {-1}, far[] = {INT_MAX};
  const int begins[] = {nodes_integers(n, entries, number[0]), nodes_integers(n, 1, none), nodes_in(n, 1)};
  const int low = nodes_apply(n, "Where", 3, begins);
  const int next[] = {low, nodes_integers(n, 1, one)}, is_last[] = {low, nodes_integers(n, 1, last)};
  const int ends[] = {nodes_integers(n, entries, number[1]), nodes_integers(n, 1, far), nodes_in(n, 2)};
  const int past[] = {nodes_apply(n, "Equal", 2, is_last), nodes_integers(n, 1, far),
                      nodes_apply(n, "Add", 2, next)};
  const int single[] = {nodes_integers(n, entries, number[2]), nodes_apply(n, "Where", 3, past),
                        nodes_apply(n, "Where", 3, ends)};
  const int in[] = {nodes_in(n, 0), low, nodes_apply(n, "Where", 3, single), nodes_integers(n, entries, axes),
                    nodes_in(n, 3)};
  return nodes_apply(n, "Slice", 5, in);
}

void nodes_strided_slice(Nodes *n) {
  int64_t list[3][2 * MOST_DIMS], to[3][MOST_DIMS];
  const TflTensor *begin = nodes_tensor(n, 1);
  const int entries = begin && begin->rank == 1 ? (int)begin->dim[0] : -1;
  Spec s;
  bool known = true;
  if (entries < 0 || entries > MOST_DIMS || !nodes_in(n, 2) || !nodes_in(n, 3))
    return nodes_refuse(n, "its bounds do not fit the axes of its input");
  for (int k = 0; k < 3; k++) known = nodes_list(n, 1 + k, list[k]) == entries && known;
  if (!read_spec(n, entries, &s)) return nodes_refuse(n, "its bounds do not fit the axes of its input");
  const bool plain = !n->op->mask[2] && !n->op->mask[3] && !n->op->relative;
  if (!known && !plain)
    return nodes_refuse(n, "its bounds are computed, and it has an ellipsis or a new axis");
  if (known) bounds(n, &s, list, to);
  int made = known ? sliced(n, s.rank, to[0], to[1], to[2]) : slice_computed(n, entries);
  const int less[] = {made, nodes_integers(n, s.ndrop, s.drop)};
  if (s.ndrop) made = nodes_apply(n, "Squeeze", 2, less);
  const int more[] = {made, nodes_integers(n, s.nadd, s.add)};
  if (s.nadd) made = nodes_apply(n, "Unsqueeze", 2, more);
  nodes_finish(n, made);
}

void nodes_reverse(Nodes *n) {
  int64_t axes[2 * MOST_DIMS], low[MOST_DIMS], high[MOST_DIMS], step[MOST_DIMS];
  const int rank = nodes_rank(n, 0), count = nodes_list(n, 1, axes);
  if (count < 0) return nodes_refuse(n, "its axes are not constants");
  for (int d = 0; d < rank; d++) low[d] = 0, high[d] = INT_MAX, step[d] = 1;
  for (int i = 0; i < count; i++) {
    const int64_t d = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (d < 0 || d >= rank) return nodes_refuse(n, "it has an invalid axis");
    low[d] = INT_MAX;
    high[d] = -INT_MAX;
    step[d] = -1;
  }
  nodes_finish(n, sliced(n, rank, low, high, step));
}

/* ---- borders ---- */
/* TensorFlow Lite lists the padding before and after each dimension in turn; ONNX lists the padding before
 * all dimensions, then the padding after all dimensions. */
void nodes_pad(Nodes *n) {
  int64_t side[2 * MOST_DIMS], pads[2 * MOST_DIMS];
  const int rank = nodes_rank(n, 0);
  const bool mirror = n->op->code == TFL_MIRROR_PAD;
  bool wide = false;
  if (nodes_list(n, 1, side) != 2 * rank) return nodes_refuse(n, "its padding is not a constant");
  for (int i = 0; i < 2 * rank; i++) {
    pads[i % 2 * rank + i / 2] = side[i];
    wide = wide || side[i] > 1;
  }
  if (mirror && n->op->symmetric && wide)
    return nodes_refuse(n, "its SYMMETRIC padding is wider than one element");
  const int in[] = {nodes_in(n, 0), nodes_integers(n, 2 * rank, pads), nodes_in(n, 2)};
  const int made = nodes_apply(n, "Pad", !mirror && in[2] ? 3 : 2, in);
  if (mirror) onnx_set_text(n->arena, nodes_last(n), "mode", n->op->symmetric ? "edge" : "reflect");
  nodes_finish(n, made);
}
