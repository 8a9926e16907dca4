// conv_padded.c: Copy of a convolution's bf16 input with its padding.
// SPDX-License-Identifier: Apache-2.0
//
// Loops over the copy need no conditions for padding. A pixel of the copy has an even number of channels, so
// it consists of whole words of two bf16 numbers; or the copy is tight (Direct.tight).
#include "base/number.h"
#include "kernel/walk.h"
#include "schedule/float/direct.h"

/* Whether the input can be viewed as [h][1][w*c]: there are no gaps between its pixels, and neither the
 * result nor another operand of the kernel is in the same buffer. */
static bool is_one_line(const Lower *l) {
  const Buf *in = l->in[0];
  for (int i = 0; i < l->nothers; i++)
    if (l->other[i] == in) return false;
  return lower_pixels_touch(in) && in != l->out;
}

static void view_as_line(Buf *in) {
  in->dim[2] *= in->dim[1];
  in->dim[1] = 1;
  for (int d = 0; d < 3; d++) in->room[d] = in->dim[d];
}

void padded_begin(Direct *d, bool lined, bool planes, bool single, int64_t spare) {
  Correlation *k = &d->k;
  int64_t size[2];
  for (int axis = 0; axis < 2; axis++) {
    size[axis] =
        (extent_side(k->small, axis) - 1) * k->stride[axis] + (k->kernel[axis] - 1) * k->dilation[axis] + 1;
    k->before[axis] = 0;
  }
  const int64_t channels = lined ? d->in : k->large.c;
  int64_t dim[3] = {size[0], size[1], channels};
  if (single) {
    dim[1] = dim[0] * dim[1] + spare;
    dim[0] = 1;
  }
  if (lined) {
    dim[2] *= dim[1];
    dim[1] = 1;
  }
  /* at least one zero after a row, for the last word of the last window; with the zeros, dim[2] is even */
  if (is_tight(d)) dim[2] += 2 - dim[2] % 2;
  if (lined && is_one_line(d->l)) view_as_line(d->l->in[0]);
  d->lined = lined;
  d->pitch = single ? size[1] : 0;
  d->planes = planes;
  d->from = planes ? lower_scratch_of(d->l, "padded", BF16, 4,
                                      (int64_t[]){d->inner * k->groups, dim[0], dim[1], d->block})
                   : lower_scratch_of(d->l, "padded", BF16, 3, dim);
  k->large = (Extent){.h = size[0], .w = size[1], .c = channels};
}

static bool views_line(const Direct *d) { return d->l->in[0]->dim[1] == 1 && d->own.large.w > 1; }

/* Reference to channel c of pixel (y, x) of the copy. If the copy has planes, c is an index in block `block`
 * of channels. */
static Ref padded_element(const Direct *d, const Ix *block, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = d->l->b;
  const Ix none = {0}, row = d->pitch ? none : *y, column = d->pitch ? *x + *y * d->pitch : *x;
  return d->lined    ? nest_at(b, d->from, row, none, column * d->k.large.c + *c)
         : d->planes ? nest_at(b, d->from, *block, row, column, *c)
                     : nest_at(b, d->from, row, column, *c);
}

/* Copies pixel (from_y, from_x) of the input to pixel (y, x); from_y NULL: stores zeros. */
static void pad_pixel(const Direct *d, const Ix *y, const Ix *x, const Ix *from_y, const Ix *from_x) {
  Lower *l = d->l;
  Nest *b = l->b;
  const int64_t blocks = d->planes ? d->inner * d->k.groups : 1, channels = d->k.large.c / blocks,
                own = d->planes ? channels : d->own.large.c, L = l->target->lanes, whole = own / L,
                rest = channels - whole * L;
  const bool line = views_line(d);
  const Ix none = {0};
  NEST_FOR(b, block, blocks)
    for (int part = 0; part < 2; part++)
      if (part ? rest : whole)
        NEST_FOR(b, v, part ? 1 : whole) {
          const Ix c = part ? none + whole * L : v * L, at = block * channels + c;
          const int read = (int)(part ? own - whole * L : L);
          Val value = splat(num(b, 0), (int)L);
          if (from_y && read > 0) /* the channel that only fills the last word is not read */
            value = nest_load_part(b,
                                   line ? nest_at(b, l->in[0], *from_y, none, *from_x * own + c)
                                        : nest_at(b, l->in[0], *from_y, *from_x, at),
                                   read, (int)L);
          nest_store_part(b, padded_element(d, &block, y, x, &c), value, (int)(part ? rest : L));
        }
}

