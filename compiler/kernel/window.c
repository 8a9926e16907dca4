/* window.c: Windows of operators: kernel, stride, padding and number of windows from the arguments, and
 * errors about these numbers. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/window.h"
#include <string.h>

enum { LARGEST = INT32_MAX };

static bool is_sequence(const Node *node) { return node->in[0]->shape.rank == 2; }

const char *window_axis_name(const Node *node, int axis) {
  return is_sequence(node) ? "length" : axis ? "width" : "height";
}

const char *window_size_text(Arena *arena, const Node *node, const int64_t size[2]) {
  if (is_sequence(node)) return arena_printf(arena, "%lld", (long long)size[1]);
  return arena_printf(arena, "%lldx%lld", (long long)size[0], (long long)size[1]);
}

Shape window_shape(const Node *node, int64_t h, int64_t w, int64_t c) {
  const Shape shape = is_sequence(node) ? shape_sequence(w, c) : shape_image(h, w, c);
  return shape_with_rows(shape, node->in[0]->shape);
}

/* ---- arguments ---- */
static bool two_on_sequence(ShapeContext *context, const Node *node, const char *param) {
  const Shape in = node->in[0]->shape;
  const bool pad = strcmp(param, "pad") == 0;
  Diag *diag = op_error_at(context, node, param, DIAG_kernel_on_sequence,
                           "%s of %s has %s, but its input %s is a sequence", param, node->op->name,
                           pad ? "four sides" : "two dimensions", shape_text(context->arena, in));
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "a sequence takes %s; a gray image is %lldx%lldx1",
            pad ? "one number or [before, after]" : "one number", (long long)in.dim[0], (long long)in.dim[1]);
  return false;
}

static bool window_numbers(ShapeContext *context, const Node *node, const char *param, bool sequence,
                           int64_t to[2]) {
  const Const *value = arg_const(node, param);
  to[0] = to[1] = 1;
  if (value->kind == CONST_NONE) return true;
  if (value->kind == CONST_POISON) return false;
  const bool list = value->kind == CONST_DIMS || value->kind == CONST_LIST;
  const int n = list ? value->n : 1;
  if (n == 2 && sequence) return two_on_sequence(context, node, param);
  to[1] = list ? value->items[n - 1].i : value->i;
  if (!sequence) to[0] = list ? value->items[0].i : value->i;
  for (int axis = 0; axis < 2; axis++) {
    if (to[axis] >= 1 && to[axis] <= LARGEST) continue;
    op_error_at(context, node, param, to[axis] < 1 ? DIAG_bad_size : DIAG_too_large,
                "%s of %s is %lld, but must be from 1 to %d", param, node->op->name, (long long)to[axis],
                LARGEST);
    return false;
  }
  return true;
}

bool window_pair(ShapeContext *context, const Node *node, const char *param, int64_t to[2]) {
  return window_numbers(context, node, param, is_sequence(node), to);
}

bool window_size(ShapeContext *context, const Node *node, const char *param, int64_t to[2]) {
  return window_numbers(context, node, param, false, to);
}

static bool explicit_padding(ShapeContext *context, const Node *node, const Const *pad, Window *window) {
  const bool list = pad->kind == CONST_LIST || pad->kind == CONST_DIMS;
  const int n = list ? pad->n : 1;
  int64_t p[4];
  for (int i = 0; i < n; i++) {
    p[i] = list ? pad->items[i].i : pad->i;
    if (p[i] >= 0 && p[i] <= LARGEST) continue;
    op_error_at(context, node, "pad", p[i] < 0 ? DIAG_bad_size : DIAG_too_large,
                "pad of %s is %lld, but must be from 0 to %d", node->op->name, (long long)p[i], LARGEST);
    return false;
  }
  if (is_sequence(node)) {
    if (n == 4) return two_on_sequence(context, node, "pad");
    window->before[1] = p[0];
    window->after[1] = p[n - 1];
  } else if (n == 4) {
    window->before[0] = p[0];
    window->after[0] = p[1];
    window->before[1] = p[2];
    window->after[1] = p[3];
  } else {
    window->before[0] = window->after[0] = p[0];
    window->before[1] = window->after[1] = p[n - 1];
  }
  return true;
}

