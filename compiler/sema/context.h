/* context.h: State of semantic analysis, private to sema/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SEMA_CONTEXT_H
#define CNNC_SEMA_CONTEXT_H
#include "base/table.h"
#include "base/text.h"
#include "graph/op.h"
#include "sema/sema.h"

typedef struct Sema Sema;
typedef struct Frame Frame;

/* ---- scopes (scope.c) ---- */
typedef enum EntryKind { ENTRY_CONST, ENTRY_PARAMETER, ENTRY_VALUE, ENTRY_INPUT, ENTRY_ROUND } EntryKind;
typedef struct Entry {
  const char *name;
  Span span;
  EntryKind kind;
  int order;   /* position in its scope; in a file, the index of its declaration */
  bool hidden; /* defined in a branch that is possibly not taken */
  Const value;
} Entry;
typedef struct Scope { /* the scope of a file, the net, the train block, an applied or checked block, or an
                          iteration of a repeat */
  const struct Scope *outer;
  int limit; /* an entry of the outer scope is visible only if its order is less than `limit` */
  Table table;
  VEC(Entry *) entries;
  const File *file;
  const Body *body;
  /* the applied or checked block, to find parameters that are used before their definition; or NULL */
  const Block *block;
  Const in;     /* the value of `in`; NONE: the same as in `outer` */
  bool damaged; /* an earlier statement has a syntax error; it may define a name that is not found */
} Scope;
Scope *scope_new(Sema *, const Scope *outer, const Body *);
const Entry *scope_find(const Scope *, const char *name); /* a visible entry, or NULL */
void scope_define(Sema *, Scope *, EntryKind, Ident, Const,
                  const Site *);                /* reports reserved names and redefinitions */
const Const *scope_in(const Scope *);           /* returns the value of `in` */
void name_report(Sema *, const Frame *, Ident); /* reports an unknown name: why it is not visible, and
                                                   similar names */
bool name_defined_below(const Scope *, Ident);
const char *const *names_visible(Sema *, const Scope *); /* NULL-terminated */
/* whether the word is the name of an operator, or is reserved for a future operator */
bool name_is_reserved(const char *name);
const char *reserved_text(const char *name); /* for messages, for example "an operator" */

/* ---- blocks of all files ---- */
typedef struct BlockDef {
  const Block *block;
  const Scope *file;
  int order;             /* position of the declaration; constants above it are visible */
  bool in_main, applied; /* in_main: in the main file; applied: its body was expanded */
  bool active;           /* being expanded now */
  bool used;             /* reachable from the net */
  bool broken;           /* recursive, and the recursion was reported */
  int color, height;     /* color: used to find cycles; height: nesting depth of this block and of the blocks
                            that it applies */
} BlockDef;

/* ---- names of layers (layer_names.c) ---- */
typedef struct Count {
  const void *what;
  int64_t n;
} Count;
typedef struct Naming { /* counters for the default names in the net, in an application of a block, or in a
                           chain with a name */
  const char *prefix;   /* prefix of the names, for example "", "stage2." or "c1." */
  const char *share;    /* weights= of a block: prefix of the layers that own the parameters; or NULL */
  Span share_span;
  bool frozen; /* the block, or a block around it, has the argument frozen=true */
  Precision precision;
  bool muted; /* clashes of these names are not reported */
  VEC(Count) counts;
} Naming;
typedef struct LayerName {
  const char *full;
  Node *node;
  const BlockDef *block;
  Span span;
  const Site *site;
} LayerName; /* a node, or an application of `block` */
typedef struct CallName {
  const char *assigned;
  Naming *naming;
} CallName; /* assigned: the statement's name if this layer gets it. NULL: the layer gets a default name with
               the next number that `naming` counts */
Naming *naming_inner(Sema *, const Naming *, const char *name); /* a Naming for the names inside of `name` */
/* The full name of a call of the operator or block `what`. *share: the full name of the layer or block that
 * owns the parameters, or NULL. */
const char *naming_name(Sema *, const Frame *, CallName, const char *what, const void *key,
                        const Argument *given, const char **share);
/* False if the name is too long or already exists; reports these errors unless `muted`. */
bool naming_add(Sema *, const Naming *, LayerName);
const LayerName *naming_find(const Sema *, const char *full);
void names_check(Sema *); /* reports names of ports or weights that are equal as C identifiers */

/* The chain that computed a named value (Const.origin). For a value with the name e, Origin resolves e.c1 and
 * weights=e. */
typedef struct Origin {
  const Scope *members; /* if the chain has exactly one block: the names in this block; else NULL */
  const char *layer;    /* the layer, block application or prefix with the value's name; or NULL */
  int blocks;           /* number of blocks in the chain */
} Origin;

