/* nest_print.h: Printer of one C function of a nest: nest_values.c prints operands; nest_statements.c,
 * nest_joined.c, nest_tiles.c and nest_words.c print statements; nest.c prints whole functions. Private to
 * these files and to acsl.c, which prints annotations. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EMIT_NEST_PRINT_H
#define CNNC_EMIT_NEST_PRINT_H
#include "nest/code.h"
#include "emit/nest.h"

typedef struct Printer {
  Text *out;
  Arena *arena;
  const Nest *nest;
  const NestPrint *print;
  Instances *plan;
  const Instance *instance;
  Known known;
  const Used *used;
  const char *slot_name[SLOTS], **buf_name; /* slot_name: indexed by slot; buf_name: by buffer id */
  bool *mentioned;                          /* by buffer id: whether the buffer's name is in the text */
  Words taken;                              /* names already used in this C function */
  bool team;                                /* all threads of a team run the statements being printed */
  bool waits;                               /* the function has barriers for a team */
  const char **parameter; /* in a merged function: the names of the parameters that replace numbers */
  bool *found;            /* by index in `merged`: whether this number was printed */
} Printer;

#define put(...) text_put(p->out, __VA_ARGS__)

/* Precedence of C's operators, lowest first: a value is parenthesized if its context requires a higher
 * precedence. */
enum { CHOICE, COMPARISON, SUM, PRODUCT, UNARY, PRIMARY };

const char *printer_name(
    Printer *,
    const char *wanted); /* returns a name that is not yet used in the function, and marks it as used */
const char *printer_buf(Printer *, const Buf *);    /* returns the buffer's name and marks it as used */
Index printer_fold(const Printer *, const Index *); /* replaces the function's constant parameters by their
                                                       values */
/* Whether one Helium instruction loads bytes and widens them to `number`, or narrows `number` and stores
 * bytes. */
bool printer_bytes_at_once(const Printer *, const Buf *, Elem number, int lanes);
/* These functions return names of functions and types of the prelude, and mark the names as used. */
const char *printer_function(Printer *, PreludeFn, Elem, int lanes);
const char *printer_type(Printer *, Elem, int lanes);
const char *printer_memory_type(Printer *, Elem, int lanes); /* the type of unaligned vectors */

bool negative(Val); /* whether the value is a negative number */
void print_index(Printer *, const Index *);
bool print_flat(Printer *, const Buf *,
                const Index *at); /* false: nothing was printed, because all indices are zero */
void print_ref(Printer *, const Ref *);
void print_cond(Printer *, const Cond *);
void print_number(Printer *, Elem, double);
void print_value(Printer *, Val, int precedence);
void print_wide(Printer *, Val,
                int lanes); /* prints an explicit broadcast where C does not broadcast implicitly */

/* Whether a team that runs these statements needs barriers between them. */
bool print_waits(Printer *, const NestStmt *);
void print_body(Printer *, const NestStmt *, int depth);
void print_tiled(Printer *, const NestStmt *, int depth); /* nest_tiles.c: prints a TILED loop */
/* Prints a call that configures the tile registers (begin) or releases them. */
void print_tile_shape(Printer *, bool begin);
void print_limit(Printer *, int n, const Index *bound,
                 bool low); /* low: the largest lower bound; otherwise the smallest upper bound */
/* acsl.c: prints the annotation of a loop, if there is one, and the indentation of the line after it.
 * end: the variable with the upper limit of v, or NULL. */
void print_loop_annotation(Printer *, const NestStmt *loop, int depth, const char *v, const char *end);
void print_joined_loops(Printer *, const NestStmt *,
                        int depth); /* prints the loop and the joined loops inside it as one loop */
/* nest_words.c: prints n statements as one load of n words (2 or WORDS_AT_ONCE). The statements give names to
 * adjacent words of an array. LOAD4 advances the pointer *next, so that the words that follow need no
 * address. If *next is NULL, the pointer is declared first. */
void print_words(Printer *, const NestStmt *const *, int n, const char **next, int depth);
/* Prints (a, b, c) in lines of at most WIDTH columns. The text before the list, in the same line, begins
 * with `margin` blanks and ends at `column`. */
void print_list(Printer *, size_t margin, size_t column, const Words *);
#endif
