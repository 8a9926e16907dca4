/* randomnet.c: prints a random program.  randomnet SEED
 *
 * Every program is right by construction (as NNSmith's: Liu et al., 2023): the shape of each value is
 * followed here, by formulas of this file's own, and only what fits it is written. Graphs have branches,
 * blocks, rounds, shared and frozen parameters, several inputs and outputs; the train block has losses that
 * fit. One program in ten is a tower: a small net with batchnorm, as people train them. Values stay within
 * sizes where float and double agree; the first line holds the limits that netcheck takes. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"
#include <stdio.h>

enum {
  TOWERS = 10,
  TOWER_MACS = 150000
}; /* of so many programs one is a tower; its stem and first unit take about so many multiply-adds */

/* ---- statements ---- */
static void indent(Net *net) { text_put(net->out, "%*s", 4 * net->depth, ""); }

static void write_chain(Net *net, bool start) {
  const int n = (int)between(net, 1, 3);
  for (int i = 0; i < n; i++) {
    if (i || start) text_put(net->out, " -> ");
    write_op(net);
  }
}

static void write_statement(Net *net) {
  indent(net);
  const bool named = net->nvalues < MOST_VALUES && chance(net, 60),
             start = chance(net, net->now.named ? 40 : 3);
  /* else the current value would be lost */
  char name[16];
  snprintf(name, sizeof name, "v%d", net->names);
  if (named) {
    text_put(net->out, "%s = ", name);
    net->names++;
  }
  if (start) {
    const bool in = chance(net, 15) && net->depth == 1;
    Value *from = in ? &net->value[0] : &net->value[below(net, net->nvalues)];
    text_put(net->out, "%s", in ? "in" : from->name);
    from->reads++;
    net->now = *from;
  }
  write_chain(net, start);
  text_put(net->out, chance(net, 95) ? "\n" : ";\n");
  if (!named) return;
  Value *value = &net->value[net->nvalues++];
  net->now.named = true;
  net->now.reads = 0;
  *value = net->now;
  memcpy(value->name, name, sizeof name);
}

static void write_repeat(Net *net) { /* bodies that fit whatever a round starts from */
  const Shape in = net->now.shape;
  const int64_t rounds = chance(net, 8) ? 0 : between(net, 1, 3), step = between(net, 1, 8);
  const double pixels = (double)(in.h * in.w), grown = (double)(in.c + rounds * step);
  if (!spend(net, (double)rounds * pixels * 3 * grown * grown)) return;
  const char *kernel = in.rank == 3 ? "1x3" : "3";
  const long long rank1 = in.rank == 1;
  indent(net);
  text_put(net->out, "repeat ");
  put_number(net, rounds);
  switch (below(net, 4)) {
  case 0:
    if (rank1) text_put(net->out, " { dense(in.channels) -> %s }\n", activation(net));
    else text_put(net->out, " { conv(in.channels, %s, pad=same) -> %s }\n", kernel, activation(net));
    net->now.size = net->now.size * (double)(1 << rounds) + 2;
    break;
  case 1:
    if (rank1)
      text_put(net->out, " as i { dense(%lld * (i + 1), name=\"round%d\") -> tanh }\n", (long long)step,
               net->names++);
    else
      text_put(net->out, " as i { conv(%lld * (i + 1), %s, pad=same, name=\"round%d\") -> tanh }\n",
               (long long)step, kernel, net->names++);
    if (rounds) {
      net->now.shape.c = step * rounds;
      net->now.size = 1;
    }
    break;
  case 2:
    text_put(net->out, " {\n");
    net->depth++;
    indent(net);
    if (rank1) text_put(net->out, "grown%d = dense(%lld) -> tanh\n", net->names, (long long)step);
    else
      text_put(net->out, "grown%d = conv(%lld, %s, pad=same) -> tanh\n", net->names, (long long)step, kernel);
    indent(net);
    text_put(net->out, "in -> concat(grown%d)\n", net->names++);
    net->depth--;
    indent(net);
    text_put(net->out, "}\n");
    net->now.shape.c += step * rounds;
    break;
  default:
    text_put(net->out, " as i {\n");
    net->depth++;
    indent(net);
    text_put(net->out,
             "if i %% 2 == 0 and in.channels > 0 { %s -> add(in) } else { relu -> multiply(0.5) }\n",
             activation(net));
    net->depth--;
    indent(net);
    text_put(net->out, "}\n");
    net->now.size = net->now.size * (double)(1 << rounds) + 1;
  }
  net->now.apart = net->now.softmax = net->now.named = false;
}

