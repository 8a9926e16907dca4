/* help.c: what --help OPERATOR prints. The same tables check the arguments. */
// SPDX-License-Identifier: Apache-2.0
#include "help.h"
#include <string.h>
#include "ops/op.h"

typedef struct Forms { const char *what; const Form *const *table; } Forms;
enum { FORM_TABLES = 5 };
static void form_tables(Forms tables[FORM_TABLES]) {
  tables[0] = (Forms){"optimizer", optimizer_table};
  tables[1] = (Forms){"schedule", schedule_table};
  tables[2] = (Forms){"augmentation", augment_table};
  tables[3] = (Forms){"metric", metric_table};
  tables[4] = (Forms){"initialisation", init_table};
}

static void put_params(Text *out, const Param *params) {
  int name_width = 0, type_width = 0;
  for (const Param *p = params; p && p->name; p++) {
    const int name = (int)strlen(p->name) + (p->value ? (int)strlen(p->value) + 1 : 0), type = (int)strlen(param_type_text(p));
    if (name > name_width) name_width = name;
    if (type > type_width) type_width = type;
  }
  for (const Param *p = params; p && p->name; p++) {
    const char *shown = p->value && p->value[0] ? arena_printf(out->arena, "%s=%s", p->name, p->value) : p->name;
    text_put(out, "  %-*s  %-*s  %s%s\n", name_width, shown, type_width, param_type_text(p), p->help ? p->help : "", p->value ? "" : " (required)");
  }
}

static void put_op(Text *out, const Op *op, const char *what) {
  text_put(out, "%s (%s): %s\n", op->name, what, op->summary ? op->summary : "");
  if (op->params && op->params[0].name) {
    text_put(out, "\n");
    put_params(out, op->params);
  }
  if (op->detail) text_put(out, "\n%s%s", op->detail, op->detail[0] && op->detail[strlen(op->detail) - 1] == '\n' ? "" : "\n");
  if (op->example) text_put(out, "\nExample:\n\n    %s\n", op->example);
}

bool help_topic(Text *out, const char *name) {
  const size_t before = out->n;
  const char *group;
  Forms tables[FORM_TABLES];
  form_tables(tables);
  for (const Op *const *op = op_table; *op; op++)
    if (strcmp((*op)->name, name) == 0) put_op(out, *op, (*op)->group);
  if (out->n == before && op_later(name, &group)) text_put(out, "%s (%s): known to the language, but not built yet\n", name, group);
  for (const Op *const *op = loss_table; *op; op++) {
    if (strcmp((*op)->name, name) != 0) continue;
    if (out->n > before) text_put(out, "\n");
    put_op(out, *op, loss_parts(*op) ? "loss" : "loss, not built yet");
  }
  for (int i = 0; i < FORM_TABLES; i++)
    for (const Form *const *form = tables[i].table; *form; form++) {
      if (strcmp((*form)->name, name) != 0) continue;
      if (out->n > before) text_put(out, "\n");
      text_put(out, "%s (%s): %s\n", name, tables[i].what, (*form)->summary);
      if ((*form)->params && (*form)->params[0].name) text_put(out, "\n");
      put_params(out, (*form)->params);
    }
  return out->n > before;
}

const char *const *help_names(Arena *arena) {
  VEC(const char *) names = {0};
  Forms tables[FORM_TABLES];
  form_tables(tables);
  for (const Op *const *op = op_table; *op; op++) vec_push(arena, names, (*op)->name);
  for (const Op *const *op = loss_table; *op; op++) vec_push(arena, names, (*op)->name);
  for (int i = 0; i < FORM_TABLES; i++)
    for (const Form *const *form = tables[i].table; *form; form++) vec_push(arena, names, (*form)->name);
  vec_push(arena, names, NULL);
  return names.data;
}
