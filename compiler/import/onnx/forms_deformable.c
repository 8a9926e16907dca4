/* forms_deformable.c: Pattern matching of deformable attention as in DETR models. DETR models sample each
 * level at its part of the sampling locations, then stack, weight and sum the samples. All of these nodes
 * become one node, whose inputs are the levels, the locations of all levels, and the weights. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/forms.h"

enum { MOST_LEVELS = 13 };
/* The tensors of n levels, and the tensor of the sampling locations; `places` is 0 if n is 0. */
typedef struct Levels {
  int n, image[MOST_LEVELS], places;
} Levels;

static bool transposes(const OnnxNode *node, int n, const int64_t *wanted) {
  const WireInts *perm = node ? onnx_ints(node, "perm") : NULL;
  if (!perm || perm->n != n) return false;
  for (int i = 0; i < n; i++)
    if (perm->data[i] != wanted[i]) return false;
  return true;
}

/* The sampling locations [N, queries, heads, points, 2] from which `images` was computed by turning heads
 * into images; 0: `images` was computed in another way. */
static int before_heads_first(const ModelImport *im, int images) {
  static const int64_t heads_first[] = {0, 2, 1, 3, 4};
  const OnnxNode *flat = either_before(im, images, "Reshape", "Flatten");
  const OnnxNode *turned = flat ? op_before(im, flat->in[0], "Transpose") : NULL;
  return transposes(turned, 5, heads_first) ? turned->in[0] : 0;
}

/* Whether the parts of a Split have the same size. */
static bool splits_equally(const ModelImport *im, const OnnxNode *split) {
  const Tensor *t = split->nin > 1 && split->in[1] ? im->item[split->in[1]].constant : NULL;
  const WireInts *list = onnx_ints(split, "split");
  if (split->nin > 1 && split->in[1] && !t) return false;
  const int64_t n = t ? t->n : list ? list->n : 0;
  for (int64_t i = 1; i < n; i++)
    if (t ? tensor_integer(t, i) != tensor_integer(t, 0) : list->data[i] != list->data[0]) return false;
  return true;
}

/* If the grid contains the sampling locations of `level`, with heads as images: the tensor with the locations
 * of all levels, [N, queries, heads, levels, points, 2] or [N, queries, heads, levels * points, 2]. Otherwise
 * 0. */
static int places_of_level(const ModelImport *im, int grid, int level) {
  const OnnxNode *split = op_before(im, grid, "Split");
  if (split) {
    const int64_t axis = onnx_int(split, "axis", 0);
    if ((axis != 2 && axis != -2) || level >= split->nout || split->out[level] != grid) return 0;
    return splits_equally(im, split) ? before_heads_first(im, split->in[0]) : 0;
  }
  const int all = before_heads_first(im, grid);
  const OnnxNode *part = op_before(im, all, "Gather");
  if (!part || part->nin != 2 || onnx_int(part, "axis", 0) != 3) return 0;
  const Tensor *index = im->item[part->in[1]].constant;
  return index && index->rank == 0 && tensor_integer(index, 0) == level ? part->in[0] : 0;
}

static bool add_level(const ModelImport *im, Levels *levels, int samples) {
  const OnnxNode *node = op_before(im, samples, "GridSample");
  if (!node || node->nin != 2 || levels->n == MOST_LEVELS) return false;
  const char *mode = onnx_text(node, "mode", "linear");
  if (strstr(mode, "linear") == NULL || strcmp(onnx_text(node, "padding_mode", "zeros"), "zeros") != 0 ||
      onnx_int(node, "align_corners", 0))
    return false;
  const int places = places_of_level(im, node->in[1], levels->n);
  if (!places || (levels->places && places != levels->places)) return false;
  levels->places = places;
  levels->image[levels->n++] = node->in[0];
  return true;
}

/* Finds the samples of all levels. They are stacked along a new dimension before the points, or concatenated
 * along the points. */
