/* context.h: State of an elaboration, shared by the files of sema/: its scopes and frames. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SEMA_CONTEXT_H
#define CNNC_SEMA_CONTEXT_H
#include "base/table.h"
#include "base/text.h"
#include "graph/op.h"
#include "sema/sema.h"

typedef struct Sema Sema;
typedef struct Frame Frame;

/* ---- scopes: which names are visible (scope.c) ---- */
typedef enum EntryKind { ENTRY_CONST, ENTRY_PARAMETER, ENTRY_VALUE, ENTRY_INPUT, ENTRY_ROUND } EntryKind;
typedef struct Entry {
  const char *name;
  Span span;
  EntryKind kind;
  int order;   /* position in its scope; in a file, the number of its declaration */
  bool hidden; /* defined in a branch that may not be taken */
  Const value;
} Entry;
typedef struct Scope { /* a file, the net, one application of a block, one round of a repeat */
  const struct Scope *outer;
  int limit; /* only entries of the outer scope with a smaller order are visible */
  Table table;
  VEC(Entry *) entries;
  const File *file;
  const Body *body;
  const Block *block; /* for hints on definitions below the use */
  Const in;           /* `in`; NONE in a file */
  bool damaged;       /* a statement above has a syntax error: it may have defined the missing name */
} Scope;
Scope *scope_new(Sema *, const Scope *outer, const Body *);
const Entry *scope_find(const Scope *, const char *name); /* visible from here, or NULL */
void scope_define(Sema *, Scope *, EntryKind, Ident, Const,
                  const Site *);                /* reports reserved names and redefinitions */
const Const *scope_in(const Scope *);           /* `in`, here */
void name_report(Sema *, const Frame *, Ident); /* an unknown name: reports why it is not visible, and
                                                   suggests others */
bool name_defined_below(const Scope *, Ident);
const char *const *names_visible(Sema *, const Scope *); /* NULL-terminated */
bool name_is_reserved(const char *name);                 /* an operator, implemented or not */

/* ---- blocks of all files ---- */
typedef struct BlockDef {
  const Block *block;
  const Scope *file;
  int order;             /* the constants above it are visible */
  bool in_main, applied; /* applied: its body was expanded */
  bool active;           /* being expanded now */
  bool used;             /* reachable from the net */
  bool broken;           /* recursive: reported once */
  int color, height;     /* for the search for cycles; nesting depth of its blocks */
} BlockDef;

/* ---- naming: where layers are counted (layer_names.c) ---- */
typedef struct Count {
  const void *what;
  int64_t n;
} Count;
typedef struct Naming { /* the net, one application of a block, or the prefix that a statement gives to a
                           chain */
  const char *prefix;   /* "", "stage2.", "c1." */
  const char *share;    /* weights= of a block: the prefix of the layers whose parameters these layers share;
                           or NULL */
  Span share_span;
  bool frozen; /* frozen=true of a block */
  Precision precision;
  bool muted; /* its name clashes, which was reported */
  VEC(Count) counts;
} Naming;
typedef struct LayerName {
  const char *full;
  Node *node;
  const BlockDef *block;
  Span span;
  const Site *site;
} LayerName; /* node, or an application of block */
typedef struct CallName {
  const char *assigned;
  Naming *naming;
} CallName; /* the statement's name if this layer gets it; else NULL, and counted in naming */
Naming *naming_inner(Sema *, const Naming *, const char *name); /* with that name appended to the prefix */
const char *naming_name(Sema *, const Frame *, CallName, const char *what, const void *key,
                        const Argument *given, const char **share); /* name of an application of `what`;
                                                                       share: the layer's counterpart */
bool naming_add(Sema *, const Naming *, LayerName);                 /* false: it clashes, which is reported */
const LayerName *naming_find(const Sema *, const char *full);
void names_check(Sema *); /* checks ports, weights and net as C names */

/* Meaning of a value's name besides the value itself: e.c1, weights=e. (Const.origin) */
typedef struct Origin {
  const Scope *members; /* names in the block of the chain, if it has exactly one; else NULL */
  const char *layer;    /* the layer, block application or prefix with that name; or NULL */
  int blocks;           /* number of blocks in the chain */
} Origin;

/* ---- where an expansion stands ---- */
struct Frame {
  Scope *scope;
  Naming *naming;
  const char *rounds; /* ".1.0": iterations of the enclosing repeats, up to the net or block */
  const Site *site;
  bool net;  /* directly in the net: inputs, outputs, labels and train are permitted here */
  int depth; /* of blocks */
};

typedef struct Ending {
  const Node *node;
  Ident name;
  Span span;
  const Site *site;
} Ending; /* result of a statement */

struct Sema {
  Arena *arena;
  Diags *diags;
  Sources *sources;
  const Ast *program;
  const SemaOptions *options;
  Graph *graph;
  VEC(Scope *) files; /* like program->files */
  Table blocks;
  VEC(BlockDef *) block_list;
  Table layers;       /* by C name: LayerName */
  Table applications; /* by name: LayerName */
  Table prefixes;     /* names that statements gave to several layers */
  Const current;      /* the current value; NONE before the first input */
  const Stmt *output, *labels, *train;
  int train_order;        /* the train block sees names of the net's scope up to here */
  VEC(Span) damage;       /* damaged source ranges: suppresses errors that may follow from them */
  VEC(Ending) endings;    /* per statement, for unused values */
  Span clash;             /* position of the last reported name clash */
  const Call *applying;   /* the operator whose arguments are being bound */
  const Node *applied_to; /* and its input */
  bool no_input_reported;
  bool unknown_calls; /* of operators or blocks: values that seem unused may be meant there */
  bool abstract; /* a block is checked on its own: arguments are unknown, blocks in it are not expanded */
  bool stopped;  /* a limit was exceeded and reported */
  int64_t steps, napplications;
  double bytes, macs; /* of all values and weights; multiply-adds of all layers */
};
bool damage_mentions(const Sema *, const char *name); /* does a damaged line contain this word? */
bool damage_within(const Sema *, uint32_t file, uint32_t start,
                   uint32_t end); /* an error was reported there before sema_build: a statement is missing */
