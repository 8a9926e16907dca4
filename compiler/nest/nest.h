/* nest.h: Loop nests, the compiler's central IR: data structures and operations.
 *
 * A nest is one kernel: buffers, functions, statements, values. A schedule builds a nest with the macros of
 * build.h. Then:
 *
 *     widen.c    converts a nest for one image to a nest for interleaved images
 *     prove.c    proves that accesses are in bounds, that elements are written before they are read and that
 *                parallel iterations are disjoint
 *     simplify.c simplifies the nest with the results of the proof
 *     interp.c   runs the nest in double or float, without a C compiler
 *     fill.c     runs simple nests in float, faster than interp.c
 *     stack.c    estimates the nest's stack usage
 *     count.c    estimates the nest's cycles on a microcontroller
 *     key.c      computes keys: nests with equal keys share C functions
 *     dump.c     prints the nest (--emit=nests)
 *     emit/nest.c  prints the nest as C with vector extensions
 *
 * Indices. An index is affine in the loop variables and parameters in scope, and is written with C's own
 * operators: `y*S + ky - P`. Each of these variables has a number, its slot. Ix is a vector with one lane per
 * slot, and a last lane with a checksum. The variable in slot k is 1 in lane k and 0 in the lanes of other
 * slots. C adds a scalar to *every* lane of a vector, so a constant c is the vector (c, c, ..., c). So in any
 * index, lane 0 is the constant, and lane k minus lane 0 is the coefficient of slot k. The checksum stays
 * valid in every affine combination. It becomes invalid in a product of two variables, or if a variable is
 * used outside of its loop; nest_index() reports both as a misuse. */
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
#include "target/cpu.h"

enum { STACK_ELEMENTS = 1 << 16 }; /* maximum number of elements of a buffer on the stack */
enum { SLOTS = 15, DIMS = 6, LANES = 16, PARAMS = 11, BOUNDS = 2, LEADS = 4 };
enum { NEST_FAR = 1 << 28 }; /* positions in buffers with at least this number of elements are ptrdiff_t */
typedef int64_t Ix
    __attribute__((vector_size(128), aligned(16))); /* 16: the alignment of memory from an arena */

typedef struct Index {
  int64_t c, k[SLOTS];
} Index; /* c + the sum of k[s] * (variable of slot s); slot 0 is unused */

/* ---- types, buffers ---- */
typedef struct Type {
  Elem elem;
  int lanes;
} Type;

typedef enum BufPlace {
  INPUT,   /* parameter, fully written before the call */
  WEIGHTS, /* an INPUT with packed weights */
  OUTPUT,  /* parameter, fully written by the nest */
  UPDATE,  /* parameter, fully written before the call and updated by the call, such as a sum over samples */
  OVER,    /* parameter, input and output in one: fully written before the call and fully written by the
              nest, each element after its last read */
  WORK,    /* parameter for scratch, whose contents before and after the call are undefined */
  STACK,   /* local array in memory */
  REGS, /* local values in registers: array indices become constants when loops are unrolled. (If a loop that
           is not unrolled indexes the array, the array is in aligned memory.) rank 0: one variable */
  VIEW, /* a named position in another buffer; only views can be pinned (addresses kept in registers) */
} BufPlace;

typedef struct Nest Nest;
typedef struct Buf {
  const char *name;
  BufPlace place;
  Type type; /* lanes > 1 only in registers */
  int id, rank;
  int64_t dim[DIMS];
  int64_t room[DIMS]; /* dimensions of the array in memory: equal to dim, or larger if this buffer is a part
                         of the array */
  /* stride of the first dimension in elements, if it is not room[1] * room[2] * ...; else 0 */
  int64_t apart;
  Nest *nest;
  struct Buf *of;   /* VIEW: the buffer that contains the view */
  Index base[DIMS]; /* VIEW: the view's position in `of` */
  bool as_floats;   /* the elements are integers or 16-bit floats, which loads convert to F32 */
  bool flat;     /* printed as a flat pointer: the buffer is accessed through views, is a part of an array or
                    an argument of a runtime routine, or its nest may share functions with other nests */
  bool overlaps; /* INPUT, OUTPUT: may share memory with another parameter; set after values have addresses
                  */
  bool leads;    /* the first dimension is the leading axis; references omit its index */
  int scope; /* STACK, REGS, VIEW: the block that declares the buffer; the builder rejects uses outside the
                block */
} Buf;

