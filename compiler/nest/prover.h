/* prover.h: State of a proof during its walk over a nest (explained in prove.c). Private to prove*.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_PROVER_H
#define CNNC_NEST_PROVER_H
#include "nest/nest.h"

enum { VARS = 24, GUARDS = 32 };
#define UNKNOWN (-(INT64_C(1) << 61)) /* no known lower bound */

typedef struct Lin {
  int64_t c, k[VARS], bad;
} Lin; /* bad: an int64 overflow occurred */
typedef struct Var {
  int nlo, nhi;
  Lin lo[BOUNDS], hi[BOUNDS];
  const char *name;
  bool chosen;
} Var; /* hi: inclusive; chosen: the variable has one unknown value in the range, and the body runs once */
typedef struct ProofEnv {
  Lin slot[SLOTS];
  int64_t size[SLOTS];
} ProofEnv; /* size: by slot, the largest absolute value of the slot's variable */
typedef struct WrittenBox {
  const Buf *buf;
  int64_t clip_lo[DIMS], clip_hi[DIMS];
  Lin lo[DIMS], hi[DIMS], end;
  bool ends;
} WrittenBox; /* a box is the set of elements that were written: those with lo <= i <= hi and clip_lo <= i <
                 clip_hi in each dimension and, if `ends`, i < end in the first dimension. `end` depends only
                 on size parameters */
typedef struct Access {
  const Buf *buf;
  bool write, aside;
  Lin lo[DIMS], hi[DIMS];
  int64_t step[DIMS], width[DIMS];
} Access; /* aside: the access is in the other branch of the current IF. step, width: along a dimension, the
             access touches only the elements lo + k*step + i up to hi, with k >= 0 and 0 <= i < width. step
             0: only k = 0. width 0: the width is unknown */

/* The proof that a result may overlap an operand (prove_overlap.c). */
typedef struct OverlapProof {
  const Buf *operand, *result;
  bool by_pixel; /* positions are in pixels, not in bytes, and channels are independent */
  int64_t most;  /* the maximum offset of the result from the operand, in bytes or pixels */
} OverlapProof;

typedef struct Prover {
  const Nest *nest;
  OverlapProof *overlap; /* NULL: no overlap is requested */
  Proof *proof;
  Arena *arena; /* scratch */
  int nvars, nguards, fuel;
  int level; /* boxes from index `level` on were written in the innermost open loop or branch; only these may
                merge */
  int parallel; /* number of open parallel loops */
  int chosen;   /* number of data-dependent indices in scope */
  int depth;    /* number of open blocks */
  int *home;    /* by buffer id: number of open parallel loops at its declaration */
  int *block;   /* by buffer id: number of open blocks at its declaration */
  Var var[VARS];
  Lin guard[GUARDS]; /* the conditions that hold at the current statement, in the form guard >= 0 */
  VEC(WrittenBox) boxes;
  VEC(Access) accesses;
} Prover;

/* ---- affine arithmetic and bounds: prove.c ---- */
Lin lin_add(Lin a, const Lin *b, int64_t k); /* a + k*b */
Lin lin_plus(Lin a, int64_t c);
bool lin_equal(const Lin *a, const Lin *b);
bool lin_constant(const Lin *);
Lin lin_of(const ProofEnv *, const Index *);

int64_t prover_low(Prover *, const Lin *); /* a lower bound; at most UNKNOWN: no bound was found */
int64_t prover_high(Prover *, const Lin *);
int64_t prover_low_of_difference(Prover *, const Lin *a, const Lin *b); /* lower bound of a - b */
bool prover_one_round(const Var *); /* whether the variable has a single value */
/* Whether the Lin depends on a data-dependent index, directly or through a bound of a loop. */
bool prover_chosen(const Prover *, const Lin *);
/* Makes the proof fail for a reason, `what`; only the first reason is kept as the error. d: the dimension of
 * buf in which lo..hi is out of bounds, or -1. */
void prover_fail(Prover *, const char *what, const Buf *buf, int d, int64_t lo, int64_t hi);

/* Checks that an index, and every partial sum of its terms, fits in 31 bits, because indices are printed as
 * ints. */
void prover_check_magnitude(Prover *, const ProofEnv *, const Index *, const Buf *);

/* ---- written boxes and accesses: prove_accesses.c ---- */
void prover_add_box(Prover *, WrittenBox);
bool prover_written(Prover *, const Buf *, const Lin *lo, const Lin *hi);
void prover_forget(Prover *, const Buf *);    /* a local buffer begins a new lifetime */
void prover_leave_block(Prover *, int first); /* at the end of a block: drops the boxes of its local buffers;
                                                 these boxes all have an index of at least `first` */
void prover_close_boxes(Prover *, int first,
                        int v); /* at the end of the loop over v: widens the boxes that its body wrote */

void prover_check(Prover *, const ProofEnv *, const Ref *, int lanes,
                  bool write);                              /* checks one load or store */
void prover_check_whole(Prover *, const Buf *, bool write); /* checks an access to all of a buffer */
/* Checks that iterations of loop t do not conflict, whatever their order. In a parallel loop, no other
 * iteration may touch an element that one iteration writes. In other loops, no iteration may overwrite an
 * element of an OVER buffer that another iteration reads. */
void prover_check_rounds(Prover *, int first, int t, bool parallel);
void prover_close_accesses(Prover *, int first,
                           int v); /* at the end of the loop over v: forgets v and drops duplicate accesses */
void prover_leave_parallel(Prover *, int first); /* drops accesses that matter only in parallel loops; keeps
                                                    those to OVER buffers, and to the operand and result of an
                                                    overlap proof */
bool prover_apart(Prover *, const Lin *hi, const Lin *lo,
                  int t); /* whether hi in an iteration of loop t is below lo in each later iteration */

bool prover_walk(Nest *, Proof *, OverlapProof *); /* does the work of nest_prove and nest_overlap; overlap:
                                                      NULL if no overlap is requested */

/* ---- results that overlap operands: prove_overlap.c ---- */
void prover_overlap_load(
    Prover *, const Lin *lo,
    const Lin *hi); /* bounds the overlap for a load of the operand, given earlier stores */
void prover_overlap_rounds(Prover *, int first,
                           int t); /* bounds the overlap for loads in later iterations of loop t */
void prover_overlap_routine(Prover *,
                            const NestStmt *); /* allows no overlap, because runtime functions use restrict */
#endif
