/* complete.c: Completion at the cursor: operators, blocks, arguments with their defaults, choices, values
 * in scope, import paths; and signature help for the enclosing call. */
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <string.h>
#include <strings.h>
#include "base/file.h"
#include "lsp/context.h"
#include "ops/registry.h"

/* Kinds of completion items, with the numbers of the language server protocol. */
enum {
  ITEM_FUNCTION = 3,
  ITEM_FIELD = 5,
  ITEM_VARIABLE = 6,
  ITEM_CLASS = 7,
  ITEM_MODULE = 9,
  ITEM_PROPERTY = 10,
  ITEM_KEYWORD = 14,
  ITEM_FILE = 17,
  ITEM_CHOICE = 20,
  ITEM_CONSTANT = 21
};

typedef struct Completing {
  Server *server;
  Arena *arena;
  Place place;
  Context context;
  json_t *range; /* range of the word to replace */
  json_t *items;
} Completing;

static bool has_prefix(const char *word, const char *name) {
  return strncasecmp(word, name, strlen(word)) == 0 || strstr(name, word);
}

/* Adds an item, if its name matches the word before the cursor. group: items of lower groups come first.
 * text: may be a snippet. */
static void item(Completing *c, int group, int kind, const char *name, const char *detail, const char *text,
                 const char *data) {
  if (!has_prefix(c->context.word, name)) return;
  const bool snippet = strchr(text, '$') != NULL;
  json_t *json = json_pack("{s:s, s:i, s:o, s:s, s:{s:O, s:s}}", "label", name, "kind", kind, "sortText",
                           string_json(c->arena, arena_printf(c->arena, "%d%s", group, name)), "filterText",
                           name, "textEdit", "range", c->range, "newText", text);
  if (detail && *detail) json_object_set_new(json, "detail", string_json(c->arena, detail));
  if (snippet) json_object_set_new(json, "insertTextFormat", json_integer(2));
  if (data) json_object_set_new(json, "data", json_string(data));
  json_array_append_new(c->items, json);
}

static void words(Completing *c, int group, int kind, const char *list, const char *detail) {
  for (const char *at = list; *at;) {
    const size_t n = strcspn(at, " ");
    if (n) {
      const char *word = arena_copy(c->arena, at, n);
      item(c, group, kind, word, detail, word, NULL);
    }
    at += n + (at[n] == ' ');
  }
}

static void types(Completing *c, const char *list) {
  words(c, 0, ITEM_CHOICE, list, "the type in the caller's buffer");
}

/* ---- operators and blocks, with their required arguments ---- */
static const char *call_snippet(const Completing *c, const char *name, int n, const char *const *required) {
  if (!c->server->snippets || n == 0) return name;
  Text text = {.arena = c->arena};
  text_put(&text, "%s(", name);
  for (int i = 0; i < n; i++) text_put(&text, "%s${%d:%s}", i ? ", " : "", i + 1, required[i]);
  text_put(&text, ")");
  return text.s;
}

static const char *op_text(const Completing *c, const char *name, const Param *params) {
  VEC(const char *) required = {0};
  for (const Param *p = params; p && p->name; p++)
    if (!p->value) vec_push(c->arena, required, p->name);
  return call_snippet(c, name, required.n, required.data);
}

static void operators(Completing *c) {
  for (const Op *const *op = op_table; *op; op++)
    item(c, 3, ITEM_FUNCTION, (*op)->name, (*op)->summary, op_text(c, (*op)->name, (*op)->params),
         (*op)->name);
}

static void complete_blocks(Completing *c) {
  const Ast *program = c->place.analysis->program;
  for (int f = 0; f < program->files.n; f++)
    for (int i = 0; i < program->files.data[f]->n; i++) {
      const Decl *decl = program->files.data[f]->decl[i];
      if (decl->kind != DECL_BLOCK) continue;
      VEC(const char *) required = {0};
      for (int k = 0; k < decl->block->nparams; k++)
        if (!decl->block->param[k].value) vec_push(c->arena, required, decl->block->param[k].name.s);
      Text signature = {.arena = c->arena};
      block_signature_put(&signature, c->place.analysis, decl->block);
      item(c, 2, ITEM_CLASS, decl->block->name.s, signature.s,
           call_snippet(c, decl->block->name.s, required.n, required.data), NULL);
    }
}

/* ---- names in scope ---- */
static const char *symbol_detail(const Completing *c, const Analysis *a, const Symbol *symbol) {
  for (int i = 0; i < a->record.names.n; i++) {
    const SemaName *name = &a->record.names.data[i];
    if (name->span.file != symbol->span.file || name->span.start != symbol->span.start) continue;
    if (name->value.kind == CONST_POISON) continue;
    if (name->value.kind != CONST_VALUE) return const_text(c->arena, &name->value);
    if (name->value.node->shape.rank) return shape_text(c->arena, name->value.node->shape);
  }
  return "";
}

