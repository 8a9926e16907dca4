/* random_sequence.c: Random nets of sequences. They have recurrent layers, causal convolutions, pools, crops,
 * branches that are aligned and joined, and states that a call passes to the next call. Nets for steps
 * (Net.flows) have only layers that streaming supports, and no states. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "random.h"

static Value *add_value(Net *net, const char *letter, Shape shape) {
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.id = ++net->ids, .shape = shape, .size = 1, .pace = 1, .named = true};
  snprintf(v->name, sizeof v->name, "%s%d", letter, net->names++);
  return v;
}

/* A value with this rank and pace, or NULL; pace 0: any pace. */
static Value *draw_paced(Net *net, int rank, double pace) {
  Value *found = NULL;
  int n = 0;
  for (int i = 0; i < net->nvalues; i++) {
    Value *v = &net->value[i];
    if (v->shape.rank == rank && (pace == 0 || v->pace == pace) && below(net, ++n) == 0) found = v;
  }
  return found;
}
static Value *draw_rank(Net *net, int rank) { return draw_paced(net, rank, 0); }

static Shape sequence(int64_t length, int64_t c) { return (Shape){2, 1, length, c}; }

static bool room(const Net *net) {
  return net->nvalues + 6 < MOST_VALUES && net->macs < 60 * (double)MOST_MACS;
}

/* ---- layers ---- */
/* The name of a vector of n numbers for hidden= or cell=: an existing vector, or a new vector that is
 * computed before the call. */
static const char *vector_for(Net *net, int64_t n) {
  for (int i = 0; i < net->nvalues; i++)
    if (net->value[i].shape.rank == 1 && net->value[i].shape.c == n && chance(net, 70))
      return net->value[i].reads++, net->value[i].name;
  Value *from = draw_rank(net, 1);
  if (!from) return NULL;
  from->reads++;
  const char *name = from->name;
  Value *made = add_value(net, "h", vector(n));
  text_put(net->out, "    %s = %s -> dense(%lld) -> tanh\n", made->name, name, (long long)n);
  made->reads++;
  return made->name;
}

static const char *svdf(Net *net, Shape in, bool states, int64_t *out, bool *last) {
  const bool keeps = states && chance(net, 40);
  const int64_t memory = between(net, 1, 12), rank = between(net, 1, 3);
  *out = between(net, 1, 20);
  *last = false;
  net->macs += (double)(in.w * *out * rank * (in.c + memory));
  net->keeps = net->keeps || (keeps && memory > 1);
  return arena_printf(net->arena, "svdf(%lld, %lld, rank=%lld%s%s%s)", (long long)*out, (long long)memory,
                      (long long)rank, chance(net, 25) ? ", bias=false" : "",
                      chance(net, 50) ? ", activation=relu" : "", keeps ? ", keep=true" : "");
}

/* The text of a recurrent layer for a value of shape `in`; *out: channels of its result; *last: whether the
 * layer returns only its last row. */
static const char *recurrent(Net *net, Shape in, bool states, int64_t *out, bool *last) {
  static const char *const names[] = {"rnn", "gru", "lstm"};
  if (chance(net, 15)) return svdf(net, in, states, out, last);
  const int kind = (int)below(net, 3);
  const int64_t units = chance(net, 20) ? between(net, 15, 35) : between(net, 1, 9);
  const int direction = net->flows ? 0 : (int)below(net, 4), sides = direction == 1 ? 2 : 1;
  const bool projects = kind == 2 && units > 1 && chance(net, 30);
  const int64_t shown = projects ? between(net, 1, units - 1) : units;
  net->macs += (double)(in.w * (in.c + shown) * units * sides * 4);
  Text call = {.arena = net->arena};
  text_put(&call, "%s(%lld", names[kind], (long long)units);
  if (direction == 1) text_put(&call, ", direction=both");
  if (direction == 2) text_put(&call, ", direction=reverse");
  *last = !net->flows && chance(net, 30);
  if (*last) text_put(&call, ", last=true");
  if (chance(net, 25)) text_put(&call, ", bias=false");
  if (projects) text_put(&call, ", project=%lld", (long long)shown);
  if (kind == 1 && chance(net, 40)) text_put(&call, ", reset=before");
  if (kind == 2 && chance(net, 25)) text_put(&call, ", clip=0.25");
  const bool keeps = states && !direction && chance(net, 30), starts = !net->flows && !keeps;
  if (keeps) text_put(&call, ", keep=true");
  net->keeps = net->keeps || keeps;
  const char *hidden = starts && chance(net, 35) && room(net) ? vector_for(net, shown * sides) : NULL,
             *cell =
                 starts && kind == 2 && chance(net, 30) && room(net) ? vector_for(net, units * sides) : NULL;
  if (hidden) text_put(&call, ", hidden=%s", hidden);
  if (cell) text_put(&call, ", cell=%s", cell);
  text_put(&call, ")");
  *out = shown * sides;
  return call.s;
}

