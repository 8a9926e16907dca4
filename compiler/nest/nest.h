/* nest.h: loop nests, the middle of the compiler: what they are, and what can be done with them.
 *
 * A nest is one kernel: buffers, functions, statements, values. A schedule builds it with the macros of
 * build.h; then
 *
 *     widen.c    may make one that works on an image into one that works on several side by side
 *     prove.c    shows that every access is in bounds, every value read was written and parallel iterations
 *                do not meet; simplifies by what it learns
 *     interp.c   runs it in double or float, without a C compiler
 *     fill.c     runs a simple one in float, fast
 *     stack.c    bounds its stack
 *     key.c      says whether two are the same code
 *     dump.c     shows it (--emit=nests)
 *     emit/nest.c  prints it as C with vector extensions
 *
 * Indices.  An index is affine in the loop variables in scope, and is written with C's own operators: `y*S +
 * ky - P`.  Ix is a vector: lane k holds the coefficient of the variable in slot k.  C adds a scalar to
 * *every* lane of a vector, so a constant c is the vector (c, c, ..., c): lane 0 is the constant, the
 * coefficient of slot k is lane k minus lane 0.  The last lane is a checksum that every affine combination
 * keeps and that a product of two variables, or a variable used outside its loop, breaks: index_of() then
 * refuses it.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_H
#define CNNC_NEST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/elem.h"
#include "base/keys.h"
#include "base/text.h"
#include "nest/primitive.h"

enum { SLOTS = 15, DIMS = 6, LANES = 16, PARAMS = 11, BOUNDS = 2, LEADS = 4 };
enum { NEST_FAR = 1 << 28 }; /* elements of a buffer from which positions in it are computed in ptrdiff_t */
typedef int64_t Ix __attribute__((vector_size(128), aligned(16))); /* as the arena aligns */

typedef struct Index {
  int64_t c, k[SLOTS];
} Index; /* c + sum of k[s] * slot s; slot 0 is unused */

/* ---- types, buffers ---- */
typedef struct Type {
  Elem elem;
  int lanes;
} Type;

typedef enum BufPlace {
  INPUT,   /* parameter, all of it written before the call */
  WEIGHTS, /* the same, packed by the compiler */
  OUTPUT,  /* parameter, all of it written by the nest */
  UPDATE,  /* parameter, written before the call and changed by it: a sum over samples */
  OVER,  /* parameter, input and output in one: all of it written before the call and all of it written by the
            nest, each element after its last read */
  WORK,  /* parameter, scratch: nothing in it before or after */
  STACK, /* local array in memory */
  REGS,  /* local values: an array's indices become constants when its loops are unrolled (one that another
            loop goes through lies in memory, aligned); no dims: one variable */
  VIEW,  /* a named position in another buffer; the only thing that can be pinned */
} BufPlace;

typedef struct Nest Nest;
typedef struct Buf {
  const char *name;
  BufPlace place;
  Type type; /* lanes > 1 only in registers */
  int id, rank;
  int64_t dim[DIMS];
  int64_t room[DIMS]; /* of the array in memory: dim, or more where this is a part of it */
  int64_t apart;      /* elements from one index of the first dimension to the next, where that is not what
                         room says; else 0 */
  Nest *nest;
  struct Buf *of;   /* VIEW: the buffer */
  Index base[DIMS]; /* VIEW: where in it */
  bool as_floats;   /* whole numbers that loads convert to F32 */
  bool flat;        /* seen through views, or a part of an array: printed as a flat pointer */
  bool overlaps;    /* INPUT, OUTPUT: it may lie where another parameter does; set behind the layout */
  bool leads;       /* its first dimension is the leading axis: references leave it out */
  int scope;        /* STACK, REGS, VIEW: the block that declares it; use outside is refused when built */
} Buf;

typedef struct Ref {
  Buf *buf;
  Index at[DIMS];
} Ref; /* at: relative to a view's base */

/* ---- conditions: any of up to two alternatives, each a conjunction of ranges lo <= e < hi ---- */
#define NO_LO (-(INT64_C(1) << 40)) /* no bound on this side */
#define NO_HI (INT64_C(1) << 40)
typedef struct Range {
  Index e;
  int64_t lo, hi;
} Range;
typedef struct All {
  int n;
  Range range[4];
} All;
typedef struct Cond {
  int n;
  All any[2];
} Cond;