static void symbol_item(Completing *c, const Symbol *symbol, bool constants) {
  const bool constant = symbol->kind == SYMBOL_CONST || symbol->kind == SYMBOL_PARAMETER ||
                        symbol->kind == SYMBOL_ROUND,
             value = symbol->kind == SYMBOL_VALUE || symbol->kind == SYMBOL_INPUT;
  const Span at = symbol->span;
  /* names that are defined after the cursor are skipped */
  if (at.file == c->place.file && at.start >= c->context.word_start) return;
  if (value || (constant && (constants || symbol->kind == SYMBOL_PARAMETER)))
    item(c, 1, constant ? ITEM_CONSTANT : ITEM_VARIABLE, symbol->name,
         symbol_detail(c, c->place.analysis, symbol), symbol->name, NULL);
}

static void constants_of(Completing *c, const File *file, int depth) {
  enum { DEEPEST_IMPORTS = 20 };
  const Names *names = c->place.analysis->names;
  for (int i = 0; i < names->scopes.n; i++) {
    const NameScope *scope = names->scopes.data[i];
    for (int k = 0; !scope->outer && scope->file == file && k < scope->symbols.n; k++)
      if (scope->symbols.data[k]->kind == SYMBOL_CONST) symbol_item(c, scope->symbols.data[k], true);
  }
  for (int i = 0; i < file->n && depth < DEEPEST_IMPORTS; i++)
    if (file->decl[i]->kind == DECL_IMPORT && file->decl[i]->import->file)
      constants_of(c, file->decl[i]->import->file, depth + 1);
}

static void names_in_scope(Completing *c, bool constants) {
  const Names *names = c->place.analysis->names;
  for (const NameScope *scope = names_scope(names, c->place.file, c->context.word_start); scope;
       scope = scope->outer) {
    for (int i = 0; scope->outer && i < scope->symbols.n; i++)
      symbol_item(c, scope->symbols.data[i], constants);
    if (!scope->outer && constants) constants_of(c, scope->file, 0);
  }
}

static void members(Completing *c) {
  const Names *names = c->place.analysis->names;
  const NameScope *scope = names_scope(names, c->place.file, c->context.word_start);
  const char *path = c->context.path;
  const size_t n = strcspn(path, ".");
  const Symbol *symbol = names_visible_as(names, scope, arena_copy(c->arena, path, n));
  for (path += n; symbol && *path;) {
    const size_t part = strcspn(++path, ".");
    const NameScope *inner = names_members(names, symbol);
    const char *name = arena_copy(c->arena, path, part);
    symbol = NULL;
    for (int i = 0; inner && i < inner->symbols.n; i++)
      if (strcmp(inner->symbols.data[i]->name, name) == 0) symbol = inner->symbols.data[i];
    path += part;
  }
  const NameScope *inner = symbol ? names_members(names, symbol) : NULL;
  for (int i = 0; inner && i < inner->symbols.n; i++)
    if (inner->symbols.data[i]->kind == SYMBOL_VALUE)
      item(c, 1, ITEM_VARIABLE, inner->symbols.data[i]->name,
           symbol_detail(c, c->place.analysis, inner->symbols.data[i]), inner->symbols.data[i]->name, NULL);
  words(c, 2, ITEM_FIELD, "height width length channels size", "from the value's shape");
}

/* ---- arguments ---- */
static const Block *block_called(const Completing *c) {
  const Ast *program = c->place.analysis->program;
  for (int f = 0; c->context.callee && f < program->files.n; f++)
    for (int i = 0; i < program->files.data[f]->n; i++) {
      const Decl *decl = program->files.data[f]->decl[i];
      if (decl->kind == DECL_BLOCK && strcmp(decl->block->name.s, c->context.callee) == 0) return decl->block;
    }
  return NULL;
}

static bool is_given(const Completing *c, const char *name) {
  for (int i = 0; i < c->context.ngiven; i++)
    if (strcmp(c->context.given[i], name) == 0) return true;
  return false;
}

static void complete_argument(Completing *c, const char *name, const char *detail) {
  if (!is_given(c, name)) item(c, 0, ITEM_PROPERTY, name, detail, arena_printf(c->arena, "%s=", name), NULL);
}

