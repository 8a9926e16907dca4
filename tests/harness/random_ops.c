/* random_ops.c: Operators that compute, and blocks: each function writes one call for the current value. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"

/* Makes the result of an operator the current value, with the same number of regions as before. */
void becomes(Net *net, Shape shape, double size) {
  net->now = (Value){.id = ++net->ids,
                     .shape = shape,
                     .size = size,
                     .equal = net->now.equal,
                     .regions = net->now.regions,
                     .cut = net->now.cut,
                     .level = net->now.level};
  net->layers++;
}

/* A number of filters. In nets with prime numbers of channels, the number of filters is sometimes a multiple
 * of the number of channels, so that groups are possible, too. */
static int64_t filters(Net *net) {
  const int64_t c = net->now.shape.c;
  return net->uneven && c < 50 && chance(net, 20) ? c * between(net, 1, 2) : channels(net);
}

bool op_conv(Net *net) {
  const Shape in = net->now.shape;
  const Part *shared = find_part(net, "conv");
  Window w;
  if (!draw_window(net, false, shared ? shared->kernel : NULL, &w)) return false;
  Part p = {.op = "conv",
            .channels = in.c,
            .out = shared ? shared->out : filters(net),
            .kernel = {w.kernel[0], w.kernel[1]},
            .rank = in.rank};
  p.groups = shared ? shared->groups : chance(net, net->uneven ? 40 : 20) ? divisor(net, in.c, p.out) : 1;
  p.bias = shared ? shared->bias : chance(net, 80);
  const Shape out = {in.rank, w.out[0], w.out[1], p.out};
  if (elements(out) > MOST_ELEMENTS ||
      !spend(net, (double)(elements(out) * w.kernel[0] * w.kernel[1] * in.c / p.groups)))
    return false;
  text_put(net->out, "conv(");
  put_number(net, p.out);
  text_put(net->out, chance(net, 80) ? ", " : ", kernel=");
  put_kernel(net, w.kernel, in.rank);
  put_window(net, &w, in.rank, true);
  if (p.groups > 1) text_put(net->out, ", groups=%lld", (long long)p.groups);
  if (!p.bias) text_put(net->out, ", bias=false");
  if (!shared && in.rank == 3 && chance(net, 8)) put_literal(net, w.kernel);
  else {
    if (!shared) put_init(net, "init");
    put_part(net, shared, &p);
  }
  text_put(net->out, ")");
  becomes(net, out, 1.5 * net->now.size + 1);
  net->now.equal = 0;
  net->now.level = false;
  return true;
}

bool op_depthwise(Net *net) {
  const Shape in = net->now.shape;
  const Part *shared = find_part(net, "depthwise");
  Window w;
  if (!draw_window(net, false, shared ? shared->kernel : NULL, &w)) return false;
  Part p = {.op = "depthwise",
            .channels = in.c,
            .extra = shared            ? shared->extra
                     : chance(net, 70) ? 1
                                       : between(net, 1, 3),
            .kernel = {w.kernel[0], w.kernel[1]},
            .bias = shared ? shared->bias : chance(net, 80),
            .rank = in.rank};
  const Shape out = {in.rank, w.out[0], w.out[1], in.c * p.extra};
  if (elements(out) > MOST_ELEMENTS || !spend(net, (double)(elements(out) * w.kernel[0] * w.kernel[1])))
    return false;
  text_put(net->out, "depthwise(");
  put_kernel(net, w.kernel, in.rank);
  put_window(net, &w, in.rank, true);
  if (p.extra > 1) text_put(net->out, ", multiplier=%lld", (long long)p.extra);
  if (!p.bias) text_put(net->out, ", bias=false");
  if (!shared && in.rank == 3 && chance(net, 8)) put_literal(net, w.kernel);
  else put_part(net, shared, &p);
  text_put(net->out, ")");
  becomes(net, out, 1.5 * net->now.size + 1);
  net->now.equal = 0;
  net->now.level = false;
  return true;
}

