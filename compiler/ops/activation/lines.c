/* lines.c: Operators with the argument axis=: shapes, evaluation along any axis, nests along height, width or
 * both. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/activation/lines.h"
#include <string.h>

enum { MOST_LINE_INPUTS = 2 };
const Param lines_params[] = {LINES_AXIS, {0}};

/* ---- the shape ---- */
static bool axis_fits(ShapeContext *context, const Node *node, const char *axis) {
  const Shape in = node->in[0]->shape;
  const bool positions = !strcmp(axis, "positions"), length = !strcmp(axis, "length");
  if (in.rank == 3 ? !length : in.rank == 2 && (length || positions)) return true;
  Diag *diag = op_error_at(context, node, "axis", DIAG_bad_value, "%s along the %s of %s: %s", node->op->name,
                           axis, shape_text(context->arena, in),
                           in.rank == 3   ? "an image has height, width and channels"
                           : in.rank == 2 ? "a sequence has length and channels"
                                          : "a vector has only channels");
  op_note_origin(context, diag, node->in[0]);
  return false;
}

void lines_shape(ShapeContext *context, Node *node, const Op *other) {
  const char *axis = arg_const(node, "axis")->s;
  if (!node->in[0]->shape.rank) return;
  if (strcmp(axis, "channels") != 0) {
    if (!axis_fits(context, node, axis)) return;
    node->op = other;
  }
  node->shape = node->in[0]->shape;
}

StreamRule lines_stream_rule(const Node *node) {
  return arg_is(node, "axis", "width") ? STREAM_ROWS : STREAM_WHOLE;
}

typedef struct Lines {
  /* per channel: lines[0] * lines[1] lines of size[0] * size[1] elements each; [0]: along height, [1]: along
   * width. Unused for axis=channels */
  int64_t lines[2], size[2];
} Lines;

static Lines axis_lines(const Node *node) {
  const Extent e = shape_extent(node->shape);
  const bool down = arg_is(node, "axis", "height") || arg_is(node, "axis", "positions"),
             across = !arg_is(node, "axis", "height");
  return (Lines){{down ? 1 : e.h, across ? 1 : e.w}, {down ? e.h : 1, across ? e.w : 1}};
}

int64_t lines_length(const Node *node) {
  const Lines k = axis_lines(node);
  return arg_is(node, "axis", "channels") ? shape_extent(node->shape).c : k.size[0] * k.size[1];
}

/* ---- reference, along any axis ---- */
/* Index of a line's element i in the array of the node's value. */
static int64_t line_position(const Node *node, const Lines *k, int64_t line, int64_t i) {
  const Extent e = shape_extent(node->shape);
  if (arg_is(node, "axis", "channels")) return line * e.c + i;
  const int64_t c = line % e.c, y = line / e.c / k->lines[1], x = line / e.c % k->lines[1];
  return ((y + i / k->size[1]) * e.w + x + i % k->size[1]) * e.c + c;
}

void lines_run(const Eval *eval, LinesEval of_line) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  const Lines k = axis_lines(node);
  const int64_t n = lines_length(node);
  Arena *arena = arena_new();
  double *in[MOST_LINE_INPUTS], *out = NEW_ARRAY(arena, double, n);
  for (int i = 0; i < node->nin; i++) in[i] = NEW_ARRAY(arena, double, n);
  for (int64_t line = 0; line < e.h * e.w * e.c / n; line++) {
    for (int64_t i = 0; i < n; i++)
      for (int input = 0; input < node->nin; input++)
        in[input][i] = eval->in[input][line_position(node, &k, line, i)];
    of_line(node, n, in, out);
    for (int64_t i = 0; i < n; i++) eval->out[line_position(node, &k, line, i)] = out[i];
  }
  arena_free(arena);
}

