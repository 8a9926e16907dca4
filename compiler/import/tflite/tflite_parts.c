/* tflite_parts.c: Replacement of the operators that split or join values, in quantized or streaming
 * TensorFlow Lite models. The new operators are slices, reshapes and concats, with one result each. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/tflite/tflite_parts.h"
#include "import/common/wire.h"

enum { MOST_PARTS = 1 << 12 };

typedef struct Parts {
  Arena *arena;
  TflModel *m;
  VEC(TflOperator) op;
  TflTensors tensor;
} Parts;

int tflite_integers(const TflTensor *t, int most, int64_t *to) {
  if (!t->data || t->code != TFL_INT32 || t->size < 1 || t->size > most) return -1;
  for (int i = 0; i < t->size; i++) to[i] = (int32_t)(uint32_t)wire_little(t->data + 4 * i, 4);
  return (int)t->size;
}

static int read_numbers(const Parts *p, const TflOperator *op, int input, int most, int64_t *to) {
  const int at = input < op->nin ? op->in[input] : -1;
  return at < 0 ? -1 : tflite_integers(&p->tensor.data[at], most, to);
}

int tflite_add_integers(Arena *arena, TflTensors *tensors, int n, const int64_t *list) {
  uint8_t *data = arena_alloc(arena, 4 * (size_t)n + 1);
  for (int i = 0; i < n; i++)
    for (int b = 0; b < 4; b++) data[4 * i + b] = (uint8_t)((uint64_t)list[i] >> (8 * b));
  const TflTensor t = {.name = "",
                       .rank = 1,
                       .dim = {n},
                       .size = n,
                       .known = true,
                       .elem = I32,
                       .code = TFL_INT32,
                       .type = "INT32",
                       .data = data};
  vec_push(arena, *tensors, t);
  return tensors->n - 1;
}

static int add_numbers(Parts *p, int n, const int64_t *list) {
  return tflite_add_integers(p->arena, &p->tensor, n, list);
}

static TflOperator *insert_operator(Parts *p, const TflOperator *of, int code, int nin, int out) {
  TflOperator op = *of;
  op.code = code;
  op.nin = nin;
  op.nout = 1;
  op.in = NEW_ARRAY(p->arena, int, nin + 1);
  op.out = NEW_ARRAY(p->arena, int, 1);
  op.out[0] = out;
  op.nlist = -1;
  memset(op.mask, 0, sizeof op.mask);
  vec_push(p->arena, p->op, op);
  return &p->op.data[p->op.n - 1];
}

/* Adds a slice of `size` elements along an axis, from `low` on. shrink: the slice has one element, and its
 * shape does not have the axis. */
static void add_slice(Parts *p, const TflOperator *of, int x, int axis, int64_t low, int64_t size,
                      bool shrink, int out) {
  const TflTensor *t = &p->tensor.data[x];
  int64_t begin[TFLITE_RANK] = {0}, end[TFLITE_RANK], step[TFLITE_RANK];
  const int rank = t->rank;
  for (int d = 0; d < rank; d++) end[d] = t->dim[d], step[d] = 1;
  begin[axis] = low;
  end[axis] = low + size;
  const int list[] = {add_numbers(p, rank, begin), add_numbers(p, rank, end), add_numbers(p, rank, step)};
  TflOperator *op = insert_operator(p, of, TFL_STRIDED_SLICE, 4, out);
  op->in[0] = x;
  for (int i = 0; i < 3; i++) op->in[1 + i] = list[i];
  if (shrink) op->mask[4] = INT64_C(1) << axis;
}

static int axis_counted(int64_t axis, int rank) {
  const int64_t at = axis < 0 ? axis + rank : axis;
  return at >= 0 && at < rank ? (int)at : -1;
}

static bool part_split(Parts *p, const TflOperator *op) {
  const bool sized = op->code == TFL_SPLIT_V;
  const int x = op->nin > 1 ? op->in[sized ? 0 : 1] : -1;
  int64_t axis, size[MOST_PARTS], at = 0, left;
  if (x < 0 || op->nout > MOST_PARTS || read_numbers(p, op, sized ? 2 : 0, 1, &axis) != 1) return false;
  const TflTensor t = p->tensor.data[x];
  const int d = t.size < 1 ? -1 : axis_counted(axis, t.rank);
  if (d < 0 || (sized && read_numbers(p, op, 1, MOST_PARTS, size) != op->nout)) return false;
  if (!sized && t.dim[d] % op->nout) return false;
  left = t.dim[d];
  for (int i = 0; i < op->nout; i++) {
    if (!sized) size[i] = t.dim[d] / op->nout;
    left -= size[i] < 0 ? 0 : size[i];
  }
  for (int i = 0; i < op->nout; i++) {
    const int64_t n = size[i] < 0 ? left : size[i];
    if (n < 0 || n > t.dim[d] - at) return false;
    if (op->out[i] >= 0 && n) add_slice(p, op, x, d, at, n, false, op->out[i]);
    at += n;
  }
  return true;
}

static bool part_unpack(Parts *p, const TflOperator *op) {
  const int x = op->nin == 1 ? op->in[0] : -1;
  const int d = x < 0 || p->tensor.data[x].size < 1 ? -1 : axis_counted(op->axis, p->tensor.data[x].rank);
  if (d < 0 || op->nout != p->tensor.data[x].dim[d]) return false;
  for (int i = 0; i < op->nout; i++)
    if (op->out[i] >= 0) add_slice(p, op, x, d, i, 1, true, op->out[i]);
  return true;
}

