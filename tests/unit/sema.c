/* sema.c: Tests of the graphs of programs: values of expressions, scopes, layer names, bound arguments,
 * shared weights, the train block, limits, libraries and summaries. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/diag_record.h"
#include "base/text.h"
#include "report/dot.h"
#include "report/summary.h"
#include "graph/op.h"
#include "ops/registry.h"
#include "sema/sema.h"

typedef struct Built {
  Arena *arena;
  Diags *diags;
  Sources *sources;
  Graph *graph;
} Built;

static Built build_with(const char *text, const Define *defines, int n) {
  Built b = {.arena = arena_new()};
  b.sources = NEW(b.arena, Sources);
  b.sources->arena = b.arena;
  b.diags = diags_new(b.arena, b.sources);
  Ast *program = NEW(b.arena, Ast);
  program->main =
      parse_file(b.arena, b.diags, b.sources, sources_add(b.sources, "t.cnn", text, strlen(text)));
  vec_push(b.arena, program->files, program->main);
  b.graph = sema_build(b.arena, b.diags, b.sources, program, defines, n, NULL);
  return b;
}

static Built build(const char *text) { return build_with(text, NULL, 0); }

/* The slugs of all messages, sorted by position in the source. */
static const char *slugs(const Built *b) {
  Text all = {.arena = b->arena};
  text_put(&all, "%s", "");
  Diag *sorted[200];
  int n = 0;
  for (int i = 0; i < b->diags->list.n; i++) {
    int at = n++;
    for (; at > 0 && sorted[at - 1]->span.start > b->diags->list.data[i]->span.start; at--)
      sorted[at] = sorted[at - 1];
    sorted[at] = b->diags->list.data[i];
  }
  for (int i = 0; i < n; i++) text_put(&all, "%s%s", i ? " " : "", diag_info[sorted[i]->id].slug);
  return all.s;
}

static void says(const char *text, const char *wanted) {
  Built b = build(text);
  const char *got = slugs(&b);
  CU_ASSERT_STRING_EQUAL(got, wanted);
  if (strcmp(got, wanted) != 0) {
    printf("# %s\n#   says \"%s\", not \"%s\"\n", text, got, wanted);
    for (int i = 0; i < b.diags->list.n; i++) printf("#   %s\n", b.diags->list.data[i]->message);
  }
  arena_free(b.arena);
}

static bool clean(const char *text, const Built *b) {
  const bool none = diags_errors(b->diags) == 0 && b->graph;
  CU_ASSERT(none);
  for (int i = 0; !none && i < b->diags->list.n; i++)
    printf("# %s: %s\n", text, b->diags->list.data[i]->message);
  if (none) graph_verify(b->graph);
  return none;
}

/* The words of a parameter may also be keywords, as in mode=block. */
static void every_choice_parses(void) {
  for (const Op *const *op = op_table; *op; op++)
    for (const Param *param = (*op)->params; param && param->name; param++)
      for (const char *word = param->choices; word && *word;) {
        const int length = (int)strcspn(word, " ");
        char text[200];
        snprintf(text, sizeof text, "net n { input x: 16x16x4; x -> %s(%s=%.*s) }", (*op)->name, param->name,
                 length, word);
        Built b = build(text);
        const bool syntax = strstr(slugs(&b), "syntax");
        CU_ASSERT_FALSE(syntax);
        if (syntax) printf("# %s\n", text);
        arena_free(b.arena);
        word += length + (word[length] == ' ');
      }
}

/* Checks the names of the layers of a net with the input x: 16x16x4 and the statements `body`. */
static void named_after(const char *before, const char *body, const char *wanted) {
  char text[2000];
  snprintf(text, sizeof text, "%s\nnet n {\ninput x: 16x16x4\n%s\n}\n", before, body);
  Built b = build(text);
  if (clean(text, &b)) {
    Text names = {.arena = b.arena};
    for (int i = 0; i < b.graph->nodes.n; i++)
      if (!node_is_input(b.graph->nodes.data[i]))
        text_put(&names, "%s%s", names.n ? " " : "", b.graph->nodes.data[i]->name);
    CU_ASSERT_STRING_EQUAL(names.s, wanted);
    if (strcmp(names.s, wanted) != 0) printf("# %s\n#   names %s\n", body, names.s);
  }
  arena_free(b.arena);
}

