// mutate.c: Soundness of the prover. Moves every constant in every index, bound and condition of a correct
// nest by one, up and down. The interpreter decides whether the mutant misbehaves: whether it accesses
// elements out of bounds, reads an unwritten element, leaves an output unwritten, or has parallel iterations
// that conflict. The prover must reject every mutant that misbehaves. Serial loops are also made parallel:
// the interpreter decides whether iterations conflict.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include "nest/build.h"
#include "nest_kernels.h"

typedef VEC(int64_t *) Places;
typedef VEC(NestStmt *) Loops;
typedef struct Mutants {
  Arena *arena;
  Nest *nest;
  Places place;
  Loops loop;
  int mark;
} Mutants;

/* ---- mutations ---- */
static void add_index(Mutants *m, Index *ix, int n) {
  for (int d = 0; d < n; d++) vec_push(m->arena, m->place, &ix[d].c);
}

static void add_cond(Mutants *m, Cond *cond) {
  for (int i = 0; i < cond->n; i++)
    for (int j = 0; j < cond->any[i].n; j++) {
      Range *r = &cond->any[i].range[j];
      if (r->lo != NO_LO) vec_push(m->arena, m->place, &r->lo);
      if (r->hi != NO_HI) vec_push(m->arena, m->place, &r->hi);
    }
}

static void add_value(Mutants *m, Val v) {
  ValNode *e = (ValNode *)(uintptr_t)v; /* values are const, but their memory is writable */
  if (e->mark == m->mark) return;
  e->mark = m->mark;
  if (e->op == LOAD) add_index(m, ((Ref *)(uintptr_t)e->ref)->at, e->ref->buf->rank);
  if (e->op == LANE) add_index(m, &e->index, 1);
  if (e->op == PICK) add_cond(m, (Cond *)(uintptr_t)e->cond);
  for (int i = 0; i < 3 && e->a[i]; i++) add_value(m, e->a[i]);
}

static void add_body(Mutants *m, NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) {
    switch (stmt->kind) {
    case LOOP:
      add_index(m, stmt->u.loop.lo, stmt->u.loop.nlo);
      add_index(m, stmt->u.loop.hi, stmt->u.loop.nhi);
      if (stmt->u.loop.chosen) add_value(m, stmt->u.loop.chosen);
      else vec_push(m->arena, m->loop, stmt);
      break;
    case IF: add_cond(m, &stmt->u.branch.cond); break;
    case STORE:
      add_index(m, stmt->u.store.ref.at, stmt->u.store.ref.buf->rank);
      add_value(m, stmt->u.store.val);
      break;
    case DECLARE:
      if (stmt->u.declare.buf->place == VIEW)
        add_index(m, stmt->u.declare.buf->base, stmt->u.declare.buf->rank);
      break;
    case CALL: add_index(m, stmt->u.call.arg, stmt->u.call.fn->nparams); break;
    default: break;
    }
    add_body(m, stmt->body);
    add_body(m, stmt->otherwise);
  }
}

/* ---- behavior of a mutant ---- */
enum { FILLS = 6 };

/* Contents of buffers. The first fill is zeros; the other fills are for data-dependent indices. */
static double filled(const Buf *buf, int fill, int64_t i) {
  static const double number[] = {0, 1e30, -1e30, NAN, INFINITY, 2147483648.},
                      whole[] = {0, INT32_MAX, INT32_MIN, 1, 3, -1};
  const double *from = buf->type.elem == F32 ? number : whole;
  if (fill < FILLS - 1) return from[fill];
  return i % 3 == 2 ? from[i / 3 % FILLS] : (double)(i * 7 % 11 - 2);
}

