/* build.h: Functions and macros with which schedules build nests. There are two stages: a C `if` or `for` of
 * the schedule runs in the compiler; NEST_FOR, NEST_UNROLL and NEST_IF create loops and conditions of the
 * generated code. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_BUILD_H
#define CNNC_BUILD_H
#include "nest/nest.h"

Nest *nest_new(Arena *, const char *name, const char *about);
const char *nest_text(Nest *, const char *format, ...) __attribute__((format(printf, 2, 3)));
Buf *nest_buf(Nest *, BufPlace, const char *name, Type, int rank, const int64_t *dim);
Buf *nest_view(Nest *, const char *name, Buf *of, const Ix *at);
NestFn *nest_fn(Nest *, const char *name, bool kernel);
/* Must be called before the first nest_fn. The nest then runs once per row of a leading axis. Buffers with
 * Buf.leads have this axis as their first dimension, and references omit its index. The main function must
 * have the nest's name. */
void nest_lead(Nest *, int64_t rows);
/* Must be called before the first nest_fn. Threads may then share the rows of the leading axis. */
void nest_lead_parallel(Nest *);
/* Must be called after nest_lead. Permits buffers with only `rows` rows: row i of the nest reads row (i
 * modulo `rows`) of such a buffer. Each permitted number of rows must divide the next larger one, up to the
 * rows of the nest. Returns false if `rows` violates this rule, or if there are already LEADS numbers. */
bool nest_repeat_lead(Nest *, int64_t rows);
const Ix *nest_row(const Nest *); /* the row of the leading axis; only for the function being built */
const Ix *nest_param(Nest *, const char *name, ParamKind);
const Ix *nest_size(Nest *, const char *name, int64_t lo,
                    int64_t hi); /* only for the main function: a run-time parameter n with lo <= n <= hi */
void nest_call_list(Nest *, NestFn *, int n, const Ix *args);
void nest_routine(Nest *, const Routine *, Buf *const *, const double *numbers);
const Ix *nest_loop(Nest *, const char *name, LoopKind, int nlo, const Ix *lo, int nhi, const Ix *hi);
const Ix *nest_chosen(Nest *, const char *name, Val, const Ix *lo, const Ix *hi);
int nest_if(Nest *, Cond);
int nest_else(Nest *);
bool nest_enter(Nest *); /* the first call for the innermost open statement returns true; the second call
                            closes the statement and returns false */
void nest_pin(Nest *, Buf *view);
void nest_prefetch_at(Nest *, Buf *, const Ix *flat);
void nest_comment(Nest *, const char *);
Index nest_index(Nest *, const Ix *);
Val nest_name(Nest *, const char *name, Val settled); /* like nest_let, but without val_settle */
bool val_calls(Val); /* whether the value calls a large prelude function, such as exp */
Val val_settle(
    Nest *,
    Val); /* prepares a statement's value: checks its scope, and names subexpressions that are used twice */
int nest_scope_of(const Nest *,
                  const Index *); /* the scope of the innermost block whose variables the index uses */
void nest_check_scope(Nest *, int scope);
_Noreturn void
nest_misuse(const Nest *,
            const char *what); /* reports an invalid schedule, which is a compiler bug; exits with status 3 */

/* values; an operation on a scalar and a vector returns a vector */
Val num(Nest *, double);
Val num_i32(Nest *, int32_t), num_i64(Nest *, int64_t);       /* num_i64: absolute value at most 2^53 */
Val nest_primitive(Nest *, const Primitive *, Val, Val, Val); /* unused arguments are NULL */
Val add(Val, Val), sub(Val, Val), mul(Val, Val), div_(Val, Val), vmin(Val, Val), vmax(Val, Val);
Val vmax_nan(Val, Val); /* NaN if an argument is NaN; vmin and vmax return the second argument instead */
Val less(Val, Val), less_eq(Val, Val), equal(Val, Val), choose(Val mask, Val yes, Val no);
Val at_least(Val, Val least); /* the first argument, which is not negative, or 0 if it is below `least` */
/* A factor of ordinary numbers that is not negative: 0 below 2^-100, so that products are not subnormal. */
Val normal_factor(Val);
Val vexp(Val), vdecay(Val), vlog(Val), vsqrt(Val), vtanh(Val), vsigmoid(Val), vnormal_cdf(Val), vabs(Val);
Val vpower_minus_three_quarters(Val), vsin(Val), vcos(Val), vfloor(Val);
Val fma_(Val x, Val y, Val plus);
Val dot_bf16(Val x, Val w, Val plus); /* DOT: adds the products of the bf16 numbers in x and w to `plus` */
Val shuffle(Val, Val, int lanes, const int *lane);
Val interleave_halves(Val x, Val y, bool high); /* the operation INTERLEAVE_HIGH if `high`, otherwise
                                                   INTERLEAVE_LOW */