static void named(const char *body, const char *wanted) { named_after("", body, wanted); }

/* ---- expressions ---- */

static void is_number(const char *expression, double wanted) {
  char text[500];
  snprintf(text, sizeof text,
           "const list = [3, [4, 5]]; const dims = 7x9\nnet n { input x: 16x12x4; normalize(mean=%s) }",
           expression);
  Built b = build(text);
  if (clean(text, &b)) {
    const double got = arg_number(b.graph->nodes.data[1], "mean");
    CU_ASSERT_EQUAL(got, wanted);
    if (got < wanted || got > wanted) printf("# %s = %g\n", expression, got);
  }
  arena_free(b.arena);
}

static void is_integer(const char *expression, int64_t wanted) {
  char text[500];
  snprintf(text, sizeof text, "net n { input x: 16; dense(1 + (%s)) }", expression);
  Built b = build(text);
  if (clean(text, &b)) CU_ASSERT_EQUAL(b.graph->nodes.data[1]->shape.dim[0], wanted + 1);
  arena_free(b.arena);
}

static void fails(const char *expression, const char *slug) {
  char text[500];
  snprintf(text, sizeof text, "const list = [3, 4]\nnet n { input x: 16; normalize(mean=%s) }", expression);
  says(text, slug);
}

static void arithmetic(void) {
  is_number("1 + 2 * 3", 7);
  is_number("7 / 2", 3.5);
  is_number("6 / 2", 3);
  is_number("-7 % 3", 2);
  is_number("7 % -3", -2);
  is_number("7.5 % 2", 1.5);
  is_number("2 ** 10", 1024);
  is_number("2 ** -1", 0.5);
  is_number("-2 ** 2", 4); /* unary minus binds tighter */
  is_number("4 ** 0.5", 2);
  is_number("1/255", 1.0 / 255);
  is_number("min(3, 1.5, 2)", 1.5);
  is_number("max([3, 1, 4])", 4);
  is_number("floor(-1.5)", -2);
  is_number("ceil(1.2)", 2);
  is_number("round(2.5)", 2);
  is_number("round(3.5)", 4);
  is_number("list[1][0]", 4);
  is_number("dims[1]", 9);
  is_number("x.height * 100 + x.width", 1612);
  is_number("x.channels + in.size", 4 + 16 * 12 * 4);
  is_integer("6 / 2", 3);
  is_integer("2.0 * 4", 8);
  is_integer("9223372036854775807 - 9223372036854775800", 7);
  is_integer("(-9223372036854775807 - 1) % -1", 0);
}

static void decisions(void) {
  is_number("true ? 1 : 2", 1);
  is_number("1 < 2 and 2 <= 2 ? 1 : 2", 1);
  is_number("not 1 == 1.0 ? 1 : 2", 2);
  is_number("false or 3 != 4 ? 1 : 2", 1);
  is_number("\"a\" == \"a\" ? 1 : 2", 1);
  is_number("dims == 7x9 and dims == [7, 9] ? 1 : 2", 1);
  is_number("false and 1 / 0 == 1 ? 1 : 2", 2);
  is_number("true ? 1 : 1 / 0", 1);
}

static void arithmetic_is_checked(void) {
  fails("9223372036854775807 + 1", "overflow");
  fails("2 ** 63", "overflow");
  fails("(-2) ** 63 - 1", "overflow");
  fails("-(-9223372036854775807 - 1)", "overflow");
  fails("(-9223372036854775807 - 1) / -1", "overflow");
  fails("1e308 * 10", "overflow");
  fails("(-8) ** 0.5", "bad-value");
  fails("1 / 0", "division-by-zero");
  fails("1 % 0.0", "division-by-zero");
  fails("1 + \"a\"", "wrong-type");
  fails("list + 1", "wrong-type");
  fails("x + 1", "wrong-type");
  fails("1 == \"a\"", "wrong-type");
  fails("1 and true ? 1 : 2", "not-boolean");
  fails("1 ? 1 : 2", "not-boolean");
  fails("list[2]", "index-range");
  fails("list[-1]", "index-range");
  fails("max()", "missing-argument");
  fails("floor(1, 2)", "too-many-arguments");
  fails("sin(1)", "unknown-name");
}

