/* random_joined.c: Nets whose values are joined, split and reused. They have one to four inputs of any rank
 * (float, u8 or i8) and branches that are joined with flatten and concat. A concat may join a value with
 * itself, and may join the results of other concats. The result of a concat may be sliced or cropped. Inner
 * values may be outputs and have losses. Numbers of channels are often prime, and windows often have unusual
 * sizes. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"
#include <stdio.h>

enum { MOST_JOINED_ELEMENTS = 2000 };

/* Begins a statement with `vN = `. */
static void begin(Net *net) { text_put(net->out, "    v%d = ", net->names); }

static void name_value(Net *net) {
  Value *v = &net->value[net->nvalues++];
  net->now.named = true;
  net->now.reads = 0;
  *v = net->now;
  snprintf(v->name, sizeof v->name, "v%d", net->names++);
  text_put(net->out, chance(net, 95) ? "\n" : ";\n");
}

/* Draws a value. Prefers recent values, so that some nets are deep. */
static Value *any_value(Net *net) {
  const int64_t latest = net->nvalues < 5 ? net->nvalues : 5;
  if (chance(net, 25)) /* prefers a joined value */
    for (int i = net->nvalues - 1; i >= 0; i--)
      if (net->value[i].joined && chance(net, 60)) return &net->value[i];
  return &net->value[chance(net, 55) ? net->nvalues - 1 - below(net, latest) : below(net, net->nvalues)];
}

static void start_from(Net *net, Value *from) {
  from->reads++;
  net->now = *from;
  text_put(net->out, "%s -> ", from->name);
}

static bool has_room(const Net *net) { return net->nvalues + 4 < MOST_VALUES; }

/* Writes one operator on a value; nothing if no operator fits. In `pixels` percent of cases, values with
 * pixels are preferred. */
static void write_one(Net *net, OpWriter *const *ops, int64_t n, int pixels) {
  const size_t before = net->out->n;
  const Value kept = net->now;
  Value *from = any_value(net);
  const bool wide = chance(net, pixels);
  for (int tries = 0; tries < 6 && wide && from->shape.rank == 1; tries++) from = any_value(net);
  begin(net);
  start_from(net, from);
  bool written = net->now.size > 50;
  if (written) tame(net);
  for (int attempt = 0; attempt < 20 && !written; attempt++) written = ops[below(net, n)](net);
  if (written) {
    name_value(net);
    return;
  }
  net->out->s[net->out->n = before] = 0;
  from->reads--;
  net->now = kept;
}

static void write_layer(Net *net) {
  static OpWriter *const ops[] = {op_conv,       op_conv,      op_conv,       op_transpose, op_dropout,
                                  op_depthwise,  op_depthwise, op_transpose,  op_pool,      op_other_pool,
                                  op_dense,      op_dense,     op_norm,       op_norm,      op_activation,
                                  op_activation, op_curve,     op_group_norm, op_block};
  write_one(net, ops, sizeof ops / sizeof *ops, 85);
}

static void write_movement(Net *net) {
  static OpWriter *const ops[] = {op_flat,   op_flat,   op_flat,      op_border, op_border,
                                  op_resize, op_blocks, op_crop_like, op_global, op_channels};
  write_one(net, ops, sizeof ops / sizeof *ops, 60);
}

static void write_sum(Net *net) {
  static OpWriter *const ops[] = {op_combine, op_combine, op_concat, op_concat};
  write_one(net, ops, sizeof ops / sizeof *ops, 50);
}

/* ---- joined ---- */
/* Makes a vector from a value: the value itself, the flattened value, or one number per channel. */
static Value *vector_of(Net *net, Value *from) {
  const Shape in = from->shape;
  if (in.rank == 1) return from;
  begin(net);
  start_from(net, from);
  if (chance(net, 70) || net->now.equal == 2 || net->now.level || elements(in) == in.c) {
    text_put(net->out, chance(net, 80) ? "flatten" : "flatten(order=chw)");
    becomes(net, vector(elements(in)), from->size);
  } else {
    text_put(net->out, "global_avgpool%s", in.rank == 3 ? " -> flatten" : "");
    becomes(net, vector(in.c), from->size);
  }
  name_value(net);
  return &net->value[net->nvalues - 1];
}

static void write_concat(Net *net, Value *const *part, int n) {
  Shape shape = part[0]->shape;
  double size = part[0]->size;
  begin(net);
  start_from(net, part[0]);
  text_put(net->out, "concat(");
  for (int i = 1; i < n; i++) {
    text_put(net->out, "%s%s", i > 1 ? ", " : "", part[i]->name);
    part[i]->reads++;
    shape.c += part[i]->shape.c;
    if (part[i]->size > size) size = part[i]->size;
    if (part[i]->equal > net->now.equal) net->now.equal = part[i]->equal;
    net->now.cut = net->now.cut || part[i]->cut;
  }
  text_put(net->out, ")");
  becomes(net, shape, size);
  net->now.joined = true;
  name_value(net);
}