static void write_if(Net *net) { /* the branch that is not taken is only parsed */
  const bool first = chance(net, 50);
  const Value *v = &net->value[below(net, net->nvalues)];
  const char *other = "{ nothing = conv(1, 2, 3) -> anything(4) }";
  indent(net);
  text_put(net->out, "if %s.channels %s %lld %s", v->name, first ? ">=" : "<", (long long)v->shape.c,
           first ? "{\n" : "");
  if (!first) text_put(net->out, "%s else {\n", other);
  net->depth++;
  write_statement(net);
  net->depth--;
  indent(net);
  text_put(net->out, "}");
  if (first && chance(net, 60)) text_put(net->out, " else %s", other);
  text_put(net->out, "\n");
}

/* ---- towers ----
 * Nets as people train them, 16 to 32 channels wide: convolutions with batchnorm in residual blocks, or of
 * depthwise and 1x1 layers. */
static const char *tower_norm(Net *net) {
  static const char *const some[] = {"batchnorm", "batchnorm(epsilon=0.01)",
                                     "batchnorm(momentum=0.8, epsilon=0.01)"};
  return some[below(net, 3)];
}

static int64_t tower_channels(Net *net) {
  static const int64_t some[] = {16, 16, 17, 20, 24, 24, 31, 32, 32};
  return some[below(net, sizeof some / sizeof *some)];
}

/* taps: of the kernel. */
static const char *tower_kernel(Net *net, int64_t *taps) {
  static const struct {
    const char *text;
    int64_t taps;
  } some[] = {{"3x3", 9}, {"3x3", 9}, {"3x3", 9}, {"5x5", 25}, {"1x3", 3}};
  const int64_t i = below(net, sizeof some / sizeof *some);
  *taps = some[i].taps;
  return some[i].text;
}

/* Each writes `block unit(n, s=1)` and returns the multiply-adds of a pixel. */
static int64_t make_residual(Net *net,
                             int64_t c) { /* He et al., 2015; or with what is normalised first, 2016 */
  int64_t taps;
  const char *kernel = tower_kernel(net, &taps), *norm = tower_norm(net),
             *bend = chance(net, 70) ? "relu" : activation(net),
             *bias = chance(net, 70) ? ", bias=false" : "";
  if (chance(net, 65))
    text_put(&net->blocks,
             "block unit(n, s=1) {\n    conv(n, %s, stride=s, pad=same%s) -> %s -> %s\n    m = conv(n, %s, "
             "pad=same%s) -> %s\n",
             kernel, bias, norm, bend, kernel, bias, norm);
  else
    text_put(&net->blocks,
             "block unit(n, s=1) {\n    %s -> %s -> conv(n, %s, stride=s, pad=same%s)\n    m = %s -> %s -> "
             "conv(n, %s, pad=same%s)\n",
             norm, bend, kernel, bias, norm, bend, kernel, bias);
  text_put(&net->blocks,
           "    if s != 1 or in.channels != n { r = in -> conv(n, 1x1, stride=s%s) } else { r = in }\n",
           bias);
  if (chance(net, 80)) text_put(&net->blocks, "    m -> add(r) -> %s\n}\n", bend);
  else text_put(&net->blocks, "    m -> add(r)\n}\n");
  return 2 * taps * c * c;
}

