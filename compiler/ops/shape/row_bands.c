// row_bands.c: Operators that cut, copy or move rows of an image or a sequence, stack several images
// vertically, or convert regions to rows of a sequence.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "kernel/map.h"
#include "ops/shape/region.h"
#include "ops/registry.h"
#include "ops/shape/reshape.h"

typedef struct FirstRow {
  int64_t row;
} FirstRow;

/* ---- some rows ---- */
static Box band_region(const Node *node) {
  const FirstRow *first = node->detail;
  return node->shape.rank == 2 ? (Box){0, first->row, 0} : (Box){first->row, 0, 0};
}

static int64_t elements_of_row(const Node *node) { /* elements per row of an image, or of a sequence */
  const Extent e = shape_extent(node->shape);
  return node->shape.rank == 2 ? e.c : e.w * e.c;
}

static int64_t first_element(const Node *node) {
  const FirstRow *first = node->detail;
  return first->row * elements_of_row(node);
}

static void eval_rows(const Eval *eval) {
  box_cut(eval->in[0], shape_extent(eval->node->in[0]->shape), eval->out, shape_extent(eval->node->shape),
          band_region(eval->node));
}

static void lower_cut(Lower *l) { box_lower_cut(l, band_region(l->node)); }

static const Op op_rows = {
    .name = "some rows", .traits.slice_offset = first_element, .eval = eval_rows, .lower = lower_cut};

/* ---- copies of rows, such as those that the next band reads again ---- */
MAP_EVAL(kept_eval) { return x[0]; }
MAP_VALUE(kept_map) { return m->x[0]; }

static const Op op_kept = {.name = "kept rows", MAP_OPERATOR, .map_eval = kept_eval, .map = kept_map};

/* ---- the last rows of an image, which may be moved to the start of the image's memory ---- */
/* WORD: bytes per word; WORDS: number of words that are loaded before the first of them is stored */
enum { WORD = 4, WORDS = 8 };

static void eval_moved(const Eval *eval) {
  const int64_t n = shape_elements(eval->node->shape);
  memmove(eval->out, eval->in[0] + first_element(eval->node), (size_t)n * sizeof *eval->out);
}

static void moved_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Box *from = context;
  const Ix iy = *y + from->y, ix = *x + from->x;
  lower_store(l, walk_load(l, l->in[0], &iy, &ix, c, part, lanes), y, x, c, part, lanes);
}

static void move_words(Lower *l, const Ix *y, const Ix *x, const Ix *c, int n) {
  Nest *b = l->b;
  const Box from = band_region(l->node);
  Val word[WORDS];
  for (int i = 0; i < n; i++)
    word[i] = nest_let(b, nest_text(b, "word%d", i),
                       nest_load_words(b, nest_at(b, l->in[0], *y + from.y, *x + from.x, *c + WORD * i), 1));
  for (int i = 0; i < n; i++) nest_store_words(b, nest_at(b, l->out, *y, *x, *c + WORD * i), word[i]);
}

static void move_pixel(Lower *l, const Ix *y, const Ix *x, int64_t channels) {
  Nest *b = l->b;
  const int64_t whole = channels / (WORDS * WORD), rest = channels / WORD % WORDS;
  NEST_ROLLED(b, k, whole) {
    const Ix c = k * (WORDS * WORD);
    move_words(l, y, x, &c, WORDS);
  }
  const Ix last = NEST_Z + whole * (WORDS * WORD);
  if (rest) move_words(l, y, x, &last, (int)rest);
}

/* The input and the result may overlap in memory. Rows move to lower addresses, and are copied from the first
 * to the last, so each row is read before it is overwritten. */
static void lower_moved(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const Box from = band_region(l->node);
  const bool words =
      l->target->dsp && l->in[0]->type.elem == I8 && l->out->type.elem == I8 && e.c % WORD == 0;
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      if (words) move_pixel(l, &y, &x, e.c);
      else walk_channels(l, e.c, &y, &x, moved_body, &from);
    }
}

static const Op op_moved = {
    .name = "moved rows", .traits.moves_rows = true, .eval = eval_moved, .lower = lower_moved};

/* ---- vertically stacked images ---- */
static int64_t band_row(const Node *node, int k) { /* the first row of image k */
  int64_t row = 0;
  for (int i = 0; i < k; i++) row += node->in[i]->shape.dim[0];
  return row;
}

static int64_t element_of(const Node *node, int k) { return band_row(node, k) * elements_of_row(node); }