/* ---- position of an expansion ---- */
struct Frame {
  Scope *scope;
  Naming *naming;
  const char *rounds; /* iterations of the enclosing repeats, up to the net or block: for example ".1.0" */
  const Site *site;
  bool net;  /* the position is directly in the net, where inputs, outputs, labels and train are permitted */
  int depth; /* nesting depth of blocks, repeats and branches */
};

typedef struct StmtResult {
  const Node *node;
  Ident name;
  Span span;
  const Site *site;
} StmtResult;

struct Sema {
  Arena *arena;
  Diags *diags;
  Sources *sources;
  const Ast *program;
  const SemaOptions *options;
  Graph *graph;
  VEC(Scope *) files; /* in the order of program->files */
  Table blocks;
  VEC(BlockDef *) block_list;
  Table layers;       /* maps the C name of a layer to its LayerName */
  Table applications; /* maps the full name of a block application to its LayerName */
  Table prefixes;     /* statement names that are prefixes of the names of several layers */
  Const current;      /* the current value; NONE before the first input */
  const Stmt *output, *labels, *train;
  int train_order;  /* the train block sees names of the net's scope up to this position */
  VEC(Span) damage; /* source ranges of syntax errors; errors that may follow from them are not reported */
  VEC(StmtResult) results; /* one per expanded chain, for warnings about unused values */
  Span clash;              /* position of the last reported name clash */
  const Call *applying;    /* the operator whose arguments are being bound */
  const Node *applied_to;  /* the input of that operator */
  bool no_input_reported;
  bool unknown_calls; /* unknown operators or blocks were called: perhaps these calls mean blocks that seem
                         unused */
  bool abstract;      /* a block is checked without an application: its arguments are unknown */
  bool stopped;       /* a limit was exceeded and reported */
  int64_t steps, napplications;
  double bytes, macs; /* bytes of all values and weights; multiply-adds of all layers */
};
bool damage_mentions(const Sema *, const char *name); /* whether the name follows a syntax error on the same
                                                         line */
/* Whether the parser reported an error between `start` and `end`, where a statement may be missing. */
bool damage_within(const Sema *, uint32_t file, uint32_t start, uint32_t end);
bool sema_step(Sema *, Span, const Site *); /* counts a step of the expansion; false after too many steps
                                               (reported once) or too many errors */

/* ---- constant values (value.c, constants.c, describe.c) ---- */
typedef struct Choices {
  const char *words; /* the words that an argument accepts: "valid same causal" for `pad` of conv; or NULL */
  const char *argument, *of;
  bool values; /* a value of the net is permitted */
} Choices;
extern const Choices choices_values; /* accepts values of the net; accepts no words */
Const expr_eval(Sema *, const Frame *, const Expr *,
                const Choices *); /* choices: words that are choices, not names; may be NULL */
Const path_eval(Sema *, const Frame *, const Expr *, bool quiet);
Const const_poison(Span);
Const const_int(Span, int64_t);
Const const_float(Span, double);
Const const_bool(Span, bool);
Const const_word(Span, const char *);
Const const_value(Span, Node *, const Origin *);
bool const_is_number(const Const *);
bool const_as_int(const Const *, int64_t *); /* accepts integers, and floats with an integral value */
Const arithmetic_unary(Sema *, const Frame *, const Expr *, Const);
Const arithmetic_binary(Sema *, const Frame *, const Expr *, Const, Const);
Const arithmetic_call(Sema *, const Frame *, const Expr *, int n, const Const *);
bool arithmetic_knows(const char *function);
const char *const_describe(Arena *, const Const *); /* for example "the string \"four\"", "2.5" or "a value of
                                                       the net" */
const char *path_text(Arena *, const Expr *, int from, int to); /* "a.b" */
const char *name_or_x(const Expr *); /* the expression if it is a name, otherwise "x" */
const char *words_join(Arena *, const char *words,
                       const char *last); /* "a b c" -> "a, b or c" with last = "or"; with "": "a, b, c" */
bool words_have(const char *words, const char *word);
const char *const *words_split(Arena *, const char *words); /* NULL-terminated */

/* ---- arguments (match.c, bind.c, convert.c) ---- */
typedef struct Matched { /* the argument for each parameter */
  const Argument **slot; /* [n]; NULL: the argument is not given */
  int nrest;
  const Argument *const *rest; /* positional arguments of the variadic parameter */
  bool ok;
} Matched;
/* The parameters `first` to `positional` - 1 accept positional arguments. Parameter `variadic` accepts all
 * remaining positional arguments; -1: there is none. */
Matched arguments_match(Sema *, const Frame *, const char *what, const char *kind, int n,
                        const char *const *names, int first, int positional, int variadic, const Arguments *);
void arguments_check(Sema *, const Frame *,
                     const Arguments *); /* reports errors in the arguments of an unknown call */

