/* random_sequence.c: random nets of sequences: recurrent layers, causal convolutions, pools, crops, branches
 * that are aligned and joined, and states that a call leaves for the next one. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "random.h"

static Value *add_value(Net *net, const char *letter, Shape shape) {
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.id = ++net->ids, .shape = shape, .size = 1, .named = true};
  snprintf(v->name, sizeof v->name, "%s%d", letter, net->names++);
  return v;
}

static Value *draw_rank(Net *net, int rank) { /* or NULL */
  Value *found = NULL;
  int n = 0;
  for (int i = 0; i < net->nvalues; i++)
    if (net->value[i].shape.rank == rank && below(net, ++n) == 0) found = &net->value[i];
  return found;
}

static Shape sequence(int64_t length, int64_t c) { return (Shape){2, 1, length, c}; }

static bool room(const Net *net) {
  return net->nvalues + 6 < MOST_VALUES && net->macs < 60 * (double)MOST_MACS;
}

/* ---- layers ---- */
/* A vector of that size for hidden= or cell=: of the net's, or computed for it; named before the call. */
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

/* The text of a recurrent layer for a value of c channels; *out: what it returns for a row; *last: for all.
 */
static const char *recurrent(Net *net, Shape in, int64_t *out, bool *last) {
  static const char *const names[] = {"rnn", "gru", "lstm"};
  const int kind = (int)below(net, 3);
  const int64_t units = chance(net, 20) ? between(net, 15, 35) : between(net, 1, 9);
  const int direction = (int)below(net, 4), sides = direction == 1 ? 2 : 1;
  const bool projects = kind == 2 && units > 1 && chance(net, 30);
  const int64_t shown = projects ? between(net, 1, units - 1) : units;
  net->macs += (double)(in.w * (in.c + shown) * units * sides * 4);
  Text call = {.arena = net->arena};
  text_put(&call, "%s(%lld", names[kind], (long long)units);
  if (direction == 1) text_put(&call, ", direction=both");
  if (direction == 2) text_put(&call, ", direction=reverse");
  *last = chance(net, 30);
  if (*last) text_put(&call, ", last=true");
  if (chance(net, 25)) text_put(&call, ", bias=false");
  if (projects) text_put(&call, ", project=%lld", (long long)shown);
  if (kind == 1 && chance(net, 40)) text_put(&call, ", reset=before");
  if (kind == 2 && chance(net, 25)) text_put(&call, ", clip=0.25");
  const char *hidden = chance(net, 35) && room(net) ? vector_for(net, shown * sides) : NULL,
             *cell = kind == 2 && chance(net, 30) && room(net) ? vector_for(net, units * sides) : NULL;
  if (hidden) text_put(&call, ", hidden=%s", hidden);
  if (cell) text_put(&call, ", cell=%s", cell);
  text_put(&call, ")");
  *out = shown * sides;
  return call.s;
}

static void put_recurrent(Net *net, Value *from) {
  int64_t out;
  bool last;
  const Shape in = from->shape;
  from->reads++;
  const char *name = from->name, *call = recurrent(net, in, &out, &last);
  Value *made = add_value(net, "r", last ? vector(out) : sequence(in.w, out));
  text_put(net->out, "    %s = %s -> %s%s\n", made->name, name, call, chance(net, 20) ? " -> relu" : "");
}

static void put_window_layer(Net *net, Value *from) {
  const Shape in = from->shape;
  const int64_t k = between(net, 1, 4), d = between(net, 1, 3), s = between(net, 1, 3), reach = d * (k - 1);
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
  text_put(net->out, "    %s = %s -> %s) -> %s\n", made->name, from->name, call.s, activation(net));
}

static void put_rows_layer(Net *net, Value *from) {
  const Shape in = from->shape;
  const int64_t a = below(net, in.w), b = below(net, in.w - a), k = between(net, 1, in.w < 4 ? in.w : 4),
                s = between(net, 1, 3);
  const char *name = from->name;
  from->reads++;
  switch (below(net, 5)) {
  case 0:
    text_put(net->out, "    %s = %s -> crop([%lld, %lld])\n",
             add_value(net, "t", sequence(in.w - a - b, in.c))->name, name, (long long)a, (long long)b);
    break;
  case 1:
  case 2:
    text_put(net->out, "    %s = %s -> %s(%lld, stride=%lld)\n",
             add_value(net, "p", sequence((in.w - k) / s + 1, in.c))->name, name,
             chance(net, 50) ? "maxpool" : "avgpool", (long long)k, (long long)s);
    net->jumps = true;
    break;
  case 3: text_put(net->out, "    %s = %s -> layernorm\n", add_value(net, "n", in)->name, name); break;
  default:
    if (in.w * 2 * in.c > MOST_ELEMENTS / 4) return;
    text_put(net->out, "    %s = %s -> upsample(2)\n", add_value(net, "u", sequence(in.w * 2, in.c))->name,
             name);
  }
}