/* ---- the nest ---- */
void line_each(const Line *line, int64_t from, LineElement body, const void *context) {
  Nest *b = line->l->b;
  if (line->size[0] == 1) {
    NEST_FROM(b, j, from, line->size[1]) {
      const Ix x = *line->x + j;
      body(line, line->y, &x, context);
    }
    return;
  }
  NEST_FOR(b, i, line->size[0])
    NEST_FOR(b, j, line->size[1]) {
      const Ix y = *line->y + i, x = *line->x + j;
      body(line, &y, &x, context);
    }
}

typedef struct Element {
  Buf *to; /* registers */
  LineValue *value;
  const void *context;
} Element;

static Val element_value(const Line *line, const Ix *y, const Ix *x, const Element *of) {
  Lower *l = line->l;
  Val in[MOST_LINE_INPUTS];
  for (int k = 0; k < l->node->nin; k++)
    in[k] = walk_load(l, l->in[k], y, x, line->c, line->part, line->lanes);
  return of->value ? of->value(line, in, of->context) : in[0];
}

static void sum_element(const Line *line, const Ix *y, const Ix *x, const void *context) {
  const Element *of = context;
  Nest *b = line->l->b;
  nest_store(b, nest_at(b, of->to, 0),
             add(nest_get(b, nest_at(b, of->to, 0)), element_value(line, y, x, of)));
}

Val line_sum(const Line *line, const char *name, LineValue value, const void *context) {
  Nest *b = line->l->b;
  const Element of = {NEST_REGISTERS(b, name, line->lanes, 1), value, context};
  nest_store(b, nest_at(b, of.to, 0), num(b, 0));
  line_each(line, 0, sum_element, &of);
  return nest_get(b, nest_at(b, of.to, 0));
}

static void max_element(const Line *line, const Ix *y, const Ix *x, const void *context) {
  const Element *of = context;
  Nest *b = line->l->b;
  nest_store(b, nest_at(b, of->to, 0),
             vmax(nest_get(b, nest_at(b, of->to, 0)), element_value(line, y, x, of)));
}

Val line_max(const Line *line) {
  Nest *b = line->l->b;
  const Element of = {NEST_REGISTERS(b, "largest", line->lanes, 1), NULL, NULL};
  nest_store(b, nest_at(b, of.to, 0), element_value(line, line->y, line->x, &of));
  if (line->size[0] * line->size[1] > 1) line_each(line, 1, max_element, &of);
  return nest_get(b, nest_at(b, of.to, 0));
}

static void store_element(const Line *line, const Ix *y, const Ix *x, const void *context) {
  lower_store(line->l, element_value(line, y, x, context), y, x, line->c, line->part, line->lanes);
}

void line_store(const Line *line, LineValue value, const void *context) {
  const Element of = {NULL, value, context};
  line_each(line, 0, store_element, &of);
}

typedef struct Lowered {
  LinesBody *body;
  Lines lines;
} Lowered;

static void lines_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Lowered *of = context;
  of->body(&(Line){l, y, x, c, part, lanes, {of->lines.size[0], of->lines.size[1]}});
}

static void lines_nest_of(Lower *l, LinesBody body, bool numbers) {
  Nest *b = l->b;
  const Lowered of = {body, axis_lines(l->node)};
  const Extent e = shape_extent(l->node->shape);
  const LoopKind kind = walk_rows(l, 4 * e.h * e.w * e.c);
  nest_fn(b, b->name, false);
  const bool down = of.lines.lines[0] > 1;
  NEST_LOOP(b, y, down ? kind : SERIAL, 1, NEST_IX(0), 1, NEST_IX(of.lines.lines[0]))
    NEST_LOOP(b, x, down ? SERIAL : kind, 1, NEST_IX(0), 1, NEST_IX(of.lines.lines[1])) {
      if (!numbers) walk_channels(l, e.c, &y, &x, lines_body, &of);
      else
        NEST_FOR(b, c, e.c) lines_body(l, &y, &x, &c, 1, 1, &of);
    }
}

void lines_lower(Lower *l, LinesBody body) { lines_nest_of(l, body, false); }
void lines_lower_numbers(Lower *l, LinesBody body) { lines_nest_of(l, body, true); }
