/* build.c: Nest builder: functions, loops, buffers, statements, conditions. val.c builds values.
 *
 * Misuse of the builder by a schedule is a compiler bug: nest_misuse prints the function and the mistake, and
 * exits. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/build.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"

enum { OPEN = (int)(sizeof((Nest *)0)->open / sizeof *((Nest *)0)->open) };

_Noreturn void nest_misuse(const Nest *nest, const char *what) {
  fprintf(stderr, "internal error: nest %s, function %s: %s\n", nest->name, nest->fn ? nest->fn->name : "-",
          what);
  exit(3);
}

const char *nest_text(Nest *nest, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  const char *text = arena_vprintf(nest->arena, format, ap);
  va_end(ap);
  return text;
}

/* ---- statements and blocks ---- */
static NestStmt *new_statement(Nest *nest, NestStmtKind kind) {
  if (!nest->fn) nest_misuse(nest, "a statement is outside a function");
  NestStmt *stmt = NEW(nest->arena, NestStmt);
  stmt->kind = kind;
  *nest->open[nest->depth].tail = stmt;
  nest->open[nest->depth].tail = &stmt->next;
  nest->open[nest->depth].last = stmt;
  return stmt;
}

static void open_block(Nest *nest, int depth, NestStmt *stmt, NestStmt **body) {
  if (depth >= OPEN) nest_misuse(nest, "nested too deep");
  nest->depth = depth;
  nest->open[depth].tail = body;
  nest->open[depth].stmt = stmt;
  nest->open[depth].last = NULL;
  nest->open[depth].scope = ++nest->scopes;
}

static void check_scope(Nest *nest, int scope, const char *name) {
  if (scope == 0) return;
  for (int d = nest->depth; d >= 0; d--)
    if (nest->open[d].scope == scope) return;
  nest_misuse(nest, nest_text(nest, "%s is used outside its block", name));
}

static Ix *nest_room(Nest *nest) { /* room for one Ix, aligned to its size */
  unsigned char *room = arena_alloc(nest->arena, 2 * sizeof(Ix));
  return (Ix *)(void *)(room + (sizeof(Ix) - (uintptr_t)room % sizeof(Ix)) % sizeof(Ix));
}

static Ix *new_variable(Nest *nest) {
  int slot = ++nest->nslots;
  if (slot >= SLOTS) nest_misuse(nest, "too many variables are in scope");
  nest->key[slot] = 1000003 + (++nest->serial * INT64_C(0x9E3779B1)) % INT64_C(0x3fffffdd);
  Ix *ix = nest_room(nest);
  (*ix)[slot] = 1;
  (*ix)[SLOTS] = nest->key[slot];
  return ix;
}

/* ---- nests, functions ---- */
Nest *nest_new(Arena *arena, const char *name, const char *about) {
  Nest *nest = NEW(arena, Nest);
  nest->arena = arena;
  nest->name = name;
  nest->about = about;
  return nest;
}

void nest_lead(Nest *nest, int64_t rows) {
  if (nest->fn || rows < 1) nest_misuse(nest, "nest_lead after nest_fn, or with no rows");
  nest->nleads = 1;
  nest->lead[0] = rows;
}

void nest_lead_parallel(Nest *nest) {
  if (nest->fn) nest_misuse(nest, "nest_lead_parallel after nest_fn");
  nest->lead_kind = PARALLEL;
}

bool nest_repeat_lead(Nest *nest, int64_t rows) {
  int at = 0;
  while (at < nest->nleads && nest->lead[at] < rows) at++;
  if (nest->fn || at == nest->nleads) nest_misuse(nest, "nest_repeat_lead after nest_fn, or too many rows");
  if (nest->lead[at] == rows) return true;
  if (nest->nleads == LEADS || nest->lead[at] % rows || (at && rows % nest->lead[at - 1])) return false;
  for (int i = nest->nleads++; i > at; i--) nest->lead[i] = nest->lead[i - 1];
  nest->lead[at] = rows;
  return true;
}