Val hsum(Val), hmax(Val);
/* broadcasts a scalar to a vector, for a store whose value would otherwise be a scalar */
Val splat(Val, int lanes);
Val lane_at(Nest *, Val, const Ix *);
Val convert(Val, Elem);
Val pick(Nest *, Cond, Val yes, Val no);
Val position(Nest *, const Ix *); /* an index as an I32 value */
Val uniform(Val key0, Val key1,
            Val counter); /* RANDOM: the arguments are I32 scalars, the result is a float in [0, 1) */
Val nest_load(Nest *, Ref, int lanes);
Val nest_load_words(Nest *, Ref, int lanes);   /* I32 from four bytes per lane, the lowest byte first */
Val nest_load_pairs(Nest *, Ref, int lanes);   /* I32 from two bf16 numbers per lane, the lower half first */
Val nest_lookup(Nest *, Ref table, Val words); /* each signed byte b of 16 packed words becomes table[b +
                                                  128] */
/* A vector of `lanes` lanes: the first `part` lanes are loaded, the other lanes are 0. */
Val nest_load_part(Nest *, Ref, int part, int lanes);
void nest_store(Nest *, Ref, Val);
void nest_store_part(Nest *, Ref, Val, int part); /* stores the first `part` lanes of a vector */
void nest_store_words(Nest *, Ref, Val); /* stores each I32 lane as four bytes, the lowest byte first */
void nest_accumulate(Nest *, Ref, Val x, Val y); /* adds x * y to a register, or to one element per lane */
Val nest_let(Nest *, const char *name, Val);
Ref nest_ref(Nest *, Buf *, int rank, const Ix *);

/* conditions */
Cond cond_within(Nest *, const Ix *e, int64_t lo, int64_t hi); /* lo <= e < hi */
Cond cond_and(Cond, Cond), cond_or(Cond, Cond);

/* ---- macros for schedules ---- */
#define NEST_Z ((const Ix){0})
#define NEST_1(a) NEST_Z + (a)
#define NEST_2(a, ...) NEST_Z + (a), NEST_1(__VA_ARGS__)
#define NEST_3(a, ...) NEST_Z + (a), NEST_2(__VA_ARGS__)
#define NEST_4(a, ...) NEST_Z + (a), NEST_3(__VA_ARGS__)
#define NEST_5(a, ...) NEST_Z + (a), NEST_4(__VA_ARGS__)
#define NEST_6(a, ...) NEST_Z + (a), NEST_5(__VA_ARGS__)
#define NEST_7(a, ...) NEST_Z + (a), NEST_6(__VA_ARGS__)
#define NEST_8(a, ...) NEST_Z + (a), NEST_7(__VA_ARGS__)
#define NEST_COUNT_(a, b, c, d, e, f, g, h, n, ...) n
#define NEST_COUNT(...) NEST_COUNT_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define NEST_CAT_(a, b) a##b
#define NEST_CAT(a, b) NEST_CAT_(a, b)
#define NEST_LIST(...)                                                                                       \
  NEST_COUNT(__VA_ARGS__), (const Ix[]) { NEST_CAT(NEST_, NEST_COUNT(__VA_ARGS__))(__VA_ARGS__) }
#define NEST_IX(...)                                                                                         \
  (const Ix[]) { NEST_CAT(NEST_, NEST_COUNT(__VA_ARGS__))(__VA_ARGS__) }
#define NEST_DIMS(...)                                                                                       \
  (int)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