static void put_recurrent(Net *net, Value *from, bool states) {
  int64_t out;
  bool last;
  const Shape in = from->shape;
  from->reads++;
  const char *name = from->name, *call = recurrent(net, in, states, &out, &last);
  const double pace = from->pace;
  Value *made = add_value(net, "r", last ? vector(out) : sequence(in.w, out));
  made->pace = pace;
  text_put(net->out, "    %s = %s -> %s%s\n", made->name, name, call, chance(net, 20) ? " -> relu" : "");
}

/* In nets for steps, the product of all strides stays at most 4, so that a step may have few rows; or one
 * layer has a large stride, which may exceed its history. */
static int64_t draw_stride(Net *net, const Value *from) {
  const bool leaps = chance(net, 6);
  const int64_t s = leaps ? between(net, 5, 16) : between(net, 1, 3);
  return net->flows && from->pace < (leaps ? 1 : (double)s / 4) ? 1 : s;
}

static void put_window_layer(Net *net, Value *from) {
  const Shape in = from->shape;
  const bool far = net->flows && chance(net, 40); /* the layer then reads few rows of a long history */
  const int64_t k = between(net, 1, 4), d = between(net, far ? 4 : 1, far ? 17 : 3),
                s = draw_stride(net, from), reach = d * (k - 1);
  const bool causal = reach >= in.w || chance(net, 60), each = chance(net, 25);
  const int64_t length = causal ? (in.w - 1) / s + 1 : (in.w - reach - 1) / s + 1,
                c = each ? in.c : between(net, 1, 12);
  net->macs += (double)(length * k * c * in.c);
  Text call = {.arena = net->arena};
  text_put(&call, each ? "depthwise(" : "conv(%lld, ", (long long)c);
  text_put(&call, "%lld%s", (long long)k, causal ? ", pad=causal" : "");
  if (s > 1) text_put(&call, ", stride=%lld", (long long)s);
  if (d > 1) text_put(&call, ", dilation=%lld", (long long)d);
  from->reads++;
  Value *made = add_value(net, "c", sequence(length, c));
  made->pace = from->pace / (double)s;
  text_put(net->out, "    %s = %s -> %s) -> %s\n", made->name, from->name, call.s, activation(net));
}

/* Writes a layer with windows and any padding; windows may include later rows. The windows of conv_transpose
 * leave no gaps: steps would return the rows of a gap after the last window, but the whole net would not. */
static void put_padded(Net *net, Value *from) {
  static const char *const calls[] = {"conv(5, ", "depthwise(", "maxpool(", "avgpool(", "conv_transpose(4, "};
  const Shape in = from->shape;
  const int kind = (int)below(net, 5);
  const bool turned = kind == 4, pools = kind == 2 || kind == 3;
  const int64_t s = turned && chance(net, 50) ? 2 : 1, k = between(net, s, 5),
                d = pools || turned ? 1 : between(net, 1, 3), reach = d * (k - 1),
                before = below(net, reach + 1), after = turned && s > 1 ? 0 : below(net, reach - before + 1);
  const int64_t length = turned ? (in.w - 1) * s + k - before - after : in.w + before + after - reach,
                c = kind == 0 ? 5
                    : turned  ? 4
                              : in.c;
  if (length < 1 || length * c > MOST_ELEMENTS) return;
  net->macs += (double)(length * k * c * in.c);
  from->reads++;
  Value *made = add_value(net, "p", sequence(length, c));
  made->pace = from->pace * (double)s;
  net->jumps = net->jumps || kind == 2;
  text_put(net->out, "    %s = %s -> %s%lld", made->name, from->name, calls[kind], (long long)k);
  if (pools || s > 1) text_put(net->out, ", stride=%lld", (long long)s);
  if (d > 1) text_put(net->out, ", dilation=%lld", (long long)d);
  if (before || after) text_put(net->out, ", pad=[%lld, %lld]", (long long)before, (long long)after);
  text_put(net->out, ")\n");
}

/* Turns each window of k rows with c channels into a region, and applies layers to each region separately;
 * the result is a sequence of n channels. */
static void put_regions(Net *net, Value *from) {
  const Shape in = from->shape;
  const int64_t s = draw_stride(net, from), k = between(net, 1, 5), n = between(net, 1, 6);
  const bool before = k > s && chance(net, 60);
  const int64_t length = (in.w + (before ? k - s : 0) - k) / s + 1, inner = between(net, 1, k);
  if (in.w < k) return;
  net->macs += (double)(length * k * in.c * (n + 3 * inner));
  from->reads++;
  Value *made = add_value(net, "f", sequence(length, n));
  made->pace = from->pace / (double)s;
  text_put(net->out, "    %s = %s -> unfold(%lld, step=%lld", made->name, from->name, (long long)k,
           (long long)s);
  if (before) text_put(net->out, ", pad=[%lld, 0]", (long long)(k - s));
  text_put(net->out, ")");
  if (chance(net, 60)) text_put(net->out, " -> conv(3, %lld, pad=same) -> relu", (long long)inner);
  text_put(net->out, " -> flatten -> dense(%lld)", (long long)n);
  if (chance(net, 50)) text_put(net->out, " -> conv(%lld, 1)", (long long)n);
  text_put(net->out, "\n");
}