static int64_t make_separable(Net *net,
                              int64_t c) { /* MobileNet: Howard et al., 2017; Sandler et al., 2018 */
  int64_t taps;
  const char *kernel = tower_kernel(net, &taps), *norm = tower_norm(net),
             *bend = chance(net, 50)   ? "relu6"
                     : chance(net, 50) ? "relu"
                                       : activation(net);
  if (chance(net, 50)) {
    text_put(&net->blocks,
             "block unit(n, s=1) {\n    depthwise(%s, stride=s, pad=same, bias=false) -> %s -> %s\n    "
             "conv(n, 1x1, bias=false) -> %s -> %s\n}\n",
             kernel, norm, bend, norm, bend);
    return c * (taps + c);
  }
  text_put(&net->blocks,
           "block unit(n, s=1) {\n    conv(2 * in.channels, 1x1, bias=false) -> %s -> %s\n    depthwise(%s, "
           "stride=s, pad=same, bias=false) -> %s -> %s\n",
           norm, bend, kernel, norm, bend);
  text_put(&net->blocks,
           "    m = conv(n, 1x1, bias=false) -> %s\n    if s == 1 and in.channels == n { m -> add(in) } else "
           "{ m }\n}\n",
           norm);
  return 2 * c * (taps + 2 * c);
}

static void write_tower(Net *net) {
  const int64_t c = tower_channels(net), stem = chance(net, 70) ? 3 : c,
                unit = (chance(net, 50) ? make_residual : make_separable)(net, c);
  const int64_t pixels = TOWER_MACS / (unit + 9 * stem * c), h = between(net, 3, 8), fits = pixels / h,
                w = fits < 3   ? 3
                    : fits > 9 ? 9
                               : fits;
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.name = "x0", .shape = picture(h, w, stem), .size = 1};
  text_put(net->out, "    input x0: %s\n    conv(%lld, 3x3, pad=same, bias=false) -> %s -> relu\n",
           shape_words(net, v->shape), (long long)c, tower_norm(net));
  text_put(net->out, chance(net, 70) ? "    unit(%lld)\n" : "    unit(%lld, s=2)\n", (long long)c);
  if (chance(net, 50)) text_put(net->out, "    unit(%lld, s=2)\n", (long long)tower_channels(net));
  text_put(net->out, "    %s\n", chance(net, 70) ? "global_avgpool" : "flatten -> dropout(0.25)");
  becomes(net, vector(between(net, 2, 10)), 4);
  net->now.softmax = chance(net, 50);
  text_put(net->out, "    dense(%lld)%s\n", (long long)net->now.shape.c,
           net->now.softmax ? " -> softmax" : "");
}

/* ---- the train block ---- */
static const char *draw_loss(Net *net, const Value *v, bool *classes) {
  const int64_t c = v->shape.c;
  const bool pixels = v->shape.rank == 3 && v->shape.h * v->shape.w > 1;
  int form = (int)below(net, c > 1 ? 11 : 4);
  if (v->softmax && (form == 3 || form == 8)) form = 0; /* binary_cross_entropy and hinge take raw scores */
  if (form == 10 && (v->softmax || !pixels)) form = 9;
  *classes = form >= 4;
  if (form < 4)
    return ((const char *const[]){"mse", "mae", "huber(delta=0.5)", "binary_cross_entropy"})[form];
  if (form >= 8) return ((const char *const[]){"hinge", "focal(gamma=2)", "dice"})[form - 8];
  if (form == 4) return arena_printf(net->arena, "cross_entropy(ignore=%lld)", (long long)below(net, c));
  if (form > 5 || c > 6) return "cross_entropy";
  const char *weights = "1";
  for (int64_t i = 1; i < c; i++)
    weights = arena_printf(net->arena, "%s, %s", weights, chance(net, 50) ? "2" : "0.5");
  return arena_printf(net->arena, "cross_entropy(weights=[%s])", weights);
}