const Ix *nest_row(const Nest *nest) { return nest->lead_at[nest->nleads - 1]; }

/* The index of the current row in a buffer, which may have fewer rows than the nest: the row modulo the
 * buffer's number of rows. */
static Index lead_index(Nest *nest, const Buf *buf) {
  for (int i = 0; i < nest->nleads; i++)
    if (nest->lead[i] == buf->dim[0]) return nest_index(nest, nest->lead_at[i]);
  nest_misuse(nest, nest_text(nest, "the rows of %s match no leading axis", buf->name));
}

/* The main function loops over the rows; the other functions receive the row as a parameter. */
static void begin_row(Nest *nest) {
  const Ix none = {0};
  const bool main = strcmp(nest->fn->name, nest->name) == 0;
  for (int i = 0; i < nest->nleads && !main; i++)
    nest->lead_at[i] = nest_param(nest, i == nest->nleads - 1 ? "n" : nest_text(nest, "n%d", i), PLAIN);
  if (!main) return;
  const Ix *loop[LEADS];
  for (int i = nest->nleads - 1; i >= 0; i--) {
    const Ix rounds = none + nest->lead[i] / (i ? nest->lead[i - 1] : 1);
    loop[i] = nest_loop(nest, i == nest->nleads - 1 ? "n" : nest_text(nest, "n%d", i), nest->lead_kind, 1,
                        &none, 1, &rounds);
    nest_enter(nest); /* this loop stays open around the whole function */
  }
  for (int i = 0; i < nest->nleads; i++) {
    Ix *row = nest_room(nest);
    *row = i ? *loop[i] * nest->lead[i - 1] + *nest->lead_at[i - 1] : *loop[i];
    nest->lead_at[i] = row;
  }
  nest->ground = nest->depth;
}

NestFn *nest_fn(Nest *nest, const char *name, bool kernel) {
  if (nest->depth != nest->ground)
    nest_misuse(nest, "a block of the previous function was left by break or return");
  NestFn *fn = NEW(nest->arena, NestFn), **end = &nest->fns;
  while (*end) end = &(*end)->next;
  *end = fn;
  fn->name = name;
  fn->kernel = kernel;
  nest->fn = nest->main = fn;
  nest->nslots = nest->ground = 0;
  open_block(nest, 0, NULL, &fn->body);
  if (nest->nleads) begin_row(nest);
  return fn;
}

const Ix *nest_param(Nest *nest, const char *name, ParamKind kind) {
  NestFn *fn = nest->fn;
  if (!fn || fn->body || fn->nparams == PARAMS)
    nest_misuse(nest, "a parameter is outside a function or after a statement, or there are too many");
  fn->param[fn->nparams] = name;
  fn->varied[fn->nparams] = kind == VARIED;
  fn->flag[fn->nparams++] = kind == FLAG;
  const Ix *ix = new_variable(nest);
  nest->slot_scope[nest->nslots] = nest->open[0].scope;
  return ix;
}

const Ix *nest_size(Nest *nest, const char *name, int64_t lo, int64_t hi) {
  if (lo < 0 || hi < lo || hi > INT32_MAX) nest_misuse(nest, "a size parameter has an impossible range");
  const Ix *ix = nest_param(nest, name, PLAIN);
  int i = nest->fn->nparams - 1;
  nest->fn->size[i] = true;
  nest->fn->lo[i] = lo;
  nest->fn->hi[i] = hi;
  return ix;
}

Index nest_index(Nest *nest, const Ix *ix) {
  Index index = {.c = (*ix)[0]};
  uint64_t check = (uint64_t)index.c;
  for (int s = 1; s < SLOTS; s++) {
    index.k[s] = (*ix)[s] - index.c;
    if (index.k[s] && s > nest->nslots) nest_misuse(nest, "an index uses a variable outside its loop");
    check += (uint64_t)index.k[s] * (uint64_t)nest->key[s];
    if (index.k[s] > NO_HI || index.k[s] < NO_LO)
      nest_misuse(nest, "an index has a coefficient that is larger than any buffer");
  }
  if (check != (uint64_t)(*ix)[SLOTS])
    nest_misuse(nest, "index is not affine, or uses a variable outside its loop");
  if (index.c > NO_HI || index.c < NO_LO)
    nest_misuse(nest, "an index has a constant that is larger than any buffer");
  return index;
}