typedef struct Ref {
  Buf *buf;
  Index at[DIMS];
} Ref; /* at: the indices; in a view, relative to the view's base */

/* ---- conditions: any of up to two alternatives, each a conjunction of ranges lo <= e < hi ---- */
#define NO_LO (-(INT64_C(1) << 40)) /* no lower bound of a range */
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
  MAX,     /* MIN, MAX: a[1] if an operand is NaN, like minps and maxps of x86 */
  MAX_NAN, /* NaN if an operand is NaN */
  LESS,
  LESS_EQ,
  EQUAL,  /* the comparisons return masks for SELECT */
  SELECT, /* a[0] ? a[1] : a[2], lane by lane; a[1] and a[2] are both evaluated */
  FMA,    /* a[0] * a[1] + a[2], rounded once where the target has the instruction */
  DOT,    /* a[2] + the product of the lower bf16 halves of a[0] and a[1] + the product of the upper halves */
  EXP,
  DECAY, /* exp(x) for x <= 0, but 0 for x < -64, so that there are no denormal numbers, which are slow */
  LOG,
  SQRT,
  TANH,
  SIGMOID,
  CDF,
  POWER, /* x^(-3/4) */
  SIN,
  COS,
  FLOOR,
  ABS, /* EXP to ABS are inline prelude functions, for scalars and vectors, without library calls */
  SHUFFLE,
  HSUM,
  HMAX,
  LANE,
  SPLAT,
  CONVERT,         /* conversion between element types; F32 to I32 truncates */
  POSITION,        /* an index as an I32 value */
  RANDOM,          /* uniform in [0, 1): a[0] and a[1] are two I32 keys, a[2] is an I32 counter; base/random.h
                      defines the result */
  PRIMITIVE,       /* a named primitive of up to three numbers */
  PICK,            /* cond ? a[0] : a[1]; only the selected operand is evaluated */
  INTERLEAVE_LOW,  /* alternating 16-bit halves of a[0] and a[1], from words 0 and 1 of each block of 4 */
  INTERLEAVE_HIGH, /* like INTERLEAVE_LOW, but from words 2 and 3 of each block of 4 words */
} ValOp;
typedef struct ValNode {
  ValOp op;
  Type type;
  int part; /* LOAD: number of elements to read; the other lanes are 0. A full vector reads type.lanes
               elements; packed words read four bytes or two bf16
               numbers per lane; a lookup reads the whole table */
  Nest *nest;
  double num; /* NUM: its value; a scalar is broadcast to a vector, as in C */
  const struct ValNode *a[3];
  const Ref *ref;  /* LOAD */
  const int *lane; /* SHUFFLE: indices of lanes in the concatenation of a[0] and a[1] */
  Index index;     /* LANE: a constant after unrolling; POSITION: any index */
  const Primitive *primitive;
  const Cond *cond; /* PICK */
  int seen; /* PICK: bits that the proof sets: 1: the condition was true, 2: it was false, 4: it was not known
             */
  int scope; /* the innermost block whose variables the value uses; 0: none; the builder rejects uses outside
                the block */
  int size, mark, uses; /* for the builder: size: number of nodes of the tree; mark, uses: to find
                           subexpressions that are used twice */
  const struct ValNode *named;
} ValNode;
typedef const ValNode *Val;
enum { WORD_BYTES = 4, TABLE_BYTES = 256 };
/* Whether the value is a LOAD that packs four bytes, or two bf16 numbers, into each I32 lane; the first in
 * memory is in the lowest bits. */
bool val_is_words(Val);
bool val_is_lookup(
    Val); /* whether the value is a LOAD of 256 bytes: a lookup by the bytes of the packed words a[0] */

/* ---- statements ---- */
typedef enum StmtKind_ { LOOP, IF, STORE, DECLARE, CALL, ROUTINE, PIN, PREFETCH, COMMENT } NestStmtKind;

/* Handwritten C for work that a nest cannot express, such as sorting: one function over whole buffers. The
 * function reads all of its inputs and writes all of its outputs. The proof assumes both properties without
 * checking them, so each runtime function has its own tests. The functions are named NAME_routine. The
 * license of their files permits copies in generated code. */
