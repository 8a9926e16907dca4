/* prover.h: State of a proof during its walk over a nest (explained in prove.c). Private to prove*.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_PROVER_H
#define CNNC_NEST_PROVER_H
#include "nest/nest.h"

enum { VARS = 24, GUARDS = 32 };
#define UNKNOWN (-(INT64_C(1) << 61)) /* no known lower bound */

typedef struct Lin {
  int64_t c, k[VARS], bad;
} Lin; /* bad: it exceeds int64 */
typedef struct Var {
  int nlo, nhi;
  Lin lo[BOUNDS], hi[BOUNDS];
  const char *name;
  bool chosen;
} Var; /* hi: inclusive; chosen: one number of the range, and the body runs once */
typedef struct ProofEnv {
  Lin slot[SLOTS];
  int64_t size[SLOTS];
} ProofEnv; /* size: the largest magnitude of the slot */
typedef struct WrittenBox {
  const Buf *buf;
  int64_t clip_lo[DIMS], clip_hi[DIMS];
  Lin lo[DIMS], hi[DIMS], end;
  bool ends;
} WrittenBox; /* written where also clip_lo <= i < clip_hi, and, if it ends, i < end along the first
                 dimension; end depends on size parameters only */
typedef struct Access {
  const Buf *buf;
  bool write, aside;
  Lin lo[DIMS], hi[DIMS];
  int64_t step[DIMS], width[DIMS];
} Access; /* aside: in another branch than the current one. Along a dimension only elements lo + i, lo + step
             + i, lo + 2*step + i ... with 0 <= i < width are touched; step 0: only lo + i; width 0: unknown
           */

/* A result that may overlap an operand: prove_overlap.c. */
typedef struct OverlapProof {
  const Buf *operand, *result;
  bool by_pixel; /* positions count pixels, and channels are independent; otherwise bytes */
  int64_t most;  /* the maximum offset of the result from the operand */
} OverlapProof;

typedef struct Prover {
  const Nest *nest;
  OverlapProof *overlap; /* NULL: not requested */
  Proof *proof;
  Arena *arena; /* scratch */
  int nvars, nguards, fuel;
  int level;    /* boxes from `level` on were written in the innermost open loop or branch: only they may
                   merge */
  int parallel; /* number of open parallel loops */
  int chosen;   /* number of data-dependent indices in scope */
  int depth;    /* number of open blocks */
  int *home;    /* by buffer: number of open parallel loops at its declaration */
  int *block;   /* by buffer: number of open blocks */
  Var var[VARS];
  Lin guard[GUARDS]; /* affine and >= 0 here */
  VEC(WrittenBox) boxes;
  VEC(Access) accesses;
} Prover;

/* ---- affine arithmetic and bounds: prove.c ---- */
Lin lin_add(Lin a, const Lin *b, int64_t k); /* a + k*b */
Lin lin_plus(Lin a, int64_t c);
bool lin_equal(const Lin *a, const Lin *b);
bool lin_constant(const Lin *);
Lin lin_of(const ProofEnv *, const Index *);

int64_t prover_low(Prover *, const Lin *); /* a lower bound, at most UNKNOWN: none was found */
int64_t prover_high(Prover *, const Lin *);
int64_t prover_low_of_difference(Prover *, const Lin *a, const Lin *b); /* of a - b */
bool prover_one_round(const Var *);                                     /* the variable is one number */
bool prover_chosen(const Prover *, const Lin *); /* whether it depends on a data-dependent index */
/* The proof fails with the first reason given. d: the dimension of buf that lo..hi leaves, or -1. */
void prover_fail(Prover *, const char *what, const Buf *buf, int d, int64_t lo, int64_t hi);

/* Indices are printed as ints: no sum of their terms may exceed 31 bits. */
void prover_check_magnitude(Prover *, const ProofEnv *, const Index *, const Buf *);

/* ---- written boxes and accesses: prove_accesses.c ---- */
void prover_add_box(Prover *, WrittenBox);
bool prover_written(Prover *, const Buf *, const Lin *lo, const Lin *hi);
void prover_forget(Prover *, const Buf *);           /* a local begins a new lifetime */
void prover_leave_block(Prover *, int first);        /* drops its locals; their boxes begin at first */
void prover_close_boxes(Prover *, int first, int v); /* loop variable v ends: widens boxes written in its
                                                        body */

void prover_check(Prover *, const ProofEnv *, const Ref *, int lanes, bool write); /* one load or store */
void prover_check_whole(Prover *, const Buf *, bool write);                        /* all of a buffer */
/* Iterations of loop t do not conflict, in any order: in parallel loops, no element that one of them
 * writes; in others, no element that one reads and another overwrites. */
void prover_check_rounds(Prover *, int first, int t, bool parallel);
void prover_close_accesses(Prover *, int first,
                           int v);               /* leaving loop v: forgets v and drops duplicate accesses */
void prover_leave_parallel(Prover *, int first); /* outside parallel loops only overwritten elements matter */
bool prover_apart(Prover *, const Lin *hi, const Lin *lo, int t); /* lo at any later t' > hi at t */

bool prover_walk(Nest *, Proof *, OverlapProof *); /* nest_prove; overlap: NULL where not requested */

/* ---- results over operands: prove_overlap.c ---- */
void prover_overlap_load(Prover *, const Lin *lo, const Lin *hi); /* a load of the operand */
void prover_overlap_rounds(Prover *, int first, int t);           /* between iterations of loop t */
void prover_overlap_routine(Prover *, const NestStmt *);          /* handwritten C that uses restrict */
#endif