/* Two sequences, the longer one cut in front: added, or their channels or rows joined. */
static void put_joined(Net *net, Value *a) {
  Value *b = draw_rank(net, 2);
  if (a == b) return;
  if (a->shape.w < b->shape.w) {
    Value *other = a;
    a = b;
    b = other;
  }
  const Shape s = a->shape, t = b->shape;
  a->reads++, b->reads++;
  const char *cut = s.w == t.w ? "" : arena_printf(net->arena, " -> crop([%lld, 0])", (long long)(s.w - t.w));
  if (s.c == t.c && chance(net, 60)) {
    const bool rows = chance(net, 40);
    text_put(net->out, "    %s = %s%s -> %s(%s%s)\n",
             add_value(net, "j", sequence(rows ? s.w + t.w : t.w, s.c))->name, a->name, rows ? "" : cut,
             rows ? "concat" : "add", b->name, rows ? ", axis=length" : "");
  } else
    text_put(net->out, "    %s = %s%s -> concat(%s)\n", add_value(net, "j", sequence(t.w, s.c + t.c))->name,
             a->name, cut, b->name);
}

/* ---- states ---- */
/* The rows of earlier calls before those of this one; the next call finds the last of them. */
static void put_history(Net *net, Value *from) {
  const Shape in = from->shape;
  const int64_t past = between(net, 1, 6);
  const char *name = from->name;
  from->reads++;
  const char *state = arena_printf(net->arena, "s%d", net->names++);
  Value *rows = add_value(net, "w", sequence(past + in.w, in.c));
  text_put(net->out, "    %s = state(%lldx%lld%s)\n", state, (long long)past, (long long)in.c,
           chance(net, 30) ? ", init=0.5" : "");
  text_put(net->out, "    %s = %s -> concat(%s, axis=length)\n", rows->name, state, name);
  text_put(net->out, "    %s -> crop([%lld, 0]) -> update(%s)\n", rows->name, (long long)in.w, state);
}

static void put_memory(Net *net, Value *from) { /* a vector that goes on from call to call */
  const char *name = from->name;
  const int64_t n = from->shape.c;
  from->reads++;
  const char *state = arena_printf(net->arena, "s%d", net->names++);
  Value *made = add_value(net, "m", vector(n));
  text_put(net->out, "    %s = state(%lld%s)\n", state, (long long)n, chance(net, 40) ? ", init=-1" : "");
  text_put(net->out, "    %s = %s -> add(%s) -> tanh\n", made->name, name, state);
  if (chance(net, 50)) text_put(net->out, "    %s -> update(%s)\n", made->name, state);
  else text_put(net->out, "    %s -> dense(%lld) -> tanh -> update(%s)\n", name, (long long)n, state);
}

/* ---- the program ---- */
static void put_statement(Net *net, bool states) {
  Value *rows = draw_rank(net, 2), *numbers = draw_rank(net, 1);
  const int64_t what = below(net, 100);
  if (numbers && what < 10) put_recurrent(net, numbers);
  else if (numbers && states && what < 18) put_memory(net, numbers);
  else if (what < 45) put_recurrent(net, rows);
  else if (what < 65) put_window_layer(net, rows);
  else if (what < 80) put_rows_layer(net, rows);
  else if (what < 92 || !states) put_joined(net, rows);
  else put_history(net, rows);
}

bool write_sequence(Net *net) {
  const bool states = chance(net, 55);
  const int inputs = (int)between(net, 1, 3), n = (int)between(net, 4, 14);
  for (int i = 0; i < inputs; i++) {
    Value *v = add_value(net, "x",
                         i && chance(net, 50) ? vector(between(net, 1, 24))
                                              : sequence(between(net, 1, 17), between(net, 1, 12)));
    text_put(net->out, "    input %s: %s\n", v->name, shape_words(net, v->shape));
  }
  for (int i = 0; i < n && room(net); i++) put_statement(net, states);
  return states;
}

/* All that nothing reads, as far as there is room. */
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