static bool misbehaves(const Nest *nest, int64_t size, int fill) {
  Arena *arena = arena_new();
  Run run = {.mem = NEW_ARRAY(arena, double *, nest->nbufs), .size = {size}};
  for (int i = 0; i < nest->nbufs; i++) {
    const Buf *buf = nest->buf[i];
    if (buf->place >= STACK) continue;
    const int64_t n = buf_elements(buf);
    run.mem[i] = NEW_ARRAY(arena, double, n);
    for (int64_t j = 0; j < n && fill; j++) run.mem[i][j] = filled(buf, fill, j);
  }
  bool wrong = !nest_run(nest, &run);
  for (int i = 0; i < nest->nbufs; i++) {
    const Buf *buf = nest->buf[i];
    if (buf->place != OUTPUT) continue;
    int64_t n = buf_elements(buf);
    if (nest->main->nparams) n = n / buf->dim[0] * size; /* only the first `size` rows are computed */
    for (int64_t j = 0; j < n; j++) wrong = wrong || nest_unset(run.mem[i][j]);
  }
  arena_free(arena);
  return wrong;
}

static bool chooses(const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next)
    if ((stmt->kind == LOOP && stmt->u.loop.chosen) || chooses(stmt->body) || chooses(stmt->otherwise))
      return true;
  return false;
}

static bool wrong_for_some_size(const Nest *nest) {
  const int64_t lo = nest->main->nparams ? nest->main->lo[0] : 0,
                hi = nest->main->nparams ? nest->main->hi[0] : 0;
  for (int fill = 0; fill < (chooses(nest->main->body) ? FILLS : 1); fill++)
    for (int64_t size = lo; size <= hi; size++)
      if (misbehaves(nest, size, fill)) return true;
  return false;
}

static void mutate(Nest *nest) {
  Arena *arena = arena_new();
  Mutants m = {.arena = arena, .nest = nest, .mark = ++nest->marks};
  Proof proof;
  bool sound = nest_prove(nest, &proof) && !wrong_for_some_size(nest);
  CU_ASSERT(sound); /* the nest must be correct before anything is changed */
  for (NestFn *fn = nest->fns; fn; fn = fn->next) add_body(&m, fn->body);
  int wrong = 0, caught = 0, harmless = 0, accepted = 0;
  for (int i = 0; i < m.place.n; i++)
    for (int by = -1; by <= 1; by += 2) {
      *m.place.data[i] += by;
      bool bad = wrong_for_some_size(nest), proved = nest_prove(nest, &proof);
      bad ? (wrong++, caught += !proved) : (harmless++, accepted += proved);
      *m.place.data[i] -= by;
    }
  for (int i = 0; i < m.loop.n; i++) {
    NestStmt *loop = m.loop.data[i];
    LoopKind kind = loop->u.loop.kind;
    if (kind == PARALLEL || loop->u.loop.nlo > 1 || loop->u.loop.nhi > 1) continue;
    loop->u.loop.kind = PARALLEL;
    bool bad = wrong_for_some_size(nest), proved = nest_prove(nest, &proof);
    bad ? (wrong++, caught += !proved) : (harmless++, accepted += proved);
    loop->u.loop.kind = kind;
  }
  if (wrong != caught)
    printf("# %s: of %d mutants that misbehave %d were accepted\n", nest->name, wrong, wrong - caught);
  printf("# %s: %d misbehave, %d refused; %d harmless, %d accepted\n", nest->name, wrong, caught, harmless,
         accepted);
  CU_ASSERT_EQUAL(wrong, caught);
  CU_ASSERT(accepted > 0 || harmless == 0);
  arena_free(arena);
}

/* ---- small nests of every kind ---- */
static const Conv small = {.h = 5,
                           .w = 6,
                           .ci = 2,
                           .co = 8,
                           .k = 3,
                           .s = 1,
                           .p = 1,
                           .relu = true,
                           .px = 3,
                           .nv = 2,
                           .cb = 1,
                           .lanes = 4};

static void run_mutants(Nest *(*build)(Arena *)) {
  Arena *arena = arena_new();
  mutate(build(arena));
  Nest *simple = build(arena);
  Proof proof;
  CU_ASSERT(nest_prove(simple, &proof));
  nest_simplify(simple);
  mutate(simple);
  arena_free(arena);
}

