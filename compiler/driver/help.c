/* help.c: Text of --help, from the tables that check arguments and options. */
// SPDX-License-Identifier: Apache-2.0
#include "help.h"
#include "ops/registry.h"
#include <stdio.h>
#include <string.h>
#include "command.h"
#include "graph/op.h"
#include "options.h"
#include "sema/sema.h"

const Topic topic_table[] = {
#define TOPIC(name, summary, page, example) {name, summary, page, example},
#include "topics.def"
#undef TOPIC
    {NULL, NULL, NULL, NULL},
};

const FormKind form_kinds[] = {
    {"optimizer", "optimizers", "optimizer", optimizer_table},
    {"schedule", "schedules", "schedule", schedule_table},
    {"augmentation", "augmentations", "augment", augment_table},
    {"metric", "metrics", "metrics", metric_table},
    {"quantization", "quantizations", "quantize", quantize_table},
    {"initialization", "initializations", "init", init_table},
    {NULL, NULL, NULL, NULL},
};

/* ---- wrapping ---- */
static void put_wrapped(Text *out, const char *text, int indent, int width) {
  int column = indent;
  while (*text) {
    const int length = (int)strcspn(text, " ");
    if (column > indent && column + 1 + length > width) {
      text_put(out, "\n%*s", indent, "");
      column = indent;
    } else if (column > indent) {
      text_put(out, " ");
      column++;
    }
    text_put(out, "%.*s", length, text);
    column += length;
    text += length;
    text += strspn(text, " ");
  }
  text_put(out, "\n");
}

enum { WIDTH = 100 };

static void help_paragraph(Text *out, const char *text) { put_wrapped(out, text, 0, WIDTH); }

/* Wraps only lines that are too long: other lines may be formulas or tables. */
static void put_fitting_lines(Text *out, const char *text) {
  while (*text) {
    const int length = (int)strcspn(text, "\n"), indent = (int)strspn(text, " ");
    if (length <= WIDTH) {
      text_put(out, "%.*s\n", length, text);
    } else {
      text_put(out, "%*s", indent, "");
      put_wrapped(out, arena_printf(out->arena, "%.*s", length - indent, text + indent), indent, WIDTH);
    }
    text += length + (text[length] == '\n');
  }
}

/* ---- options ---- */
static void help_rows(Text *out, const Flag *rows) {
  enum { INDENT = 24 };
  for (const Flag *row = rows; row->read; row++) {
    if (!row->shown) continue;
    const bool alone = strlen(row->shown) > INDENT - 4; /* the help begins on the next line */
    if (alone) text_put(out, "  %s\n%*s", row->shown, INDENT, "");
    else text_put(out, "  %-*s", INDENT - 2, row->shown);
    put_wrapped(out, row->help, INDENT, WIDTH);
  }
}

void help_options(Text *out) {
  Text what = {.arena = out->arena};
  text_put(&what, "Compiles a convolutional net to C");
  text_put(out, "cnnc [options] FILE.cnn [-o OUTPUT]\n");
  for (const Command *const *c = command_table; *c; c++) {
    text_put(out, "cnnc %s %s\n", (*c)->name, (*c)->usage);
    text_put(&what, "%s %s %s (cnnc %s --help)", c == command_table ? ";" : ",", (*c)->name, (*c)->does,
             (*c)->name);
  }
  text_put(&what, ".");
  text_put(out, "\n");
  help_paragraph(out, what.s);
  text_put(out, "\n");
  help_rows(out, options_table);
  put_fitting_lines(
      out, "\nThe language: cnnc --help topics. All operators: cnnc --help operators. One of them: cnnc "
           "--help conv.\n"
           "Exit status: 0; 1 if an input is invalid or an output cannot be written; 2 for a usage error; "
           "3 for a bug in cnnc.\n");
}

int command_help(Arena *arena, const Command *command) {
  Text out = {.arena = arena};
  text_put(&out, "cnnc %s %s\n\n", command->name, command->usage);
  help_paragraph(&out, command->page);
  text_put(&out, "\n");
  help_rows(&out, command->options);
  text_put(&out, "\n");
  help_paragraph(&out, command->end);
  fputs(out.s, stdout);
  return 0;
}

/* ---- single pages ---- */
static const char *required_help(Arena *arena, const Param *p) {
  return arena_printf(arena, "%s%s", p->help ? p->help : "", p->value ? "" : " (required)");
}