enum { ROUTINE_BUFS = 16 };
typedef struct Routine {
  const char *name, *text;
  const struct Routine *uses; /* NULL, or a routine whose text must precede this text */
  const struct Routine *also; /* NULL, or another such routine */
  int depth; /* functions of the longest chain of calls, for the bound on the stack; no function calls itself,
                and the variables of one need less than 256 bytes (tests/int8/budget.tap) */
  int nbufs, nnumbers; /* arguments: pointers to buffers, then numbers */
  Elem elem[ROUTINE_BUFS];
  bool writes[ROUTINE_BUFS]; /* by buffer: an output, written before it is read */
  bool whole[ROUTINE_BUFS];  /* by number: true for an int, false for a float */
  /* for the interpreter: computes the same in double (most routines: the same C text with double for float)
   */
  void (*run)(double *const *buf, const double *number);
} Routine;

typedef enum LoopKind {
  SERIAL,
  UNROLLED,
  ROLLED, /* like SERIAL, but C compilers must not unroll the loop */
  PARALLEL,
  CHOSEN, /* one iteration: the variable is a run-time value, clamped to lo .. hi - 1 */
  TILED,  /* a loop over the rows of a matrix product. For each vector of columns, its body computes a sum of
             DOTs or of dot_bytes in a register, then stores it. For targets with tile registers, the loop is
             printed as tile instructions (emit/nest_tiles.c) */
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
      Val chosen; /* CHOSEN: I32, or F32 that is truncated; NaN becomes lo */
      int seen, need;
    } loop; /* max(lo) <= v < min(hi); seen: as in a branch, for the condition that the loop has an iteration;
               need: a bit for each bound that the proof did not find redundant: bits 0 and 1 for lo, 2 and 3
               for hi */
    struct {
      Cond cond;
      int seen;
    } branch; /* seen: bits that the proof sets: 1: the condition was true, 2: it was false, 4: it was not
                 known */
    struct {
      Ref ref;
      Val val;
      int part;
      bool declare;
    } store; /* part: number of lanes to store; for packed words, number of bytes, four per lane; declare: the
                store is printed as `v16 w0 = ...;` */
    struct {
      Buf *buf;
    } declare; /* declaration of stack, registers or a view */
    struct {
      struct NestFn *fn;
      Index *arg; /* one argument per parameter */
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
      /* flat: the index of an element; it may be out of bounds, because a prefetch is only a hint */
    } prefetch;
    const char *comment;
  } u;
} NestStmt;
bool store_is_words(const NestStmt *); /* whether the statement is a STORE of I32 as bytes, four per lane, the
                                          lowest byte first */

/* ---- functions, nests ---- */
typedef enum ParamKind { PLAIN, FLAG, VARIED } ParamKind;
typedef struct NestFn {
  const char *name;
  bool kernel; /* the function becomes a separate C function for each set of constant arguments; otherwise the
                  function is inlined at each call */
  int nparams;
  const char *param[PARAMS]; /* parameter i has slot i + 1 */
  bool flag[PARAMS]; /* a flag: 0 or 1, constant in every call; the names of instances contain the flags that
                        are 1 */
  bool varied[PARAMS]; /* the parameter is never constant in an instance */
  bool size[PARAMS];   /* for the main function: a run-time parameter with lo <= value <= hi, such as the
                          number of images */
  int64_t lo[PARAMS], hi[PARAMS];
  NestStmt *body;
  struct NestFn *next;
} NestFn;

/* Tile registers. rows: number of rows of the sums and of the left operand; pairs: number of words per row in
 * one step, each with two bf16 numbers or four bytes; lines: number of cache lines that each step prefetches;
 * the PREFETCH next to the products has the address of the first line. */
typedef struct TileShape {
  int rows, pairs, lines;
} TileShape;

struct Nest {
  const char *name, *about; /* name: a C name; about: a sentence for the comment above the function */
  Arena *arena;
  int nbufs, room;
  Buf **buf;          /* the buffers with place < STACK are the parameters, in this order */
  NestFn *fns, *main; /* main: the last function */
  /* the current position of the builder */
  NestFn *fn;
  int depth, ground, nslots, scopes; /* ground: the depth of the function's statements */
  struct {
    NestStmt **tail;
    NestStmt *stmt, *last;
    int scope;
  } open[40];
  int64_t key[SLOTS + 1], serial;
  int slot_scope[SLOTS], marks;
  int nleads;          /* 0: no leading axis */
  TileShape tiles;     /* shape of the tiles of TILED loops; rows 0: the nest has no TILED loops */
  int64_t lead[LEADS]; /* sizes of the leading axes, in ascending order; each size divides the next */
  LoopKind lead_kind;  /* kind of the loops over rows: SERIAL or PARALLEL */
  const Ix *
      lead_at[LEADS]; /* by index in `lead`: the row modulo this element of `lead`, in the current function */
  struct Instances *instances; /* cache of instance.c: the nest's C functions; NULL: not computed yet */
};