bool op_transpose(Net *net) {
  const Shape in = net->now.shape;
  const Part *shared = find_part(net, "conv_transpose");
  Window w;
  if (!draw_window(net, false, shared ? shared->kernel : NULL, &w) || !strcmp(w.pad, "causal")) return false;
  const int64_t extra = chance(net, net->uneven ? 40 : 20) ? between(net, 1, 2) : 0, size[2] = {in.h, in.w};
  Part p = {.op = "conv_transpose",
            .channels = in.c,
            .out = shared ? shared->out : filters(net),
            .kernel = {w.kernel[0], w.kernel[1]},
            .rank = in.rank};
  p.groups = shared ? shared->groups : chance(net, net->uneven ? 40 : 20) ? divisor(net, in.c, p.out) : 1;
  p.bias = shared ? shared->bias : chance(net, 80);
  const bool same_pad = !strcmp(w.pad, "same");
  for (int axis = in.rank == 2; axis < 2; axis++) {
    const int64_t valid = (size[axis] - 1) * w.stride[axis] + w.dilation[axis] * (w.kernel[axis] - 1) + 1;
    w.out[axis] = same_pad ? size[axis] * w.stride[axis] : valid + extra - w.before[axis] - w.after[axis];
    if (w.out[axis] < 1) return false;
  }
  const Shape out = {in.rank, w.out[0], w.out[1], p.out};
  if (elements(out) > MOST_ELEMENTS ||
      !spend(net, (double)(elements(in) * w.kernel[0] * w.kernel[1] * p.out / p.groups)))
    return false;
  text_put(net->out, "conv_transpose(");
  put_number(net, p.out);
  text_put(net->out, ", ");
  put_kernel(net, w.kernel, in.rank);
  put_window(net, &w, in.rank, true);
  if (extra && !same_pad) text_put(net->out, ", output_pad=%lld", (long long)extra);
  if (p.groups > 1) text_put(net->out, ", groups=%lld", (long long)p.groups);
  if (!p.bias) text_put(net->out, ", bias=false");
  if (!shared && chance(net, 10)) text_put(net->out, ", init=bilinear");
  put_part(net, shared, &p);
  text_put(net->out, ")");
  becomes(net, out, 2 * net->now.size + 1);
  net->now.equal = 0;
  net->now.level = false;
  return true;
}

bool op_pool(Net *net) {
  const Shape in = net->now.shape;
  const int equal = net->now.equal;
  /* if elements are equal up to rounding (equal 2), rounding would decide which of them is the largest */
  const bool average = !net->now.level && (equal == 2 || chance(net, 50));
  Window w;
  if ((!average && equal == 2) || !draw_window(net, true, NULL, &w)) return false;
  text_put(net->out, average ? "avgpool(" : "maxpool(");
  put_kernel(net, w.kernel, in.rank);
  if (w.own_stride) put_pair(net, "stride", w.stride, in.rank);
  put_window(net, &w, in.rank, false);
  if (w.ceil) text_put(net->out, ", ceil=true");
  if (average && chance(net, 30)) text_put(net->out, ", count_pad=true");
  text_put(net->out, ")");
  becomes(net, (Shape){in.rank, w.out[0], w.out[1], in.c}, net->now.size);
  net->now.equal = !average ? 1 : equal ? 2 : 0;
  return true;
}

bool op_other_pool(Net *net) {
  const Shape in = net->now.shape;
  const bool drawn = chance(net, 50);
  int64_t kernel[2] = {1, 1}, step[2] = {1, 1}, out[2] = {1, 1};
  const int64_t size[2] = {in.h, in.w}, square = between(net, 2, drawn ? 3 : 5);
  if (in.rank == 1 || (drawn && net->now.equal == 2)) return false;
  for (int axis = in.rank == 2; axis < 2; axis++) {
    kernel[axis] = square;
    step[axis] = drawn ? square : between(net, 1, 3);
    if (size[axis] < square) return false;
    out[axis] = drawn ? (size[axis] - square) / square + 1 : (size[axis] - 1) / step[axis] + 1;
  }
  text_put(net->out, drawn ? "stochastic_pool(" : "blurpool(");
  put_kernel(net, kernel, in.rank);
  if (!drawn) put_pair(net, "stride", step, in.rank);
  text_put(net->out, ")");
  net->jumps |= drawn;
  becomes(net, (Shape){in.rank, out[0], out[1], in.c}, net->now.size);
  return true;
}

