/* randomnet.c: Prints a random program. Usage: randomnet [bf16|joined|parts|sequence|stream] SEED
 *
 * Every program is valid by construction (like NNSmith's: Liu et al., 2023): this file tracks the shape of
 * each value with its own formulas, and writes only operators that fit. Graphs have branches, blocks,
 * repeats, shared and frozen parameters, several inputs and outputs; the train block has suitable losses.
 * With `bf16`, nets compute in bf16. Towers occur with `bf16`, or if SEED is the only argument: one program
 * in ten is a small net like nets that are commonly trained (random_towers.c). With `joined`, values of every
 * rank are joined and reused (random_joined.c). With `sequence`, there are recurrent layers, causal windows
 * and states (random_sequence.c). `stream` is like `sequence`, but without states, so that the nets can be
 * computed in steps. With `parts`, there are heads, windows, matrix products and attention (random_parts.c).
 * One program in six with `sequence` or `stream` computes in bf16. Values stay within magnitudes where float
 * and double agree; the first line has the tolerances for netcheck. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"
#include <stdio.h>

enum { TOWERS = 10, SEQUENCES_IN_BF16 = 6 }; /* one program in TOWERS is a tower */

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
  /* a chain that starts from another value discards a current value without a name; such chains are rare */
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

void write_repeat(Net *net) { /* the body accepts any input shape */
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
  if (rounds) net->now.id = ++net->ids;
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
    *v = (Value){.id = ++net->ids,
                 .shape = i && chance(net, n > 3 ? 80 : 40) ? net->value[0].shape : draw_input(net),
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

/* Writes a constant of the net. Then the first input is the current value again. */
static void write_constant(Net *net) {
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.name = "own",
               .id = ++net->ids,
               .shape = chance(net, 60) ? net->value[0].shape : draw_input(net),
               .size = 2};
  text_put(net->out, "    own = constant(%s, init=normal(0.5))\n    x0 -> multiply(1)\n",
           shape_words(net, v->shape));
}

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
    for (int i = 0; i < net->nvalues && chance(net, 90); i++) /* prefers an unused value */
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
  const bool joined = argc == 3 && !strcmp(argv[1], "joined"),
             flows = argc == 3 && !strcmp(argv[1], "stream"),
             sequences = flows || (argc == 3 && !strcmp(argv[1], "sequence")),
             parts = argc == 3 && !strcmp(argv[1], "parts"), halves = argc == 3 && !strcmp(argv[1], "bf16");
  if (argc != 2 && !joined && !sequences && !parts && !halves)
    return fputs("usage: randomnet [bf16|joined|parts|sequence|stream] SEED\n", stderr), 2;
  Arena *arena = arena_new();
  Net *net = NEW(arena, Net);
  net->arena = net->body.arena = net->blocks.arena = net->losses.arena = arena;
  const uint64_t seed = strtoull(argv[argc - 1], NULL, 10);
  const bool bf16 = halves || (sequences && seed % SEQUENCES_IN_BF16 == SEQUENCES_IN_BF16 - 1);
  net->random = seed * UINT64_C(0xd1342543de82ef95);
  net->out = &net->body;
  net->depth = 1;
  text_put(&net->blocks, "%s", "");
  for (int k = 0; k < 3; k++) net->constant[k] = channels(net);
  net->most_macs = MOST_MACS;
  net->flows = flows;
  net->halves = halves;
  const bool tower = (argc == 2 || halves) && seed % TOWERS == TOWERS - 1;
  if (joined) write_joined(net);
  else if (parts) write_parts(net);
  else if (sequences) write_sequence(net);
  else if (tower) write_tower(net);
  else write_graph(net);
  Value output[MOST_OUTPUTS];
  const int noutputs = (joined      ? joined_outputs
                        : parts     ? parts_outputs
                        : sequences ? sequence_outputs
                                    : write_outputs)(net, output);
  if (!flows && noutputs && chance(net, argc == 3 || tower ? 95 : 70)) write_train(net, noutputs, output);
  static const char *const targets[] = {"x86-64-v4", "x86-64-v3", "x86-64",
                                        "generic"}; /* C is compiled for one of these targets */
  /* maximum images per call; the check runs three images, so the last call may have fewer */
  static const int batches[] = {1, 1, 1, 2, 3, 5};
  const int batch = batches[below(net, 6)];
  printf("# check: images=3 batch=%d tolerance=5e-5 gradient=1e-3 difference=%s%s targets=%s\n", batch,
         net->jumps ? "inf" : "1e-4", bf16 ? " rounding=inf" : "", targets[below(net, 4)]);
  printf("# Made by randomnet%s%s %s\n", argc == 3 ? " " : "", argc == 3 ? argv[1] : "", argv[argc - 1]);
  for (int k = 0; k < 3; k++) printf("const k%d = %lld\n", k, (long long)net->constant[k]);
  const bool blocks_first = chance(net, 50);
  printf("%snet n%s {\n%s}\n%s", blocks_first ? net->blocks.s : "", bf16 ? "(precision=bf16)" : "",
         net->body.s, blocks_first ? "" : net->blocks.s);
  arena_free(arena);
  return 0;
}