/* ---- scopes ---- */

static void scopes(void) {
  named("repeat 3 as i { conv(4 * (i + 1), 3x3, pad=same) }", "conv1 conv2 conv3");
  named("repeat 0 { conv(8, 3x3) }\nrelu", "relu1");
  named_after("const k = 3\nblock b(n, m=n * k) { conv(m, 3x3) }", "const two = 2\nb(two)", "b1.conv1");
  named("if in.channels == 4 { s = conv(4, 1x1) } else { s = in }\nadd(s)", "s add1");
  named("if in.channels == 5 { s = conv(4, 1x1) } else if in.channels == 4 { s = in } else { nonsense "
        "}\nadd(s)",
        "add1");
  says("block b(n) { dense(k) }\nconst k = 3\nnet n { input x: 8; b(1) }", "use-before-definition");
  says("const k = 3\nblock b(n) { const j = k; dense(j) }\nnet n { input x: 8; b(1); dense(j) }",
       "unknown-name");
  says("block b(n) { dense(local) }\nnet n { input x: 8; const local = 3; b(1); dense(local) }",
       "unknown-name");
  says("net n { input x: 8; repeat 2 { const k = 3; a = dense(k) }; const k = 4; dense(k) }", "");
  says("net n { input x: 8; const k = 3; repeat 2 { const k = 4; dense(k) } }", "duplicate-name");
  says("const k = 3\nblock b(k) { dense(k) }\nnet n { input x: 8; b(1) }", "duplicate-name");
  says("block b(k) { dense(k) }\nnet n { input x: 8; const k = 3; b(k) }", "");
  says("block b(n) { dense(n) }\nnet n { input x: 8; b = b(3) }", "duplicate-name");
  says("net conv { input x: 8; dense(3) }", "");
}

static void values_of_blocks(void) {
  const char *blocks = "block enc(n) { c1 = conv(n, 3x3, pad=same) -> relu; inner = two(n); maxpool(2) "
                       "}\nblock two(n) { deep = conv(n, 1x1) }";
  named_after(blocks, "e = enc(4)\nin -> add(e.c1) -> add(e.inner.deep)",
              "e.c1 e.relu1 e.inner.deep e.maxpool1 add1 add2");
  named_after(blocks, "e = enc(4) -> relu\nin -> add(e.c1)",
              "e.c1 e.relu1 e.inner.deep e.maxpool1 relu1 add1");
  named_after("block up(skip) { conv(4, 1x1) -> add(skip.c1) }\nblock enc(n) { c1 = conv(n, 1x1) }",
              "e = enc(4)\nup(e)", "e.c1 up1.conv1 up1.add1");
  says("block enc(n) { c1 = dense(n) }\nnet n { input x: 8; e = enc(4) -> enc(4); in -> dense(e.c1.size) }",
       "unknown-attribute");
  says("block enc(n) { c1 = dense(n) }\nnet n { input x: 8; e = enc(8); in -> add(e.c2) }",
       "unknown-attribute");
  says("net n { input x: 8; dense(in.height) }", "unknown-attribute");
  says("net n { input x: 8; dense(in.channels) -> dense(x.size) }", "");
  says("net n { input x: 9x8; conv(in.length, 3, pad=same) -> conv(in.channels, 3) }", "");
}

static void several_ports(void) {
  Built b = build("net n { a = in -> dense(3)\n input x: 8\n b = dense(2)\n input y: 4 as u8 (layout=chw)\n "
                  "c = y -> dense(2) -> add(b)\n output c, first = b }");
  CU_ASSERT_STRING_EQUAL(slugs(&b), "no-input");
  arena_free(b.arena);
  const char *text = "net n { input x: 8\n b = dense(2)\n input y: 4x4x1 as u8 (layout=chw)\n c = y -> "
                     "flatten -> dense(2) -> add(b)\n output c, first = b }";
  b = build(text);
  if (clean(text, &b)) {
    CU_ASSERT_EQUAL(b.graph->inputs.n, 2);
    CU_ASSERT_EQUAL(b.graph->outputs.n, 2);
    CU_ASSERT_EQUAL(b.graph->inputs.data[1].node->id, 1); /* inputs come first */
    CU_ASSERT_EQUAL(b.graph->inputs.data[1].node->port->elem, U8);
    CU_ASSERT(b.graph->inputs.data[1].node->port->chw);
    CU_ASSERT_STRING_EQUAL(b.graph->outputs.data[1].name, "first");
  }
  arena_free(b.arena);
}