typedef struct Extras {
  const Argument *name, *precision, *weights, *frozen;
} Extras; /* extra arguments; layers without parameters accept only `name` and `precision` */
typedef struct Bound {
  Const *arg;
  bool ok;
  VEC(Node *) values;
} Bound; /* values: in order, the arguments that are values of the net (PARAM_VALUE, PARAM_OPERAND, lists) */
/* Binds arguments to parameters. Also accepts, by name, the first `nextras` of name, precision, weights and
 * frozen. */
Bound params_bind(Sema *, const Frame *, const char *what, const char *kind, const Param *, const Arguments *,
                  Span, int nextras, Extras *);
Const argument_bind(Sema *, const Frame *, const char *what, const Param *, const Expr *);
enum { EXTRAS = 4 };
extern const char *const extra_names[EXTRAS];
Bound form_bind(Sema *, const Frame *, const char *kind, const Form *, const Arguments *, Span);
Const param_convert(Sema *, const Frame *, const char *what, const Param *,
                    const Const *); /* poison after an error */
Const param_default(Sema *, const char *what, const Param *, const Param *table, const Const *bound);
Const init_eval(Sema *, const Frame *, const char *what, const Param *, const Expr *);
const char *init_words(Arena *);
const Form *form_find(const Form *const *table, const char *name);
const char *const *form_names(Arena *, const Form *const *table);
int params_count(const Param *);

void argument_drop(Diag *, const Arguments *, int which); /* adds a fix that removes the argument */

/* ---- words of other frameworks (foreign_names.c); name_meant is in sema.h ---- */
typedef enum AdviceKind {
  ADVICE_OPERATOR,
  ADVICE_ARGUMENT,
  ADVICE_LOSS,
  ADVICE_AUGMENT,
  ADVICE_SETTING
} AdviceKind;
/* Advice about a foreign word, or NULL. *drop: whether the fix is to remove the argument. */
const char *name_advice(Arena *, AdviceKind, const char *word, bool *drop);
/* Like name_meant, but if there is advice about the word, similar names are not considered. */
const char *name_meant_as(Arena *, AdviceKind, const char *word, const char *const *names);
/* Adds "did you mean". The hint has a fix if the word is another spelling or a misspelling of `meant`, or if
 * the table of foreign names translates it to `meant`. Otherwise the hint has no fix, for example if
 * the word is center_crop and `meant` is crop. */
void name_suggest(Arena *, Diag *, Span, const char *word, const char *meant);
/* Whether the word is one of `words`, in any spelling. */
bool name_is(Arena *, const char *word, const char *words);
/* Position of the number of input channels among the arguments of a PyTorch class, or -1. */
int torch_channels_argument(const char *word, const Arguments *);

/* ---- expansion (expand.c, block.c, layer.c, shared.c) ---- */
typedef struct Made {
  Const value;
  const char *name;
  const Scope *members;
} Made; /* name: full name of the layer or block; members: names in the block */
void body_expand(Sema *, const Frame *, const Body *);
Made layer_make(Sema *, const Frame *, const Op *, const Call *, const Const *value, CallName);
Made block_apply(Sema *, const Frame *, BlockDef *, const Call *, const Const *value, CallName);
Const value_poison(Sema *, Span); /* a value of the net with a poison shape */
bool flag_eval(Sema *, const Frame *, const char *what, const Argument *frozen);
Precision precision_eval(Sema *, const Frame *, const char *what, const Argument *precision);
/* The layer (or, if `block`, the application of a block) that weights= names. NULL after an error, or if the
 * name's value is poison. */
const LayerName *share_find(Sema *, const Frame *, const char *what, const Argument *weights, bool block);
void blocks_find_cycles(Sema *);
void blocks_check(Sema *); /* checks blocks that were not expanded */

/* ---- the net (net_block.c, labels.c, train_block.c, loss.c, warn.c) ---- */
void input_make(Sema *, const Frame *, const Stmt *);
void output_make(Sema *, const Frame *, const Stmt *);
void labels_read(Sema *, const Frame *, const Stmt *);
void labels_check(Sema *);
void net_build(Sema *, const Scope *file, int order, const NetDecl *);
void train_read(Sema *, const Frame *, const Stmt *);
void losses_read(Sema *, const Frame *, const Expr *, Training *);
void warn_unused_values(Sema *);
void check_states(Sema *);
void check_front_end(Sema *);              /* called after the train block is read */
bool stops_training(Sema *, const Node *); /* whether the node is an audio front end after a trained layer: an
                                              error that check_front_end reports */
void warn_unused_blocks(Sema *, const NetDecl *);
void warn_softmax(Sema *, const Node *);
void warn_clipped_scores(Sema *);

/* ---- legal but suspicious numbers (lint.c) ---- */
void lint_input(Sema *, const Stmt *, Shape);
bool lint_order(Sema *, const Node *, const Call *); /* returns whether it has printed a warning */
void lint_shared(Sema *, const Node *, const Call *, const Node *owner);
void lint_training(Sema *, const Training *);
#endif
