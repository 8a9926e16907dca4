/* repeated.c: Materialization of broadcast tensors (Expand, Tile). */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/import.h"

static bool is_stretched(const View *view, int d) { return !view->along[d].n && view->size[d] > 1; }

/* The index in `dims` of the dimension that becomes the channels of the stored tensor. The cheapest choice is
 * the dimension that contains the channels of view->value; without such a dimension, the last one. */
static int channels_at(const View *view, int n, const int *dims) {
  const int last = view->value->shape.rank - 1;
  for (int k = n - 1; k >= 0; k--) {
    const Factors *along = &view->along[dims[k]];
    if (along->n && along->f[along->n - 1].axis == last && along->f[along->n - 1].inner == 1) return k;
  }
  return n - 1;
}

/* Enlarges the value, viewed as [1][1][..] or [1][..], to `shape`, which begins with the broadcast sizes. */
static Value *enlarged(ModelImport *im, Value *v, int nrepeat, Shape shape) {
  Shape one = shape;
  for (int a = 0; a < nrepeat; a++) one.dim[a] = 1;
  v = reshaped(im, v, one);
  const long long down = shape.dim[0], across = nrepeat > 1 ? shape.dim[1] : 1;
  return shape.rank == 2 ? emit_one(im, v, shape, "upsample(%lld)", down)
                         : emit_one(im, v, shape, "upsample(%lldx%lld)", down, across);
}

enum { MOST_CHANNELS = 64 };

/* Stores the repeats of the view as parts of the channels: concatenates the value with itself. */
static View *repeated_channels(ModelImport *im, const View *view) {
  View *to = view_copy(im, view, view->value);
  int64_t all = 1;
  for (int d = 0; d < view->rank; d++)
    if (is_stretched(view, d)) all *= view->size[d] <= MOST_CHANNELS ? view->size[d] : MOST_CHANNELS + 1;
  if (all > MOST_CHANNELS) return no(im, "a repeated tensor (tile)");
  for (int d = view->rank - 1; d >= 0; d--) {
    if (!is_stretched(view, d)) continue;
    Value *same[MOST_CHANNELS];
    const int c = to->value->shape.rank - 1;
    const int64_t channels = to->value->shape.dim[c];
    for (int64_t i = 0; i < view->size[d]; i++) same[i] = to->value;
    to->value = join_values(im, (int)view->size[d], same, c);
    to->along[d] = factors_one(c, channels, view->size[d]);
  }
  return to;
}

View *view_unrepeated(ModelImport *im, const View *view, int d, int64_t *times) {
  const Factors *along = &view->along[d];
  const Statement *made = view->value->made;
  const int c = view->value->shape.rank - 1;
  const Factor *last = along->n ? &along->f[along->n - 1] : NULL;
  if (!last || !made || made->nin != last->size || strcmp(made->call, "concat(%*)") != 0) return NULL;
  for (int i = 1; i < made->nin; i++)
    if (made->in[i] != made->in[0]) return NULL;
  if (last->axis != c || last->inner != made->in[0]->shape.dim[c]) return NULL;
  View *to = view_copy(im, view, made->in[0]);
  *times = last->size;
  to->size[d] /= *times;
  to->along[d].n--;
  return to;
}

View *view_repeated(ModelImport *im, const View *view) {
  int repeat[MOST_DIMS], dims[MOST_DIMS], nrepeat = 0, n = 0;
  int64_t times[MOST_DIMS];
  View *small = view_copy(im, view, view->value);
  for (int d = 0; d < view->rank; d++) {
    const bool whole = view->size[d] == factors_size(&view->along[d]);
    if (is_stretched(view, d)) times[nrepeat] = view->size[d], repeat[nrepeat++] = d, small->size[d] = 1;
    else if (!whole) return no(im, "a repeated tensor (tile)");
    else if (view->along[d].n && !factors_batch(&view->along[d])) dims[n++] = d;
  }
  if (!nrepeat) return small;
  const int rank = nrepeat + (n ? n : 1);
  if (rank > 3) return repeated_channels(im, view);
  const int c = n ? channels_at(view, n, dims) : 0;
  for (int k = c; k + 1 < n; k++) {
    const int moved = dims[k];
    dims[k] = dims[k + 1];
    dims[k + 1] = moved;
  }
  Value *v = n ? lay_in_order(im, small, n, dims) : small->value;
  if (!v) return NULL;
  Shape shape = {.rank = rank, .dim = {1, 1, 1}};
  for (int i = 0; i < nrepeat; i++) shape.dim[i] = times[i];
  for (int k = 0; k < n; k++) shape.dim[nrepeat + k] = small->size[dims[k]];
  View *to = view_copy(im, small, enlarged(im, v, nrepeat, shape));
  for (int i = 0; i < nrepeat; i++) view_set(to, repeat[i], i);
  for (int k = 0; k < n; k++) view_set(to, dims[k], nrepeat + k);
  return to;
}