static Nest *build_plain(Arena *arena) {
  Conv c = small;
  c.co = 2;
  return conv_plain(arena, "plain", &c);
}
static Nest *build_direct(Arena *arena) { return conv_direct(arena, "direct", small); }
static Nest *build_stride(Arena *arena) {
  Conv c = small;
  c.s = 2;
  c.px = 2;
  c.h = 6;
  c.w = 7;
  return conv_direct(arena, "stride", c);
}
static Nest *build_tail(Arena *arena) {
  Conv c = small;
  c.px = 4;
  c.ci = 3;
  return conv_direct(arena, "tail", c);
}
static Nest *build_gradient(Arena *arena) { return conv_weight_gradient(arena, "wgrad", 3, 8, 32, 3); }
static Nest *build_dense(Arena *arena) { return dense(arena, "dense", 12, 32, 2, 2, true); }
static Nest *build_pool(Arena *arena) { return max_pool2(arena, "pool", 4, 4, 16); }
static Nest *build_winograd(Arena *arena) { return conv_winograd(arena, "wino", 5, 16, 32, 1, 1); }
static Nest *build_conv2(Arena *arena) { return lenet_conv2(arena, "conv2"); }

/* A nest with a size known at run time, a partial last vector, scratch, an update and branches. */
static Nest *build_batch(Arena *arena) {
  enum { BATCH = 3, N = 7, L = 4 };
  Nest *b = nest_new(arena, "batch", "");
  Buf *in = NEST_BUF(b, INPUT, "in", BATCH, N), *out = NEST_BUF(b, OUTPUT, "out", BATCH, N),
      *tmp = NEST_BUF(b, WORK, "tmp", BATCH, N), *sum = NEST_BUF(b, UPDATE, "sum", N);
  nest_fn(b, "batch", false);
  const Ix n = nest_size_arg(b, "count", 1, BATCH);
  NEST_PARALLEL(b, i, n) {
    Buf *s = nest_buf(b, STACK, "s", (Type){F32, 1}, NEST_DIMS(N));
    nest_store(b, nest_at(b, s, 0), nest_load(b, nest_at(b, in, i, 0), L));
    nest_store_part(b, nest_at(b, s, L), nest_load_part(b, nest_at(b, in, i, L), N - L, L), N - L);
    NEST_FOR(b, k, N) {
      NEST_IF(b, nest_below(b, k, 3)) nest_store(b, nest_at(b, tmp, i, k), nest_load(b, nest_at(b, s, k), 1));
      NEST_ELSE(b)
        nest_store(b, nest_at(b, tmp, i, k),
                   pick(b, nest_within(b, k, 4, N), nest_load(b, nest_at(b, s, k - 4), 1), num(b, 1)));
    }
  }
  NEST_FROM(b, i, 0, n)
    NEST_FOR(b, k, N) {
      nest_store(b, nest_at(b, out, i, k), nest_load(b, nest_at(b, tmp, i, k), 1));
      NEST_IF(b, nest_at_least(b, k, 1))
        nest_accumulate(b, nest_at(b, sum, k), nest_load(b, nest_at(b, tmp, i, k - 1), 1), num(b, 2));
    }
  return b;
}

static Nest *build_over(Arena *arena) { /* a result that overwrites an operand: tiles, a partial last vector,
                                           two reads of an element, branches */
  enum { ROWS = 4, COLUMNS = 5, N = 7, L = 4, TILE = 2 };
  Nest *b = nest_new(arena, "over", "");
  Buf *in = NEST_BUF(b, INPUT, "in", ROWS, COLUMNS, N), *out = NEST_BUF(b, OVER, "out", ROWS, COLUMNS, N);
  NestFn *tile = nest_fn(b, "tile", false);
  const Ix y = nest_arg(b, "y"), x0 = nest_arg(b, "x0");
  NEST_UNROLL(b, i, TILE) {
    const Ix x = x0 + i;
    Val before = nest_let(b, "before", nest_load(b, nest_at(b, out, y, x, 0), L));
    nest_store(
        b, nest_at(b, out, y, x, 0),
        fma_(before, nest_load(b, nest_at(b, out, y, x, 0), L), nest_load(b, nest_at(b, in, y, x, 0), L)));
    nest_store_part(b, nest_at(b, out, y, x, L),
                    add(nest_load_part(b, nest_at(b, out, y, x, L), N - L, L),
                        nest_load_part(b, nest_at(b, in, y, x, L), N - L, L)),
                    N - L);
  }
  nest_fn(b, "over", false);
  NEST_PARALLEL(b, y_, ROWS)
    NEST_FOR(b, t, COLUMNS / TILE) nest_call(b, tile, y_, TILE * t);
  NEST_FOR(b, y_, ROWS)
    NEST_FOR(b, c, N) {
      NEST_IF(b, nest_below(b, c, 2))
        nest_store(b, nest_at(b, out, y_, COLUMNS - 1, c),
                   add(nest_load(b, nest_at(b, out, y_, COLUMNS - 1, c), 1),
                       nest_load(b, nest_at(b, in, y_, 0, c), 1)));
      NEST_ELSE(b)
        nest_store(b, nest_at(b, out, y_, COLUMNS - 1, c),
                   mul(nest_load(b, nest_at(b, out, y_, COLUMNS - 1, c), 1), num(b, 2)));
    }
  return b;
}

