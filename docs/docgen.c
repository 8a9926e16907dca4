/* docgen.c: generator of docs/operators.md, docs/diagnostics.md, manual pages and shell completions from the
 * tables of the compiler. Usage: docgen
 * operators|diagnostics|cnnc.1|cnn.5|cnnc-program.1|cnnc.bash|_cnnc|cnnc.fish */
// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include "ops/registry.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/diag.h"
#include "docgen.h"
#include "graph/op.h"

static void put_cell(const char *text) { /* prints a table cell; line breaks become blanks, bars \| */
  for (const char *c = text ? text : ""; *c; c++)
    if (*c == '\n') putchar(' ');
    else if (*c == '|') fputs("\\|", stdout);
    else putchar(*c);
}

static void put_params(const Param *params) {
  if (!params || !params->name) return;
  puts("| argument | type | default | |\n|---|---|---|---|");
  for (const Param *p = params; p->name; p++) {
    printf("| `%s` | ", p->name);
    put_cell(param_type_text(p));
    printf(" | ");
    if (!p->value) printf("required");
    else if (*p->value) printf("`%s`", p->value);
    else printf("none");
    printf(" | ");
    put_cell(p->help);
    puts(" |");
  }
  puts("");
}

static void put_op(const Op *op) {
  printf("### %s\n\n%s\n\n", op->name, op->summary ? op->summary : "");
  const size_t n = op->detail ? strlen(op->detail) : 0;
  if (n) printf("```\n%s%s```\n\n", op->detail, op->detail[n - 1] == '\n' ? "" : "\n");
  put_params(op->params);
  if (op->example) printf("Example: `%s`\n\n", op->example);
}

static void put_forms(const char *title, const Form *const *forms) {
  printf("## %s\n\n", title);
  for (; *forms; forms++) {
    printf("### %s\n\n%s\n\n", (*forms)->name, (*forms)->summary ? (*forms)->summary : "");
    put_params((*forms)->params);
  }
}

/* ---- values that are not finite ---- */
/* The activation with its default arguments; arguments without a default are -1, 1, ... */
static double activation_at(const Op *op, double x) {
  Const arg[8] = {{0}};
  Node node = {.op = op, .arg = arg};
  const double weight[MOST_WEIGHTS] = {0.25};
  double given = -1;
  for (int i = 0; op->params[i].name && i < 8; i++) {
    arg[i] =
        (Const){.kind = CONST_FLOAT, .f = op->params[i].value ? strtod(op->params[i].value, NULL) : given};
    given += op->params[i].value ? 0 : 2;
  }
  return op->map_eval(&node, &x, weight, 0);
}

static void put_float(double x) {
  const float f = (float)x;
  if (isnan(f)) printf(" NaN |");
  else if (isinf(f)) printf(" %sinf |", f < 0 ? "-" : "");
  else printf(" %.3g |", (double)f);
}

static void put_special_table(void) {
  static const double at[] = {NAN, INFINITY, -INFINITY, -0.0, 3e38, -3e38};
  puts("## NaN, infinities and very large numbers\n"
       "\n"
       "Inference computes in single precision with IEEE 754 arithmetic and has no special cases: the\n"
       "outputs follow from the formulas, as in PyTorch. NaN propagates: an operator that reads NaN returns\n"
       "NaN. Operators that read an index, or return one, are exceptions: the chapter Index describes how\n"
       "each of them treats NaN. Operators that read or select boxes follow other rules, as in torchvision;\n"
       "see the list below.\n"
       "\n"
       "The table has the results of the activations with default arguments. Arguments without a default\n"
       "are those of `clip(-1, 1)`, `power(-1)` and `modulo(-1)`; the slope of prelu is 0.25:\n"
       "\n"
       "| | NaN | inf | -inf | -0 | 3e38 | -3e38 |\n"
       "|---|---|---|---|---|---|---|");
  for (const Op *const *op = op_table; *op; op++) {
    if (strcmp((*op)->group, "activation") || !(*op)->map_eval) continue;
    printf("| %s |", (*op)->name);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) put_float(activation_at(*op, at[i]));
    puts("");
  }
}