static bool passes_flag(const Nest *nest,
                        const Index *arg) { /* whether the argument is 0, 1, or one of the caller's flags */
  int slot = 0;
  if (index_constant(arg)) return arg->c == 0 || arg->c == 1;
  for (int s = 1; s < SLOTS; s++)
    if (arg->k[s]) slot = s;
  return index_terms(arg) == 1 && arg->k[slot] == 1 && slot <= nest->fn->nparams && nest->fn->flag[slot - 1];
}

void nest_call_list(Nest *nest, NestFn *fn, int n, const Ix *args) {
  const int row = nest->nleads; /* row: the number of leading arguments, which callers omit */
  if (fn == nest->fn) nest_misuse(nest, "a function calls itself");
  if (n + row != fn->nparams) nest_misuse(nest, "a call has the wrong number of arguments");
  NestStmt *stmt = new_statement(nest, CALL);
  stmt->u.call.fn = fn;
  stmt->u.call.arg = NEW_ARRAY(nest->arena, Index, fn->nparams);
  for (int i = 0; i < fn->nparams; i++) {
    stmt->u.call.arg[i] = nest_index(nest, i < row ? nest->lead_at[i] : &args[i - row]);
    if (fn->size[i])
      nest_misuse(nest, "a function with size parameters is a main function and cannot be called");
    if (fn->flag[i] && !passes_flag(nest, &stmt->u.call.arg[i]))
      nest_misuse(nest, "a flag must be 0, 1 or a flag of the caller");
  }
}

/* ---- buffers ---- */
int64_t buf_elements(const Buf *buf) {
  int64_t n = 1;
  for (int d = 0; d < buf->rank; d++) n *= buf->dim[d];
  return n;
}

int64_t buf_bytes(const Buf *buf) { return elem_bytes(buf->type.elem) * buf_elements(buf); }

void buf_append(Buf *buf, int64_t n) {
  buf->dim[buf->rank] = buf->room[buf->rank] = n;
  buf->apart *= n;
  buf->rank++;
}

int64_t buf_room(const Buf *buf, int from) {
  int64_t n = 1;
  for (int d = from; d < buf->rank; d++) n *= buf->room[d];
  if (!buf->apart || from > 1) return n;
  /* if the rows are groups of channels, these groups alternate in each pixel, so a row spans all pixels */
  return from ? buf->apart : larger(buf->apart * buf->room[0], n / buf->room[0]);
}

bool buf_contiguous(const Buf *buf) { return !buf->apart && buf_elements(buf) == buf_room(buf, 0); }

static void check_buffer(Nest *nest, const Buf *buf) {
  int64_t n = 1;
  for (int d = 0; d < buf->rank; d++) {
    if (buf->dim[d] < 1 || buf->dim[d] > INT32_MAX)
      nest_misuse(nest, nest_text(nest, "%s: dimension %d is %lld", buf->name, d, (long long)buf->dim[d]));
    n *= buf->dim[d]; /* no overflow, because both factors are below 2^31 */
    if (n > INT32_MAX) nest_misuse(nest, nest_text(nest, "%s has 2^31 elements or more", buf->name));
  }
  if (buf->place == STACK && n > STACK_ELEMENTS)
    nest_misuse(nest, nest_text(nest, "%s is too large for the stack", buf->name));
  int lanes = buf->type.lanes;
  if (lanes != 1 && (buf->place != REGS || (lanes != 4 && lanes != 8 && lanes != 16)))
    nest_misuse(nest, nest_text(nest, "%s: %d lanes", buf->name, lanes));
}