/* ---- values: pure trees ---- */
typedef enum ValOp {
  NUM,
  LOAD,
  ADD,
  SUB,
  MUL,
  DIV,
  MIN,
  MAX,     /* a[1] where one of the two is NaN, as minps and maxps of x86 have it */
  MAX_NAN, /* NaN where one of the two is NaN */
  LESS,
  LESS_EQ,
  EQUAL,  /* masks, for SELECT */
  SELECT, /* a[0] ? a[1] : a[2], lane by lane, both evaluated */
  FMA,    /* a[0] * a[1] + a[2], rounded once where the target has the instruction */
  EXP,
  LOG,
  SQRT,
  TANH,
  SIGMOID,
  CDF,
  POWER, /* x^(-3/4) */
  SIN,
  COS,
  FLOOR,
  ABS, /* functions of the prelude: vector polynomials, no library */
  SHUFFLE,
  HSUM,
  HMAX,
  LANE,
  SPLAT,
  CONVERT,  /* between element types; F32 to I32 truncates */
  POSITION, /* an index as an I32 value */
  RANDOM,   /* uniform in [0, 1): a[0], a[1] two I32 keys, a[2] an I32 counter; random.h of the runtime is the
               definition */
  PRIMITIVE, /* of up to three numbers, by name */
  PICK,      /* cond ? a[0] : a[1], only the chosen one is evaluated */
} ValOp;
typedef struct ValNode {
  ValOp op;
  Type type;
  int part; /* LOAD: so many elements are read, the other lanes are 0; equal to type.lanes when whole; of
               words four a lane, of a table all of it */
  Nest *nest;
  double num; /* NUM; a scalar meets a vector as a broadcast, as in C */
  const struct ValNode *a[3];
  const Ref *ref;  /* LOAD */
  const int *lane; /* SHUFFLE: of a[0] then a[1] */
  Index index;     /* LANE: unrolled constant; POSITION */
  const Primitive *primitive;
  const Cond *cond; /* PICK */
  int seen;         /* PICK: bits set by the proof: 1 true, 2 false, 4 open */
  int scope; /* the innermost block whose variables it uses, 0: none; use outside is refused when built */
  int size, mark, uses; /* of the builder: nodes of the tree; visits, to name what is used twice */
  const struct ValNode *named;
} ValNode;
typedef const ValNode *Val;
enum { WORD_BYTES = 4, TABLE_BYTES = 256 };
bool val_is_words(Val);  /* a LOAD of I32 from bytes, four a lane, the lowest first */
bool val_is_lookup(Val); /* a LOAD of 256 bytes: those that the bytes of a[0], words, choose */

/* ---- statements ---- */
typedef enum StmtKind_ { LOOP, IF, STORE, DECLARE, CALL, ROUTINE, PIN, PREFETCH, COMMENT } NestStmtKind;

/* C written by hand for what is no nest, as sorting: one function over whole buffers. It reads all of those
 * that are no output of its own and writes all of the others; the proof takes that as it stands, so a routine
 * is tested on its own. Its functions are called NAME_routine; its file may be copied with generated code. */
enum { ROUTINE_BUFS = 16 };
typedef struct Routine {
  const char *name, *text;
  const struct Routine *uses; /* NULL, or: its text comes first */
  const struct Routine *also; /* NULL, or: that of another one, too */
  int nbufs, nnumbers;        /* what it takes: pointers to buffers, then numbers */
  Elem elem[ROUTINE_BUFS];
  bool writes[ROUTINE_BUFS];                             /* all of that buffer, before it reads any of it */
  bool whole[ROUTINE_BUFS];                              /* of the numbers: an int, not a float */
  void (*run)(double *const *buf, const double *number); /* the same in double */
} Routine;

typedef enum LoopKind {
  SERIAL,
  UNROLLED,
  ROLLED, /* SERIAL, and no compiler is to make more of it than is written */
  PARALLEL,
  CHOSEN, /* one round only: the variable is a value known when it runs, clamped to lo .. hi - 1 */
} LoopKind;
typedef struct NestStmt {
  NestStmtKind kind;
  struct NestStmt *next;
  struct NestStmt *body, *otherwise; /* LOOP, IF */
  union {
    struct {
      const char *name;
      LoopKind kind;
      int slot, nlo, nhi;
      Index lo[BOUNDS], hi[BOUNDS];
      Val chosen; /* CHOSEN: I32, or F32 that is truncated; NaN is lo */
      int seen, need;
    } loop; /* max(lo) <= v < min(hi); seen: as for a branch, whether it runs at all; need: bits of the bounds
               that matter, lo first */
    struct {
      Cond cond;
      int seen;
    } branch; /* seen: bits set by the proof: 1 true, 2 false, 4 open */
    struct {
      Ref ref;
      Val val;
      int part;
      bool declare;
    } store; /* part: so many lanes are stored, of words four a lane; declare: `v16 w0 = ...;` */
    struct {
      Buf *buf;
    } declare; /* stack, registers, view */
    struct {
      struct NestFn *fn;
      Index *arg; /* one a parameter */
    } call;
    struct {
      const Routine *of;
      Buf *buf[ROUTINE_BUFS];
      double number[ROUTINE_BUFS];
    } routine;
    struct {
      Buf *view;
    } pin;
    struct {
      Buf *buf;
      Index flat;
    } prefetch; /* an element; may lie outside: only a hint */
    const char *comment;
  } u;
} NestStmt;
bool store_is_words(const NestStmt *); /* a STORE of I32 as bytes, four a lane, the lowest first */