static void arguments(Completing *c) {
  const Op *op = op_find(c->context.callee);
  const Block *block = op ? NULL : block_called(c);
  const bool trained = block || (op && op_has_parameters(op));
  for (const Param *p = block ? NULL : params_of(c->context.callee); p && p->name; p++) {
    complete_argument(c, p->name,
                      p->value && p->value[0]
                          ? arena_printf(c->arena, "= %s: %s", p->value, p->help ? p->help : "")
                          : p->help);
  }
  for (int i = 0; block && i < block->nparams; i++) {
    const Parameter *p = &block->param[i];
    complete_argument(
        c, p->name.s,
        p->value ? arena_printf(c->arena, "= %s", source_text(c->place.analysis, c->arena, p->value->span))
                 : "required");
  }
  if (op || block) complete_argument(c, "name", "the layer's name in weight files");
  if (op || block)
    complete_argument(c, "precision", "bf16: products of bf16 numbers; f32, i8 or i16 in an int8 model");
  if (trained) complete_argument(c, "weights", "shares the parameters of an earlier layer");
  if (trained) complete_argument(c, "frozen", "= false; true excludes the parameters from training");
  names_in_scope(c, true);
}

static void forms(Completing *c, const Form *const *table) {
  for (; *table; table++)
    item(c, 1, ITEM_FUNCTION, (*table)->name, (*table)->summary, op_text(c, (*table)->name, (*table)->params),
         NULL);
}

static void choices(Completing *c) {
  const Param *p = param_named(params_of(c->context.callee), c->context.name);
  if (strcmp(c->context.name, "frozen") == 0) words(c, 0, ITEM_CHOICE, "true false", "");
  if (strcmp(c->context.name, "precision") == 0) words(c, 0, ITEM_CHOICE, "f32 bf16 i8 i16", "");
  if (p && p->type == PARAM_INIT) forms(c, init_table);
  else if (p) words(c, 0, ITEM_CHOICE, choices_of_param(c->arena, p), p->help);
  names_in_scope(c, true);
}

/* ---- a train block ---- */
static void settings(Completing *c) {
  for (int i = 0; train_key(i); i++) {
    const Param *key = train_key(i);
    item(c, 0, ITEM_PROPERTY, key->name, key->help, arena_printf(c->arena, "%s = ", key->name), NULL);
  }
}

static void setting_values(Completing *c) {
  const char *key = c->context.name;
  const Param *p = key_named(key);
  if (strcmp(key, "loss") == 0)
    for (const Op *const *loss = loss_table; *loss; loss++)
      item(c, 0, ITEM_FUNCTION, (*loss)->name, (*loss)->summary, (*loss)->name, (*loss)->name);
  if (strcmp(key, "optimizer") == 0) forms(c, optimizer_table);
  if (strcmp(key, "schedule") == 0) forms(c, schedule_table);
  if (strcmp(key, "augment") == 0) forms(c, augment_table);
  if (strcmp(key, "metrics") == 0) forms(c, metric_table);
  if (strcmp(key, "quantize") == 0) forms(c, quantize_table);
  if (p) words(c, 0, ITEM_CHOICE, choices_of_param(c->arena, p), p->help);
  names_in_scope(c, true);
}

/* ---- imports ---- */
static bool is_program_name(const char *name) {
  const size_t n = strlen(name);
  return n > 4 && strcmp(name + n - 4, ".cnn") == 0;
}

static void imports_in(Completing *c, const char *folder, size_t typed) {
  const char *path = *folder ? folder : ".";
  DIR *dir = opendir(path);
  if (!dir) return;
  for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    const char *name = entry->d_name, *whole = arena_printf(c->arena, "%s/%s", path, name);
    if (name[0] == '.' || strcmp(file_identity(c->arena, whole), c->place.document->identity) == 0) continue;
    DIR *inner = is_program_name(name) ? NULL : opendir(whole);
    if (inner) closedir(inner);
    if (!inner && !is_program_name(name)) continue;
    const char *label =
        arena_printf(c->arena, "%.*s%s%s", (int)typed, c->context.word, name, inner ? "/" : "");
    json_t *clean = string_json(c->arena, label);
    item(c, inner ? 2 : 1, inner ? ITEM_MODULE : ITEM_FILE, json_string_value(clean), "",
         json_string_value(clean), NULL);
    json_decref(clean);
  }
  closedir(dir);
}

static void imports(Completing *c) {
  const char *slash = strrchr(c->context.word, '/');
  const size_t typed = slash ? (size_t)(slash - c->context.word) + 1 : 0;
  const char *beside =
      file_beside(c->arena, c->place.document->path, arena_copy(c->arena, c->context.word, typed));
  imports_in(c, beside, typed);
  for (int i = 0; i < c->server->ndirs && c->context.word[0] != '/'; i++)
    imports_in(c, arena_printf(c->arena, "%s/%.*s", c->server->dirs[i], (int)typed, c->context.word), typed);
}