static bool join_pack(Parts *p, const TflOperator *op) {
  const TflTensor out = p->tensor.data[op->out[0]];
  const int d = op->nout == 1 && out.size > 0 ? axis_counted(op->axis, out.rank) : -1;
  if (d < 0 || op->nin < 2 || out.dim[d] != op->nin) return false;
  int *in = NEW_ARRAY(p->arena, int, op->nin + 1);
  for (int i = 0; i < op->nin; i++) {
    if (op->in[i] < 0) return false;
    TflTensor one = p->tensor.data[op->in[i]]; /* the operand with the new dimension */
    if (one.size * op->nin != out.size || one.data) return false;
    one.name = "";
    one.rank = out.rank;
    memcpy(one.dim, out.dim, sizeof one.dim);
    one.dim[d] = 1;
    vec_push(p->arena, p->tensor, one);
    in[i] = p->tensor.n - 1;
  }
  for (int i = 0; i < op->nin; i++) insert_operator(p, op, TFL_RESHAPE, 1, in[i])->in[0] = op->in[i];
  TflOperator *all = insert_operator(p, op, TFL_CONCATENATION, op->nin, op->out[0]);
  memcpy(all->in, in, sizeof *in * (size_t)op->nin);
  all->axis = d;
  return true;
}

/* Converts a STRIDED_SLICE so that it has an entry for each dimension of its input. An ellipsis means all
 * dimensions without an entry; new dimensions are only in the result. */
static bool spread_slice(Parts *p, const TflOperator *op) {
  int64_t list[3][TFLITE_RANK], full[3][TFLITE_RANK], mask[3] = {0};
  const int x = op->nin == 4 ? op->in[0] : -1, n = x < 0 ? -1 : read_numbers(p, op, 1, TFLITE_RANK, list[0]);
  const int rank = x < 0 ? 0 : p->tensor.data[x].rank;
  int given = 0, d = 0;
  if (n < 1 || rank < 1 || (n == rank && !op->mask[2] && !op->mask[3] && !op->relative)) return false;
  for (int i = 1; i < 3; i++)
    if (read_numbers(p, op, 1 + i, TFLITE_RANK, list[i]) != n) return false;
  for (int i = 0; i < n; i++) given += !((op->mask[2] | op->mask[3]) >> i & 1);
  for (int i = 0; i <= n; i++) {
    const bool rest = i == n || (op->mask[2] >> i & 1);
    for (int all = i == n ? rank - d : rank - given; rest && all > 0 && d < rank; all--, d++) {
      full[0][d] = 0;
      full[2][d] = 1;
      full[1][d] = p->tensor.data[x].dim[d];
    }
    if (rest || (op->mask[3] >> i & 1)) continue;
    if (d == rank) return false;
    for (int k = 0; k < 3; k++) full[k][d] = list[k][i];
    if (op->relative) full[1][d] += list[0][i];
    static const int of[] = {0, 1, 4};
    for (int k = 0; k < 3; k++) mask[k] |= (op->mask[of[k]] >> i & 1) << d;
    d++;
  }
  int in[3];
  for (int k = 0; k < 3; k++) in[k] = add_numbers(p, rank, full[k]);
  TflOperator *to = insert_operator(p, op, TFL_STRIDED_SLICE, 4, op->out[0]);
  to->in[0] = x;
  memcpy(&to->in[1], in, sizeof in);
  to->mask[0] = mask[0];
  to->mask[1] = mask[1];
  to->mask[4] = mask[2];
  to->relative = false;
  return true;
}

/* Converts a GATHER of consecutive elements to a slice. */
static bool slice_gather(Parts *p, const TflOperator *op) {
  int64_t index[MOST_PARTS];
  const int x = op->nin == 2 && !op->groups ? op->in[0] : -1,
            n = x < 0 ? -1 : read_numbers(p, op, 1, MOST_PARTS, index);
  const int d = n < 1 || p->tensor.data[x].size < 1 ? -1 : axis_counted(op->axis, p->tensor.data[x].rank);
  if (d < 0 || index[0] < 0 || index[0] + n > p->tensor.data[x].dim[d]) return false;
  for (int i = 1; i < n; i++)
    if (index[i] != index[0] + i) return false;
  add_slice(p, op, x, d, index[0], n, false, op->out[0]);
  return true;
}

static bool part(Parts *p, const TflOperator *op) {
  if (op->code == TFL_SPLIT || op->code == TFL_SPLIT_V) return part_split(p, op);
  if (op->code == TFL_UNPACK) return part_unpack(p, op);
  if (op->nout != 1 || op->out[0] < 0) return false;
  if (op->code == TFL_PACK) return join_pack(p, op);
  if (op->code == TFL_GATHER) return slice_gather(p, op);
  return op->code == TFL_STRIDED_SLICE && spread_slice(p, op);
}

void tflite_part(Arena *arena, TflModel *m) {
  Parts *p = NEW(arena, Parts);
  *p = (Parts){.arena = arena, .m = m};
  for (int t = 0; t < m->ntensors; t++) vec_push(arena, p->tensor, m->tensor[t]);
  for (int o = 0; o < m->noperators; o++) {
    const TflOperator *op = &m->op[o];
    const int before = p->op.n;
    if (part(p, op)) continue;
    p->op.n = before;
    vec_push(arena, p->op, *op);
  }
  m->op = p->op.data;
  m->noperators = p->op.n;
  m->tensor = p->tensor.data;
  m->ntensors = p->tensor.n;
}
