/* int8.h: schedules of 8 bits for CPUs that multiply two pairs of 16 bits at once (target->halves). Each
 * needs facts about the numbers that can occur, which follow from the weights; a schedule whose facts do not
 * hold says so, and the operator's own loops are taken. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SCHEDULE_INT8_H
#define CNNC_SCHEDULE_INT8_H
#include "ops/int8/int8.h"

bool schedule_int8(Lower *); /* int8.c: any of them; false: none, nothing is built */
bool schedule_int8_direct(Lower *);
const char *int8_direct_refused(const Lower *); /* why it cannot be done that way; NULL: it can */
bool schedule_int8_winograd(Lower *);
const char *int8_winograd_refused(const Lower *);
bool schedule_int8_depthwise(Lower *);
const char *int8_depthwise_refused(const Lower *);
bool schedule_int8_sum(Lower *); /* of two values */
const char *int8_sum_refused(const Lower *);

/* ---- int8_finish.c ---- */
/* What is known of a filter from its weights, for every input there can be. Padding is 0. */
typedef struct Int8Filter {
  int64_t lo, hi; /* its sum with the bias lies between them; both 0 where it is constant */
  bool constant;  /* what it stores is always `value`, by a quick finish; its weights do not matter */
  int32_t value;
} Int8Filter;
const Int8Filter *int8_filters(Arena *, const Node *product);

/* How the sums of a layer become 8 bits. */
typedef struct Int8Finish {
  Rounding rounding;
  Stored stored;
  bool doubled; /* sums come twice as large, which the upper half of the product wants: quick and double */
  bool quick;   /* in 32 bits: a product's upper half, a shift */
  Buf *factor, *plus, *shift; /* by filter. quick: plus holds the rounding and the zero. Else shift is the
                                 exponent of the factor; NULL where floats round */
} Int8Finish;
/* Makes its constants. */
Int8Finish int8_finish(Lower *, int64_t filters, const Int8Filter *);
Val int8_cut(Nest *, Val q, Stored); /* to what can be stored */
/* What is stored for filter f. */
Val int8_finished(Lower *, const Int8Finish *, Val sum, const Ix *f);

#endif
