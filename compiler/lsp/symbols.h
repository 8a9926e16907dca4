/* symbols.h: Name resolution on the AST. It also works in branches that are not taken, in unused blocks, and
 * if other parts of the file have syntax errors. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LSP_SYMBOLS_H
#define CNNC_LSP_SYMBOLS_H
#include "syntax/ast.h"

typedef enum SymbolKind {
  SYMBOL_CONST,
  SYMBOL_BLOCK,
  SYMBOL_PARAMETER,
  SYMBOL_VALUE,
  SYMBOL_INPUT,
  SYMBOL_ROUND, /* the variable of a repeat */
  SYMBOL_NET,
  SYMBOL_OUTPUT, /* a name introduced by an output statement */
} SymbolKind;

typedef struct NameScope NameScope;
typedef struct Symbol {
  const char *name;
  SymbolKind kind;
  Span span; /* position of the symbol's first definition */
  const Stmt *stmt;
  const Block *block; /* the block itself, or the block that has this parameter */
  const Parameter *parameter;
  const NameScope *scope;
} Symbol;
struct NameScope { /* a file, a net, a block, or the body of a repeat */
  const NameScope *outer;
  const File *file;
  Span span;
  VEC(Symbol *) symbols;
};
typedef struct Occurrence {
  Span span;
  Symbol *symbol;
  bool defines;
} Occurrence;
typedef struct Names {
  Arena *arena;
  const Ast *program;
  VEC(Occurrence) all;
  VEC(NameScope *) scopes;
} Names;

Names *names_find(Arena *, const Ast *);
const Occurrence *names_at(const Names *, uint32_t file, uint32_t offset);
/* The innermost scope at this offset; NULL: there is none. */
const NameScope *names_scope(const Names *, uint32_t file, uint32_t offset);
Symbol *names_visible_as(const Names *, const NameScope *, const char *name);
/* The scope of the block in a value's chain: the names in it can follow the value and a dot. NULL if the
 * chain does not have exactly one block. */
const NameScope *names_members(const Names *, const Symbol *);
#endif
