/* sema.c: Semantic analysis: evaluates constants, collects blocks, expands the net to a graph. */
// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <string.h>
#include "base/diag_record.h"
#include "sema/context.h"

enum { MOST_STEPS = 3000000, MOST_ERRORS = 100 };

bool sema_step(Sema *s, Span span, const Site *site) {
  s->stopped |= diags_errors(s->diags) >= MOST_ERRORS; /* further errors are not recorded */
  if (s->stopped) return false;
  if (++s->steps <= MOST_STEPS) return true;
  diag_report(s->diags, DIAG_too_large, span, site, "the program needs more than %d steps to expand",
              MOST_STEPS);
  s->stopped = true;
  return false;
}

/* ---- syntax errors ---- */

static void damage_find(Sema *s) {
  for (int i = 0; i < s->diags->list.n; i++) {
    const Diag *diag = s->diags->list.data[i];
    if (diag->level == DIAG_ERROR && diag->span.file) vec_push(s->arena, s->damage, diag->span);
  }
}

static bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool damage_mentions(const Sema *s, const char *name) {
  const size_t n = strlen(name);
  for (int i = 0; i < s->damage.n; i++) {
    const Source *source = sources_get(s->sources, s->damage.data[i].file);
    for (size_t at = s->damage.data[i].start; at + n <= source->n && source->text[at] != '\n'; at++)
      if (memcmp(source->text + at, name, n) == 0 && (at == 0 || !is_ascii_letter(source->text[at - 1])) &&
          (at + n == source->n || !is_ascii_letter(source->text[at + n])))
        return true;
  }
  return false;
}

bool damage_within(const Sema *s, uint32_t file, uint32_t start, uint32_t end) {
  for (int i = 0; i < s->damage.n; i++) {
    const Span at = s->damage.data[i];
    if (at.file == file && at.start >= start && at.start < end) return true;
  }
  return false;
}

/* Whether syntax errors or missing imports may hide a declaration of the file. */
static bool file_damaged(const Sema *s, const File *file) {
  for (int i = 0; i < s->damage.n; i++) {
    const Span at = s->damage.data[i];
    bool inside = at.file != file->source;
    for (int k = 0; k < file->n && !inside; k++) {
      const Decl *decl = file->decl[k];
      inside = decl->kind != DECL_IMPORT && at.start >= decl->span.start && at.start < decl->span.end;
    }
    if (!inside) return true;
  }
  return false;
}

/* ---- blocks ---- */

static void block_register(Sema *s, const Scope *file, int order, const Block *block, bool in_main) {
  const BlockDef *before = table_find(&s->blocks, block->name.s);
  if (name_is_reserved(block->name.s)) {
    Diag *diag = diag_report(s->diags, DIAG_reserved_name, block->name.span, NULL,
                             "'%s' is %s, and cannot be defined as a block", block->name.s,
                             reserved_text(block->name.s));
    diag_help(diag, "use another name: 'my_%s'", block->name.s);
  } else if (before) {
    Diag *diag = diag_report(s->diags, DIAG_duplicate_name, block->name.span, NULL,
                             "there are two blocks '%s'", block->name.s);
    diag_note(diag, before->block->name.span, "the first block is here");
  }
  BlockDef *def = NEW(s->arena, BlockDef);
  *def = (BlockDef){.block = block, .file = file, .order = order, .in_main = in_main};
  def->used = before || name_is_reserved(block->name.s); /* suppresses the warning that the block is unused */
  vec_push(s->arena, s->block_list, def);
  if (!before) table_set(s->arena, &s->blocks, block->name.s, def);
}

/* ---- files ---- */

static int file_index(const Sema *s, const File *file) {
  for (int i = 0; i < s->program->files.n; i++)
    if (s->program->files.data[i] == file) return i;
  return -1;
}

/* Defines the names that the imported file defines or imports. Two different constants with the same name
 * clash. */
static void import_define(Sema *s, Scope *scope, const Import *import, int order) {
  const int from = import->file ? file_index(s, import->file) : -1;
  const Scope *other = from >= 0 ? s->files.data[from] : NULL;
  scope->damaged |= other && other->damaged;
  for (int i = 0; other && i < other->entries.n; i++) {
    const Entry *entry = other->entries.data[i], *before = table_find(&scope->table, entry->name);
    if (before && before->span.file == entry->span.file && before->span.start == entry->span.start) continue;
    if (before) {
      Diag *diag = diag_report(s->diags, DIAG_duplicate_name, import->span, NULL,
                               "this import defines a second '%s'", entry->name);
      diag_note(diag, before->span, "the first '%s' is here", entry->name);
      diag_note(diag, entry->span, "the second '%s' is here", entry->name);
      continue;
    }
    Entry *copy = NEW(s->arena, Entry);
    *copy = *entry;
    copy->order = order;
    vec_push(s->arena, scope->entries, copy);
    table_set(s->arena, &scope->table, copy->name, copy);
  }
}

static void constant_define(Sema *s, Scope *scope, const Stmt *constant, int order) {
  const Frame frame = {.scope = scope, .rounds = ""};
  scope_define(s, scope, ENTRY_CONST, constant->name, expr_eval(s, &frame, constant->value, NULL), NULL);
  scope->entries.data[scope->entries.n - 1]->order = order;
}