bool op_global(Net *net) {
  const Shape in = net->now.shape;
  if (in.rank == 1 || (net->now.level && net->now.equal == 2)) return false;
  text_put(net->out,
           net->now.equal == 2 || (!net->now.level && chance(net, 50)) ? "global_avgpool" : "global_maxpool");
  becomes(net, in.rank == 3 ? picture(1, 1, in.c) : vector(in.c), net->now.size);
  return true;
}

bool op_channels(Net *net) {
  const Shape in = net->now.shape;
  const bool most = net->now.equal != 2 && chance(net, 50);
  if (net->now.level) return false;
  text_put(net->out, most ? "channel_max" : "channel_mean");
  becomes(net, (Shape){in.rank, in.h, in.w, 1}, net->now.size);
  net->now.equal = most ? 1 : net->now.equal ? 2 : 0;
  return true;
}

bool op_dense(Net *net) {
  const Shape in = net->now.shape;
  if (!one_pixel(in) || in.rank == 2) return false;
  const Part *shared = find_part(net, "dense");
  const Part p = {.op = "dense",
                  .channels = in.c,
                  .out = shared ? shared->out : channels(net),
                  .bias = shared ? shared->bias : chance(net, 80),
                  .rank = in.rank};
  if (!spend(net, (double)(in.c * p.out))) return false;
  text_put(net->out, "dense(");
  put_number(net, p.out);
  if (!p.bias) text_put(net->out, ", bias=false");
  if (!shared) {
    put_init(net, "init");
    put_init(net, "bias_init");
  }
  put_part(net, shared, &p);
  text_put(net->out, ")");
  becomes(net, vector(p.out), 1.5 * net->now.size + 1);
  net->now.equal = 0;
  net->now.level = false;
  return true;
}

bool op_activation(Net *net) {
  const char *name = activation(net);
  const bool wide = strchr("ralpgsh", name[0]) && strcmp(name, "relu6") && !strstr(name, "sigmoid") &&
                    !strstr(name, "softplus");
  const bool softmax = net->now.softmax; /* draw_loss treats the result like a softmax */
  text_put(net->out, "%s", name);
  becomes(net, net->now.shape, wide || net->now.size < 6 ? net->now.size : 6);
  net->now.softmax = softmax;
  net->now.level = false;
  return true;
}

bool op_curve(Net *net) { /* powers, exp, log, softmax and others; inputs are limited where necessary */
  const double size = net->now.size;
  switch (below(net, 10)) {
  case 6:
    text_put(net->out, "square -> add(0.5) -> %s", chance(net, 50) ? "log" : "power(-1/2)");
    becomes(net, net->now.shape, 2 + size / 8);
    break;
  case 7:
    text_put(net->out, "sigmoid -> add(0.5) -> power(%s)",
             (const char *const[]){"-1", "-2", "1/2", "3"}[below(net, 4)]);
    becomes(net, net->now.shape, 4);
    net->now.apart = true;
    break;
  case 8:
    if (size > 3) return false;
    text_put(net->out, "power(%lld)", (long long)between(net, 1, 3));
    becomes(net, net->now.shape, size * size * size + 1);
    break;
  case 9:
    text_put(net->out, "gelu(approximate=tanh)");
    becomes(net, net->now.shape, size);
    break;
  case 0:
    text_put(net->out, "tanh -> exp");
    becomes(net, net->now.shape, 2);
    net->now.apart = true;
    break;
  case 1:
    text_put(net->out, "sigmoid -> add(0.5)");
    becomes(net, net->now.shape, 1);
    net->now.apart = true;
    break;
  case 2:
    text_put(net->out, "square -> add(0.1) -> sqrt");
    becomes(net, net->now.shape, size + 1);
    break;
  case 3:
    if (size > 8) return false;
    text_put(net->out, "square");
    becomes(net, net->now.shape, size * size);
    break;
  case 4:
    text_put(net->out, "softmax");
    becomes(net, net->now.shape, 1);
    net->now.softmax = true;
    break;
  default:
    text_put(net->out, "log_softmax");
    becomes(net, net->now.shape, 4 + size);
    net->now.softmax = true;
  }
  net->now.level = false;
  return true;
}