/* ---- names of layers ---- */

static void ordinals(void) {
  named("conv(4, 3x3) -> relu\nconv(4, 3x3) -> relu", "conv1 relu1 conv2 relu2");
  named("c = conv(4, 3x3) -> relu\nconv(4, 3x3) -> relu", "c relu1 conv2 relu2");
  named("conv(4, 3x3, name=\"first\")\nconv(4, 3x3)", "first conv2");
  named("c1 = conv(8, 3x3) -> batchnorm -> relu\nconv(4, 3x3)", "c1.conv1 c1.batchnorm1 c1.relu1 conv1");
  named("p = maxpool(2) -> relu\nmaxpool(2)", "maxpool1 p maxpool2");
  named("h = relu -> conv(4, 3x3) -> tanh", "relu1 h tanh1");
  named("a = in -> conv(4, 3x3) -> conv(4, 3x3, name=\"x\")", "a.conv1 x");
  named("a = in\nb = a -> relu", "b");
}

static void ordinals_in_blocks(void) {
  const char *blocks = "block stage(n) { conv(n, 3x3) -> relu; c = conv(n, 3x3) -> batchnorm; last = relu "
                       "}\nblock outer(n) { stage(n); s = stage(n); stage(n, name=\"given\") }";
  named_after(blocks, "stage(4)\nstage(4, name=\"own\")\nstage(4)",
              "stage1.conv1 stage1.relu1 stage1.c.conv1 stage1.c.batchnorm1 stage1.last own.conv1 own.relu1 "
              "own.c.conv1 own.c.batchnorm1 own.last "
              "stage3.conv1 stage3.relu1 stage3.c.conv1 stage3.c.batchnorm1 stage3.last");
  named_after("block one(n) { conv(n, 3x3) }\nblock two(n) { one(n) -> one(n); x = one(n) -> relu; y = "
              "one(n) -> conv(n, 1x1) }",
              "two(4)",
              "two1.one1.conv1 two1.one2.conv1 two1.x.conv1 two1.relu1 two1.y.one1.conv1 two1.y.conv1");
}

static void ordinals_in_repeats(void) {
  named("repeat 2 { c = conv(4, 3x3, pad=same) -> relu }", "c.0 relu1 c.1 relu2");
  named("repeat 2 { repeat 2 { c = conv(4, 3x3, pad=same) } }", "c.0.0 c.0.1 c.1.0 c.1.1");
  named("repeat 2 { conv(4, 3x3, pad=same, name=\"k\") }\nconv(4, 3x3)", "k.0 k.1 conv3");
  named("repeat 2 { c = conv(4, 3x3, pad=same) -> batchnorm }",
        "c.0.conv1 c.0.batchnorm1 c.1.conv1 c.1.batchnorm1");
  named_after("block b(n) { c = conv(n, 1x1) }", "repeat 2 { e = b(4) }\nrepeat 2 { b(4) }",
              "e.0.c e.1.c b3.c b4.c");
}

static void names_clash(void) {
  says("net n { input x: 8; a_b = dense(8); dense(8, name=\"a.b\") }", "name-clash");
  says("net n { input x: 8; dense2 = dense(8); dense(8) }", "name-clash");
  says("block b(n) { dense(n) -> dense(n) }\nnet n { input x: 8; b(8, name=\"e\"); b(8, name=\"e\") }",
       "name-clash");
  says("net n { input x: 8; output = dense(8); X = dense(8); output X }", "reserved-name name-clash");
}

/* ---- arguments ---- */