static void put_params(Text *out, const Param *params) {
  int name_width = 0, type_width = 0;
  for (const Param *p = params; p && p->name; p++) {
    const int name = (int)strlen(p->name) + (p->value ? (int)strlen(p->value) + 1 : 0),
              type = (int)strlen(param_type_text(p));
    if (name > name_width) name_width = name;
    if (type > type_width) type_width = type;
  }
  for (const Param *p = params; p && p->name; p++) {
    const char *shown =
        p->value && p->value[0] ? arena_printf(out->arena, "%s=%s", p->name, p->value) : p->name;
    text_put(out, "  %-*s  %-*s  ", name_width, shown, type_width, param_type_text(p));
    put_wrapped(out, required_help(out->arena, p), 6 + name_width + type_width, WIDTH);
  }
}

static void put_example(Text *out, const char *example) {
  text_put(out, "\nExample:\n\n");
  for (const char *line = example; *line;) {
    const int length = (int)strcspn(line, "\n");
    text_put(out, "    %.*s\n", length, line);
    line += length + (line[length] == '\n');
  }
}

static void put_title(Text *out, const char *name, const char *what, const char *summary) {
  put_fitting_lines(out, arena_printf(out->arena, "%s (%s): %s", name, what, summary));
}

static void put_op(Text *out, const Op *op, const char *what) {
  put_title(out, op->name, what, op->summary ? op->summary : "");
  if (op->params && op->params[0].name) {
    text_put(out, "\n");
    put_params(out, op->params);
  }
  if (op->detail) {
    text_put(out, "\n");
    put_fitting_lines(out, op->detail);
  }
  if (op->example) put_example(out, op->example);
}

static void put_form_help(Text *out, const Form *form, const char *what) {
  put_title(out, form->name, what, form->summary);
  if (form->params && form->params[0].name) text_put(out, "\n");
  put_params(out, form->params);
}

static void put_train_keys(Text *out) {
  enum { INDENT = 30 };
  text_put(out, "\n");
  for (int i = 0; train_key(i); i++) {
    const Param *key = train_key(i);
    text_put(out, "  %-*s", INDENT - 2,
             key->value ? arena_printf(out->arena, "%s = %s", key->name, key->value) : key->name);
    put_wrapped(out, required_help(out->arena, key), INDENT, WIDTH);
  }
  text_put(out, "\ncnnc --help losses, optimizers, schedules, augmentations and metrics list the choices.\n");
}

static void put_topic(Text *out, const Topic *topic) {
  put_fitting_lines(out, arena_printf(out->arena, "%s: %s\n\n%s", topic->name, topic->summary, topic->page));
  if (strcmp(topic->name, "train") == 0) put_train_keys(out);
  if (topic->example) put_example(out, topic->example);
}

/* ---- lists ---- */
static void put_line(Text *out, const char *name, const char *summary) {
  enum { INDENT = 26 };
  text_put(out, "  %-*s", INDENT - 2, name);
  put_wrapped(out, summary ? summary : "", INDENT, WIDTH);
}

static bool first_of_group(const Op *const *op) {
  for (const Op *const *before = op_table; before < op; before++)
    if (strcmp((*before)->group, (*op)->group) == 0) return false;
  return true;
}

static void put_group(Text *out, const char *group) {
  text_put(out, "%s\n", group);
  for (const Op *const *op = op_table; *op; op++)
    if (strcmp((*op)->group, group) == 0) put_line(out, (*op)->name, (*op)->summary);
  text_put(out, "\n");
}

static void put_hint(Text *out, const char *example) {
  text_put(out, "cnnc --help NAME describes one entry, for example cnnc --help %s.\n", example);
}

static void list_operators(Text *out) {
  for (const Op *const *op = op_table; *op; op++)
    if (first_of_group(op)) put_group(out, (*op)->group);
  put_hint(out, "conv");
}

static void list_losses(Text *out) {
  text_put(out, "losses: loss = NAME in a train block\n\n");
  for (const Op *const *op = loss_table; *op; op++) put_line(out, (*op)->name, (*op)->summary);
  text_put(out, "\n");
  put_hint(out, loss_table[0]->name);
}

static void list_forms(Text *out, const FormKind *kind) {
  const bool argument = kind->table == init_table;
  text_put(out, "%s: %s%s%s\n\n", kind->several, kind->key, argument ? "=NAME" : " = NAME",
           argument ? " of an operator with parameters" : " in a train block");
  for (const Form *const *form = kind->table; *form; form++) put_line(out, (*form)->name, (*form)->summary);
  text_put(out, "\n");
  put_hint(out, kind->table[0]->name);
}