bool op_norm(Net *net) {
  const Shape in = net->now.shape;
  const double size = net->now.size;
  const Part p = {.op = "batchnorm", .channels = in.c, .rank = in.rank};
  switch (below(net, 5)) {
  case 0:
  case 1: {
    const Part *shared = find_part(net, "batchnorm");
    text_put(net->out, "batchnorm(epsilon=%s", chance(net, 40) ? "0.001" : chance(net, 70) ? "0.1" : "0.5");
    if (chance(net, 30)) text_put(net->out, ", momentum=%s", chance(net, 50) ? "0.5" : "0.99");
    const bool bare = !shared && chance(net, 30);
    if (bare) text_put(net->out, chance(net, 50) ? ", scale=false" : ", shift=false");
    if (bare && chance(net, 10)) text_put(net->out, ", frozen=true");
    if (!bare) put_part(net, shared, &p);
    text_put(net->out, ")");
    becomes(net, in, 3 + size / 4);
    return true;
  }
  case 2:
    text_put(net->out, "lrn(size=%lld", (long long)between(net, 1, 7));
    if (chance(net, 30)) text_put(net->out, ", bias=2.0");
    text_put(net->out, ", alpha=%s", chance(net, 50) ? "0.0001" : "0.5");
    text_put(net->out, ", beta=%s)", chance(net, 50) ? "0.75" : "0.5");
    becomes(net, in, size);
    return true;
  case 3:
    text_put(net->out, "%s", chance(net, 50) ? "scale(init=2" : "bias(init=0.5");
    put_part(net, NULL, &(Part){.op = "none"});
    text_put(net->out, ")");
    becomes(net, in, 1.5 * size + 1);
    return true;
  default:
    text_put(net->out, "normalize(");
    if (chance(net, 25)) text_put(net->out, "mean=-0.299, std=1.122, ");
    else if (chance(net, 50) || in.c > 6) text_put(net->out, "mean=%s, ", chance(net, 50) ? "0.25" : "-1");
    else {
      text_put(net->out, "std=[");
      for (int64_t c = 0; c < in.c; c++)
        text_put(net->out, "%s%s", c ? ", " : "", chance(net, 50) ? "2" : "0.75");
      text_put(net->out, "], ");
    }
    text_put(net->out, "scale=%s)", size > 50 ? "1/128" : size > 8 ? "1/8" : "1.25");
    becomes(net, in, size > 50 ? 2 : size + 1);
    return true;
  }
}

bool op_group_norm(Net *net) {
  static const char *const some[] = {"layernorm", "instancenorm", "groupnorm"};
  const Shape in = net->now.shape;
  const int kind = (int)below(net, 4);
  if (kind == 3) {
    text_put(net->out, "l2norm(epsilon=0.5)");
    becomes(net, in, 1);
    return true;
  }
  if (kind == 1 && in.rank == 1) return false;
  const Part *shared = find_part(net, some[kind]), p = {.op = some[kind], .channels = in.c, .rank = in.rank};
  text_put(net->out, "%s(", some[kind]);
  if (kind == 2) text_put(net->out, "%lld, ", (long long)divisor(net, in.c, in.c));
  text_put(net->out, "epsilon=%s", chance(net, 50) ? "0.05" : "0.1");
  if (!shared) put_init(net, "bias_init");
  put_part(net, shared, &p);
  text_put(net->out, ")");
  becomes(net, in, 4);
  /* the mean of the result is constant, so the gradient of this mean would consist of rounding errors */
  net->now.level = true;
  return true;
}