/* ---- all ---- */
static void complete(Completing *c) {
  switch (c->context.where) {
  case WHERE_NOWHERE: break;
  case WHERE_TOP: words(c, 0, ITEM_KEYWORD, "net block const import", ""); break;
  case WHERE_STATEMENT:
    words(c, 4, ITEM_KEYWORD, "repeat if const in input output labels train", "");
    names_in_scope(c, false);
    complete_blocks(c);
    operators(c);
    break;
  case WHERE_START:
    words(c, 4, ITEM_KEYWORD, "in", "");
    names_in_scope(c, false);
    complete_blocks(c);
    operators(c);
    break;
  case WHERE_CHAIN:
    complete_blocks(c);
    operators(c);
    break;
  case WHERE_ARGUMENT: arguments(c); break;
  case WHERE_CHOICE: choices(c); break;
  case WHERE_VALUE:
    names_in_scope(c, true);
    words(c, 4, ITEM_KEYWORD, "in true false", "");
    break;
  case WHERE_MEMBER: members(c); break;
  case WHERE_TYPE: types(c, "f32 u8 i8 i16 i32"); break;
  case WHERE_OUTPUT: types(c, "f32 i8 u8 class i32"); break;
  case WHERE_SETTING: settings(c); break;
  case WHERE_KEY: setting_values(c); break;
  case WHERE_IMPORT: imports(c); break;
  }
}

json_t *answer_completion(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  Completing c = {.server = s, .arena = arena};
  if (!place_of(s, params, &c.place, failure)) return NULL;
  c.context = context_at(arena, c.place.document, c.place.offset);
  c.range = range_json(s, c.place.analysis, (Span){1, c.context.word_start, c.place.offset});
  c.items = json_array();
  complete(&c);
  json_decref(c.range);
  return json_pack("{s:b, s:o}", "isIncomplete", 0, "items", c.items);
}

/* The documentation of an operator or a loss, for the selected item. */
json_t *answer_resolve(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  (void)s;
  (void)failure;
  const char *name = json_string_value(json_object_get(params, "data"));
  const Op *op = name ? op_find(name) : NULL, *loss = name && !op ? loss_find(name) : NULL;
  json_t *resolved = json_is_object(params) ? json_copy((json_t *)params) : json_object();
  if (!op && !loss) return resolved;
  Text text = {.arena = arena};
  text_put(&text, "```cnn\n");
  signature_put(&text, name, (op ? op : loss)->params);
  text_put(&text, "\n```\n\n");
  op_markdown(&text, op ? op : loss);
  json_object_set_new(resolved, "documentation", markdown_json(arena, &text));
  return resolved;
}

/* ---- the signature ---- */
static json_t *parameter_json(Arena *arena, Text *label, const char *name, const char *value,
                              const char *help, bool first) {
  text_put(label, "%s", first ? "" : ", ");
  const size_t from = label->n;
  text_put(label, value && *value ? "%s=%s" : "%s", name, value);
  json_t *json = json_pack("{s:[i, i]}", "label", (int)from, (int)label->n);
  if (help && *help) json_object_set_new(json, "documentation", string_json(arena, help));
  return json;
}

json_t *answer_signature(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  Completing c = {.server = s, .arena = arena};
  if (!place_of(s, params, &c.place, failure)) return NULL;
  c.context = context_at(arena, c.place.document, c.place.offset);
  const Context *at = &c.context;
  const Block *block = at->callee && !op_find(at->callee) ? block_called(&c) : NULL;
  const Param *table = at->callee && !block ? params_of(at->callee) : NULL;
  if (!block && !table) return json_null();
  Text label = {.arena = arena};
  json_t *list = json_array();
  int n = 0, active = at->commas;
  text_put(&label, "%s(", at->callee);
  for (const Param *p = table; p && p->name; p++, n++) {
    if (at->name && strcmp(at->name, p->name) == 0) active = n;
    json_array_append_new(list, parameter_json(arena, &label, p->name, p->value, p->help, n == 0));
  }
  for (int i = 0; block && i < block->nparams; i++, n++) {
    const Parameter *p = &block->param[i];
    if (at->name && strcmp(at->name, p->name.s) == 0) active = n;
    const char *value = p->value ? source_text(c.place.analysis, arena, p->value->span) : "";
    json_array_append_new(list, parameter_json(arena, &label, p->name.s, value, "", n == 0));
  }
  text_put(&label, ")");
  const Op *op = op_find(at->callee);
  json_t *signature = json_pack("{s:o, s:o}", "label", string_json(arena, label.s), "parameters", list);
  if (op && op->summary) json_object_set_new(signature, "documentation", string_json(arena, op->summary));
  return json_pack("{s:[o], s:i, s:i}", "signatures", signature, "activeSignature", 0, "activeParameter",
                   active < n ? active : n);
}
