/* code.h: The C function of an instance: its statements, limits, conditions and references, with the
 * constants of the instance. The printer prints them and function keys (key.c) are computed from them, so
 * that functions with equal keys print identically.
 *
 * A number in the code has an address: the index, value or buffer that contains it, and its position
 * there. Functions that differ in numbers only can be merged: the numbers become parameters, and the
 * printer finds the parameter by the address. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_CODE_H
#define CNNC_NEST_CODE_H
#include "nest/instance.h"

typedef VEC(const NestStmt *) Stmts;

/* Adds the statements of a body that are printed: settled branches are resolved and dead statements
 * dropped; so are pins, unless requested. */
void code_statements(Arena *, const Instance *, const NestStmt *body, bool pins, Stmts *);

/* The relevant bounds of a loop: one, or two of which the larger (low) or the smaller applies. */
int code_limit(const Known *, int n, const Index *bound, bool low, const Index *limit[BOUNDS]);

/* Form of a range test in a condition. */
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

/* A dimension of a reference to an array that is printed as a flat row of elements. Dimensions with index
 * 0 are omitted. */
typedef struct FlatTerm {
  const Index *at;
  int64_t stride; /* elements */
} FlatTerm;
int code_flat(const Known *, const Buf *, const Index *at, FlatTerm term[DIMS]);
Index code_in_view(const Known *, const Ref *); /* the referenced element, relative to the view's position */

bool code_is_flat(const Buf *);               /* whether its pointer is to elements, not to arrays */
bool code_is_variable(const Buf *);           /* registers: a single variable, whatever the dimensions */
bool code_adds(const NestStmt *);             /* a store that is printed as += */
const Ref *code_named_word(const NestStmt *); /* the 32-bit array element that it names; or NULL */
bool code_neighbors(const NestStmt *,
                    const NestStmt *next); /* whether they name adjacent elements of an array */

/* ---- numbers ---- */
/* Position of a number in an index, range, value or buffer: 0: the index's constant, the number of a
 * value; from 1 on: the coefficient of a slot; */
enum { NUMBER_STRIDE = SLOTS, NUMBER_LOW, NUMBER_HIGH, NUMBER_ELEMENTS };
typedef struct CodeNumber {
  const void *of;
  int which;
  int64_t value; /* as printed: after a minus, without its sign */
  int parameter; /* merged functions: the parameter that replaces it, from 1 on; 0: none */
} CodeNumber;
typedef VEC(CodeNumber) CodeNumbers;

/* The key of an instance's C function. Its callees are identified by their `code`. numbers: the key
 * excludes numbers that may be parameters, and they are added here in key order; NULL: the key includes
 * all. pairs: the target loads two adjacent words at a time. */
const Key *code_key(Arena *, Instances *, const Instance *, bool team);
const Key *code_key_without_numbers(Arena *, Instances *, const Instance *, bool pairs, CodeNumbers *);
#endif