bool op_dropout(Net *net) {
  if (chance(net, 50)) text_put(net->out, "dropout");
  else text_put(net->out, "dropout(%s)", chance(net, 20) ? "0" : "0.25");
  becomes(net, net->now.shape, 2 * net->now.size);
  return true;
}

/* ---- several values ---- */
Value *draw_value(Net *net, bool (*fits)(Shape now, const Value *)) {
  Value *some[MOST_VALUES];
  int n = 0;
  for (int i = 0; i < net->nvalues; i++)
    if (net->value[i].regions == net->now.regions && fits(net->now.shape, &net->value[i]))
      some[n++] = &net->value[i];
  return n ? some[below(net, n)] : NULL;
}
/* Whether `part` has the size of `whole`, or can be broadcast to it. */
static bool covers(Shape whole, Shape part) {
  return (part.c == whole.c || part.c == 1) && (same_pixels(part, whole) || one_pixel(part));
}
static bool combines(Shape now, const Value *v) {
  return v->size < 40 && (covers(now, v->shape) || covers(v->shape, now));
}
static bool divides(Shape now, const Value *v) { return combines(now, v) && v->apart; }
bool op_combine(Net *net) {
  static const char *const many[] = {"add", "multiply", "maximum", "minimum"}, *const one[] = {"subtract",
                                                                                               "divide"};
  const bool several = chance(net, 65);
  const char *name = several ? many[below(net, 4)] : one[below(net, 2)];
  const bool product = name[1] == 'u' && name[0] == 'm';
  const int n = several ? (int)between(net, 1, 3) : 1;
  Value *operand[3] = {NULL};
  Shape shape = net->now.shape;
  double size = net->now.size;
  bool some = false;
  for (int i = 0; i < n; i++) {
    if (chance(net, 15)) continue; /* the operand is a number */
    operand[i] = draw_value(net, name[0] == 'd' ? divides : combines);
    if (operand[i] && !covers(shape, operand[i]->shape) && !covers(operand[i]->shape, shape))
      operand[i] = NULL;
    if (!operand[i]) continue;
    some = true;
    if (!covers(shape, operand[i]->shape) ||
        (covers(operand[i]->shape, shape) && operand[i]->shape.rank > shape.rank))
      shape = operand[i]->shape;
    size = product ? size * operand[i]->size : size + (name[0] == 'd' ? size : operand[i]->size);
  }
  if (size > 60 || elements(shape) > MOST_ELEMENTS || (!some && chance(net, 60))) return false;
  text_put(net->out, "%s(", name);
  for (int i = 0; i < n; i++) {
    text_put(net->out, "%s", i ? ", " : "");
    if (operand[i]) {
      text_put(net->out, "%s", operand[i]->name);
      operand[i]->reads++;
    } else text_put(net->out, "%s", (const char *const[]){"2", "0.5", "-1", "1/3"}[below(net, 4)]);
  }
  text_put(net->out, ")");
  becomes(net, shape, size + 2);
  net->now.level = false;
  return true;
}

/* ---- blocks ---- */
static void make_block(Net *net) {
  const int id = net->nblocks++;
  Block *b = &net->block[id];
  *b = (Block){.rank = (int)between(net, 1, 3),
               .activation = activation(net),
               .kernel = between(net, 1, 3),
               .norm = chance(net, 50),
               .depthwise = chance(net, 40)};
  Text *t = &net->blocks;
  const char *norm = b->norm ? " -> batchnorm(epsilon=0.01)" : "",
             *kernel = arena_printf(net->arena, b->rank == 3 ? "%lldx%lld" : "%lld", (long long)b->kernel,
                                    (long long)b->kernel);
  if (b->rank == 1) {
    text_put(t, "block block%d(n, s=1) {\n    dense(n)%s -> %s\n    m = dense(n, name=\"second\")\n", id,
             norm, b->activation);
    text_put(
        t,
        "    if in.channels != n { r = in -> dense(n, bias=false) } else { r = in }\n    m -> add(r)\n}\n");
    return;
  }
  text_put(t, "block block%d(n, s=1) {\n    conv(n, %s, stride=s, pad=same)%s -> %s\n", id, kernel, norm,
           b->activation);
  if (b->depthwise) text_put(t, "    depthwise(%s, pad=same, name=\"deep\") -> tanh\n", kernel);
  text_put(t,
           "    m = conv(n, 1, bias=false)%s\n    if s != 1 or in.channels != n { r = in -> conv(n, 1, "
           "stride=s) } else { r = in }\n    m -> add(r) -> relu\n}\n",
           norm);
}