static void write_train(Net *net, int noutputs, const Value *output) {
  static const char *const some[] = {"optimizer = adam(rate=0.002)",
                                     "optimizer = sgd(rate=0.1, momentum=0.5, nesterov=true)",
                                     "schedule = cosine(warmup=1)",
                                     "schedule = step(every=3)",
                                     "epochs = 3",
                                     "clip_norm = 1",
                                     "accumulate = 2",
                                     "decay = weights",
                                     "seed = 7",
                                     "early_stop = 4",
                                     "average = 0.99"};
  bool classes = false, any = false;
  const bool list = noutputs > 1 || net->losses.n > 0;
  if (!net->losses.n && output[0].cut) return; /* nothing would be trained */
  Text *t = net->out;
  text_put(t, "    train {\n        loss = %s", list ? "[" : "");
  for (int o = 0; o < noutputs; o++) {
    if (output[o].lost || output[o].cut || (o && (output[o].size > 30 || chance(net, 20))))
      continue; /* one without a loss */
    bool class_loss;
    const char *loss = draw_loss(net, &output[o], &class_loss);
    classes = classes || class_loss;
    if (!list) text_put(t, "%s\n", loss);
    else {
      const char *arguments = strchr(loss, '(');
      const int length = arguments ? (int)(arguments - loss) : (int)strlen(loss);
      text_put(t, "%s%.*s(%s%s", any ? ", " : "", length, loss, output[o].name,
               chance(net, 50) ? ", weight=0.5" : "");
      if (arguments) text_put(t, ", %s", arguments + 1);
      else text_put(t, ")");
    }
    any = true;
  }
  if (net->losses.n) text_put(t, "%s", net->losses.s + (any ? 0 : 2));
  if (list) text_put(t, "]\n");
  text_put(t, "        batch = %lld\n", (long long)between(net, 3, 8));
  if (classes && chance(net, 30)) text_put(t, "        label_smoothing = 0.1\n");
  const int first = (int)below(net, 11), count = (int)below(net, 3);
  for (int i = 0; i < count; i++) text_put(t, "        %s\n", some[(first + 4 * i) % 11]);
  text_put(t, "    }\n");
}

/* ---- the program ---- */
static Shape draw_input(Net *net) {
  switch (below(net, 6)) {
  case 0: return vector(chance(net, 50) ? between(net, 1, 12) : channels(net) * 2);
  case 1: {
    const int64_t length = between(net, 1, 20);
    return (Shape){2, 1, length, channels(net)};
  }
  default: {
    const int64_t height = between(net, 1, 12), width = between(net, 1, 12);
    return picture(height, width, chance(net, 60) ? between(net, 1, 4) : channels(net));
  }
  }
}

static void write_inputs(Net *net) {
  const int n = chance(net, 65) ? 1 : chance(net, 85) ? (int)between(net, 2, 3) : 9;
  for (int i = 0; i < n; i++) {
    Value *v = &net->value[net->nvalues++];
    *v = (Value){.shape = i && chance(net, n > 3 ? 80 : 40) ? net->value[0].shape : draw_input(net),
                 .size = 1};
    snprintf(v->name, sizeof v->name, "x%d", i);
    const int type = chance(net, 55) ? 0 : (int)between(net, 1, 2);
    const bool chw = v->shape.rank > 1 && chance(net, 25);
    v->size = type == 1 ? 150 : type == 2 ? 70 : 1;
    text_put(net->out, "    input %s: %s%s", v->name, shape_words(net, v->shape),
             type == 1         ? " as u8"
             : type == 2       ? " as i8"
             : chance(net, 20) ? " as f32"
                               : "");
    text_put(net->out, "%s\n", chw ? " (layout=chw)" : chance(net, 5) ? " (layout=hwc)" : "");
  }
  net->now = net->value[0];
}