int64_t buf_elements(const Buf *);
int64_t buf_bytes(const Buf *);          /* bytes of the elements; Type.lanes is not included */
void buf_append(Buf *, int64_t n);       /* appends a last dimension */
int64_t buf_room(const Buf *, int from); /* number of elements in memory of the dimensions `from` and later:
                                            the stride of dimension `from` - 1 */
bool buf_contiguous(const Buf *);        /* whether the buffer's elements follow each other in memory */

/* Must run before the proof. Turns every per-image value into a vector with one image per lane. images: by
 * buffer id, whether a parameter has per-image values. */
void nest_widen(Nest *, int lanes, const bool *images);

/* Proofs. A nest with a size parameter n <= hi needs to write only the first n * dim[0] / hi elements of an
 * output's first dimension, if hi divides dim[0]. For example, of out[8][10] with 1 <= count <= 8, the nest
 * must write out[0 .. count-1][0 .. 9]. A partial vector at the end of a row is written with nest_store_part
 * and read with nest_load_part. */
typedef struct Proof {
  int accesses, reads, pairs;
  char error[256];
} Proof;                          /* the numbers describe the proof in messages; error is empty on success */
bool nest_prove(Nest *, Proof *); /* returns whether the proof succeeds; sets `seen` and `need` in the nest,
                                     for nest_simplify and the printer */
/* For a proved nest that runs on one thread: whether `result`, an OUTPUT, may overlap `operand`, an INPUT
 * without later uses. If true, the result may begin at most *most bytes after the start of the operand, at a
 * distance that is a multiple of *step. If *most is negative, the result must begin at least -*most bytes
 * before the operand. If false, the two buffers must be disjoint. */
bool nest_overlap(Nest *, const Buf *operand, const Buf *result, int64_t *most, int64_t *step);
void nest_simplify(
    Nest *); /* after the proof: inlines loops of one iteration, drops dead branches and redundant bounds */

typedef struct Run {
  double **mem;
  int64_t size[PARAMS];
  bool single;
  int64_t steps;
  char error[256];
} Run;
/* mem: by buffer id, one double per element of any type; the caller owns the arrays of parameters; size:
 * values of the main function's size parameters; single: rounds every result to float */
bool nest_run(const Nest *, Run *);
/* Computes the single OUTPUT of a proved nest without size parameters in float, like nest_run with `single`.
 * from: by buffer id. False if only nest_run can run the nest; then the contents of `to` are
 * undefined. */
bool nest_fill(const Nest *, const float *const *from, float *to);
bool nest_unset(double); /* whether the value marks an element that nest_run has not written */
/* The key of a nest: everything that determines its computation. Nests with equal keys share a C function
 * (nest/code.h has keys of single functions). team: a team of threads shares its PARALLEL loops. The nest
 * must no longer change. */
const Key *nest_key(Arena *, const Nest *, bool team);
int64_t nest_stack(const Nest *); /* estimated stack bytes of the nest's functions */
/* Estimated cycles of the nest on a microcontroller, without those of runtime functions. */
double nest_cycles(const Nest *, const CpuCycles *);
bool nest_calls_routine(const Nest *);
void nest_dump(Text *, const Nest *);
void buf_put_dims(Text *, const Buf *); /* "[28][28][64]"; for a part of an array "[28][28][64 of 128]", and
                                           "100 apart" if `apart` is 100 */
void index_put(Text *, const Index *,
               const char *const name[SLOTS]); /* prints `4*y + x - 1`, as in C and dumps */
/* Like index_put, with other texts for numbers. number: by slot, the text that is printed instead of the
 * absolute value of the slot's coefficient. number[0] replaces the constant, without its sign if there are
 * other terms. NULL: the number is printed. */
void index_put_with(Text *, const Index *, const char *const name[SLOTS], const char *const number[SLOTS]);
bool index_constant(const Index *);
int index_terms(const Index *);
#endif