#define NEST_LOOP(b, v, kind, ...)                                                                           \
  for (const Ix v __attribute__((unused)) = *nest_loop(b, #v, kind, __VA_ARGS__); nest_enter(b);)

#define NEST_BUF_OF(b, place, name, elem, ...)                                                               \
  nest_buf(b, place, name, (Type){elem, 1}, NEST_DIMS(__VA_ARGS__))
#define NEST_BUF(b, place, name, ...) NEST_BUF_OF(b, place, name, F32, __VA_ARGS__) /* float name[..][..] */
#define NEST_REGISTERS(b, name, lanes, ...)                                                                  \
  nest_buf(b, REGS, name, (Type){F32, lanes}, NEST_DIMS(__VA_ARGS__))
#define NEST_VIEW(b, name, buf, ...) nest_view(b, name, buf, NEST_IX(__VA_ARGS__))
#define NEST_FOR(b, v, n) NEST_LOOP(b, v, SERIAL, 1, NEST_IX(0), 1, NEST_IX(n))
#define NEST_FROM(b, v, lo, hi) NEST_LOOP(b, v, SERIAL, 1, NEST_IX(lo), 1, NEST_IX(hi))
#define NEST_UNROLL(b, v, n) NEST_LOOP(b, v, UNROLLED, 1, NEST_IX(0), 1, NEST_IX(n))
#define NEST_ROLLED(b, v, n) NEST_LOOP(b, v, ROLLED, 1, NEST_IX(0), 1, NEST_IX(n))
#define NEST_PARALLEL(b, v, n) NEST_LOOP(b, v, PARALLEL, 1, NEST_IX(0), 1, NEST_IX(n))
#define NEST_CLIP(b, v, lo, lo2, hi, hi2)                                                                    \
  NEST_LOOP(b, v, SERIAL, 2, NEST_IX(lo, lo2), 2, NEST_IX(hi, hi2)) /* max(lo,lo2) <= v < min(hi,hi2) */
/* a data-dependent index: v is the integer part of `value`, clamped to lo <= v < hi */
#define NEST_CHOSEN(b, v, value, lo, hi)                                                                     \
  for (const Ix v __attribute__((unused)) = *nest_chosen(b, #v, value, NEST_IX(lo), NEST_IX(hi));            \
       nest_enter(b);)
#define NEST_IF(b, cond) for (nest_if(b, cond); nest_enter(b);)
#define NEST_ELSE(b) for (nest_else(b); nest_enter(b);)

#define nest_at(b, buf, ...) nest_ref(b, buf, NEST_LIST(__VA_ARGS__)) /* buf[..][..] */
#define nest_get(b, ref) nest_load(b, ref, 0)                         /* loads one element, or one register */
#define nest_index_value(b, e) position(b, NEST_IX(e))
#define nest_within(b, e, lo, hi) cond_within(b, NEST_IX(e), lo, hi)
#define nest_at_least(b, e, lo) nest_within(b, e, lo, NO_HI)
#define nest_below(b, e, hi) nest_within(b, e, NO_LO, hi)
#define nest_is(b, e, n) nest_within(b, e, n, (n) + 1)
#define nest_yes(b, flag) nest_within(b, flag, 1, 2)
#define nest_no(b, flag) nest_within(b, flag, 0, 1)
#define nest_always(b) nest_is(b, NEST_Z, 0)
/* Each use declares the next parameter, so it must be a separate statement: C does not define the order of
 * calls within one initializer. */
#define nest_arg(b, name) (*nest_param(b, name, PLAIN))
/* If `varied` is true, the parameter never becomes a constant of an instance, even if calls pass constants,
 * so that these calls share a function. */
#define nest_varied(b, name, varied) (*nest_param(b, name, (varied) ? VARIED : PLAIN))
#define nest_flag(b, name) (*nest_param(b, name, FLAG))
#define nest_size_arg(b, name, lo, hi) (*nest_size(b, name, lo, hi))
#define nest_call(b, fn, ...) nest_call_list(b, fn, NEST_LIST(__VA_ARGS__))
#define nest_prefetch(b, buf, e) nest_prefetch_at(b, buf, NEST_IX(e))

#endif