static bool window_padding(ShapeContext *context, const Node *node, Window *window, PadRule *rule) {
  const Const *pad = arg_const(node, "pad");
  if (pad->kind == CONST_POISON) return false;
  *rule = PAD_VALID;
  if (pad->kind == CONST_NONE || arg_is(node, "pad", "valid")) return true;
  if (arg_is(node, "pad", "same")) *rule = PAD_SAME;
  else if (arg_is(node, "pad", "causal")) {
    *rule = PAD_CAUSAL;
    if (!is_sequence(node)) {
      Diag *diag = op_error_at(context, node, "pad", DIAG_bad_value,
                               "pad=causal is for sequences, but the input of %s is the image %s",
                               node->op->name, shape_text(context->arena, node->in[0]->shape));
      diag_help(diag, "for images, use pad=same");
      return false;
    }
  } else {
    *rule = PAD_EXPLICIT;
    return explicit_padding(context, node, pad, window);
  }
  return true;
}

bool window_arguments(ShapeContext *context, const Node *node, Window *window, PadRule *rule) {
  const Shape in = node->in[0]->shape;
  *window = (Window){.groups = 1, .multiplier = 1};
  if (!in.rank) return false;
  if (in.rank == 1) {
    diag_help(
        op_error_vector(context, node),
        "reshape turns a vector into an image, as in reshape([28, 28, 1]); a dense layer takes vectors");
    return false;
  }
  return window_pair(context, node, "kernel", window->kernel) &&
         window_pair(context, node, "stride", window->stride) &&
         window_pair(context, node, "dilation", window->dilation) &&
         window_padding(context, node, window, rule);
}

/* ---- errors about sizes ---- */
static const char *formula(ShapeContext *context, const Window *w, int axis, int64_t input) {
  return window_formula(context->arena, input, w->kernel[axis], w->stride[axis], w->dilation[axis],
                        w->before[axis], w->after[axis], w->ceil);
}

static void put_formulas(ShapeContext *context, Diag *diag, const Node *node, const Window *w,
                         const int64_t input[2], const bool bad[2]) {
  const char *height = formula(context, w, 0, input[0]), *width = formula(context, w, 1, input[1]);
  if (bad[0]) diag_fact(diag, "%s: %s", window_axis_name(node, 0), height);
  if (bad[1] && !(bad[0] && !strcmp(height, width)))
    diag_fact(diag, "%s: %s", window_axis_name(node, 1), width);
}

/* The largest dilation with which the kernel fits along all axes; 0: none. */
static int64_t most_dilation(const Window *w, const int64_t input[2]) {
  int64_t most = SHAPE_MOST_ELEMENTS;
  for (int axis = 0; axis < 2; axis++) {
    if (w->kernel[axis] == 1) continue;
    const int64_t fits = (input[axis] + w->before[axis] + w->after[axis] - 1) / (w->kernel[axis] - 1);
    if (fits < most) most = fits;
  }
  return most;
}

static void report_too_small(ShapeContext *context, const Node *node, const Window *w, const int64_t input[2],
                             const bool bad[2]) {
  Arena *arena = context->arena;
  const bool dilated = w->dilation[0] > 1 || w->dilation[1] > 1;
  const char *dilation = w->dilation[0] == w->dilation[1]
                             ? arena_printf(arena, "%lld", (long long)w->dilation[0])
                             : window_size_text(arena, node, w->dilation);
  Diag *diag =
      op_error(context, node, DIAG_kernel_exceeds_input, "%s kernel %s%s%s does not fit its %s input",
               node->op->name, window_size_text(arena, node, w->kernel), dilated ? " with dilation " : "",
               dilated ? dilation : "", shape_text(arena, node->in[0]->shape));
  put_formulas(context, diag, node, w, input, bad);
  op_note_origin(context, diag, node->in[0]);
  int64_t most[2], same[2];
  for (int axis = 0; axis < 2; axis++) {
    most[axis] = (input[axis] + w->before[axis] + w->after[axis] - 1) / w->dilation[axis] + 1;
    same[axis] = (input[axis] + w->stride[axis] - 1) / w->stride[axis];
  }
  const bool keeps = w->stride[0] == 1 && w->stride[1] == 1;
  const int64_t dilations = dilated ? most_dilation(w, input) : 0;
  const char *less = dilations > 0
                         ? arena_printf(arena, "a dilation of at most %lld", (long long)dilations)
                         : arena_printf(arena, "a kernel of at most %s", window_size_text(arena, node, most));
  const Const *pad = arg_const(node, "pad");
  if (pad->kind == CONST_NONE) {
    diag_help(diag, "use %s", less);
    return;
  }
  diag_help(diag, keeps ? "pad=same keeps %s, or use %s" : "use pad=same (output size %s) or %s",
            window_size_text(arena, node, same), less);
  if (pad->span.file) diag_fix(diag, pad->span, "same");
  else diag_fix_argument(diag, node->span, "pad=same");
}

