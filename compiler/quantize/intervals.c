/* intervals.c: Interval analysis of an int8 model: the range of each channel for all inputs. Rounding and
 * clamping are monotonic, so the ends of the operands' intervals determine the ends of the result's interval.
 * Only lookup tables need not be monotonic: a table is evaluated at all values of the operand's interval. */
// SPDX-License-Identifier: Apache-2.0
#include "quantize/live_channels.h"

static const Interval EVERYTHING = {INT8_MIN, INT8_MAX};

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t greater(int64_t a, int64_t b) { return a > b ? a : b; }
static Interval hull(Interval a, Interval b) { return (Interval){lesser(a.lo, b.lo), greater(a.hi, b.hi)}; }
static Interval with(Interval a, int64_t x) { return hull(a, (Interval){x, x}); }

/* ---- products ---- */
/* Whether the node is an int8 convolution or dense layer. int16 operands or results are not analyzed. */
bool is_product(const Node *node) {
  return (node->op == &op_int8_product || node->op == &op_int8_transposed) && node->elem == I8 &&
         node->in[0]->elem == I8;
}

static bool windows_clipped(int64_t kernel, int64_t stride, int64_t dilation, int64_t before, int64_t in,
                            int64_t out) {
  return before > 0 || (out - 1) * stride + (kernel - 1) * dilation - before >= in;
}

Filters filters_of(const Node *node) {
  const Extent in = shape_extent(node->in[0]->shape), out = shape_extent(node->shape);
  if (node->op == &op_int8_transposed) {
    const Window *w = node->window;
    return (Filters){w->groups, out.c / w->groups, in.c / w->groups, w->kernel[0] * w->kernel[1], true};
  }
  const Correlation k = int8_geometry(node);
  Filters filters = {k.groups, k.s, k.l, k.kernel[0] * k.kernel[1], false};
  for (int axis = 0; axis < 2; axis++)
    filters.clipped |= windows_clipped(k.kernel[axis], k.stride[axis], k.dilation[axis], k.before[axis],
                                       extent_side(k.large, axis), extent_side(k.small, axis));
  return filters;
}

Interval sum_interval(const Node *node, const Interval *in, int64_t filter) {
  const Int8Product *p = node->detail;
  const Filters f = filters_of(node);
  const int64_t zero = node->in[0]->quant->zero, first = filter / f.filters * f.channels;
  const int8_t *weight = p->weight + filter * f.channels * f.taps;
  Interval sum = {p->bias[filter], p->bias[filter]};
  for (int64_t c = 0; c < f.channels; c++) {
    const Interval q = f.clipped ? with(in[first + c], zero) : in[first + c];
    for (int64_t t = 0; t < f.taps; t++) {
      const int64_t w = *weight++, a = w * (q.lo - zero), b = w * (q.hi - zero);
      sum.lo += lesser(a, b);
      sum.hi += greater(a, b);
    }
  }
  return sum;
}

static int64_t product_stored(const Int8Product *p, int64_t sum, int64_t filter) {
  return stored_put(p->stored, multiplier_apply(p->rounding, sum, p->factor[filter]));
}

static void product_intervals(const Node *node, const Interval *in, Interval *out) {
  const Int8Product *p = node->detail;
  for (int64_t f = 0; f < shape_extent(node->shape).c; f++) {
    const Interval sum = sum_interval(node, in, f);
    out[f] = (Interval){product_stored(p, sum.lo, f), product_stored(p, sum.hi, f)};
  }
}

/* ---- other operators ---- */
static Interval operand_interval(const Node *node, int k, Interval *const *interval, int64_t c) {
  const Node *in = node->in[k];
  const Interval q = interval[in->id][shape_extent(in->shape).c == 1 ? 0 : c];
  return (Interval){q.lo - in->quant->zero, q.hi - in->quant->zero};
}

static int64_t product_of_values(const Int8Combine *p, int64_t x, int64_t y) {
  return stored_put(p->stored, multiplier_apply(p->rounding, x * y, p->factor));
}

/* The interval of an operator that is monotonic in each operand. */
static Interval combined_interval(const Node *node, Interval *const *interval, int64_t c) {
  const Int8Combine *p = node->detail;
  const Addition *sum = &p->addition;
  const Interval a = operand_interval(node, 0, interval, c), b = operand_interval(node, 1, interval, c);
  if (p->product) {
    const int64_t first = product_of_values(p, a.lo, b.lo);
    Interval made = {first, first};
    made = with(made, product_of_values(p, a.lo, b.hi));
    made = with(made, product_of_values(p, a.hi, b.lo));
    return with(made, product_of_values(p, a.hi, b.hi));
  }
  Interval parts = {0, 0};
  for (int k = 0; k < sum->count; k++) {
    const Interval x = operand_interval(node, k, interval, c);
    const int64_t first = addition_part(p->rounding, sum, k, x.lo),
                  second = addition_part(p->rounding, sum, k, x.hi);
    parts.lo += lesser(first, second);
    parts.hi += greater(first, second);
  }
  return (Interval){stored_put(p->stored, addition_rounded(p->rounding, sum, parts.lo)),
                    stored_put(p->stored, addition_rounded(p->rounding, sum, parts.hi))};
}