static void put_special_values(void) {
  put_special_table();
  puts(
      "\n"
      "- `softmax`, `log_softmax`: -inf has the probability 0. A pixel with NaN or inf, or with only -inf,\n"
      "  is NaN in all channels. The largest value is subtracted first, so nothing else overflows.\n"
      "- `maxpool`, `global_maxpool`, `maximum`: NaN counts as the largest number; in `minimum` it counts\n"
      "  as the smallest number. Padding is -inf, and no window consists only of padding. The gradient of a\n"
      "  window whose maximum is NaN goes to the first element of the window.\n"
      "- `conv`, `depthwise`, `conv_transpose`, `dense`, `avgpool`: NaN in a window makes the outputs of\n"
      "  the window NaN; inf in a window makes them inf, -inf or NaN (inf - inf, 0 * inf). Other outputs\n"
      "  are not affected, except in the following three cases, which `--exact` prevents; `--emit=schedule`\n"
      "  shows the algorithm of each layer. Winograd first adds the inputs of a tile, so one NaN or\n"
      "  infinity makes all outputs of the tile NaN. Strassen (1x1 windows) computes two or four pixels\n"
      "  together; one NaN or infinity makes outputs of all these pixels NaN. A `conv_transpose` with a\n"
      "  stride and few filters may multiply elements next to a window by zero, so NaN and infinities there\n"
      "  give NaN.\n"
      "- `attention`: a position whose scores have NaN or inf is NaN. If an element of `value` is NaN or\n"
      "  infinite, each position that sees this element is NaN; positions that exclude this element\n"
      "  (`mask=causal`, `window`) may be NaN, too.\n"
      "- `grid_sample`, `deformable_attention`: NaN or an infinity in a pixel next to a point makes the\n"
      "  result NaN, for some points even if the weight of this pixel is 0.\n"
      "- `stft`: if the fast Fourier transform is used, an infinity makes its frame NaN.\n"
      "- `batchnorm`, `normalize`, `scale`: in inference, each computes x*a + b with constant a and b. In\n"
      "  training, one NaN or infinity makes its channel of a `batchnorm` NaN in the whole batch. A running\n"
      "  variance below -epsilon gives NaN.\n"
      "- `lrn`: inf becomes NaN (inf / inf), and finite neighbors in its window become 0.\n"
      "- `divide`: x / 0 is inf or -inf, 0 / 0 is NaN.\n"
      "- `exp` is inf above 88.73 and 0 below -87.33. `sqrt` of negative numbers is NaN.\n"
      "- `roi_align` returns 0 if a corner of the box is NaN (with `aligned=false`, if x1 or y1 is NaN; a\n"
      "  NaN x2 or y2 makes the box 1 wide or high). `roi_pool` treats a NaN corner as a corner\n"
      "  far to the left of the image, or far above the image; NaN features are never the maximum, and a\n"
      "  bin with only NaN and -inf is -3.4e38. `decode` passes NaN on. `nms` and `proposals` drop NaN\n"
      "  scores. In `nms` a box with NaN, or with an area of 0 or inf, overlaps no other box; `proposals`\n"
      "  drops boxes with NaN, and `panoptic` does not paint boxes with NaN.\n"
      "- Subnormal (denormal) floats are below 1.18e-38. Some CPUs take 150 cycles for an operation with a\n"
      "  subnormal number, so operators make none of ordinary numbers: `exp`, `sigmoid` and `softmax` are\n"
      "  0 where their result would be subnormal (an absolute error below 1.2e-38), `silu` is 0 below\n"
      "  -87.34 (1.1e-36), and gates and states of recurrent layers are 0 below 1e-30. In gradients, the\n"
      "  factors exp(x), sigmoid(x) and softmax(x) are 0 below 2^-100. Packed weights that are subnormal\n"
      "  are 0.\n"
      "- Other subnormal numbers, such as inputs or a decaying `state`, keep their values, unless the CPU\n"
      "  treats them as zeros ([`--denormals=flush`](c-interface.md#subnormal-floats)).\n"
      "- Results above 3.4e38 are inf, even if a later sum would be smaller.\n"
      "- Gradients at NaN: relu, relu6 and modulo pass the gradient on; leaky_relu and prelu use the\n"
      "  slope of negative values; hard_sigmoid, clip, abs, maximum and minimum give 0; floor has no\n"
      "  gradient. All other activations give NaN.\n"
      "- Integer inputs contain neither NaN nor infinities. All these rules require that the C is compiled\n"
      "  without `-ffast-math`.\n"
      "");
}

