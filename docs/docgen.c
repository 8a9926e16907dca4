/* docgen.c: writes what is made of the tables: the pages docs/operators.md and docs/diagnostics.md, the
 * manual and what shells complete: docgen
 * operators|diagnostics|cnnc.1|cnn.5|cnnc-program.1|cnnc.bash|_cnnc|cnnc.fish */
// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/diag.h"
#include "docgen.h"
#include "ops/op.h"

static void put_cell(const char *text) { /* a cell of a table: no line breaks, no bars */
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

static void put_op(const Op *op, bool built) {
  printf("### %s\n\n%s%s\n\n", op->name, op->summary ? op->summary : "",
         built ? "" : " (known to the language, but not built yet)");
  if (op->detail) printf("%s\n\n", op->detail);
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

static void put_operators(void) {
  puts("<!-- Made by `make docs` from the compiler's tables; do not edit. -->\n# Operators\n");
  puts("All operators take `name=\"…\"`; those with parameters also `weights=LAYER` (share its parameters) and `frozen=true` (not trained).\n");
  for (const Op *const *first = op_table; *first; first++) { /* chapters in the order in which their first operator stands */
    bool seen = false;
    for (const Op *const *op = op_table; op < first; op++) seen = seen || !strcmp((*op)->group, (*first)->group);
    if (seen) continue;
    const char *group = (*first)->group;
    printf("## %c%s\n\n", group[0] >= 'a' && group[0] <= 'z' ? group[0] - 'a' + 'A' : group[0], group + 1);
    for (const Op *const *op = first; *op; op++)
      if (!strcmp((*op)->group, group)) put_op(*op, true);
  }
  puts("## Losses\n");
  for (const Op *const *loss = loss_table; *loss; loss++) put_op(*loss, loss_parts(*loss) != NULL);
  put_forms("Initialisations", init_table);
  put_forms("Optimizers", optimizer_table);
  put_forms("Schedules", schedule_table);
  put_forms("Augmentations", augment_table);
  put_forms("Metrics", metric_table);
}

static void put_diagnostics(void) {
  puts("<!-- Made by `make docs` from compiler/base/diag.def; do not edit. -->\n# Diagnostics\n");
  puts("Every message ends in a slug; `cnnc --explain=SLUG` prints its page. `-Wno-SLUG` turns a warning off, `-Werror=SLUG` makes it an error.\n");
  puts("| slug | level | |\n|---|---|---|");
  for (int i = 0; i < DIAG_COUNT; i++) printf("| [%s](#%s) | %s | %s |\n", diag_info[i].slug, diag_info[i].slug, diag_info[i].level == DIAG_WARNING ? "warning" : "error", diag_info[i].summary);
  for (int i = 0; i < DIAG_COUNT; i++) printf("\n## %s\n\n%s\n", diag_info[i].slug, diag_info[i].page);
}

typedef struct Made { const char *name; void (*put)(Text *); } Made;
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
