/* shape.c: Shapes, output sizes of window operators, and rows of endless sequences. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/shape.h"
#include "base/number.h"

Shape shape_image(int64_t h, int64_t w, int64_t c) { return (Shape){.rank = 3, .dim = {h, w, c}}; }
Shape shape_sequence(int64_t length, int64_t c) { return (Shape){.rank = 2, .dim = {length, c}}; }
Shape shape_vector(int64_t n) { return (Shape){.rank = 1, .dim = {n}}; }

Shape shape_with_rows(Shape row, Shape like) {
  row.regions = like.regions;
  row.parts = like.parts;
  return row;
}

Shape shape_row(Shape s) { return shape_with_rows(s, POISON); }

int64_t shape_rows(Shape s) { return s.regions ? s.regions : 1; }

int64_t shape_row_elements(Shape s) {
  int64_t n = 1;
  for (int d = 0; d < s.rank; d++) n *= s.dim[d];
  return s.rank ? n : 0;
}

int64_t shape_elements(Shape s) { return shape_rows(s) * shape_row_elements(s); }

bool shape_table(Shape s, int64_t *rows, int64_t *columns) {
  const bool regions = s.regions && s.rank == 1;
  if (!regions && (s.regions || s.rank != 2)) return false;
  *rows = regions ? s.regions : s.dim[0];
  *columns = regions ? s.dim[0] : s.dim[1];
  return true;
}

bool shape_equal(Shape a, Shape b) {
  bool equal = a.rank == b.rank && a.regions == b.regions;
  for (int d = 0; d < a.rank && equal; d++) equal = a.dim[d] == b.dim[d];
  return equal;
}

const char *shape_text(Arena *arena, Shape s) {
  const char *of = s.regions ? arena_printf(arena, "%lld of ", (long long)s.regions) : "";
  if (s.rank == 3)
    return arena_printf(arena, "%s%lldx%lldx%lld", of, (long long)s.dim[0], (long long)s.dim[1],
                        (long long)s.dim[2]);
  if (s.rank == 2) return arena_printf(arena, "%s%lldx%lld", of, (long long)s.dim[0], (long long)s.dim[1]);
  if (s.rank == 1) return arena_printf(arena, "%s%lld", of, (long long)s.dim[0]);
  return "?";
}

Extent shape_extent(Shape s) {
  const int64_t n = shape_rows(s);
  if (s.rank == 3) return (Extent){n, s.dim[0], s.dim[1], s.dim[2]};
  if (s.rank == 2) return (Extent){n, 1, s.dim[0], s.dim[1]};
  return (Extent){n, 1, 1, s.rank ? s.dim[0] : 0};
}

Extent shape_joined(Shape s) {
  const Extent e = shape_extent(s);
  return (Extent){1, e.n * e.h, e.w, e.c};
}

bool size_multiply(int64_t a, int64_t b, int64_t *product) { return !__builtin_mul_overflow(a, b, product); }

int64_t window_output(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, PadRule rule,
                      bool ceil, int64_t *before, int64_t *after) {
  const int64_t reach = dilation * (kernel - 1) + 1; /* size of a window, including the gaps of dilation */
  if (rule == PAD_VALID) *before = *after = 0;
  if (rule == PAD_CAUSAL) {
    *before = reach - 1;
    *after = 0;
  }
  if (rule == PAD_SAME) { /* O = ceil(I / S); odd padding has one more element at the end */
    const int64_t output = (input + stride - 1) / stride,
                  total = larger((output - 1) * stride + reach - input, 0);
    *before = total / 2;
    *after = total - total / 2;
    return output;
  }
  const int64_t room = input + *before + *after - reach;
  int64_t output = (ceil ? -floor_divide(-room, stride) : floor_divide(room, stride)) + 1;
  if (ceil && room >= 0 && (output - 1) * stride >= input + *before) output--;
  return output;
}

const char *window_formula(Arena *arena, int64_t input, int64_t kernel, int64_t stride, int64_t dilation,
                           int64_t before, int64_t after, bool ceil) {
  int64_t b = before, a = after,
          output = window_output(input, kernel, stride, dilation, PAD_EXPLICIT, ceil, &b, &a);
  return arena_printf(arena, "%s((%lld + %lld - %lld*(%lld - 1) - 1) / %lld) + 1 = %lld",
                      ceil ? "ceil" : "floor", (long long)input, (long long)(before + after),
                      (long long)dilation, (long long)kernel, (long long)stride, (long long)output);
}

int64_t window_transposed(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, int64_t output_pad,
                          PadRule rule, int64_t *before, int64_t *after) {
  const int64_t whole = (input - 1) * stride + dilation * (kernel - 1) + 1 + output_pad;
  if (rule == PAD_SAME) { /* stride > window + output_pad: `after` is negative, so zeros are appended */
    const int64_t total = whole - input * stride;
    *before = total > 0 ? total / 2 : 0;
    *after = total - *before;
    return input * stride;
  }
  if (rule != PAD_EXPLICIT) *before = *after = 0;
  return whole - *before - *after;
}