static Buf *new_buffer(Nest *nest, BufPlace place, const char *name, Type type, int rank,
                       const int64_t *dim) {
  if (rank < 0 || rank > DIMS) nest_misuse(nest, nest_text(nest, "%s has %d dimensions", name, rank));
  if (place >= STACK && !nest->fn) nest_misuse(nest, nest_text(nest, "%s: a local outside a function", name));
  Buf *buf = NEW(nest->arena, Buf);
  *buf = (Buf){.name = name, .place = place, .type = type, .id = nest->nbufs, .rank = rank, .nest = nest};
  for (int d = 0; d < rank; d++) buf->dim[d] = buf->room[d] = dim[d];
  if (place != VIEW) check_buffer(nest, buf);
  if (place >= STACK) buf->scope = nest->open[nest->depth].scope;
  if (nest->nbufs == nest->room) {
    const int room = nest->room ? 2 * nest->room : 8;
    nest->buf =
        arena_grow(nest->arena, nest->buf, sizeof(Buf *) * (size_t)nest->room, sizeof(Buf *) * (size_t)room);
    nest->room = room;
  }
  nest->buf[nest->nbufs++] = buf;
  return buf;
}

Buf *nest_buf(Nest *nest, BufPlace place, const char *name, Type type, int rank, const int64_t *dim) {
  if (place == VIEW) nest_misuse(nest, "a view must be created with VIEW_OF");
  Buf *buf = new_buffer(nest, place, name, type, rank, dim);
  if (place >= STACK) new_statement(nest, DECLARE)->u.declare.buf = buf;
  return buf;
}

Buf *nest_view(Nest *nest, const char *name, Buf *of, const Ix *base) {
  if (of->place >= REGS || of->rank < 1)
    nest_misuse(nest, nest_text(nest, "%s: a view must be of an array in memory", name));
  check_scope(nest, of->scope, of->name);
  Buf *buf = new_buffer(nest, VIEW, name, of->type, of->rank, of->dim);
  buf->of = of;
  buf->leads = of->leads;
  buf->as_floats = of->as_floats;
  buf->apart = of->apart;
  of->flat = true;
  for (int d = 0; d < of->rank; d++) {
    buf->room[d] = of->room[d];
    buf->base[d] = d < of->leads ? lead_index(nest, of) : nest_index(nest, &base[d - of->leads]);
  }
  new_statement(nest, DECLARE)->u.declare.buf = buf;
  return buf;
}

Ref nest_ref(Nest *nest, Buf *buf, int rank, const Ix *ix) {
  if (buf->nest != nest) nest_misuse(nest, nest_text(nest, "%s belongs to another nest", buf->name));
  if (rank + buf->leads != buf->rank)
    nest_misuse(nest,
                nest_text(nest, "%s has %d dimensions, not %d", buf->name, buf->rank - buf->leads, rank));
  check_scope(nest, buf->scope, buf->name);
  Ref ref = {.buf = buf};
  if (buf->leads && buf->place != VIEW) ref.at[0] = lead_index(nest, buf);
  for (int d = 0; d < rank; d++) ref.at[d + buf->leads] = nest_index(nest, &ix[d]);
  return ref;
}

void nest_routine(Nest *nest, const Routine *routine, Buf *const *bufs, const double *numbers) {
  NestStmt *stmt = new_statement(nest, ROUTINE);
  stmt->u.routine.of = routine;
  for (int i = 0; i < routine->nbufs; i++) {
    Buf *buf = bufs[i];
    check_scope(nest, buf->scope, buf->name);
    if (buf->place > STACK || buf->type.elem != routine->elem[i] || !buf_contiguous(buf))
      nest_misuse(nest, nest_text(nest, "%s is not an array that a runtime function accepts", buf->name));
    for (int k = 0; k < i; k++)
      if (bufs[k] == buf && (routine->writes[i] || routine->writes[k]))
        nest_misuse(nest, nest_text(nest, "%s is passed twice to a routine that writes to it", buf->name));
    buf->flat = true;
    stmt->u.routine.buf[i] = buf;
  }
  for (int i = 0; i < routine->nnumbers; i++) stmt->u.routine.number[i] = numbers[i];
}