bool sema_step(Sema *, Span, const Site *); /* counts work; false above the limit, which is reported once */

/* ---- constant values (value.c, constants.c, describe.c) ---- */
typedef struct Choices {
  const char *words, *argument, *of;
} Choices; /* "valid same causal", for the argument `pad` of conv */
Const expr_eval(Sema *, const Frame *, const Expr *,
                const Choices *); /* choices: bare words that are not names; may be NULL */
Const path_eval(Sema *, const Frame *, const Expr *, bool quiet);
Const const_poison(Span);
Const const_int(Span, int64_t);
Const const_float(Span, double);
Const const_bool(Span, bool);
Const const_word(Span, const char *);
Const const_value(Span, Node *, const Origin *);
bool const_is_number(const Const *);
bool const_as_int(const Const *, int64_t *); /* integers, and floats with an integral value */
Const arithmetic_unary(Sema *, const Frame *, const Expr *, Const);
Const arithmetic_binary(Sema *, const Frame *, const Expr *, Const, Const);
Const arithmetic_call(Sema *, const Frame *, const Expr *, int n, const Const *);
bool arithmetic_knows(const char *function);
const char *const_describe(Arena *, const Const *); /* "the string \"four\"", "2.5", "a value of the net" */
const char *path_text(Arena *, const Expr *, int from, int to); /* "a.b" */
const char *name_or_x(const Expr *);                            /* the expression, if it is a name */
const char *words_join(Arena *, const char *words,
                       const char *last); /* "a b c" -> "a, b or c" with last = "or"; with "": "a, b, c" */
bool words_have(const char *words, const char *word);
const char *const *words_split(Arena *, const char *words); /* NULL-terminated */

/* ---- arguments (match.c, bind.c, convert.c) ---- */
typedef struct Matched { /* assignment of arguments to parameters */
  const Argument **slot; /* n, NULL where not given */
  int nrest;
  const Argument *const *rest; /* positional arguments of the variadic parameter */
  bool ok;
} Matched;
/* Of the n names those from `first` to `positional` accept positional arguments; `variadic` (or -1) takes
 * all remaining ones. */
Matched arguments_match(Sema *, const Frame *, const char *what, const char *kind, int n,
                        const char *const *names, int first, int positional, int variadic, const Arguments *);
void arguments_check(Sema *, const Frame *,
                     const Arguments *); /* of an unknown call: names must still exist */

typedef struct Extras {
  const Argument *name, *precision, *weights, *frozen;
} Extras; /* arguments common to all layers and block applications */
typedef struct Bound {
  Const *arg;
  bool ok;
  VEC(Node *) values;
} Bound; /* values: PARAM_VALUE and the like, in order */
/* The first `nextras` of name, precision, weights and frozen are accepted, too, by name only. */
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

void argument_drop(Diag *, const Arguments *, int which); /* removal of the argument, as a fix */

/* ---- words of other frameworks (foreign_names.c); name_meant is in sema.h ---- */
typedef enum AdviceKind {
  ADVICE_OPERATOR,
  ADVICE_ARGUMENT,
  ADVICE_LOSS,
  ADVICE_AUGMENT,
  ADVICE_SETTING
} AdviceKind;
/* or NULL. drop: the fix is to remove the argument. */
const char *name_advice(Arena *, AdviceKind, const char *word, bool *drop);
/* name_meant, or advice where there is some, instead of a similar name. */
const char *name_meant_as(Arena *, AdviceKind, const char *word, const char *const *names);
/* "did you mean", with a fix only for another spelling or a name in the table: not where words or digits
 * are added or removed, as in center_crop and c3. */
void name_suggest(Arena *, Diag *, Span, const char *word, const char *meant);
/* Is it one of these words, in any spelling? */
bool name_is(Arena *, const char *word, const char *words);
/* Position of the incoming channels among the arguments of a PyTorch class, or -1. */
int torch_channels_argument(const char *word, const Arguments *);

/* ---- expansion (expand.c, block.c, layer.c, shared.c) ---- */
typedef struct Made {
  Const value;
  const char *name;
  const Scope *members;
} Made; /* of a layer or block: its full name; names in the block */
void body_expand(Sema *, const Frame *, const Body *);
Made layer_make(Sema *, const Frame *, const Op *, const Call *, const Const *value, CallName);
Made block_apply(Sema *, const Frame *, BlockDef *, const Call *, const Const *value, CallName);
Const value_poison(Sema *, Span); /* a value of the net with a poison shape */
bool flag_eval(Sema *, const Frame *, const char *what, const Argument *frozen);
Precision precision_eval(Sema *, const Frame *, const char *what, const Argument *precision);
/* The layer or block that weights= names; NULL after an error, or if it is poison. `block`: expects the
 * application of a block. */
const LayerName *share_find(Sema *, const Frame *, const char *what, const Argument *weights, bool block);
void blocks_find_cycles(Sema *);
void blocks_check(Sema *); /* those that were not expanded, on their own */

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
void check_front_end(Sema *); /* after the train block */
void warn_unused_blocks(Sema *, const NetDecl *);
void warn_softmax(Sema *, const Node *);

/* ---- legal, and hardly meant (lint.c) ---- */
void doubt_input(Sema *, const Stmt *, Shape);
bool doubt_order(Sema *, const Node *, const Call *); /* is there a warning? */
void doubt_training(Sema *, const Training *);
#endif