bool op_block(Net *net) {
  const Shape in = net->now.shape;
  if (net->nblocks < 3 && chance(net, 50)) make_block(net);
  if (!net->nblocks) return false;
  const int id = (int)below(net, net->nblocks);
  const Block *b = &net->block[id];
  if (b->rank != in.rank && !(b->rank == 1 && one_pixel(in))) return false;
  const Part *shared = NULL;
  for (int i = 0; i < net->nparts; i++)
    if (!strcmp(net->part[i].op, "block") && net->part[i].block == id && net->part[i].channels == in.c &&
        net->part[i].rank == in.rank && chance(net, 50))
      shared = &net->part[i];
  Part p = {.op = "block",
            .block = id,
            .channels = in.c,
            .rank = in.rank,
            .out = shared            ? shared->out
                   : chance(net, 40) ? in.c
                                     : channels(net),
            .extra = shared                           ? shared->extra
                     : b->rank > 1 && chance(net, 30) ? 2
                                                      : 1};
  const int64_t h = (in.h + p.extra - 1) / p.extra, w = (in.w + p.extra - 1) / p.extra;
  const Shape out =
      b->rank == 1 ? (p.out == in.c ? in : vector(p.out)) : (Shape){in.rank, in.rank == 2 ? 1 : h, w, p.out};
  const double taps = (double)(b->rank == 3 ? b->kernel * b->kernel : b->kernel);
  if (elements(out) > MOST_ELEMENTS ||
      !spend(net, (double)elements(out) * ((double)in.c * (taps + 1) + taps + (double)p.out)))
    return false;
  text_put(net->out, "block%d(", id);
  put_number(net, p.out);
  if (p.extra > 1) text_put(net->out, chance(net, 50) ? ", %lld" : ", s=%lld", (long long)p.extra);
  put_part(net, shared, &p);
  text_put(net->out, ")");
  becomes(net, out, 2 * net->now.size + 2);
  net->now.level = false;
  return true;
}

/* ---- any operator ---- */
void tame(Net *net) { /* scales large numbers down */
  static const char *const some[] = {
      "tanh", "sigmoid", "normalize(scale=1/64)", "clip(-4, 4)", "batchnorm(epsilon=0.1)", "hard_sigmoid"};
  const int form = (int)below(net, 6);
  text_put(net->out, "%s", some[form]);
  becomes(net, net->now.shape, form == 2 ? net->now.size / 64 + 0.5 : 4);
}

void write_op(Net *net) {
  static OpWriter *const ops[] = {
      op_conv,       op_conv,       op_conv,       op_depthwise, op_transpose, op_pool,      op_pool,
      op_pool,       op_other_pool, op_global,     op_channels,  op_dense,     op_dense,     op_dense,
      op_activation, op_activation, op_activation, op_curve,     op_norm,      op_norm,      op_group_norm,
      op_dropout,    op_flat,       op_border,     op_resize,    op_blocks,    op_crop_like, op_combine,
      op_combine,    op_concat,     op_concat,     op_block,     op_block};
  if (net->now.size > 50 && chance(net, 80)) {
    tame(net);
    return;
  }
  for (int attempt = 0; attempt < 60; attempt++)
    if (ops[below(net, sizeof ops / sizeof *ops)](net)) return;
  op_activation(net);
}