static bool all_levels(const ModelImport *im, int samples, Levels *levels) {
  const OnnxNode *flat = either_before(im, samples, "Reshape", "Flatten");
  const OnnxNode *stack = flat ? op_before(im, flat->in[0], "Concat") : NULL;
  const OnnxNode *beside = flat ? NULL : op_before(im, samples, "Concat");
  const int64_t axis = beside ? onnx_int(beside, "axis", 0) : 3;
  for (int i = 0; beside && i < beside->nin; i++)
    if ((axis != 3 && axis != -1) || !add_level(im, levels, beside->in[i])) return false;
  if (beside) return true;
  for (int i = 0; stack && i < stack->nin; i++) {
    const OnnxNode *apart = op_before(im, stack->in[i], "Unsqueeze");
    if (!apart || !add_level(im, levels, apart->in[0])) return false;
  }
  return stack ? levels->n > 0 : add_level(im, levels, samples);
}

/* If the tensor is 2*x - 1: the tensor x; otherwise 0. */
static int unit_places(const ModelImport *im, int places) {
  double one = 0, two = 0;
  const OnnxNode *less = op_before(im, places, "Sub");
  const int twice = less ? beside_number(im, less, &one) : 0;
  const OnnxNode *product = twice && one == 1 && less->in[0] == twice ? op_before(im, twice, "Mul") : NULL;
  const int x = product ? beside_number(im, product, &two) : 0;
  return two == 2 ? x : 0;
}

void form_deformable(ModelImport *im, OnnxNode *node) {
  if (!is_op(node, "ReduceSum") || onnx_int(node, "keepdims", 1)) return;
  const int64_t axis = only_axis(im, node);
  const OnnxNode *product = axis == -1 || axis == 3 ? op_before(im, node->in[0], "Mul") : NULL;
  for (int k = 0; product && product->nin == 2 && k < 2; k++) {
    Levels levels = {0};
    if (!all_levels(im, product->in[k], &levels)) continue;
    const int places = unit_places(im, levels.places);
    if (!places) continue;
    int in[MOST_LEVELS + 2];
    memcpy(in, levels.image, sizeof levels.image);
    in[levels.n] = places;
    in[levels.n + 1] = product->in[!k];
    turn_into(im, node, "DeformableAttention", levels.n + 2, in);
    return;
  }
}

/* ---- the node ---- */
View *import_deformable(ModelImport *im, const OnnxNode *node) {
  const int levels = node->nin - 2;
  const View *places = view_of(im, node, levels), *weights = places ? view_of(im, node, levels + 1) : NULL;
  if (!places || !weights) return NULL;
  if ((places->rank != 5 && places->rank != 6) || weights->rank != 4)
    return no(im, "sampling locations or weights with an unexpected rank");
  const int64_t heads = places->size[2], queries = places->size[1];
  int by_head[] = {2, 3, 4, 5}, query = 1, weight[] = {0, 3}, asked = 2;
  if (weights->size[3] % levels) return no(im, "levels with different numbers of points");
  Value *in[MOST_LEVELS + 2];
  for (int i = 0; i < levels; i++) {
    const View *x = view_of(im, node, i);
    int channels[] = {0, 1}, pixels[] = {2, 3};
    if (!x || x->rank != 4 || x->size[0] != heads)
      return no(im, "levels that are not [heads, channels, height, width]");
    if (!(in[i ? i + 2 : 0] = lay(im, x, 2, channels, 2, pixels, false))) return NULL;
  }
  if (!(in[1] = lay(im, places, places->rank - 2, by_head, 1, &query, false)) ||
      !(in[2] = lay(im, weights, 2, weight, 1, &asked, false)))
    return NULL;
  Text more = {.arena = im->arena};
  text_put(&more, "%s", "");
  for (int i = 1; i < levels; i++) text_put(&more, ", %%%d", i + 2);
  const int64_t channels = in[0]->shape.dim[2];
  Value *v = emit(im, levels + 2, in, shape_sequence(queries, channels),
                  "deformable_attention(%%1, %%2, %lld%s)", (long long)heads, more.s);
  View *y = view_new(im, v, 3);
  y->size[0] = heads;
  y->along[0] = factors_one(1, channels / heads, heads);
  y->size[1] = channels / heads;
  y->along[1] = factors_one(1, 1, channels / heads);
  view_set(y, 2, 0);
  return y;
}
