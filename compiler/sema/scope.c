/* scope.c: Scopes: visible names, and errors about names that are not visible. */
// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <string.h>
#include "sema/context.h"
#include "ops/registry.h"

Scope *scope_new(Sema *s, const Scope *outer, const Body *body) {
  Scope *scope = NEW(s->arena, Scope);
  *scope = (Scope){.outer = outer, .limit = INT_MAX, .body = body};
  return scope;
}

static const Entry *entry_find(const Scope *scope, int limit, const char *name) {
  for (; scope; limit = scope->limit, scope = scope->outer) {
    const Entry *entry = table_find(&scope->table, name);
    if (entry && !entry->hidden && entry->order < limit) return entry;
  }
  return NULL;
}

const Entry *scope_find(const Scope *scope, const char *name) { return entry_find(scope, INT_MAX, name); }

const Const *scope_in(const Scope *scope) {
  static const Const none = {.kind = CONST_NONE};
  for (; scope; scope = scope->outer)
    if (scope->in.kind != CONST_NONE) return &scope->in;
  return &none;
}

/* Future operators are reserved, too. */
bool name_is_reserved(const char *name) { return op_find(name) != NULL || strcmp(name, "scan") == 0; }

const char *reserved_text(const char *name) {
  return op_find(name) ? "an operator" : "reserved for an operator";
}

void scope_define(Sema *s, Scope *scope, EntryKind kind, Ident name, Const value, const Site *site) {
  const Entry *before = scope_find(scope, name.s);
  const BlockDef *block = table_find(&s->blocks, name.s);
  if (name_is_reserved(name.s)) {
    Diag *diag =
        diag_report(s->diags, DIAG_reserved_name, name.span, site,
                    "'%s' is %s, and cannot be defined as something else", name.s, reserved_text(name.s));
    diag_help(diag, "use another name: 'my_%s'", name.s);
  } else if (before) {
    Diag *diag =
        diag_report(s->diags, DIAG_duplicate_name, name.span, site, "'%s' is already defined", name.s);
    diag_note(diag, before->span, "the first '%s' is here", name.s);
    diag_help(diag, "a visible name cannot be redefined: use another name");
  } else if (block) {
    Diag *diag = diag_report(s->diags, DIAG_duplicate_name, name.span, site,
                             "'%s' is already the name of a block", name.s);
    diag_note(diag, block->block->name.span, "block '%s' is visible in the whole program", name.s);
    diag_help(diag, "use another name");
  }
  Entry *entry = NEW(s->arena, Entry);
  *entry =
      (Entry){.name = name.s, .span = name.span, .kind = kind, .order = scope->entries.n, .value = value};
  vec_push(s->arena, scope->entries, entry);
  table_set(s->arena, &scope->table, name.s, entry);
  SemaRecord *record = s->options && !s->abstract ? s->options->record : NULL;
  if (record) vec_push(s->arena, record->names, ((SemaName){name.span, site, value}));
}

/* ---- names that are not visible ---- */

typedef struct Definition {
  Span span, whole;
  bool in_round, constant;
} Definition; /* span: the name; whole: the statement */

/* Finds the definition of a name in a body, including branches and repeats. */
static bool definition_find(const Body *body, const char *name, bool in_round, Definition *found) {
  for (int i = 0; body && i < body->n; i++) {
    const Stmt *stmt = body->stmt[i];
    const bool defines = stmt->kind == STMT_CHAIN || stmt->kind == STMT_CONST || stmt->kind == STMT_INPUT;
    if (defines && stmt->name.s && strcmp(stmt->name.s, name) == 0)
      return *found = (Definition){stmt->name.span, stmt->span, in_round, stmt->kind == STMT_CONST}, true;
    if (definition_find(stmt->body, name, in_round || stmt->kind == STMT_REPEAT, found)) return true;
    if (definition_find(stmt->otherwise, name, in_round, found)) return true;
  }
  return false;
}

static bool parameter_find(const Block *block, const char *name, Definition *found) {
  for (int i = 0; block && i < block->nparams; i++) {
    const Parameter *param = &block->param[i];
    const Span whole = {param->name.span.file, param->name.span.start,
                        param->value ? param->value->span.end : param->name.span.end};
    if (strcmp(param->name.s, name) == 0)
      return *found = (Definition){param->name.span, whole, false, false}, true;
  }
  return false;
}

static bool constant_find(const File *file, const char *name, Definition *found) {
  for (int i = 0; file && i < file->n; i++) {
    const Decl *decl = file->decl[i];
    if (decl->kind == DECL_CONST && strcmp(decl->constant->name.s, name) == 0)
      return *found = (Definition){decl->constant->name.span, decl->span, false, true}, true;
  }
  return false;
}

const char *const *names_visible(Sema *s, const Scope *scope) {
  VEC(const char *) names = {0};
  for (int limit = INT_MAX; scope; limit = scope->limit, scope = scope->outer)
    for (int i = 0; i < scope->entries.n; i++)
      if (scope->entries.data[i]->order < limit && !scope->entries.data[i]->hidden)
        vec_push(s->arena, names, scope->entries.data[i]->name);
  vec_push(s->arena, names, NULL);
  return names.data;
}