static void put_operators(void) {
  puts("<!-- Made by `make docs` from the compiler's tables; do not edit. -->\n# Operators\n");
  puts("Look up an operator here or with `cnnc --help OPERATOR`. All operators accept `name=\"…\"` and\n"
       "`precision=` (`f32` or `bf16`, and for int8 models `i8` or `i16`). Operators with parameters also\n"
       "accept `weights=LAYER` (share the parameters of that layer) and `frozen=true` (do not train).\n");
  for (const Op *const *first = op_table; *first;
       first++) { /* chapters in the order of their first operators */
    bool seen = false;
    for (const Op *const *op = op_table; op < first; op++)
      seen = seen || !strcmp((*op)->group, (*first)->group);
    if (seen) continue;
    const char *group = (*first)->group;
    printf("## %c%s\n\n", group[0] >= 'a' && group[0] <= 'z' ? group[0] - 'a' + 'A' : group[0], group + 1);
    for (const Op *const *op = first; *op; op++)
      if (!strcmp((*op)->group, group)) put_op(*op);
  }
  put_special_values();
  puts("## Losses\n");
  for (const Op *const *loss = loss_table; *loss; loss++) put_op(*loss);
  put_forms("Initializations", init_table);
  put_forms("Optimizers", optimizer_table);
  put_forms("Schedules", schedule_table);
  put_forms("Augmentations", augment_table);
  put_forms("Metrics", metric_table);
  put_forms("Quantizations", quantize_table);
}

static void put_diagnostics(void) {
  puts("<!-- Made by `make docs` from compiler/base/diag.def; do not edit. -->\n# Diagnostics\n");
  puts("Every message about a program or its files ends in a slug; `cnnc --explain=SLUG` prints the page of\n"
       "this slug. `-Wno-SLUG` turns a warning off, `-Werror=SLUG` makes a warning an error.\n");
  puts("| slug | level | |\n|---|---|---|");
  for (int i = 0; i < DIAG_COUNT; i++)
    printf("| [%s](#%s) | %s | %s |\n", diag_info[i].slug, diag_info[i].slug,
           (const char *const[]){"note", "warning", "error"}[diag_info[i].level], diag_info[i].summary);
  for (int i = 0; i < DIAG_COUNT; i++) printf("\n## %s\n\n%s\n", diag_info[i].slug, diag_info[i].page);
}

typedef struct Made {
  const char *name;
  void (*put)(Text *);
} Made;
static const Made made[] = {{"cnnc.1", man_compiler},
                            {"cnn.5", man_language},
                            {"cnnc.bash", shell_bash},
                            {"_cnnc", shell_zsh},
                            {"cnnc.fish", shell_fish}};

static int put_made(const char *name) {
  Arena *arena = arena_new();
  Text text = {.arena = arena};
  bool known = strcmp(name, "cnnc-program.1") == 0 && man_program(&text);
  for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
    if (strcmp(made[i].name, name) != 0) continue;
    made[i].put(&text);
    known = true;
  }
  if (known) fputs(text.s, stdout);
  arena_free(arena);
  return known ? 0 : 2;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  if (!strcmp(argv[1], "operators")) put_operators();
  else if (!strcmp(argv[1], "diagnostics")) put_diagnostics();
  else return put_made(argv[1]);
  return 0;
}