static void write_constant(Net *net) { /* a value of the net's own, and the input again */
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.shape = chance(net, 60) ? net->value[0].shape : draw_input(net), .size = 2, .name = "own"};
  text_put(net->out, "    own = constant(%s, init=normal(0.5))\n    x0 -> multiply(1)\n",
           shape_words(net, v->shape));
}

enum { MOST_OUTPUTS = 12 };

static int write_outputs(Net *net, Value output[MOST_OUTPUTS]) {
  const bool silent = chance(net, 35);
  int n = 0;
  output[n] = net->now;
  snprintf(output[n].name, sizeof output[n].name, "output");
  if (silent || net->nvalues < 2) return 1;
  indent(net);
  text_put(net->out, "last = hard_swish\n");
  text_put(net->out, "    output last");
  output[n].softmax = false;
  output[n].size += 1;
  snprintf(output[n].name, sizeof output[n].name, "last");
  n++;
  for (const int most = (int)between(net, 1, chance(net, 10) ? MOST_OUTPUTS : 4); n < most; n++) {
    Value *v = &net->value[below(net, net->nvalues)];
    for (int i = 0; i < net->nvalues && chance(net, 90); i++) /* rather one that nobody has read */
      if (!net->value[i].reads) v = &net->value[i];
    v->reads++;
    output[n] = *v;
    snprintf(output[n].name, sizeof output[n].name, "y%d", n);
    text_put(net->out, ", %s = %s", output[n].name, v->name);
  }
  text_put(net->out, "\n");
  return n;
}

static void write_graph(Net *net) {
  write_inputs(net);
  if (chance(net, 25)) write_constant(net);
  const int n = (int)between(net, 2, 9);
  for (int i = 0; i < n; i++) {
    if (chance(net, 9) && write_objects(net)) continue;
    if (chance(net, 12)) write_repeat(net);
    else if (chance(net, 8)) write_if(net);
    else write_statement(net);
  }
  if (net->layers == 0) write_statement(net);
  if (net->now.size > 30) {
    indent(net);
    tame(net);
    text_put(net->out, "\n");
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return fputs("usage: randomnet SEED\n", stderr), 2;
  Arena *arena = arena_new();
  Net *net = NEW(arena, Net);
  net->arena = net->body.arena = net->blocks.arena = net->losses.arena = arena;
  const uint64_t seed = strtoull(argv[1], NULL, 10);
  net->random = seed * UINT64_C(0xd1342543de82ef95);
  net->out = &net->body;
  net->depth = 1;
  text_put(&net->blocks, "%s", "");
  for (int k = 0; k < 3; k++) net->constant[k] = channels(net);
  const bool tower = seed % TOWERS == TOWERS - 1;
  if (tower) write_tower(net);
  else write_graph(net);
  Value output[MOST_OUTPUTS];
  const int noutputs = write_outputs(net, output);
  if (chance(net, tower ? 95 : 70)) write_train(net, noutputs, output);
  static const char *const targets[] = {"x86-64-v4", "x86-64-v3", "x86-64",
                                        "generic"}; /* one of them compiles C */
  static const int batches[] = {
      1, 1, 1, 2, 3, 5}; /* of three images: some calls have fewer than a batch, some no whole batch at all */
  const int batch = batches[below(net, 6)];
  printf("# check: images=3 batch=%d tolerance=5e-5 gradient=1e-3 difference=%s targets=%s\n", batch,
         net->jumps ? "inf" : "1e-4", targets[below(net, 4)]);
  printf("# Made by randomnet %s\n", argv[1]);
  for (int k = 0; k < 3; k++) printf("const k%d = %lld\n", k, (long long)net->constant[k]);
  const bool blocks_first = chance(net, 50);
  printf("%snet n {\n%s}\n%s", blocks_first ? net->blocks.s : "", net->body.s,
         blocks_first ? "" : net->blocks.s);
  arena_free(arena);
  return 0;
}