static void arguments(void) {
  const char *text = "block b(p, k=3x3, init=\"ones\") { conv(8, k, pad=p, init=init) }\n"
                     "net n { input x: 16x16x4\n b(\"same\")\n conv(8, [3, 5], stride=2, pad=[1, 2], "
                     "bias=false, init=normal(0.02))\n maxpool(2)\n in -> conv(4, 1) -> add(in, 3.5)\n "
                     "conv(2, 1, pad=1 > 2 ? same : valid) }";
  Built b = build(text);
  if (clean(text, &b)) {
    const Node *first = b.graph->nodes.data[1], *second = b.graph->nodes.data[2],
               *pool = b.graph->nodes.data[3], *sum = b.graph->nodes.data[5];
    CU_ASSERT(arg_is(first, "pad", "same"));
    CU_ASSERT_EQUAL(arg_const(first, "kernel")->n, 2);
    CU_ASSERT_STRING_EQUAL(arg_const(first, "init")->s, "ones");
    CU_ASSERT_EQUAL(arg_const(second, "kernel")->items[1].i, 5);
    CU_ASSERT_EQUAL(arg_const(second, "stride")->n, 1);
    CU_ASSERT_EQUAL(arg_const(second, "pad")->kind, CONST_LIST);
    CU_ASSERT_EQUAL(arg_const(second, "init")->kind, CONST_CALL);
    CU_ASSERT_EQUAL(arg_const(second, "init")->items[0].f, 0.02);
    CU_ASSERT(!arg_bool(second, "bias"));
    CU_ASSERT_EQUAL(arg_const(pool, "stride")->items[0].i, 2); /* by default the same as the kernel */
    CU_ASSERT_EQUAL(sum->nin, 2);
    CU_ASSERT_EQUAL(arg_const(sum, "x")->n, 2);
  }
  arena_free(b.arena);
}