const char *window_transposed_formula(Arena *arena, int64_t input, int64_t kernel, int64_t stride,
                                      int64_t dilation, int64_t output_pad, int64_t before, int64_t after) {
  int64_t b = before, a = after,
          output = window_transposed(input, kernel, stride, dilation, output_pad, PAD_EXPLICIT, &b, &a);
  return arena_printf(arena, "(%lld - 1)*%lld + %lld*(%lld - 1) + 1 + %lld - %lld = %lld", (long long)input,
                      (long long)stride, (long long)dilation, (long long)kernel, (long long)output_pad,
                      (long long)(before + after), (long long)output);
}

int64_t window_unread(int64_t input, int64_t output, int64_t kernel, int64_t stride, int64_t dilation,
                      int64_t before) {
  const bool gaps = stride > dilation * (kernel - 1) + 1; /* windows do not touch */
  if (output < 1 || (gaps && output * stride - before >= input)) return 0;
  const int64_t last = (output - 1) * stride + dilation * (kernel - 1) - before; /* last position read */
  return larger(input - 1 - last, 0);
}

/* ---- reach of windows ---- */
/* Tap k of output o reads input o*S + k*D - P (S: stride, D: dilation, P: padding before the input). A Line
 * is the offsets 0, step, ... (n-1)*step: for outputs, n = O and step = S; for taps, n = K and step = D. */
typedef struct Line {
  int64_t n, step;
} Line;

/* Shortens the step of `line` if at most one position of `line` can read the input, whatever the position of
 * `other` is. With the shorter step, all other positions of `line` are still outside of the input. */
static void shorten_step(Line *line, Line *other, int64_t input, int64_t *before) {
  const int64_t span = (other->n - 1) * other->step;
  const int64_t first = larger(ceil_divide(*before - span, line->step), 0);
  const int64_t last = smaller(floor_divide(*before + input - 1, line->step), line->n - 1);
  if (first > last) { /* no position reads the input */
    *before = line->n + other->n;
    line->step = other->step = 1;
  }
  if (first != last) return;
  const int64_t start = first * line->step - *before, step = larger(input - start, start + span + 1);
  if (step >= line->step) return;
  *before -= first * (line->step - step);
  line->step = step;
}

void window_compact(Window *w, int axis, int64_t input, int64_t output) {
  /* with ceil and count_pad, the mean depends on the padding, so the padding must stay */
  if (w->ceil && w->count_pad) return;
  Line outputs = {output, w->stride[axis]}, taps = {w->kernel[axis], w->dilation[axis]};
  for (int pass = 0; pass < 2; pass++) { /* a shorter step may permit the other step to be shorter */
    shorten_step(&taps, &outputs, input, &w->before[axis]);
    shorten_step(&outputs, &taps, input, &w->before[axis]);
  }
  w->stride[axis] = outputs.step;
  w->dilation[axis] = taps.step;
}

int64_t window_reach(const Window *w, int axis, int64_t output) {
  return w->before[axis] + (output - 1) * w->stride[axis] + (w->kernel[axis] - 1) * w->dilation[axis];
}

int64_t window_first(const Window *w, int axis, int64_t output) {
  return output * w->stride[axis] - w->before[axis];
}

int64_t window_end(const Window *w, int axis, int64_t output) {
  return window_first(w, axis, output) + (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}

/* ---- endless sequences ---- */
/* Like window_output, for the number of input rows that are known after call k: (k + 1)*rows + offset. */
StepRows step_window(const Window *w, int axis, StepRows in) {
  const int64_t reach = w->dilation[axis] * (w->kernel[axis] - 1) + 1,
                known = floor_divide(in.offset + w->before[axis] - reach, w->stride[axis]) + 1;
  return (StepRows){in.rows / w->stride[axis], smaller(0, known)};
}

StepRows step_transposed(const Window *w, int axis, StepRows in) {
  return (StepRows){in.rows * w->stride[axis], smaller(0, w->stride[axis] * in.offset - w->before[axis])};
}

StepRows step_repeated(StepRows in, int64_t factor) {
  return (StepRows){in.rows * factor, in.offset * factor};
}

StepRows step_deeper(StepRows in, int64_t factor) {
  return (StepRows){in.rows / factor, floor_divide(in.offset, factor)};
}

StepRows step_padded(StepRows in, int64_t before) {
  return (StepRows){in.rows, smaller(0, in.offset + before)};
}

StepRows step_cropped(StepRows in, int64_t before) { return (StepRows){in.rows, in.offset - before}; }

int64_t window_transposed_first(const Window *w, int axis, int64_t output) {
  return ceil_divide(output + w->before[axis] - w->dilation[axis] * (w->kernel[axis] - 1), w->stride[axis]);
}

int64_t step_history(StepRows in, int64_t first) { return larger(0, in.offset - first); }
