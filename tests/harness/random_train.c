/* random_train.c: The train block: suitable losses on outputs and other values. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"

static const char *draw_loss(Net *net, const Value *v, bool *classes) {
  const int64_t c = v->shape.c;
  const bool pixels = v->shape.rank == 3 && v->shape.h * v->shape.w > 1;
  int form = (int)below(net, c > 1 ? 11 : 4);
  if (v->softmax && (form == 3 || form == 8)) form = 0; /* binary_cross_entropy and hinge reject a softmax */
  if (form == 10 && (v->softmax || !pixels)) form = 9;
  *classes = form >= 4;
  if (form < 4)
    return ((const char *const[]){"mse", "mae", "huber(delta=0.5)", "binary_cross_entropy"})[form];
  if (form >= 8)
    return ((const char *const[]){"hinge", chance(net, 50) ? "focal(gamma=2)" : "focal(gamma=3.0)",
                                  "dice"})[form - 8];
  if (form == 4) return arena_printf(net->arena, "cross_entropy(ignore=%lld)", (long long)below(net, c));
  if (form > 5 || c > 6) return "cross_entropy";
  const char *weights = "1";
  for (int64_t i = 1; i < c; i++)
    weights = arena_printf(net->arena, "%s, %s", weights, chance(net, 50) ? "2" : "0.5");
  return arena_printf(net->arena, "cross_entropy(weights=[%s])", weights);
}

/* Adds a loss on the output or value `name` to the list. */
static void put_loss(Net *net, const char *loss, const char *name, bool *any) {
  const char *arguments = strchr(loss, '(');
  const int length = arguments ? (int)(arguments - loss) : (int)strlen(loss);
  text_put(net->out, "%s%.*s(%s", *any ? ", " : "", length, loss, name);
  if (chance(net, 50)) text_put(net->out, ", weight=%s", chance(net, 50) ? "0.5" : "2.0");
  if (arguments) text_put(net->out, ", %s", arguments + 1);
  else text_put(net->out, ")");
  *any = true;
}

/* Draws values that are not outputs, for more losses. No value is drawn twice, even if it has two names. A
 * loss on a value that depends on inputs alone trains nothing, but is valid. */
static int inner_values(Net *net, int noutputs, const Value *output, const Value *inner[3]) {
  const int most = chance(net, net->uneven ? 65 : 15) ? (int)between(net, 1, 3) : 0;
  int n = 0;
  for (int tries = 0; tries < 8 && n < most && net->nvalues; tries++) {
    const Value *v = &net->value[below(net, net->nvalues)];
    bool fits = !v->lost && !v->cut && !v->regions && (v->size <= 30 || chance(net, 15));
    for (int o = 0; o < noutputs; o++) fits = fits && output[o].id != v->id;
    for (int i = 0; i < n; i++) fits = fits && inner[i]->id != v->id;
    if (fits) inner[n++] = v;
  }
  return n;
}

static void put_losses(Net *net, int noutputs, const Value *output, bool *classes) {
  const Value *inner[3];
  const int ninner = inner_values(net, noutputs, output, inner);
  const bool list = noutputs > 1 || net->losses.n > 0 || ninner;
  bool any = false, class_loss;
  text_put(net->out, "        loss = %s", list ? "[" : "");
  for (int o = 0; o < noutputs; o++) {
    if (output[o].lost || output[o].cut || (o && (output[o].size > 30 || chance(net, 20))))
      continue; /* this output has no loss */
    const char *loss = draw_loss(net, &output[o], &class_loss);
    *classes = *classes || class_loss;
    if (list) put_loss(net, loss, output[o].name, &any);
    else text_put(net->out, "%s", loss);
  }
  for (int i = 0; i < ninner; i++) {
    const char *loss = draw_loss(net, inner[i], &class_loss);
    *classes = *classes || class_loss;
    put_loss(net, loss, inner[i]->name, &any);
  }
  if (net->losses.n) text_put(net->out, "%s", net->losses.s + (any ? 0 : 2));
  text_put(net->out, list ? "]\n" : "\n");
}

/* Several calls per sample, for nets with states. */
static void put_steps(Net *net) {
  const int64_t steps = between(net, 2, 5);
  text_put(net->out, "        steps = %lld\n", (long long)steps);
  if (chance(net, 40)) text_put(net->out, "        truncate = %lld\n", (long long)between(net, 1, steps));
  if (chance(net, 40)) text_put(net->out, "        loss_from = %lld\n", (long long)below(net, steps));
}

void write_train(Net *net, int noutputs, const Value *output) {
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
  bool classes = false;
  if (!net->losses.n && output[0].cut) return; /* nothing would be trained */
  Text *t = net->out;
  text_put(t, "    train {\n");
  put_losses(net, noutputs, output, &classes);
  if (!net->uneven || chance(net, 40)) text_put(t, "        batch = %lld\n", (long long)between(net, 3, 8));
  else if (chance(net, 50)) text_put(t, "        batch = %d\n", chance(net, 50) ? 16 : 24);
  if (classes && chance(net, 30))
    text_put(t, "        label_smoothing = %s\n", chance(net, 50) ? "0.1" : "0.05");
  if (net->keeps && chance(net, 70)) put_steps(net);
  const int first = (int)below(net, 11), count = (int)below(net, 3);
  for (int i = 0; i < count; i++) text_put(t, "        %s\n", some[(first + 4 * i) % 11]);
  text_put(t, "    }\n");
}