static const char *unread_text(ShapeContext *context, const Node *node, const int64_t unread[2]) {
  const char *part[2] = {NULL, NULL};
  for (int axis = 0; axis < 2; axis++) {
    const char *unit = is_sequence(node) ? "step" : axis ? "column" : "row";
    if (unread[axis] == 1) part[axis] = unit;
    else if (unread[axis])
      part[axis] = arena_printf(context->arena, "%lld %ss", (long long)unread[axis], unit);
  }
  if (part[0] && part[1]) return arena_printf(context->arena, "%s and the last %s", part[0], part[1]);
  return part[0] ? part[0] : part[1];
}

/* The axis whose steps may arrive one after the other, so that the next call reads what this one leaves: in
 * a net that is computed in steps (--stream), and where the padding is causal. -1: none. */
static int axis_of_time(const ShapeContext *context, const Node *node, const Window *w) {
  const int time = is_sequence(node) ? 1 : 0;
  const bool reads_past = w->after[time] == 0 && w->before[time] == w->dilation[time] * (w->kernel[time] - 1),
             causal = arg_is(node, "pad", "causal") || (reads_past && w->kernel[time] > 1);
  return (context->streams || causal) && !node->in[0]->shape.regions ? time : -1;
}

static void warn_unread(ShapeContext *context, const Node *node, const Window *w, const int64_t input[2],
                        const int64_t output[2]) {
  const int time = axis_of_time(context, node, w);
  int64_t unread[2];
  bool bad[2];
  for (int axis = 0; axis < 2; axis++) {
    unread[axis] = axis == time ? 0
                                : window_unread(input[axis], output[axis], w->kernel[axis], w->stride[axis],
                                                w->dilation[axis], w->before[axis]);
    bad[axis] = unread[axis] > 0;
  }
  if (context->linted || (!bad[0] && !bad[1])) return;
  Diag *diag =
      op_error(context, node, DIAG_unread_input, "%s never reads the last %s of its %s input", node->op->name,
               unread_text(context, node, unread), shape_text(context->arena, node->in[0]->shape));
  put_formulas(context, diag, node, w, input, bad);
  op_note_origin(context, diag, node->in[0]);
  bool gaps = false; /* the windows have gaps between them, which pad=same does not close */
  for (int axis = 0; axis < 2; axis++)
    gaps = gaps || (bad[axis] && w->stride[axis] > w->dilation[axis] * (w->kernel[axis] - 1) + 1);
  if (arg_const(node, "pad")->kind == CONST_NONE)
    diag_help(diag, "add zero_pad before it to make room for another window");
  else
    diag_help(diag, "%spad=same %s", arg_const(node, "ceil")->kind == CONST_NONE ? "" : "ceil=true or ",
              gaps ? "adds a window at the end" : "reads the whole input");
}

/* The argument to reduce if windows reach too far. If windows move over the input, explicit padding is the
 * cause or, without explicit padding, the kernel or its dilation. If they move over the output
 * (conv_transpose), it is the argument of the largest term. */
static const char *far_argument(const Node *node, const Window *w, int axis, const int64_t large[2],
                                const int64_t small[2]) {
  const int64_t kernel = w->dilation[axis] * (w->kernel[axis] - 1),
                stride = w->stride[axis] * (small[axis] - 1), padding = w->before[axis];
  const Extent in = shape_extent(node->in[0]->shape);
  const ConstKind pad = arg_const(node, "pad")->kind;
  const bool explicit = pad == CONST_INT || pad == CONST_LIST || pad == CONST_DIMS,
             over_input = large[0] == in.h && large[1] == in.w;
  if (over_input ? !explicit : kernel >= padding && kernel >= stride)
    return w->dilation[axis] >= w->kernel[axis] ? "dilation" : "kernel";
  return over_input || padding >= stride ? "padding" : "stride";
}