/* The interval of a mean that is computed as the sum times one factor (Int8Pool.scaled). */
static Interval scaled_interval(const Node *node, Interval in) {
  const Int8Pool *p = node->detail;
  const int64_t n = node->window->kernel[0] * node->window->kernel[1], zero = node->in[0]->quant->zero,
                lo = multiplier_apply(p->rounding, n * (in.lo - zero), p->factor),
                hi = multiplier_apply(p->rounding, n * (in.hi - zero), p->factor);
  return (Interval){stored_put(p->stored, lo), stored_put(p->stored, hi)};
}

static Interval pool_interval(const Node *node, Interval in) {
  const Int8Pool *p = node->detail;
  const Window *w = node->window;
  const Extent from = shape_extent(node->in[0]->shape), to = shape_extent(node->shape);
  if (p->scaled) return scaled_interval(node, in);
  bool clipped = false;
  for (int axis = 0; axis < 2; axis++)
    clipped |= windows_clipped(w->kernel[axis], w->stride[axis], w->dilation[axis], w->before[axis],
                               extent_side(from, axis), extent_side(to, axis));
  if (clipped && !p->mean) in = with(in, INT8_MIN); /* INT8_MIN: maximum of a window of padding only */
  if (clipped && p->count_pad) in = with(in, node->quant->zero);
  Stored stored = p->stored;
  stored.zero = 0;
  return (Interval){stored_put(stored, in.lo), stored_put(stored, in.hi)};
}

static Interval table_interval(const Node *node, Interval in, int64_t c) {
  const Int8Table *t = node->detail;
  const int8_t *value = t->value[t->channels > 1 ? c : 0];
  Interval made = {value[in.lo - INT8_MIN], value[in.lo - INT8_MIN]};
  for (int64_t q = in.lo; q <= in.hi; q++) made = with(made, value[q - INT8_MIN]);
  return made;
}

static void join_intervals(const Node *node, Interval *const *interval, Interval *out) {
  for (int k = 0; k < node->nin; k++) {
    const int64_t at = node->op->traits.channel_offset(node, k);
    const Interval *in = interval[node->in[k]->id];
    for (int64_t c = 0; c < shape_extent(node->in[k]->shape).c; c++)
      if (at >= 0) out[at + c] = in[c];
      else out[c] = k ? hull(out[c], in[c]) : in[c];
  }
}

static Interval channel_interval(const Node *node, Interval *const *interval, int64_t c) {
  const Interval *in = interval[node->in[0]->id];
  const int64_t channels = shape_extent(node->in[0]->shape).c;
  if (node->op == &op_int8_combine) return combined_interval(node, interval, c);
  if (node->op == &op_int8_pool) return pool_interval(node, in[c]);
  if (node->op == &op_int8_repeat) return in[c];
  if (node->op == &op_int8_table) return table_interval(node, in[c], c);
  if (node->op == &op_int8_border) return with(in[c], node->quant->zero);
  if (node->op->family != FAMILY_ALIAS) return EVERYTHING;
  Interval any = in[c % channels];
  if (shape_extent(node->shape).c % channels) /* elements of several channels are mixed */
    for (int64_t i = 0; i < channels; i++) any = hull(any, in[i]);
  return any;
}

static bool has_int8_value(const Node *node) {
  bool all = node->nin > 0;
  for (int k = 0; k < node->nin; k++) all = all && node->in[k]->elem == I8;
  return all;
}

Interval **intervals_of(Arena *arena, const Graph *graph) {
  Interval **interval = NEW_ARRAY(arena, Interval *, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    const int64_t channels = shape_extent(node->shape).c;
    if (node->elem != I8) continue;
    Interval *made = interval[i] = NEW_ARRAY(arena, Interval, channels);
    if (is_product(node)) product_intervals(node, interval[node->in[0]->id], made);
    else if (node->op->traits.channel_offset && has_int8_value(node)) join_intervals(node, interval, made);
    else
      for (int64_t c = 0; c < channels; c++)
        made[c] = has_int8_value(node) ? channel_interval(node, interval, c) : EVERYTHING;
  }
  return interval;
}