static void files_read(Sema *s) {
  for (int f = 0; f < s->program->files.n; f++) {
    const File *file = s->program->files.data[f];
    Scope *scope = scope_new(s, NULL, NULL);
    scope->file = file;
    scope->damaged = file_damaged(s, file);
    vec_push(s->arena, s->files, scope);
    for (int i = 0; i < file->n; i++)
      if (file->decl[i]->kind == DECL_BLOCK)
        block_register(s, scope, i, file->decl[i]->block, file == s->program->main);
  }
  for (int f = 0; f < s->program->files.n; f++) {
    const File *file = s->program->files.data[f];
    for (int i = 0; i < file->n; i++) {
      const Decl *decl = file->decl[i];
      if (decl->kind == DECL_IMPORT) import_define(s, s->files.data[f], decl->import, i);
      if (decl->kind == DECL_CONST) constant_define(s, s->files.data[f], decl->constant, i);
    }
  }
}

/* ---- -D NAME=VALUE ---- */

/* Parses the text as a constant expression. Strings may lack quotes, which shells remove. */
static const Expr *define_parse(Sema *s, const Define *define, const Expr *instead_of) {
  if (instead_of->kind == EXPR_STRING && define->value[0] != '"') {
    Expr *text = NEW(s->arena, Expr);
    *text = (Expr){
        .kind = EXPR_STRING, .span = instead_of->span, .s = define->value, .length = strlen(define->value)};
    return text;
  }
  const char *source = arena_printf(s->arena, "const %s = %s\n", define->name, define->value);
  const uint32_t index = sources_add(s->sources, "-D", source, strlen(source));
  const int errors = diags_errors(s->diags);
  const File *file = parse_file(s->arena, s->diags, s->sources, index);
  const bool alone = file && file->n == 1 && file->decl[0]->kind == DECL_CONST;
  if (alone) return file->decl[0]->constant->value;
  if (diags_errors(s->diags) == errors)
    diag_report(s->diags, DIAG_syntax, NO_SPAN, NULL, "-D %s=%s: the value must be a single expression",
                define->name, define->value);
  Expr *poison = NEW(s->arena, Expr);
  poison->kind = EXPR_POISON;
  return poison;
}

static bool define_apply(Sema *s, const Define *define, const Expr **parsed) {
  bool found = false;
  for (int f = 0; f < s->program->files.n; f++) {
    File *file = s->program->files.data[f];
    const Decl **decls = NEW_ARRAY(s->arena, const Decl *, file->n + 1);
    for (int i = 0; i < file->n; i++) {
      decls[i] = file->decl[i];
      if (decls[i]->kind != DECL_CONST || strcmp(decls[i]->constant->name.s, define->name) != 0) continue;
      if (!*parsed) *parsed = define_parse(s, define, decls[i]->constant->value);
      Stmt *constant = NEW(s->arena, Stmt);
      *constant = *decls[i]->constant;
      constant->value = *parsed;
      Decl *decl = NEW(s->arena, Decl);
      *decl = *decls[i];
      decl->constant = constant;
      decls[i] = decl;
      found = true;
    }
    file->decl = decls;
  }
  return found;
}

static void define_unknown(Sema *s, const Define *define) {
  VEC(const char *) names = {0};
  for (int f = 0; f < s->program->files.n; f++)
    for (int i = 0; i < s->program->files.data[f]->n; i++) {
      const Decl *decl = s->program->files.data[f]->decl[i];
      if (decl->kind == DECL_CONST) vec_push(s->arena, names, decl->constant->name.s);
    }
  vec_push(s->arena, names, NULL);
  Diag *diag = diag_report(s->diags, DIAG_unknown_constant, NO_SPAN, NULL,
                           "-D %s: the program has no constant '%s'", define->name, define->name);
  const char *meant = name_meant(s->arena, define->name, names.data);
  if (meant) diag_help(diag, "did you mean '%s'?", meant);
  else diag_help(diag, "-D replaces the value of a file's constant: const %s = ...", define->name);
}

static void defines_apply(Sema *s, const Define *defines, int n) {
  for (int i = 0; i < n; i++) {
    bool again = false;
    for (int k = i + 1; k < n; k++) again |= strcmp(defines[k].name, defines[i].name) == 0;
    const Expr *parsed = NULL;
    if (!again && !define_apply(s, &defines[i], &parsed)) define_unknown(s, &defines[i]);
  }
}

/* ---- the program ---- */

Graph *sema_build(Arena *arena, Diags *diags, Sources *sources, const Ast *program, const Define *defines,
                  int ndefines, const SemaOptions *options) {
  Sema sema = {.arena = arena, .diags = diags, .sources = sources, .program = program, .options = options},
       *s = &sema;
  s->graph = graph_new(arena, "");
  damage_find(s);
  s->no_input_reported = s->damage.n > 0; /* a statement with a syntax error may have been the input */
  defines_apply(s, defines, ndefines);
  files_read(s);
  blocks_find_cycles(s);
  const int main_file = file_index(s, program->main);
  const NetDecl *net = NULL;
  for (int i = 0; program->main && i < program->main->n; i++) {
    const Decl *decl = program->main->decl[i];
    if (decl->kind != DECL_NET || net) continue;
    net = decl->net;
    net_build(s, s->files.data[main_file], i, net);
  }
  if (!s->stopped) blocks_check(s);
  if (net && diags_mistakes(diags) == 0) {
    warn_unused_values(s);
    warn_clipped_scores(s);
  }
  if (net && !s->unknown_calls && !s->damage.n) warn_unused_blocks(s, net);
  return net ? s->graph : NULL;
}