/* Two rows become the channels of one row, or the channels of a row become two rows. */
static void put_depth(Net *net, Value *from) {
  const Shape in = from->shape;
  const bool deeper = in.w % 2 == 0 && in.c < 12 && from->pace >= 0.5, flatter = in.c % 2 == 0;
  if (!deeper && !flatter) return;
  const bool deep = deeper && (!flatter || chance(net, 50));
  const double pace = from->pace;
  const char *name = from->name;
  from->reads++;
  Value *made = add_value(net, "d", deep ? sequence(in.w / 2, in.c * 2) : sequence(in.w * 2, in.c / 2));
  made->pace = deep ? pace / 2 : pace * 2;
  text_put(net->out, "    %s = %s -> %s(2)\n", made->name, name, deep ? "space_to_depth" : "depth_to_space");
}

/* Layers that keep the number of rows, or that add or crop rows at the beginning. */
static void put_other(Net *net, Value *from) {
  const Shape in = from->shape;
  const int kind = (int)below(net, 6);
  const int64_t units = between(net, 1, 6), cut = between(net, 1, 2);
  const double pace = from->pace;
  const char *name = from->name;
  if (kind == 5 && in.w <= cut) return;
  from->reads++;
  Value *made = add_value(net, "o",
                          sequence(kind == 5   ? in.w - cut
                                   : kind == 4 ? in.w + cut
                                               : in.w,
                                   kind == 0   ? 1
                                   : kind == 1 ? units
                                               : in.c));
  made->pace = pace;
  text_put(net->out, "    %s = %s -> ", made->name, name);
  switch (kind) {
  case 0: text_put(net->out, "conv(1, 1) -> preemphasis\n"); break;
  case 1: text_put(net->out, "conv(%lld, 1) -> tanh\n", (long long)units); break;
  case 2: text_put(net->out, "square -> pcen(smooth=0.25)\n"); break;
  case 3: text_put(net->out, "softmax\n"); break;
  case 4: text_put(net->out, "zero_pad([%lld, 0])\n", (long long)cut); break;
  default: text_put(net->out, "crop([%lld, 0])\n", (long long)cut);
  }
}

static void put_rows_layer(Net *net, Value *from) {
  const Shape in = from->shape;
  const int64_t a = below(net, in.w), b = below(net, in.w - a), k = between(net, 1, in.w < 4 ? in.w : 4),
                s = draw_stride(net, from);
  const double pace = from->pace;
  const char *name = from->name;
  Value *made = NULL;
  from->reads++;
  switch (below(net, 5)) {
  case 0:
    if (net->flows) return put_other(net, from);
    text_put(net->out, "    %s = %s -> crop([%lld, %lld])\n",
             add_value(net, "t", sequence(in.w - a - b, in.c))->name, name, (long long)a, (long long)b);
    break;
  case 1:
  case 2:
    made = add_value(net, "p", sequence((in.w - k) / s + 1, in.c));
    made->pace = pace / (double)s;
    text_put(net->out, "    %s = %s -> %s(%lld, stride=%lld)\n", made->name, name,
             chance(net, 50) ? "maxpool" : "avgpool", (long long)k, (long long)s);
    net->jumps = true;
    break;
  case 3:
    made = add_value(net, "n", in);
    made->pace = pace;
    text_put(net->out, "    %s = %s -> layernorm\n", made->name, name);
    break;
  default:
    if (in.w * 2 * in.c > MOST_ELEMENTS / 4) return;
    made = add_value(net, "u", sequence(in.w * 2, in.c));
    made->pace = 2 * pace;
    text_put(net->out, "    %s = %s -> upsample(2)\n", made->name, name);
  }
}

/* Joins two sequences. Either the longer sequence is cropped at its beginning, and then the sequences are
 * added or their channels are concatenated. Or all rows of both sequences are concatenated. */
