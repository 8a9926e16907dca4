/* code.h: what the C function of an instance consists of: its statements, limits, conditions and references,
 * with the constants of the instance. The printer prints these, and keys of functions (key.c) are made of
 * them, so that functions with equal keys are printed alike.
 *
 * A number in the code has an address: the index, value or buffer that it is in, and which of its numbers it
 * is. Functions that differ in numbers alone can be merged: those numbers are parameters then, and the
 * printer finds by the address which one. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_CODE_H
#define CNNC_NEST_CODE_H
#include "nest/instance.h"

typedef VEC(const NestStmt *) Stmts;

/* Adds the statements of a body that are printed: settled branches are resolved, and what nobody needs is
 * left out; so are pins, unless they are wanted. */
void code_statements(Arena *, const Instance *, const NestStmt *body, bool pins, Stmts *);

/* The bounds of a loop that matter: one, or two of which the larger (low) or the smaller counts. */
int code_limit(const Known *, int n, const Index *bound, bool low, const Index *limit[BOUNDS]);

/* How a range of a condition is tested. */
typedef enum RangeForm {
  RANGE_SETTLED, /* not at all */
  RANGE_NO_FLAG,
  RANGE_FLAG,
  RANGE_IS,    /* e == lo */
  RANGE_BELOW, /* e < hi */
  RANGE_FROM,  /* e >= lo */
  RANGE_WITHIN /* lo <= e && e < hi */
} RangeForm;
RangeForm code_range(const Instance *, const Range *);

/* A dimension of a reference to an array that is seen as a row of elements. Dimensions whose index is 0 have
 * none. */
typedef struct FlatTerm {
  const Index *at;
  int64_t stride; /* elements */
} FlatTerm;
int code_flat(const Known *, const Buf *, const Index *at, FlatTerm term[DIMS]);
Index code_in_view(const Known *, const Ref *); /* the element that it is, relative to the view's position */

bool code_is_flat(const Buf *);               /* its pointer is to elements, not to arrays */
bool code_is_variable(const Buf *);           /* registers: one, whatever the dimensions */
bool code_adds(const NestStmt *);             /* a store that is printed as += */
const Ref *code_named_word(const NestStmt *); /* the array's element of 32 bits that it names; or NULL */
bool code_neighbors(const NestStmt *, const NestStmt *next); /* they name neighbors of an array */

/* ---- numbers ---- */
/* Which of the numbers of an index, range, value or buffer: 0: the index's constant, the number of a value;
 * from 1 on: the coefficient of a slot; */
enum { NUMBER_STRIDE = SLOTS, NUMBER_LOW, NUMBER_HIGH, NUMBER_ELEMENTS };
typedef struct CodeNumber {
  const void *of;
  int which;
  int64_t value; /* as it is printed: behind a minus, without its sign */
  int parameter; /* of a merged function: which one takes its place, from 1 on; 0: none */
} CodeNumber;
typedef VEC(CodeNumber) CodeNumbers;

/* The key of an instance's C function. The functions that it calls are known by their `code`. numbers: NULL,
 * or the key has no numbers that may be parameters, and they are added here, in the order of the key; pairs:
 * the target loads two neighbors at once. */
const Key *code_key(Arena *, Instances *, const Instance *, bool team);
const Key *code_key_without_numbers(Arena *, Instances *, const Instance *, bool pairs, CodeNumbers *);
#endif