static void eval_stack(const Eval *eval) {
  for (int k = 0; k < eval->node->nin; k++)
    memcpy(eval->out + element_of(eval->node, k), eval->in[k],
           (size_t)shape_elements(eval->node->in[k]->shape) * sizeof *eval->out);
}

static void copy_band_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                           const void *context) {
  const int k = *(const int *)context;
  const bool sequence = l->node->shape.rank == 2;
  const Ix to = (sequence ? *x : *y) + band_row(l->node, k);
  lower_store(l, walk_load(l, l->in[k], y, x, c, part, lanes), sequence ? y : &to, sequence ? &to : x, c,
              part, lanes);
}

static void lower_stack(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  for (int k = 0; k < l->node->nin; k++)
    walk_pixels(l, shape_extent(l->node->in[k]->shape), copy_band_body, &k);
}

static const Op op_stack = {
    .name = "stacked rows", .traits.concat_offset = element_of, .eval = eval_stack, .lower = lower_stack};

/* ---- regions as rows of a sequence, and back; regions are consecutive in memory ---- */
static void eval_region(const Eval *eval) {
  const int64_t n = shape_row_elements(eval->node->shape);
  memcpy(eval->out, eval->in[0] + eval->row * n, (size_t)n * sizeof *eval->out);
}

static const Op op_regions_as_rows = {
    .name = "regions as rows", .family = FAMILY_ALIAS, .eval = reshape_eval};
static void lower_regions(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  nest_fn(b, b->name, false);
  NEST_LOOP(b, t, walk_rows(l, e.n * e.h * e.w * e.c), 1, NEST_IX(0), 1, NEST_IX(e.n)) {
    l->row = &t;
    NEST_FOR(b, y, e.h)
      NEST_FOR(b, x, e.w)
        NEST_FOR(b, c, e.c)
          lower_store(l, nest_load(b, nest_at(b, l->in[0], 0, t, (y * e.w + x) * e.c + c), 1), &y, &x, &c, 1,
                      1);
  }
}

static const Op op_rows_as_regions = {
    .name = "rows as regions", .traits.loops_over_rows = true, .eval = eval_region, .lower = lower_regions};

/* ---- nodes of these operators ---- */
static Node *shaped_node(Graph *graph, const Op *op, Shape shape, int n, Node *const *in) {
  Node *node = graph_node(graph, op, n, in);
  node->name = in[0]->name;
  node->shape = shape;
  node->elem = in[0]->elem;
  /* If one image is a part of a value rounded to bf16, all other images are parts of such values, too. */
  for (int k = 0; k < n; k++) node->rounded |= in[k]->rounded;
  node->quant = in[0]->quant;
  node->span = in[0]->span;
  node->site = in[0]->site;
  node->hidden = hidden_of(graph->arena, in[0]);
  return node;
}

static Node *node_of(Graph *graph, const Op *op, int64_t rows, int n, Node *const *in) {
  Shape shape = in[0]->shape;
  shape.dim[0] = rows;
  return shaped_node(graph, op, shape, n, in);
}

Node *rows_of_regions(Graph *graph, Node *value) {
  if (!value->shape.regions) return value;
  const Shape shape = shape_sequence(value->shape.regions, shape_row_elements(value->shape));
  return shaped_node(graph, &op_regions_as_rows, shape, 1, &value);
}

Node *regions_of_rows(Graph *graph, Node *rows, Shape region) {
  if (!region.regions) return rows;
  region.regions = rows->shape.dim[0];
  return shaped_node(graph, &op_rows_as_regions, region, 1, &rows);
}

Node *rows_cut(Graph *graph, Node *picture, int64_t first, int64_t n) {
  if (n == picture->shape.dim[0]) return picture;
  Node *node = node_of(graph, &op_rows, n, 1, &picture);
  FirstRow *detail = NEW(graph->arena, FirstRow);
  detail->row = first;
  node->detail = detail;
  return node;
}

Node *rows_moved(Graph *graph, Node *picture, int64_t first) {
  Node *node = node_of(graph, &op_moved, picture->shape.dim[0] - first, 1, &picture);
  FirstRow *detail = NEW(graph->arena, FirstRow);
  detail->row = first;
  node->detail = detail;
  return node;
}

Node *rows_kept(Graph *graph, Node *picture) {
  return node_of(graph, &op_kept, picture->shape.dim[0], 1, &picture);
}

Node *rows_stacked(Graph *graph, int n, Node *const *picture) {
  int64_t rows = 0;
  for (int k = 0; k < n; k++) rows += picture[k]->shape.dim[0];
  return n == 1 ? picture[0] : node_of(graph, &op_stack, rows, n, picture);
}