/* ---- functions, nests ---- */
typedef enum ParamKind { PLAIN, FLAG, VARIED } ParamKind;
typedef struct NestFn {
  const char *name;
  bool kernel; /* a function of its own for each set of constant arguments; else inlined at the call */
  int nparams;
  const char *param[PARAMS]; /* parameter i lives in slot i + 1 */
  bool flag[PARAMS];         /* 0 or 1, always constant; names the instances */
  bool varied[PARAMS];       /* never a constant of an instance */
  bool size[PARAMS]; /* of the main function: known only when it runs, lo <= value <= hi (a batch's count) */
  int64_t lo[PARAMS], hi[PARAMS];
  NestStmt *body;
  struct NestFn *next;
} NestFn;

struct Nest {
  const char *name, *about; /* a C name; a sentence for the comment above it */
  Arena *arena;
  int nbufs, room;
  Buf **buf;          /* parameters are the bufs with place < STACK, in this order */
  NestFn *fns, *main; /* main: the last one */
  /* where the builder stands */
  NestFn *fn;
  int depth, ground, nslots, scopes; /* ground: the depth at which its own statements stand */
  struct {
    NestStmt **tail;
    NestStmt *stmt, *last;
    int scope;
  } open[40];
  int64_t key[SLOTS + 1], serial;
  int slot_scope[SLOTS], marks;
  int nleads;                  /* 0: it has no leading axis */
  int64_t lead[LEADS];         /* numbers of rows, ascending: of repeated operands, then of the axis */
  const Ix *lead_at[LEADS];    /* in this function: the row modulo each of them */
  struct Instances *instances; /* of instance.c: its C functions; NULL: not yet found */
};

int64_t buf_elements(const Buf *);
int64_t buf_bytes(const Buf *);          /* of so many elements side by side */
void buf_append(Buf *, int64_t n);       /* a last dimension */
int64_t buf_room(const Buf *, int from); /* the elements in memory of dimensions from, from + 1, ...: how far
                                            neighbors in the dimension before them are apart */

/* Before the proof: every value of an image becomes a vector, an image a lane. images: by buffer id, the
 * parameters that hold values of images. */
void nest_widen(Nest *, int lanes, const bool *images);

/* Proofs. With size parameters an output need be whole only in the part of its first dimension that belongs
 * to the size: of out[8][10] and 1 <= count <= 8, the elements out[0 .. count-1][0 .. 9]. Vectors at a tail
 * are written with store_part, read with load_part. */
typedef struct Proof {
  int accesses, reads, pairs;
  char error[256];
} Proof;                          /* what was proved; error is empty if all of it */
bool nest_prove(Nest *, Proof *); /* also notes in each IF what its condition came to */
/* Of a proved nest whose loops one thread runs: may `result`, an OUTPUT, lie over `operand`, an INPUT that
 * nobody reads afterwards? If it begins at most *most bytes behind it, in front of it if that is below 0, and
 * a multiple of *step. False: only beside it. */
bool nest_overlap(Nest *, const Buf *operand, const Buf *result, int64_t *most, int64_t *step);
void nest_simplify(
    Nest *); /* after the proof: folds one-round loops, drops dead branches and unused parameters */

typedef struct Run {
  double **mem;
  int64_t size[PARAMS];
  bool single;
  int64_t steps;
  char error[256];
} Run;
/* mem: by buffer id, one double an element whatever its type: of parameters, by the caller; size: of the main
 * function's parameters; single: rounds every result to float */
bool nest_run(const Nest *, Run *);
/* What the single OUTPUT of a proved nest without size parameters comes to in float, as nest_run with
 * `single` finds it; from: by buffer id. False if the nest is of a kind that only nest_run can run; then `to`
 * holds nothing of use. */
bool nest_fill(const Nest *, const float *const *from, float *to);
bool nest_unset(double); /* is this what nest_run puts into elements that nobody has written? */
/* All of a nest that decides what is computed and how. Nests with equal keys are the same code: one C
 * function serves both (nest/code.h has the keys of its single functions). team: a team of threads shares its
 * PARALLEL loops. Asked of a nest that does not change any more. */
const Key *nest_key(Arena *, const Nest *, bool team);
/* What its functions take of the stack, at the most; -1: it has routines, of which that is not known. */
int64_t nest_stack(const Nest *);
void nest_dump(Text *, const Nest *);
void buf_put_dims(Text *, const Buf *); /* [28][28][64], of a part [28][28][64 of 128] */
void index_put(Text *, const Index *,
               const char *const name[SLOTS]); /* `4*y + x - 1`, as C and dumps show it */
/* The same; number: by slot what is put in place of its coefficient, at 0 of the constant, without the sign;
 * NULL: the number itself. */
void index_put_with(Text *, const Index *, const char *const name[SLOTS], const char *const number[SLOTS]);
bool index_constant(const Index *);
int index_terms(const Index *);
#endif