/* Joins values of any rank and size as one vector. A value may be joined twice. */
static void write_vectors(Net *net) {
  Value *part[4], *from = NULL;
  int n = (int)between(net, 2, 3);
  int64_t sum = 0;
  for (int i = 0; i < n; i++) {
    from = !i ? any_value(net) : chance(net, 20) ? part[i - 1] : chance(net, 25) ? from : any_value(net);
    part[i] = vector_of(net, from);
    sum += part[i]->shape.c;
    if (sum > MOST_JOINED_ELEMENTS) return;
  }
  if (chance(net, 25) && sum + part[0]->shape.c <= MOST_JOINED_ELEMENTS) part[n++] = part[0];
  write_concat(net, part, n);
}

/* Joins a value with itself, once or twice, along its channels. */
static void write_twice(Net *net) {
  Value *v = any_value(net), *const part[] = {v, v, v};
  const int n = chance(net, 80) ? 2 : 3;
  if (n * elements(v->shape) <= MOST_JOINED_ELEMENTS) write_concat(net, part, n);
}

/* Applies two layers to one value and joins their results, which may have other uses. */
static void write_fork(Net *net) {
  Value *from = any_value(net), *part[2];
  const Shape in = from->shape;
  if (elements(in) * 4 > MOST_JOINED_ELEMENTS || from->size > 50) return;
  for (int i = 0; i < 2; i++) {
    begin(net);
    start_from(net, from);
    if (i && chance(net, 50)) op_activation(net);
    else {
      const int64_t c = channels(net) % 17 + 1;
      if (!spend(net, (double)(elements(in) * c))) op_activation(net);
      else {
        if (in.rank == 1) text_put(net->out, "dense(%lld)", (long long)c);
        else text_put(net->out, "conv(%lld, 1%s)", (long long)c, chance(net, 30) ? ", bias=false" : "");
        becomes(net, (Shape){in.rank, in.h, in.w, c}, 1.5 * from->size + 1);
        net->now.equal = 0;
        net->now.level = false;
      }
    }
    name_value(net);
    part[i] = &net->value[net->nvalues - 1];
  }
  write_concat(net, part, 2);
}

/* ---- cut ---- */
static Value *channels_of(Net *net, Value *from, int64_t first, int64_t end) {
  const Shape in = from->shape;
  begin(net);
  start_from(net, from);
  text_put(net->out, "slice(%lld..%lld)", (long long)first, (long long)end);
  becomes(net, (Shape){in.rank, in.h, in.w, end - first}, from->size);
  name_value(net);
  return &net->value[net->nvalues - 1];
}

/* Splits the channels of a value into two parts, which may overlap and may be joined again. */
static void write_slices(Net *net) {
  Value *from = any_value(net), *part[2];
  for (int tries = 0; tries < 4 && !from->joined; tries++) from = any_value(net);
  const int64_t c = from->shape.c;
  if (c < 2) return;
  const int64_t middle = between(net, 1, c - 1), overlap = chance(net, 30) ? below(net, middle) : middle;
  part[0] = channels_of(net, from, overlap, c);
  part[1] = channels_of(net, from, 0, middle);
  if (chance(net, 60) && 2 * elements(from->shape) <= MOST_JOINED_ELEMENTS) write_concat(net, part, 2);
}

/* ---- repeats ---- */
/* Ends the body of a repetition whose input is `in`: joins the layers `a` and `b` of the body, and
 * restores the number of channels of `in`. */
static void join_round(Net *net, int id, const char *flat) {
  static const char *const forms[] = {"a%d -> concat(b%d) -> %s(in.channels%s)",
                                      "a%d -> concat(b%d, in) -> %s(in.channels%s)",
                                      "b%d -> concat(in, a%d) -> %s(in.channels%s)"};
  text_put(net->out, forms[below(net, 3)], id, id, flat[0] ? "conv" : "dense", flat);
  if (chance(net, 40)) text_put(net->out, " -> add(in)");
  if (chance(net, 50)) text_put(net->out, " -> relu");
  text_put(net->out, "\n");
}