/* Each iteration of a parallel loop accesses every fourth vector. */
static Nest *build_interleaved(Arena *arena) {
  enum { PHASES = 4, EACH = 3, WIDE = 4, STEP = PHASES * WIDE };
  Nest *b = nest_new(arena, "interleaved", "");
  Buf *in = NEST_BUF(b, INPUT, "in", STEP * EACH), *out = NEST_BUF(b, OUTPUT, "out", STEP * EACH);
  nest_fn(b, "interleaved", false);
  NEST_FOR(b, i, STEP * EACH) nest_store(b, nest_at(b, out, i), num(b, 0));
  NEST_PARALLEL(b, p, PHASES) {
    NEST_FOR(b, q, EACH)
      nest_store(b, nest_at(b, out, WIDE * p + STEP * q),
                 nest_load(b, nest_at(b, in, WIDE * p + STEP * q), WIDE));
    NEST_FOR(b, q, EACH - 1)
      nest_accumulate(b, nest_at(b, out, WIDE * p + STEP * q + STEP + 1),
                      nest_load(b, nest_at(b, out, WIDE * p + STEP * q), 1), num(b, 2));
  }
  return b;
}

static void test_plain(void) { run_mutants(build_plain); }
static void test_direct(void) {
  run_mutants(build_direct);
  run_mutants(build_stride);
  run_mutants(build_tail);
}
static void test_others(void) {
  run_mutants(build_dense);
  run_mutants(build_pool);
  run_mutants(build_batch);
  run_mutants(build_interleaved);
}
static void test_over(void) { run_mutants(build_over); }
static Nest *build_rows(Arena *arena) { return chosen_rows(arena, 4, 3, 8, 4); }
static Nest *build_rows_gradient(Arena *arena) { return chosen_rows_gradient(arena, 4, 3, 8, 4); }
static Nest *build_sampling(Arena *arena) { return chosen_sampling(arena, 5, 3, 4, 8, 4); }
static Nest *build_sampling_gradient(Arena *arena) { return chosen_sampling_gradient(arena, 5, 3, 4, 8, 4); }
static Nest *build_window(Arena *arena) { return chosen_window(arena, 4); }
static void test_chosen(void) {
  run_mutants(build_rows);
  run_mutants(build_rows_gradient);
  run_mutants(build_sampling);
  run_mutants(build_sampling_gradient);
  run_mutants(build_window);
}
static void test_large(void) {
  Arena *arena = arena_new();
  mutate(build_gradient(arena));
  mutate(build_winograd(arena));
  mutate(build_conv2(arena));
  arena_free(arena);
}

CU_TestInfo suite_mutate[] = {{"plain convolution", test_plain},
                              {"tiled convolutions", test_direct},
                              {"dense, pool, a batch with sizes and tails", test_others},
                              {"a result that is written over an operand", test_over},
                              {"data-dependent indices", test_chosen},
                              {"weight gradient, Winograd, LeNet's second layer", test_large},
                              CU_TEST_INFO_NULL};