static void list_messages(Text *out) {
  static const char *const level[] = {"note", "warning", "error"};
  enum { INDENT = 37 };
  text_put(out, "messages by slug (at the end of a message, in brackets)\n\n");
  for (int i = 0; i < DIAG_COUNT; i++) {
    text_put(out, "  %-26s%-9s", diag_info[i].slug, level[diag_info[i].level]);
    put_wrapped(out, diag_info[i].summary, INDENT, WIDTH);
  }
  text_put(out, "\ncnnc --explain=SLUG describes one message, with an example.\n");
}

static void list_topics(Text *out) {
  text_put(out, "the language\n");
  for (const Topic *topic = topic_table; topic->name; topic++) put_line(out, topic->name, topic->summary);
  text_put(out, "\nlists\n");
  put_line(out, "operators", "every operator by chapter");
  put_line(out, "losses", "every loss function");
  for (const FormKind *kind = form_kinds; kind->table; kind++)
    put_line(out, kind->several, arena_printf(out->arena, "every %s", kind->one));
  put_line(out, "messages", "every error and warning");
  put_line(out, "options", "every option of the command line");
  text_put(out,
           "\ncnnc --help NAME prints one of these pages, or the page of an operator, loss, optimizer ...\n");
}

static bool is_named(const char *name, const char *one, const char *several) {
  return strcmp(name, one) == 0 || strcmp(name, several) == 0;
}

static bool put_topic_list(Text *out, const char *name) {
  if (is_named(name, "operator", "operators")) return list_operators(out), true;
  if (is_named(name, "loss", "losses")) return list_losses(out), true;
  if (is_named(name, "message", "messages")) return list_messages(out), true;
  if (is_named(name, "language", "topics")) return list_topics(out), true;
  if (is_named(name, "option", "options")) return help_options(out), true;
  for (const FormKind *kind = form_kinds; kind->table; kind++)
    if (is_named(name, kind->one, kind->several) || strcmp(name, kind->key) == 0)
      return list_forms(out, kind), true;
  return false;
}

/* ---- lookup by name ---- */
static void put_apart(Text *out, size_t before) { /* several topics may have the same name */
  if (out->n > before) text_put(out, "\n");
}

static bool is_group(const char *name) {
  for (const Op *const *op = op_table; *op; op++)
    if (strcmp((*op)->group, name) == 0) return true;
  return false;
}

bool help_topic(Text *out, const char *name) {
  const size_t before = out->n;
  for (const Topic *topic = topic_table; topic->name; topic++)
    if (strcmp(topic->name, name) == 0) put_topic(out, topic);
  for (const Op *const *op = op_table; *op; op++)
    if (strcmp((*op)->name, name) == 0) put_op(out, *op, (*op)->group);
  for (const Op *const *op = loss_table; *op; op++) {
    if (strcmp((*op)->name, name) != 0) continue;
    put_apart(out, before);
    put_op(out, *op, "loss");
  }
  for (const FormKind *kind = form_kinds; kind->table; kind++)
    for (const Form *const *form = kind->table; *form; form++) {
      if (strcmp((*form)->name, name) != 0) continue;
      put_apart(out, before);
      put_form_help(out, *form, kind->one);
    }
  if (out->n > before || put_topic_list(out, name)) return true;
  if (is_group(name)) put_group(out, name);
  else if (diag_find(name) >= 0) text_put(out, "%s is a message: cnnc --explain=%s\n", name, name);
  return out->n > before;
}

const char *const *help_names(Arena *arena) {
  VEC(const char *) names = {0};
  static const char *const lists[] = {"operators", "losses", "messages", "topics", "options", NULL};
  for (const Topic *topic = topic_table; topic->name; topic++) vec_push(arena, names, topic->name);
  for (const char *const *list = lists; *list; list++) vec_push(arena, names, *list);
  for (const FormKind *kind = form_kinds; kind->table; kind++) vec_push(arena, names, kind->several);
  for (const Op *const *op = op_table; *op; op++) {
    if (first_of_group(op) && !op_find((*op)->group)) vec_push(arena, names, (*op)->group);
    vec_push(arena, names, (*op)->name);
  }
  for (const Op *const *op = loss_table; *op; op++) vec_push(arena, names, (*op)->name);
  for (const FormKind *kind = form_kinds; kind->table; kind++)
    for (const Form *const *form = kind->table; *form; form++) vec_push(arena, names, (*form)->name);
  vec_push(arena, names, NULL);
  return names.data;
}
