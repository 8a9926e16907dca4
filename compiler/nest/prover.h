/* prover.h: what a proof knows while it walks over a nest (prove.c says how). Private to prove*.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_PROVER_H
#define CNNC_NEST_PROVER_H
#include "nest/nest.h"

enum { VARS = 24, GUARDS = 32 };
#define UNKNOWN (-(INT64_C(1) << 61)) /* a lower bound that says nothing */

typedef struct Lin {
  int64_t c, k[VARS], bad;
} Lin; /* bad: it did not fit into 64 bits */
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
                 dimension; end depends on size parameters alone */
typedef struct Access {
  const Buf *buf;
  bool write, aside;
  Lin lo[DIMS], hi[DIMS];
  int64_t step[DIMS], width[DIMS];
} Access; /* aside: in another branch than the one that is walked. Along a dimension only elements lo + i,
           * lo + step + i, lo + 2*step + i ... with 0 <= i < width are touched; step 0: lo + i alone; width
           * 0: nothing like that is known */

/* Of a result that may lie over an operand: prove_overlap.c. */
typedef struct OverlapProof {
  const Buf *operand, *result;
  bool by_pixel; /* positions are counted in pixels, and channels are told apart; else in bytes */
  int64_t most;  /* the result may begin so many of them behind the operand */
} OverlapProof;

typedef struct Prover {
  const Nest *nest;
  OverlapProof *overlap; /* wanted; NULL: no */
  Proof *proof;
  Arena *arena; /* scratch */
  int nvars, nguards, fuel;
  int level; /* boxes from `level` on were written in the innermost open loop or branch: only they may merge
              */
  int parallel; /* how many parallel loops are open */
  int chosen;   /* how many chosen indices are in scope */
  int depth;    /* how many blocks are open */
  int *home;    /* by buffer: how many parallel loops were open where it was declared */
  int *block;   /* by buffer: how many blocks */
  Var var[VARS];
  Lin guard[GUARDS]; /* affine and >= 0 here */
  VEC(WrittenBox) boxes;
  VEC(Access) accesses;
} Prover;

/* ---- affine arithmetic and bounds: prove.c ---- */
Lin lin_add(Lin a, const Lin *b, int64_t k); /* a + k*b */
Lin lin_plus(Lin a, int64_t c);
Lin lin_times(const Lin *a, int64_t k);
bool lin_equal(const Lin *a, const Lin *b);
bool lin_constant(const Lin *);
Lin lin_of(const ProofEnv *, const Index *);

int64_t prover_low(Prover *, const Lin *); /* a lower bound, at most UNKNOWN: none was found */
int64_t prover_high(Prover *, const Lin *);
int64_t prover_low_of_difference(Prover *, const Lin *a, const Lin *b); /* of a - b */
bool prover_one_round(const Var *);                                     /* the variable is one number */
bool prover_chosen(const Prover *, const Lin *); /* does it depend on a chosen index? */
/* The proof fails, for the first reason that is given. d: the dimension of buf that lo..hi leaves, or -1. */
void prover_fail(Prover *, const char *what, const Buf *buf, int d, int64_t lo, int64_t hi);

/* Indices are printed as ints: no sum of their terms may exceed 31 bits. */
int64_t prover_magnitude(const ProofEnv *, const Index *);
void prover_check_magnitude(Prover *, const ProofEnv *, const Index *, const Buf *);
int64_t prover_slot_size(Prover *, const Lin *);

/* ---- written boxes and accesses: prove_accesses.c ---- */
void prover_add_box(Prover *, WrittenBox);
bool prover_written(Prover *, const Buf *, const Lin *lo, const Lin *hi);
void prover_forget(Prover *, const Buf *);           /* a new life of a local */
void prover_leave_block(Prover *, int first);        /* forget its locals, whose boxes begin at first */
void prover_close_boxes(Prover *, int first, int v); /* loop variable v ends: widen what was written in it */

void prover_check(Prover *, const ProofEnv *, const Ref *, int lanes, bool write); /* one load or store */
void prover_check_whole(Prover *, const Buf *, bool write);                        /* all of a buffer */
/* Rounds of loop t do not meet, in whatever order they run: if they are parallel, nowhere where one of them
 * writes; if they are not, where one reads what another one writes over. */
void prover_check_rounds(Prover *, int first, int t, bool parallel);
void prover_close_accesses(Prover *, int first,
                           int v); /* out of loop v: forget v, and repeat no access twice */
void prover_leave_parallel(Prover *,
                           int first); /* outside of parallel loops only what is written over matters */
bool prover_apart(Prover *, const Lin *hi, const Lin *lo, int t); /* lo at any later t' > hi at t */

bool prover_walk(Nest *, Proof *, OverlapProof *); /* nest_prove; overlap: NULL where that is not wanted */

/* ---- results over operands: prove_overlap.c ---- */
void prover_overlap_load(Prover *, const Lin *lo, const Lin *hi); /* of the operand, here */
void prover_overlap_rounds(Prover *, int first, int t);           /* between rounds of loop t */
void prover_overlap_routine(Prover *, const NestStmt *);          /* C by hand, which is told restrict */
#endif