/* Writes a repeat with a few iterations. Each iteration joins the results of two layers. */
static bool write_joined_rounds(Net *net) {
  const Shape in = net->now.shape;
  const int64_t rounds = between(net, 1, 4), n = channels(net) % 11 + 1;
  const int id = net->names++;
  if (!spend(net, (double)rounds * (double)elements(in) * (double)(5 * n + in.c)) || net->now.size > 20)
    return false;
  text_put(net->out, "    repeat %lld%s {\n", (long long)rounds, chance(net, 50) ? " as i" : "");
  if (in.rank == 1)
    text_put(net->out, "        a%d = dense(%lld) -> %s\n", id, (long long)n, activation(net));
  else
    text_put(net->out, "        a%d = conv(%lld, %s, pad=same) -> %s\n", id, (long long)n,
             in.rank == 3 ? "1x3" : "3", activation(net));
  text_put(net->out, "        b%d = in -> %s\n        ", id, activation(net));
  join_round(net, id, in.rank == 1 ? "" : ", 1");
  text_put(net->out, "    }\n");
  becomes(net, in, 4 * (double)(1 << rounds) * (net->now.size + 1));
  net->now.level = false;
  return true;
}

/* A repeat block on the current value, with a named result. */
static void write_rounds(Net *net) {
  if (!chance(net, 60) || !write_joined_rounds(net)) write_repeat(net);
  begin(net);
  op_activation(net);
  name_value(net);
}

/* ---- the program ---- */
static Shape joined_shape(Net *net) {
  switch (below(net, 4)) {
  case 0: return vector(chance(net, 60) ? between(net, 1, 12) : channels(net));
  case 1: return (Shape){2, 1, between(net, 1, 23), channels(net)};
  default: {
    const int64_t h = between(net, 1, 14), w = between(net, 1, 19), c = channels(net);
    return picture(h, w, h * w * c > MOST_JOINED_ELEMENTS ? between(net, 1, 5) : c);
  }
  }
}

/* Writes the inputs. The first input becomes the current value; in some nets, a constant becomes the current
 * value. */
static void joined_inputs(Net *net) {
  const int n = chance(net, 35) ? 1 : (int)between(net, 2, 4);
  for (int i = 0; i < n; i++) {
    Value *v = &net->value[net->nvalues++];
    const int type = chance(net, 50) ? 0 : (int)between(net, 1, 2);
    *v = (Value){.id = ++net->ids, .shape = joined_shape(net), .size = type == 1 ? 150 : type == 2 ? 70 : 1};
    snprintf(v->name, sizeof v->name, "x%d", i);
    text_put(net->out, "    input x%d: %s%s%s\n", i, shape_words(net, v->shape),
             type == 1   ? " as u8"
             : type == 2 ? " as i8"
                         : "",
             v->shape.rank > 1 && chance(net, 15) ? " (layout=chw)" : "");
  }
  net->now = net->value[0];
  if (chance(net, 20)) { /* adds a constant of the net */
    Value *v = &net->value[net->nvalues++];
    *v = (Value){.name = "own", .id = ++net->ids, .shape = joined_shape(net), .size = 2};
    text_put(net->out, "    own = constant(%s, init=normal(0.5))\n", shape_words(net, v->shape));
    net->now = *v;
  }
}

int joined_outputs(Net *net, Value output[MOST_OUTPUTS]) {
  output[0] = net->now;
  snprintf(output[0].name, sizeof output[0].name, "output");
  if (chance(net, 30)) return 1;
  int n = 0;
  const int most = (int)between(net, 1, 5);
  for (int i = net->nvalues - 1; i >= 0 && n < most; i--) {
    const Value *v = &net->value[i];
    /* an input is an output only under another name, and never the only output */
    const bool input = v->name[0] == 'x';
    if (!chance(net, v->reads ? 20 : 60) || (input && !n)) continue;
    output[n] = *v;
    if (input) snprintf(output[n].name, sizeof output[n].name, "y%d", i);
    text_put(net->out, "%s%s%s%s", n ? ", " : "    output ", output[n].name, input ? " = " : "",
             input ? v->name : "");
    n++;
  }
  if (n) text_put(net->out, "\n");
  return n ? n : 1;
}

void write_joined(Net *net) {
  net->uneven = true;
  /* in a few nets layers may be large: some schedules are worthwhile only for large layers */
  net->most_macs = (chance(net, 12) ? 25 : 2) * MOST_MACS;
  joined_inputs(net);
  const int n = (int)between(net, 5, 22);
  for (int i = 0; i < n && has_room(net); i++) {
    const int64_t what = below(net, 100);
    if (what < 36) write_layer(net);
    else if (what < 49) write_movement(net);
    else if (what < 57) write_sum(net);
    else if (what < 73) write_vectors(net);
    else if (what < 81) write_twice(net);
    else if (what < 91) write_fork(net);
    else if (what < 95) write_slices(net);
    else write_rounds(net);
  }
  if (!net->layers) write_rounds(net);
}