static void defines(void) {
  const char *text = "const classes = 10; const k = 3x3; const mode = \"valid\"\nnet n { input x: 16x16x4; "
                     "conv(classes, k, pad=mode) }";
  const Define given[] = {{"classes", "4"}, {"k", "5x5"}, {"mode", "same"}, {"classes", "2 * 3"}};
  Built b = build_with(text, given, 4);
  if (clean(text, &b)) {
    CU_ASSERT_EQUAL(b.graph->nodes.data[1]->shape.dim[2], 6);
    CU_ASSERT_EQUAL(b.graph->nodes.data[1]->shape.dim[0], 16);
    CU_ASSERT_EQUAL(b.graph->nodes.data[1]->weight[0]->dim[3], 5);
  }
  arena_free(b.arena);
  static const struct {
    const char *name, *value, *slugs;
  } bad[] = {{"clases", "4", "unknown-constant"},
             {"classes", "", "syntax"},
             {"classes", "3; const b = 4", "syntax"},
             {"classes", "3)", "syntax"},
             {"classes", "zero", "unknown-name"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const Define define = {bad[i].name, bad[i].value};
    b = build_with(text, &define, 1);
    CU_ASSERT_STRING_EQUAL(slugs(&b), bad[i].slugs);
    if (strcmp(slugs(&b), bad[i].slugs) != 0)
      printf("# -D %s=%s: %s\n", bad[i].name, bad[i].value, slugs(&b));
    arena_free(b.arena);
  }
}

/* ---- shared weights ---- */

static void has_weights(const char *before, const char *body, int weights, int64_t parameters) {
  char text[1000];
  snprintf(text, sizeof text, "%s\nnet n { input x: 8\n%s\n}", before, body);
  Built b = build(text);
  if (clean(text, &b)) {
    CU_ASSERT_EQUAL(b.graph->weights.n, weights);
    CU_ASSERT_EQUAL(b.graph->parameters, parameters);
    if (b.graph->parameters != parameters)
      printf("# %s: %d weights, %lld parameters\n", body, b.graph->weights.n, (long long)b.graph->parameters);
  }
  arena_free(b.arena);
}

static void sharing(void) {
  const char *pair = "block pair(n) { d = dense(n) -> relu; dense(n) -> batchnorm }";
  has_weights("", "d = dense(8)\ndense(8, weights=d)\ndense(8, weights=\"d\")", 2, 72);
  has_weights("", "dense(8)\ndense(8, weights=dense1)", 2, 72);
  has_weights("", "d = dense(8) -> relu\ndense(8, weights=d)", 2, 72);
  has_weights(pair, "p = pair(8)\npair(8, weights=p)", 8, 176);
  has_weights(pair, "pair(8)\nq = in -> pair(8, weights=pair1) -> add(in)", 8, 176);
  has_weights(pair, "p = pair(8)\ndense(8, weights=p.d)\ndense(8, weights=\"p.dense2\")", 8, 176);
  has_weights("block twin(n) { a = dense(n); dense(n, weights=a) }", "twin(8)\ntwin(8)", 4, 144);
  has_weights("block outer(n) { inner(n); inner(n) }\nblock inner(n) { dense(n) }",
              "o = outer(8)\nouter(8, weights=o)", 4, 144);
  has_weights("", "repeat 3 as i { if i == 0 { d = dense(8) } else { dense(8, weights=\"d.0\") } }", 2, 72);
  has_weights("block use(w) { dense(8, weights=w) }", "d = dense(8)\nuse(d)\nuse(\"d\")", 2, 72);
  says("net n { input x: 8; d = dense(4); dense(8, weights=d) }", "bad-weights-sharing");
  says("net n { input x: 8; dense(8, weights=d); d = dense(8) }", "unknown-name");
  says("net n { input x: 8; relu(weights=x) }", "unknown-argument");
}

static void freezing(void) {
  const char *text = "block b(n) { dense(n) -> batchnorm }\nnet n { input x: 8; b(4, frozen=true); dense(4); "
                     "dense(3, frozen=true) }";
  Built b = build(text);
  if (clean(text, &b)) {
    CU_ASSERT(b.graph->nodes.data[1]->frozen && b.graph->nodes.data[2]->frozen &&
              !b.graph->nodes.data[3]->frozen && b.graph->nodes.data[4]->frozen);
    CU_ASSERT(b.graph->weights.data[0]->frozen);
  }
  arena_free(b.arena);
}

/* ---- the train block ---- */

static void training(void) {
  const char *text = "net n { input x: 8x8x3 as u8\n flatten -> dense(3) -> softmax\n train { loss = "
                     "cross_entropy(weights=[1, 2, 3])\n optimizer = adamw(rate=0.01)\n schedule = "
                     "step(at=[3, 6], warmup=1)\n"
                     " batch = 2 ** 6\n epochs = 5\n seed = 7\n accumulate = 2\n average = 0.99\n decay = "
                     "weights\n augment = [hflip, shift(2), mixup(0.2)]\n clip_norm = 1\n early_stop = off\n "
                     "label_smoothing = 0.1\n metrics = [accuracy, top(2)] } }";
  Built b = build(text);
  if (clean(text, &b)) {
    const Training *t = b.graph->training;
    CU_ASSERT_EQUAL(t->losses.n, 1);
    CU_ASSERT_STRING_EQUAL(t->optimizer.form->name, "adamw");
    CU_ASSERT_EQUAL(t->optimizer.arg[0].f, 0.01);
    CU_ASSERT_STRING_EQUAL(t->schedule.form->name, "step");
    CU_ASSERT(t->batch == 64 && t->epochs == 5 && t->seed == 7 && t->accumulate == 2 && t->early_stop == 0);
    CU_ASSERT(t->average == 0.99 && t->clip_norm == 1 && t->label_smoothing == 0.1);
    CU_ASSERT(t->decay_weights_only && !t->target_is_input);
    CU_ASSERT_EQUAL(t->augment.n, 3);
    CU_ASSERT_EQUAL(t->metrics.n, 2);
  }
  arena_free(b.arena);
}

static void training_defaults(void) {
  static const struct {
    const char *net, *metric;
  } cases[] = {
      {"net n { input x: 8; dense(3) -> softmax; train { loss = cross_entropy } }", "accuracy"},
      {"net n { input x: 8; dense(3); train { loss = \"mse\" } }", "mae"},
      {"net n { input x: 8; dense(1) -> sigmoid; train { loss = binary_cross_entropy } }", "accuracy"},
      {"net n { input x: 8x8x1; conv(3, 3x3) -> softmax; train { loss = cross_entropy } }", "iou"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Built b = build(cases[i].net);
    if (clean(cases[i].net, &b)) {
      const Training *t = b.graph->training;
      CU_ASSERT_STRING_EQUAL(t->optimizer.form->name, "sgd");
      CU_ASSERT_STRING_EQUAL(t->schedule.form->name, "constant");
      CU_ASSERT(t->batch == 32 && t->epochs == 10 && t->seed == 1 && t->accumulate == 1);
      CU_ASSERT_STRING_EQUAL(t->metrics.data[0].form->name, cases[i].metric);
    }
    arena_free(b.arena);
  }
}

static void losses_and_outputs(void) {
  says("net n { input x: 8; a = dense(3); b = dense(1); output a, b; train { loss = [cross_entropy(a), "
       "huber(b, weight=2, delta=3)] } }",
       "");
  says("net n { input x: 8; a = dense(3); b = dense(1); output a, b; train { loss = mse(b) } }", "");
  says("net n { input x: 8; a = dense(3); b = dense(1); output a, b; train { loss = mse } }",
       "loss-mismatch");
  says("net n { input x: 8; a = dense(3); output a; train { loss = [mse(a), mae(a)] } }", "loss-mismatch");
  says("net n { input x: 8; dense(3) -> relu; train { loss = cross_entropy } }", "activation-before-loss");
  says("net n { input x: 8; dense(3) -> softmax; train { loss = binary_cross_entropy } }", "loss-mismatch");
  says("net n { input x: 8; dense(3); train { loss = cross_entropy(weights=[1, 2]) } }", "bad-value");
  says("net n { input x: 8; dense(8); train { loss = mse; target = input } }", "");
  says("net n { input x: 8; dense(7); train { loss = mse; target = input } }", "loss-mismatch");
  says("net n { input x: 8; dense(8) -> dice; train { loss = dice } }", "unknown-operator");
}

/* ---- limits, and errors that are reported once ---- */

static void limits(void) {
  says("net n { input x: 8; repeat 100001 { relu } }", "repeat-count");
  says("net n { input x: 8; repeat 100000 { repeat 100000 { relu } } }", "too-large");
  says("net n { input x: 8; repeat 100000 { repeat 100000 { const k = 1 } }; dense(3) }", "too-large");
  says("net n { input x: 8; repeat 100000 { repeat 100000 { } }; dense(3) }", "too-large");
  says("net n { input x: 65536x65536x1; relu }", "too-large");
  says("net n { input x: 40000x40000x1; conv(2, 1x1) }", "too-large");
  says("net n { input x: 9223372036854775807x9223372036854775807x9; relu }", "too-large");
  says("const a = [1,1,1,1,1,1,1,1]; const b = [a,a,a,a,a,a,a,a]; const c = [b,b,b,b,b,b,b,b]; const d = "
       "[c,c,c,c,c,c,c,c]; const e = [d,d,d,d,d,d,d,d]; const f = [e,e,e,e,e,e,e,e];"
       "const g = [f,f,f,f,f,f,f,f]; const h = [g,g,g,g,g,g,g,g]; const i = [h,h,h,h,h,h,h,h]\nnet n { input "
       "x: 8x8x1; conv(3, 3x3, init=i) }",
       "too-large");
}

static void one_mistake_one_message(void) {
  says("net n { input x: 8; conv(3, 3x3) -> relu -> conv(3, 3x3) -> flatten -> dense(3) }", "wrong-shape");
  says("net n { input x: 8; h = nonsense(3) -> dense(3); dense(h.size) -> add(h) }", "unknown-operator");
  says("const k = 1 / 0\nnet n { input x: 8; dense(k) -> dense(k + 1); repeat k { dense(3) }; if k == 1 { a "
       "= dense(3) } else { a = in }; add(a) }",
       "division-by-zero");
  says("block b(n) { conv(n, 3x3) }\nnet n { input x: 8; repeat 3 { b(4) } }", "wrong-shape");
  says("net n { input x: 8; h = dense(3 3); dense(3) -> add(h); dense(\"a\") }", "syntax wrong-type");
  says("net n { input x: 8; dense(8); output y; output z }", "unknown-name duplicate-statement");
}

static void libraries(void) {
  Built b = build("const k = 3\nblock b(n, m=k) { x = conv(n, 3x3) -> relu; if n > 3 { y = x } else { y = in "
                  "-> c(n) }; y -> add(x) }\nblock c(n) { dense(in.channels) }");
  CU_ASSERT_PTR_NULL(b.graph);
  CU_ASSERT_STRING_EQUAL(slugs(&b), "");
  arena_free(b.arena);
  says("block b(n) { cov(n, 3x3) -> dens(4, unit=3) }\nblock c(n) { b(m=n) ; add(z) }\nblock d(n) { dense(4, "
       "init=hee); dense(\"a\"); b(n, 4) }",
       "unknown-operator unknown-operator unknown-argument unknown-name unknown-choice wrong-type "
       "too-many-arguments");
  says("block a(n) { b(n) }\nblock b(n) { c(n) }\nblock c(n) { a(n) }", "block-recursion");
}

static void hears_of_everything(const char *text, const char *const *words) {
  for (; *words; words++) {
    CU_ASSERT_PTR_NOT_NULL(strstr(text, *words));
    if (!strstr(text, *words)) printf("# missing: %s\n", *words);
  }
}

static void summaries(void) {
  const char *text =
      "net n { input x: 32x32x3 as u8\n conv(8, 3x3, stride=2, pad=same, bias=false) -> batchnorm -> relu\n "
      "conv_transpose(4, 4x4, stride=2, pad=1)\n global_avgpool\n dense(5, frozen=true) }";
  Built b = build(text);
  if (clean(text, &b)) {
    Text table = {.arena = b.arena}, json = {.arena = b.arena}, dot = {.arena = b.arena};
    graph_summary(&table, b.graph);
    graph_json(&json, b.sources, b.graph,
               &(SummarySizes){.workspace_bytes = 1020, .workspace_bound = 1000, .training_bytes = -1}, "");
    graph_memory(&table, &(SummarySizes){1020, 1000, 1200, 1000, 0, 0, 0, NULL});
    graph_memory(&table, &(SummarySizes){1000, 1000, -1, 0, 0, 0, 0, NULL});
    graph_dot(&dot, b.graph);
    hears_of_everything(
        table.s,
        (const char *const[]){"16x16x8", "conv_transpose1", "5x5",
                              "parameters     789 (3,156 bytes): 748 trainable, 25 frozen, 16 statistics",
                              "workspace      1,020 bytes, 2.00 % above the lower bound (1,000)\n",
                              "training       1,200 bytes, 20.00 % above the lower bound (1,000): no "
                              "search found a layout without gaps\n",
                              "workspace      1,000 bytes, the least possible\n", NULL});
    hears_of_everything(json.s,
                        (const char *const[]){"\"receptive_field\": [3, 3], \"jump\": [2, 2]",
                                              "\"receptive_field\": [5, 5], \"jump\": [1, 1]",
                                              "\"receptive_field\": null, \"jump\": null", "\"line\": 3",
                                              "\"weights_bytes\": 3156", "\"training_bytes\": null",
                                              "\"statistics\": 16", "\"type\": \"u8\"", NULL});
    hears_of_everything(dot.s,
                        (const char *const[]){"digraph \"n\" {", "n0 -> n1 [label=\" 32x32x3\"]", NULL});
  }
  arena_free(b.arena);
}

CU_TestInfo suite_sema[] = {
    {"arithmetic", arithmetic},
    {"decisions", decisions},
    {"arithmetic is checked", arithmetic_is_checked},
    {"scopes", scopes},
    {"values of blocks", values_of_blocks},
    {"several inputs and outputs", several_ports},
    {"ordinals", ordinals},
    {"ordinals in blocks", ordinals_in_blocks},
    {"ordinals in repeats", ordinals_in_repeats},
    {"names that clash", names_clash},
    {"arguments", arguments},
    {"every choice of an argument", every_choice_parses},
    {"-D", defines},
    {"shared weights", sharing},
    {"frozen layers", freezing},
    {"the train block", training},
    {"defaults of the train block", training_defaults},
    {"losses and outputs", losses_and_outputs},
    {"limits", limits},
    {"one mistake, one message", one_mistake_one_message},
    {"libraries", libraries},
    {"summaries", summaries},
    CU_TEST_INFO_NULL,
};