bool window_addressable(ShapeContext *context, const Node *node, const Window *w, const int64_t large[2],
                        const int64_t small[2]) {
  for (int axis = 0; axis < 2; axis++) {
    Window near = *w;
    window_compact(&near, axis, large[axis], small[axis]);
    if (window_reach(&near, axis, small[axis]) <= SHAPE_MOST_ELEMENTS) continue;
    const char *name = window_axis_name(node, axis);
    Diag *diag = op_error(context, node, DIAG_too_large,
                          "the windows of %s extend too far: positions along the %s exceed 31 bits",
                          node->op->name, name);
    diag_fact(diag,
              "%s: padding %lld + stride %lld*(%lld - 1) + dilation %lld*(%lld - 1) = %lld, more than %lld",
              name, (long long)w->before[axis], (long long)w->stride[axis], (long long)small[axis],
              (long long)w->dilation[axis], (long long)w->kernel[axis],
              (long long)window_reach(w, axis, small[axis]), (long long)SHAPE_MOST_ELEMENTS);
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "a smaller %s", far_argument(node, w, axis, large, small));
    return false;
  }
  return true;
}

/* Sets node->window, and sets *out to the number of windows along each axis. Returns false after an error. */
static bool count_windows(ShapeContext *context, Node *node, Window *w, PadRule rule, Extent *out) {
  const Extent in = shape_extent(node->in[0]->shape);
  const int64_t input[2] = {in.h, in.w};
  int64_t output[2];
  bool bad[2];
  for (int axis = 0; axis < 2; axis++) {
    output[axis] = window_output(input[axis], w->kernel[axis], w->stride[axis], w->dilation[axis], rule,
                                 w->ceil, &w->before[axis], &w->after[axis]);
    bad[axis] = output[axis] < 1;
  }
  if (bad[0] || bad[1]) {
    report_too_small(context, node, w, input, bad);
    return false;
  }
  if (!window_addressable(context, node, w, input, output)) return false;
  node->window = w;
  out->h = output[0];
  out->w = output[1];
  return true;
}

bool op_window(ShapeContext *context, Node *node, Extent *out) {
  Window *w = NEW(context->arena, Window);
  PadRule rule;
  if (!window_arguments(context, node, w, &rule)) return false;
  w->ceil = arg_bool(node, "ceil");
  w->count_pad = arg_bool(node, "count_pad");
  if (arg_const(node, "groups")->kind == CONST_INT) w->groups = arg_int(node, "groups");
  if (!count_windows(context, node, w, rule, out)) return false;
  const Extent in = shape_extent(node->in[0]->shape);
  warn_unread(context, node, w, (int64_t[]){in.h, in.w}, (int64_t[]){out->h, out->w});
  return true;
}

bool window_frames(ShapeContext *context, Node *node, int64_t *frames) {
  Window *w = NEW(context->arena, Window);
  PadRule rule;
  Extent out;
  *w = (Window){.groups = 1, .multiplier = 1, .dilation = {1, 1}};
  if (!window_pair(context, node, "size", w->kernel) || !window_pair(context, node, "step", w->stride) ||
      !window_padding(context, node, w, &rule) || !count_windows(context, node, w, rule, &out))
    return false;
  *frames = out.w;
  return true;
}

bool window_groups_fit(ShapeContext *context, const Node *node, int64_t channels, int64_t filters) {
  const int64_t groups = arg_int(node, "groups");
  if (channels % groups == 0 && filters % groups == 0) return true;
  Arena *arena = context->arena;
  const char *what =
      channels % groups == 0 ? arena_printf(arena, "does not divide its %lld filters", (long long)filters)
      : filters % groups == 0
          ? arena_printf(arena, "does not divide the %lld channels of its input", (long long)channels)
          : arena_printf(arena, "divides neither the %lld channels of its input nor its %lld filters",
                         (long long)channels, (long long)filters);
  Diag *diag = op_error_at(context, node, "groups", DIAG_groups_mismatch, "groups=%lld of %s %s",
                           (long long)groups, node->op->name, what);
  op_note_origin(context, diag, node->in[0]);
  int64_t common = channels, rest = filters;
  while (rest) {
    const int64_t next = common % rest;
    common = rest;
    rest = next;
  }
  const char *divisors = "1";
  for (int64_t g = 2, count = 1; g <= common && g <= 4096 && count < 8; g++)
    if (common % g == 0) {
      divisors = arena_printf(arena, "%s, %lld", divisors, (long long)g);
      count++;
    }
  diag_help(diag, "%lld channels and %lld filters are both divisible by %s", (long long)channels,
            (long long)filters, divisors);
  return false;
}