/* ---- loops, branches ---- */
const Ix *nest_loop(Nest *nest, const char *name, LoopKind kind, int nlo, const Ix *lo, int nhi,
                    const Ix *hi) {
  if (nlo < 1 || nhi < 1 || nlo > BOUNDS || nhi > BOUNDS)
    nest_misuse(nest, "a loop has no bounds, or too many bounds");
  if (kind == PARALLEL && (nlo > 1 || nhi > 1))
    nest_misuse(nest, "a parallel loop must have one bound on each side");
  NestStmt *stmt = new_statement(nest, LOOP);
  stmt->u.loop.name = name;
  stmt->u.loop.kind = kind;
  stmt->u.loop.nlo = nlo;
  stmt->u.loop.nhi = nhi;
  for (int i = 0; i < nlo; i++) stmt->u.loop.lo[i] = nest_index(nest, &lo[i]);
  for (int i = 0; i < nhi; i++) stmt->u.loop.hi[i] = nest_index(nest, &hi[i]);
  const Ix *ix = new_variable(nest);
  stmt->u.loop.slot = nest->nslots;
  open_block(nest, nest->depth + 1, stmt, &stmt->body);
  nest->slot_scope[nest->nslots] = nest->open[nest->depth].scope;
  return ix;
}

const Ix *nest_chosen(Nest *nest, const char *name, Val value, const Ix *lo, const Ix *hi) {
  if (value->type.lanes != 1 || (value->type.elem != F32 && value->type.elem != I32))
    nest_misuse(nest, "a data-dependent index must be a scalar float or I32");
  value = val_settle(nest, value); /* the value is computed once, before the block */
  const Ix *ix = nest_loop(nest, name, CHOSEN, 1, lo, 1, hi);
  nest->open[nest->depth].stmt->u.loop.chosen = value;
  return ix;
}

int nest_if(Nest *nest, Cond cond) {
  NestStmt *stmt = new_statement(nest, IF);
  stmt->u.branch.cond = cond;
  open_block(nest, nest->depth + 1, stmt, &stmt->body);
  return 1;
}

int nest_else(Nest *nest) {
  NestStmt *stmt = nest->fn ? nest->open[nest->depth].last : NULL;
  if (!stmt || stmt->kind != IF || stmt->otherwise) nest_misuse(nest, "NEST_ELSE without NEST_IF");
  open_block(nest, nest->depth + 1, stmt, &stmt->otherwise);
  return 1;
}

bool nest_enter(Nest *nest) {
  if (nest->open[nest->depth].stmt) { /* the first call for the block enters it */
    nest->open[nest->depth].stmt = NULL;
    return true;
  }
  if (nest->depth == nest->ground) nest_misuse(nest, "nest_enter without an open block");
  const NestStmt *closed = nest->open[--nest->depth].last;
  if (closed->kind == LOOP) nest->nslots = closed->u.loop.slot - 1; /* frees the loop's slot */
  return false;
}

void nest_pin(Nest *nest, Buf *view) {
  if (view->place != VIEW) nest_misuse(nest, "only a view can be pinned");
  check_scope(nest, view->scope, view->name);
  new_statement(nest, PIN)->u.pin.view = view;
}

void nest_prefetch_at(Nest *nest, Buf *buf, const Ix *flat) {
  Index index = nest_index(nest, flat);
  if (buf->place >= STACK) nest_misuse(nest, "prefetch of a local");
  NestStmt *stmt = new_statement(nest, PREFETCH);
  stmt->u.prefetch.buf = buf;
  stmt->u.prefetch.flat = index;
}

void nest_comment(Nest *nest, const char *text) { new_statement(nest, COMMENT)->u.comment = text; }

static void new_store(Nest *nest, Ref ref, Val val, int part) {
  const Val settled = val_settle(nest, val);
  NestStmt *stmt = new_statement(nest, STORE);
  stmt->u.store.ref = ref;
  stmt->u.store.val = settled;
  stmt->u.store.part = part;
}

