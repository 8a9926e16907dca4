/* array.c: Arrays from files as inputs and targets: matching of shapes, and conversion to the types of the
 * net. */
// SPDX-License-Identifier: MIT-0
#include <math.h>
#include <string.h>
#include "hosted/data/dataset.h"

/* ---- Shapes */

typedef struct Shape {
  int32_t rank;
  int64_t dim[CNN_TENSOR_RANK];
} Shape;

static Shape tensor_shape(const cnn_tensor *tensor, int32_t skip) {
  Shape shape = {tensor->rank - skip, {0}};
  for (int32_t d = 0; d < shape.rank; d++) shape.dim[d] = tensor->dim[d + skip];
  return shape;
}

static Shape port_shape(const cnn_port *port, bool planes) {
  Shape shape = {0};
  if (port->regions > 0) shape.dim[shape.rank++] = port->regions;
  if (planes) shape.dim[shape.rank++] = port->dim[port->rank - 1];
  for (int32_t d = 0; d < port->rank - (planes ? 1 : 0); d++) shape.dim[shape.rank++] = port->dim[d];
  return shape;
}

static Shape without_ones(Shape shape) {
  Shape out = {0};
  for (int32_t d = 0; d < shape.rank; d++)
    if (shape.dim[d] != 1) out.dim[out.rank++] = shape.dim[d];
  return out;
}

static bool same(Shape a, Shape b) {
  return a.rank == b.rank && memcmp(a.dim, b.dim, sizeof a.dim[0] * (size_t)a.rank) == 0;
}

static int64_t elements(Shape shape) {
  int64_t n = 1;
  for (int32_t d = 0; d < shape.rank; d++)
    n *= shape.dim[d]; /* the shape of a tensor or a port, so n does not overflow */
  return n;
}

/* Whether an array's shape matches a port. Dimensions of 1 may be omitted or added. If the array or the port
 * is a vector, only the numbers of elements must be equal, unless `planes` (channels first). */
static bool loosely(Shape shape, const cnn_port *port, bool planes) {
  if (same(without_ones(shape), without_ones(port_shape(port, planes)))) return true;
  return !planes && (without_ones(shape).rank <= 1 || port->rank == 1) && elements(shape) == port->size;
}

static bool exactly(Shape shape, const cnn_port *port, bool planes) {
  return same(shape, port_shape(port, planes));
}

bool cnn_array_form(const cnn_tensor *tensor, const cnn_port *port, bool batch, bool single,
                    ArrayForm *form) {
  bool (*const ways[])(Shape, const cnn_port *, bool) = {exactly, loosely};
  if (!cnn_tensor_numeric(tensor)) return false;
  for (int way = 0; way < 2; way++)
    for (int planes = 0; planes <= (port->chw && port->rank > 1); planes++)
      for (int skip = 0; skip < 2; skip++) {
        if (!(skip ? batch : single) || skip > tensor->rank || (skip && tensor->dim[0] == 0)) continue;
        *form = (ArrayForm){skip == 1, planes == 1};
        if (ways[way](tensor_shape(tensor, skip), port, planes == 1)) return true;
      }
  return false;
}

cnn_status cnn_array_mismatch(const char *what, const cnn_tensor *tensor, const cnn_port *port) {
  char shape[200];
  if (!cnn_tensor_numeric(tensor)) return cnn_failure(CNN_MISMATCH, "%s: contains no numbers", what);
  if (tensor->rank > 0 && tensor->dim[0] == 0)
    return cnn_failure(CNN_MISMATCH, "%s: contains no samples", what);
  Shape wanted = port_shape(port, false);
  cnn_tensor likeness = {.rank = wanted.rank};
  memcpy(likeness.dim, wanted.dim, sizeof wanted.dim);
  char port_text[200];
  return cnn_failure(CNN_MISMATCH, "%s: has the shape %s, but samples of \"%s\" have %s", what,
                     cnn_tensor_shape(tensor, shape, sizeof shape), port->name,
                     cnn_tensor_shape(&likeness, port_text, sizeof port_text));
}

/* ---- Numbers */

cnn_status cnn_array_read(const cnn_tensor *tensor, ArrayForm form, int64_t index, const cnn_port *port,
                          const char *what, void *out) {
  int64_t n = port->size, first = form.batched ? index * n : 0;
  bool direct = !form.planes && cnn_tensor_in_order(tensor);
  static const cnn_dtype same_type[] = {[CNN_F32] = CNN_DTYPE_F32,
                                        [CNN_U8] = CNN_DTYPE_U8,
                                        [CNN_I8] = CNN_DTYPE_I8,
                                        [CNN_I16] = CNN_DTYPE_I16,
                                        [CNN_I32] = CNN_DTYPE_I32};
  const size_t bytes = cnn_type_bytes(port->type);
  if (direct && port->type == CNN_F32) {
    cnn_tensor_floats(tensor, first, n, out);
    return cnn_success();
  }
  if (direct && tensor->dtype == same_type[port->type]) {
    memcpy(out, tensor->data + (size_t)first * bytes, (size_t)n * bytes);
    return cnn_success();
  }
  int64_t channels = port->dim[port->rank - 1], pixels = n / channels;
  for (int64_t i = 0; i < n; i++) {
    int64_t place = first + (form.planes ? i % channels * pixels + i / channels : i);
    double value = cnn_tensor_number(tensor, place);
    if (!cnn_port_takes(port, value))
      return cnn_failure(CNN_MISMATCH, "%s: element %lld is %g, which the %s input \"%s\" cannot represent%s",
                         what, (long long)place, value, cnn_type_name(port->type), port->name,
                         port->type == CNN_I8 && tensor->dtype == CNN_DTYPE_U8
                             ? "; for images of 0..255, subtract 128"
                             : "");
    cnn_port_store(port, out, i, value);
  }
  return cnn_success();
}
