/* random_joined.c: nets whose values are joined, cut and read again: several inputs of any type and rank,
 * branches that flatten and concat bring together, a concat of a value with itself or of other concats,
 * slices and crops of these, outputs and losses on inner values, primes and uneven windows throughout. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"
#include <stdio.h>

enum { MOST_JOINED_ELEMENTS = 2000 };

/* `vN = ` in front of what is written next. */
static void begin(Net *net) { text_put(net->out, "    v%d = ", net->names); }

static void name_value(Net *net) {
  Value *v = &net->value[net->nvalues++];
  net->now.named = true;
  net->now.reads = 0;
  *v = net->now;
  snprintf(v->name, sizeof v->name, "v%d", net->names++);
  text_put(net->out, chance(net, 95) ? "\n" : ";\n");
}

/* Mostly one of the latest, so that nets are deep, too. */
static Value *any_value(Net *net) {
  const int64_t latest = net->nvalues < 5 ? net->nvalues : 5;
  return &net->value[chance(net, 55) ? net->nvalues - 1 - below(net, latest) : below(net, net->nvalues)];
}

static void start_from(Net *net, Value *from) {
  from->reads++;
  net->now = *from;
  text_put(net->out, "%s -> ", from->name);
}

static bool has_room(const Net *net) { return net->nvalues + 4 < MOST_VALUES; }

/* One operator of a value; nothing is written where none of those that were tried fits. */
static void write_one(Net *net, OpWriter *const *ops, int64_t n) {
  const size_t before = net->out->n;
  const Value kept = net->now;
  Value *from = any_value(net);
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
  static OpWriter *const ops[] = {op_conv,       op_conv, op_conv,       op_depthwise,  op_depthwise,
                                  op_transpose,  op_pool, op_other_pool, op_dense,      op_dense,
                                  op_norm,       op_norm, op_activation, op_activation, op_curve,
                                  op_group_norm, op_block};
  write_one(net, ops, sizeof ops / sizeof *ops);
}

static void write_movement(Net *net) {
  static OpWriter *const ops[] = {op_flat,   op_flat,   op_flat,      op_border, op_border,
                                  op_resize, op_blocks, op_crop_like, op_global, op_channels};
  write_one(net, ops, sizeof ops / sizeof *ops);
}

static void write_sum(Net *net) {
  static OpWriter *const ops[] = {op_combine, op_combine, op_concat, op_concat};
  write_one(net, ops, sizeof ops / sizeof *ops);
}

/* ---- joined ---- */
/* A vector of a value: itself, all that it has, or one number for each channel. */
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
  name_value(net);
}

/* Values of any rank and size as one vector, some of them twice. */
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

/* A value and itself, once or twice, along its channels. */
static void write_twice(Net *net) {
  Value *v = any_value(net), *const part[] = {v, v, v};
  const int n = chance(net, 80) ? 2 : 3;
  if (n * elements(v->shape) <= MOST_JOINED_ELEMENTS) write_concat(net, part, n);
}

/* Two layers of one value, joined: also what only these two read. */
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

/* A repeat of the current value, whose result gets a name. */
static void write_rounds(Net *net) {
  write_repeat(net);
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
}

int joined_outputs(Net *net, Value output[MOST_OUTPUTS]) {
  output[0] = net->now;
  snprintf(output[0].name, sizeof output[0].name, "output");
  if (chance(net, 30)) return 1;
  int n = 0;
  const int most = (int)between(net, 1, 5);
  for (int i = net->nvalues - 1; i >= 0 && n < most; i--) {
    const Value *v = &net->value[i];
    const bool input = v->name[0] == 'x'; /* an output has another name, and is not the only one */
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
  net->most_macs = (chance(net, 12) ? 25 : 2) * MOST_MACS; /* what pays for large layers alone */
  joined_inputs(net);
  const int n = (int)between(net, 4, 20);
  for (int i = 0; i < n && has_room(net); i++) {
    const int64_t what = below(net, 100);
    if (what < 30) write_layer(net);
    else if (what < 45) write_movement(net);
    else if (what < 55) write_sum(net);
    else if (what < 75) write_vectors(net);
    else if (what < 84) write_twice(net);
    else if (what < 94) write_fork(net);
    else write_rounds(net);
  }
  if (!net->layers) write_rounds(net);
}