static void pad_columns_of(const Direct *d, const Ix *y, int64_t from, int64_t to) {
  Nest *b = d->l->b;
  if (from < to)
    NEST_FROM(b, x, from, to) pad_pixel(d, y, &x, NULL, NULL);
}

typedef struct LineCopy {
  const Direct *d;
  const Ix *from_y;
} LineCopy;

static void copy_line_vector(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                             const void *context) {
  const LineCopy *copy = context;
  const Ix none = {0};
  nest_store_part(l->b, padded_element(copy->d, &none, y, x, c),
                  walk_load(l, l->in[0], copy->from_y, &none, c, part, lanes), part);
}

/* Copies the pixels of a row to a tight copy. Returns the number of copied pixels, or 0 if the input is not
 * one line. */
static int64_t copy_line(const Direct *d, const Ix *y, const Ix *from_y, int64_t left, int64_t count) {
  const Ix none = {0}, x = none + left;
  if (!views_line(d)) return 0;
  walk_channels(d->l, count * d->in, y, &x, copy_line_vector, &(LineCopy){d, from_y});
  return count;
}

/* If a pixel has few channels, all pixels that fit in a vector are copied together, with zeros between them.
 * Returns the number of pixels that were copied this way; the last pixels of a row may remain, because a
 * loaded vector must end within the row. */
static int64_t copy_together(const Direct *d, const Ix *y, const Ix *from_y, int64_t left, int64_t count) {
  if (is_tight(d)) return copy_line(d, y, from_y, left, count);
  Nest *b = d->l->b;
  const int64_t own = d->own.large.c, to = d->k.large.c, row = d->own.large.w * own, L = d->l->target->lanes,
                n = L / to, step = n * own;
  if (!views_line(d) || n < 2 || row < L) return 0;
  const int64_t groups = smaller((row - L) / step + 1, count / n);
  const Ix none = {0};
  int *lane = NEW_ARRAY(b->arena, int, L);
  for (int64_t i = 0; i < L; i++) lane[i] = (int)(i < n * to && i % to < own ? i / to * own + i % to : L);
  if (groups)
    NEST_FOR(b, i, groups) {
      const Val x = nest_load(b, nest_at(b, d->l->in[0], *from_y, none, step * i), (int)L);
      nest_store_part(b, padded_element(d, &none, y, NEST_IX(left + n * i), &none),
                      shuffle(x, splat(num(b, 0), (int)L), (int)L, lane), (int)(n * to));
    }
  return n * groups;
}

/* Stores zeros after the last pixel of each row of a tight copy. */
static void end_rows(const Direct *d) {
  Nest *b = d->l->b;
  const int64_t all = d->from->dim[2], last = all / d->in * d->in;
  const Ix none = {0};
  NEST_FOR(b, y, d->from->dim[0])
    NEST_FROM(b, c, last, all) nest_store(b, nest_at(b, d->from, y, none, c), num(b, 0));
}

void padded_fill(const Direct *d, LoopKind outer) {
  Nest *b = d->l->b;
  if (d->from == d->l->in[0]) return;
  const int64_t *before = d->own.before, rows = d->k.large.h, columns = d->k.large.w,
                top = smaller(before[0], rows), bottom = smaller(rows, top + d->own.large.h),
                left = smaller(before[1], columns), right = smaller(columns, left + d->own.large.w),
                spare = d->lined    ? d->from->dim[2] / d->k.large.c - rows * columns
                        : d->planes ? d->from->dim[2] - rows * columns
                                    : d->from->dim[1] - rows * columns;
  NEST_FOR(b, y, top) pad_columns_of(d, &y, 0, columns);
  NEST_LOOP(b, y, bottom - top > 1 ? outer : SERIAL, 1, NEST_IX(top), 1, NEST_IX(bottom)) {
    const Ix from_y = y - top;
    pad_columns_of(d, &y, 0, left);
    const int64_t first = left + copy_together(d, &y, &from_y, left, right - left);
    if (first < right)
      NEST_FROM(b, x, first, right) pad_pixel(d, &y, &x, &from_y, NEST_IX(x - left));
    pad_columns_of(d, &y, right, columns);
  }
  NEST_FROM(b, y, bottom, rows) pad_columns_of(d, &y, 0, columns);
  if (d->pitch && spare > 0) pad_columns_of(d, NEST_IX(rows), 0, spare);
  if (is_tight(d)) end_rows(d);
}