static void store_statement(Nest *nest, Ref ref, Val val, int part) {
  const Buf *buf = ref.buf;
  check_scope(nest, buf->scope, buf->name);
  if (elem_is_half(buf->type.elem)) val = convert(val, buf->type.elem);
  if (buf->type.elem != val->type.elem)
    nest_misuse(nest, nest_text(nest, "the stored value has a different element type than %s", buf->name));
  if (buf->place == REGS && val->type.lanes != 1 && val->type.lanes != buf->type.lanes)
    nest_misuse(nest, nest_text(nest, "%s and the stored value differ in their number of lanes", buf->name));
  if (part != val->type.lanes && (buf->place == REGS || part < 1 || part > val->type.lanes))
    nest_misuse(nest, nest_text(nest, "%s: %d lanes are not a valid part of a vector", buf->name, part));
  new_store(nest, ref, val, part);
}

void nest_store_words(Nest *nest, Ref ref, Val val) {
  check_scope(nest, ref.buf->scope, ref.buf->name);
  if (ref.buf->type.elem != I8 || ref.buf->place == REGS || val->type.elem != I32)
    nest_misuse(nest, "packed words can only be stored in an int8 array");
  new_store(nest, ref, val, WORD_BYTES * val->type.lanes);
}

bool store_is_words(const NestStmt *stmt) {
  return stmt->u.store.val->type.elem == I32 && stmt->u.store.ref.buf->type.elem == I8;
}

void nest_store(Nest *nest, Ref ref, Val val) { store_statement(nest, ref, val, val->type.lanes); }
void nest_store_part(Nest *nest, Ref ref, Val val, int part) { store_statement(nest, ref, val, part); }

void nest_accumulate(Nest *nest, Ref ref, Val x, Val y) {
  int lanes = x->type.lanes > y->type.lanes ? x->type.lanes : y->type.lanes;
  nest_store(nest, ref, fma_(x, y, nest_load(nest, ref, ref.buf->place == REGS ? 0 : lanes)));
}

Val nest_name(Nest *nest, const char *name, Val val) {
  Buf *buf = new_buffer(nest, REGS, name, val->type, 0, NULL);
  NestStmt *stmt = new_statement(nest, STORE);
  stmt->u.store.ref.buf = buf;
  stmt->u.store.val = val;
  stmt->u.store.part = val->type.lanes;
  stmt->u.store.declare = true;
  return nest_load(nest, (Ref){.buf = buf}, 0);
}

Val nest_let(Nest *nest, const char *name, Val val) { return nest_name(nest, name, val_settle(nest, val)); }

int nest_scope_of(const Nest *nest, const Index *index) {
  int scope = 0;
  for (int s = 1; s < SLOTS; s++)
    if (index->k[s] && nest->slot_scope[s] > scope) scope = nest->slot_scope[s];
  return scope;
}

void nest_check_scope(Nest *nest, int scope) { check_scope(nest, scope, "a variable in a value"); }

/* ---- conditions ---- */
Cond cond_within(Nest *nest, const Ix *e, int64_t lo, int64_t hi) {
  if ((lo != NO_LO && (lo < INT32_MIN || lo > INT32_MAX)) ||
      (hi != NO_HI && (hi < INT32_MIN || hi > INT32_MAX)))
    nest_misuse(nest, "a condition has a bound that is larger than any index");
  return (Cond){1, {{1, {{nest_index(nest, e), lo, hi}}}}};
}

static _Noreturn void misuse_condition(const char *what) {
  fprintf(stderr, "internal error: condition of a nest: %s\n", what);
  exit(3);
}

Cond cond_and(Cond a, Cond b) {
  if (a.n != 1 || b.n != 1 || a.any[0].n + b.any[0].n > 4)
    misuse_condition("cond_and takes conjunctions, with at most four ranges in total");
  for (int i = 0; i < b.any[0].n; i++) a.any[0].range[a.any[0].n++] = b.any[0].range[i];
  return a;
}

Cond cond_or(Cond a, Cond b) {
  if (a.n != 1 || b.n != 1) misuse_condition("cond_or takes two alternatives");
  a.any[a.n++] = b.any[0];
  return a;
}