static void put_joined(Net *net, Value *a) {
  Value *b = draw_paced(net, 2, net->flows ? a->pace : 0);
  if (a == b) return;
  if (a->shape.w < b->shape.w) {
    Value *other = a;
    a = b;
    b = other;
  }
  const Shape s = a->shape, t = b->shape;
  a->reads++, b->reads++;
  Value *made;
  const char *cut = s.w == t.w ? "" : arena_printf(net->arena, " -> crop([%lld, 0])", (long long)(s.w - t.w));
  if (s.c == t.c && chance(net, 60)) {
    const bool rows = !net->flows && chance(net, 40);
    made = add_value(net, "j", sequence(rows ? s.w + t.w : t.w, s.c));
    text_put(net->out, "    %s = %s%s -> %s(%s%s)\n", made->name, a->name, rows ? "" : cut,
             rows ? "concat" : "add", b->name, rows ? ", axis=length" : "");
  } else {
    made = add_value(net, "j", sequence(t.w, s.c + t.c));
    text_put(net->out, "    %s = %s%s -> concat(%s)\n", made->name, a->name, cut, b->name);
  }
  made->pace = b->pace;
}

/* ---- states ---- */
/* Concatenates rows of earlier calls and the rows of this call; the last rows are kept for the next call. */
static void put_history(Net *net, Value *from) {
  const Shape in = from->shape;
  const int64_t past = between(net, 1, 6);
  const char *name = from->name;
  from->reads++;
  const char *state = arena_printf(net->arena, "s%d", net->names++);
  net->keeps = true;
  Value *rows = add_value(net, "w", sequence(past + in.w, in.c));
  text_put(net->out, "    %s = state(%lldx%lld%s)\n", state, (long long)past, (long long)in.c,
           chance(net, 30) ? ", init=0.5" : "");
  text_put(net->out, "    %s = %s -> concat(%s, axis=length)\n", rows->name, state, name);
  text_put(net->out, "    %s -> crop([%lld, 0]) -> update(%s)\n", rows->name, (long long)in.w, state);
}

static void put_memory(Net *net, Value *from) { /* a vector that is kept from call to call */
  const char *name = from->name;
  const int64_t n = from->shape.c;
  from->reads++;
  const char *state = arena_printf(net->arena, "s%d", net->names++);
  net->keeps = true;
  Value *made = add_value(net, "m", vector(n));
  text_put(net->out, "    %s = state(%lld%s)\n", state, (long long)n, chance(net, 40) ? ", init=-1" : "");
  if (chance(net, 40))
    text_put(net->out, "    %s = %s -> concat(%s) -> dense(%lld) -> tanh\n", made->name, name, state,
             (long long)n);
  else text_put(net->out, "    %s = %s -> add(%s) -> tanh\n", made->name, name, state);
  if (chance(net, 50)) text_put(net->out, "    %s -> update(%s)\n", made->name, state);
  else text_put(net->out, "    %s -> dense(%lld) -> tanh -> update(%s)\n", name, (long long)n, state);
}

/* ---- the program ---- */
static void put_statement(Net *net, bool states) {
  Value *rows = draw_rank(net, 2), *numbers = draw_rank(net, 1);
  const int64_t what = below(net, 100);
  if (numbers && what < 10) put_recurrent(net, numbers, states);
  else if (numbers && states && what < 18) put_memory(net, numbers);
  else if (net->flows && what < 20) put_padded(net, rows);
  else if (net->flows && what < 30) put_other(net, rows);
  else if (net->flows && what < 37) put_regions(net, rows);
  else if (net->flows && what < 40) put_depth(net, rows);
  else if (what < 45) put_recurrent(net, rows, states);
  else if (what < 65) put_window_layer(net, rows);
  else if (what < 80) put_rows_layer(net, rows);
  else if (what < 92 || !states) put_joined(net, rows);
  else put_history(net, rows);
}

void write_sequence(Net *net) {
  const bool states = chance(net, 55) && !net->flows;
  const int inputs = net->flows ? 1 : (int)between(net, 1, 3), n = (int)between(net, 4, 14);
  const int64_t least = net->flows ? 25 : 1, most = net->flows ? 60 : 17;
  for (int i = 0; i < inputs; i++) {
    Value *v = add_value(net, "x",
                         i && chance(net, 50) ? vector(between(net, 1, 24))
                                              : sequence(between(net, least, most), between(net, 1, 12)));
    text_put(net->out, "    input %s: %s\n", v->name, shape_words(net, v->shape));
  }
  for (int i = 0; i < n && room(net); i++) put_statement(net, states);
  if (net->nvalues == inputs) put_window_layer(net, &net->value[0]);
}

/* Writes at most MOST_OUTPUTS outputs: values that nothing reads, and some other values. */
int sequence_outputs(Net *net, Value output[MOST_OUTPUTS]) {
  int n = 0;
  for (int i = net->nvalues - 1; i >= 0 && n < MOST_OUTPUTS; i--) {
    const Value *v = &net->value[i];
    if (v->name[0] == 'x' || (v->reads && !chance(net, 10))) continue;
    text_put(net->out, "%s%s", n ? ", " : "    output ", v->name);
    output[n++] = *v;
  }
  if (n) text_put(net->out, "\n");
  return n;
}