static bool scope_defines(const Scope *scope, const char *name, Definition *at) {
  return parameter_find(scope->block, name, at) || definition_find(scope->body, name, false, at) ||
         constant_find(scope->file, name, at);
}

/* Whether the definition is after the use, or contains it, as in a = conv(a.channels, 3x3). */
static bool is_defined_later(const Definition *at, Ident name) {
  return at->span.file == name.span.file &&
         (at->span.start > name.span.start || name.span.start < at->whole.end);
}

bool name_defined_below(const Scope *scope, Ident name) {
  Definition at;
  for (; scope; scope = scope->outer)
    if (scope_defines(scope, name.s, &at)) return is_defined_later(&at, name);
  return false;
}

static bool is_damaged(const Scope *scope) {
  for (; scope; scope = scope->outer)
    if (scope->damaged) return true;
  return false;
}

/* The list that is meant by a word like sidexsidex1, whose parts are digits or visible names: [side, side,
 * 1]. NULL for other words. */
static const char *reported_dimensions(Sema *s, const Scope *scope, const char *word, int sizes) {
  const size_t digits = strspn(word, "0123456789");
  for (size_t n = 1; word[n - 1]; n++) {
    if (word[n] != 0 && word[n] != 'x' && word[n] != 'X') continue;
    const char *piece = arena_copy(s->arena, word, n);
    if (digits != n && !scope_find(scope, piece)) continue;
    if (!word[n]) return sizes ? piece : NULL;
    const char *rest = word[n + 1] ? reported_dimensions(s, scope, word + n + 1, sizes + 1) : NULL;
    if (rest) return arena_printf(s->arena, "%s, %s", piece, rest);
  }
  return NULL;
}

static bool constant_of_python(Diag *diag, Ident name) {
  const bool yes = strcmp(name.s, "True") == 0 || strcmp(name.s, "TRUE") == 0,
             no = strcmp(name.s, "False") == 0 || strcmp(name.s, "FALSE") == 0;
  if (yes || no) diag_meant(diag, name.span, name.s, yes ? "true" : "false");
  else if (strcmp(name.s, "None") == 0 || strcmp(name.s, "null") == 0)
    diag_help(diag, "to use the default of an argument, omit it");
  else return false;
  return true;
}

void name_report(Sema *s, const Frame *frame, Ident name) {
  if (is_damaged(frame->scope)) return;
  Definition at;
  for (const Scope *scope = frame->scope; scope; scope = scope->outer) {
    if (!scope_defines(scope, name.s, &at)) continue;
    if (is_defined_later(&at, name) && at.span.start < name.span.start) {
      Diag *diag = diag_report(s->diags, DIAG_use_before_definition, name.span, frame->site,
                               "'%s' is used in its own definition", name.s);
      diag_help(diag, "use %sa name that is defined before '%s'",
                at.constant ? "" : "'in' (the value so far) or ", name.s);
    } else if (is_defined_later(&at, name)) {
      Diag *diag = diag_report(s->diags, DIAG_use_before_definition, name.span, frame->site,
                               "'%s' is used before it is defined", name.s);
      diag_note(diag, at.span, "the later definition is here");
      diag_help(diag, "move the definition above its first use");
    } else {
      Diag *diag = diag_report(s->diags, DIAG_unknown_name, name.span, frame->site,
                               "'%s' is not defined here", name.s);
      const char *why =
          at.in_round ? "only visible in its iteration of the repeat" : "in a branch that is not taken";
      diag_note(diag, at.span, "the '%s' that is defined here is %s", name.s, why);
    }
    return;
  }
  Diag *diag =
      diag_report(s->diags, DIAG_unknown_name, name.span, frame->site, "'%s' is not defined", name.s);
  const char *meant = suggest(name.s, names_visible(s, frame->scope)),
             *dims = reported_dimensions(s, frame->scope, name.s, 0);
  if (constant_of_python(diag, name)) return;
  if (dims) {
    diag_help(diag, "dimensions are digits only; with names write [%s]", dims);
    diag_fix(diag, name.span, "[%s]", dims);
  } else if (name_is_reserved(name.s))
    diag_help(diag, "%s is an operator: apply it with ->, and name its result with NAME = ...", name.s);
  else if (table_find(&s->blocks, name.s))
    diag_help(diag, "%s is a block: apply it with ->, and name its result with NAME = %s(...)", name.s,
              name.s);
  else if (meant) name_suggest(s->arena, diag, name.span, name.s, meant);
  else if (words_have(init_words(s->arena), name.s) ||
           words_have("valid same causal hwc chw nearest bilinear", name.s))
    diag_help(diag, "a choice that a block passes on must be a string: \"%s\"", name.s);
  else
    diag_help(diag, "define it before: %s = ... for a value of the net, const %s = ... for a number", name.s,
              name.s);
}
