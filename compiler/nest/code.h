/* code.h: The C function of an instance: statements, loop bounds, conditions and references, with the
 * constants of the instance. The printer prints these contents, and function keys (key.c) are computed from
 * the same contents, so functions with equal keys differ only in names.
 *
 * A number in the code has an address: the index, value or buffer that contains it, and its position there.
 * Functions that differ only in numbers can be merged: these numbers become parameters, and the printer finds
 * the parameter of a number by the number's address. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_CODE_H
#define CNNC_NEST_CODE_H
#include "nest/instance.h"

typedef VEC(const NestStmt *) Stmts;

/* Adds those statements of a body that are printed. A branch whose condition is known is replaced by the side
 * that runs. Dead statements and empty loops and branches are dropped, and so are pins, unless they are
 * requested. */
void code_statements(Arena *, const Instance *, const NestStmt *body, bool pins, Stmts *);

/* Stores the bounds that must be printed for one side of a loop, and returns their number. low: the lower
 * bounds, of which the largest counts; otherwise the upper bounds, of which the smallest counts. */
int code_limit(const Known *, int n, const Index *bound, bool low, const Index *limit[BOUNDS]);

/* Form of a range test in a condition. */
typedef enum RangeForm {
  RANGE_SETTLED, /* no test is printed: the range's result is known */
  RANGE_NO_FLAG, /* !flag */
  RANGE_FLAG,    /* flag */
  RANGE_IS,      /* e == lo */
  RANGE_BELOW,   /* e < hi */
  RANGE_FROM,    /* e >= lo */
  RANGE_WITHIN   /* lo <= e && e < hi */
} RangeForm;
RangeForm code_range(const Instance *, const Range *);

/* A dimension of a reference to an array that is printed as a flat array. Dimensions with index 0 are
 * omitted. */
typedef struct FlatTerm {
  const Index *at;
  int64_t stride; /* in elements */
} FlatTerm;
int code_flat(const Known *, const Buf *, const Index *at, FlatTerm term[DIMS]);
Index code_in_view(const Known *, const Ref *); /* distance from the view's start, in elements */

bool code_is_flat(const Buf *); /* whether the buffer's pointer points to elements, not to arrays */
bool code_is_variable(
    const Buf *); /* whether registers are a single variable in C, regardless of their dimensions */
bool code_adds(const NestStmt *); /* whether a store is printed as += */
/* The reference from which the statement loads one 32-bit word into a new name; or NULL. */
const Ref *code_named_word(const NestStmt *);
/* The number of statements at the start of the list that are printed as one load, because they load adjacent
 * words of an array into new names: 4, 2 or 1. */
enum { WORDS_AT_ONCE = 4 };
int code_words_at_once(const NestStmt *const *list, int n);
/* Whether the word that the statement loads is WORDS_AT_ONCE words after the word that `before` loads. */
bool code_continues(const NestStmt *before, const NestStmt *);

/* ---- numbers ---- */
/* Position of a number in an index, range, value or buffer: 0 is the constant of an index, or the
 * number of a NUM; 1 .. SLOTS - 1 are the coefficients of the slots; the other positions are listed here. */
enum { NUMBER_STRIDE = SLOTS, NUMBER_LOW, NUMBER_HIGH, NUMBER_ELEMENTS };
typedef struct CodeNumber {
  const void *of;
  int which;
  int64_t value; /* the number as printed: its absolute value if a minus sign is printed before it */
  int parameter; /* merged functions: index (from 1) of the parameter that replaces the number; 0: none */
} CodeNumber;
typedef VEC(CodeNumber) CodeNumbers;

/* The key of an instance's C function. Called functions are identified by Instance.code. code_key includes
 * all numbers. code_key_without_numbers leaves out numbers that may become parameters: it appends them to the
 * last argument, in the order in which the code contains them. pairs: the target loads two adjacent words at
 * a time. */
const Key *code_key(Arena *, Instances *, const Instance *, bool team);
const Key *code_key_without_numbers(Arena *, Instances *, const Instance *, bool pairs, CodeNumbers *);
#endif
