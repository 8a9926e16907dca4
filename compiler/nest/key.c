/* key.c: Keys of C functions and of nests, for function merging. A key is a sequence of numbers that contains
 * everything that determines the computation (code_key_without_numbers omits some constants). It excludes
 * names of buffers and variables, comments, dimensions of buffers that C addresses by element, unused buffers
 * and unused functions. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "nest/code.h"
#include "nest/team.h"

typedef struct Writer {
  Arena *arena;
  Key *key;
  Instances *plan;
  const Instance *instance;
  CodeNumbers *numbers; /* gets numbers that may become parameters; NULL: all numbers are in the key */
  Stmts list;           /* statements of the bodies that are being added */
  bool pairs, team;     /* pairs: the target loads two words at a time; team: threads share PARALLEL loops */
  bool
      whole; /* this is the key of a whole nest: called functions are identified by their index in the nest */
  int *met, n;            /* met: by buffer id: the buffer's number in order of first use, from 1 on */
  int slot[SLOTS], slots; /* slot: by slot: the variable's number in order of first use, from 1 on */
} Writer;

static void key_number(Writer *w, int64_t number) { key_add(w->arena, w->key, number); }

/* Adds a number that may become a parameter. Parameters are ints. */
static void add_open(Writer *w, const void *of, int which, int64_t value) {
  const bool open = w->numbers && value >= INT32_MIN && value <= INT32_MAX;
  const CodeNumber number = {of, which, value, 0};
  if (w->numbers) key_number(w, open);
  if (open) vec_push(w->arena, *w->numbers, number);
  else key_number(w, value);
}

/* ---- indices ---- */
/* Adds an index. of: CodeNumber.of for the numbers of the index; NULL: all these numbers are in the key. A
 * coefficient of 1 is always in the key, because it is not printed. So are signs that are printed as
 * operators. */
static void add_terms(Writer *w, const void *of, const Index *ix) {
  CodeNumbers *numbers = w->numbers;
  if (!of) w->numbers = NULL;
  const bool constant = index_constant(ix);
  key_number(w, constant);
  for (int s = 1; s < SLOTS; s++) {
    const int64_t k = ix->k[s], size = k < 0 ? -k : k;
    if (!k) continue;
    key_number(w, w->slot[s] ? w->slot[s] : -s);
    key_number(w, k < 0);
    key_number(w, size == 1);
    if (size > 1) add_open(w, of, s, size);
  }
  if (!constant) {
    key_number(w, 0);
    key_number(w, ix->c < 0 ? -1 : ix->c > 0);
  }
  if (constant || ix->c) add_open(w, of, 0, constant || ix->c > 0 ? ix->c : -ix->c);
  w->numbers = numbers;
}

static void add_index(Writer *w, const Index *index) {
  const Index ix = known_fold(&w->instance->known, index);
  add_terms(w, index, &ix);
}

static void add_fixed_index(Writer *w, const Index *index) {
  const Index ix = known_fold(&w->instance->known, index);
  add_terms(w, NULL, &ix);
}

static void add_flat(Writer *w, const Buf *buf, const Index *at) {
  FlatTerm term[DIMS];
  const int n = code_flat(&w->instance->known, buf, at, term);
  key_number(w, n);
  key_number(w, buf_room(buf, 0) >= NEST_FAR);
  for (int i = 0; i < n; i++) {
    add_index(w, term[i].at);
    key_number(w, term[i].stride > 1);
    if (term[i].stride > 1) add_open(w, term[i].at, NUMBER_STRIDE, term[i].stride);
  }
}

/* ---- buffers ---- */
static void key_shape(Writer *w, const Buf *buf) {
  const bool local = buf->place >= STACK;
  if (code_is_variable(buf)) return;
  key_number(w, buf->flat || (!local && buf->rank <= 1));
  if (buf->flat && local) add_open(w, buf, NUMBER_ELEMENTS, buf_elements(buf));
  if (code_is_flat(buf) && (buf->flat || !local)) return;
  key_number(w, buf->rank);
  for (int d = local ? 0 : 1; d < buf->rank; d++) key_number(w, local ? buf->dim[d] : buf->room[d]);
}

static void add_buf(Writer *w, const Buf *buf) {
  const bool first = !w->met[buf->id];
  if (first) w->met[buf->id] = ++w->n;
  key_number(w, w->met[buf->id]);
  if (!first) return;
  key_number(w, buf->place >= STACK ? (int)buf->place : buf->place <= WEIGHTS);
  key_number(w, buf->type.elem);
  key_number(w, buf->type.lanes);
  if (buf->of) {
    add_buf(w, buf->of);
    add_flat(w, buf, buf->base);
    return;
  }
  if (!w->numbers) key_number(w, buf->overlaps);
  key_shape(w, buf);
}

/* Adds a reference to an element of a view, relative to the view's position. The key contains the sign of the
 * reference's constant, which is printed as an operator, and whether the constant is 0, because a 0 is not
 * printed. */
static void add_in_view(Writer *w, const Ref *ref) {
  const Index sum = code_in_view(&w->instance->known, ref);
  const bool constant = index_constant(&sum);
  key_number(w, constant);
  if (!constant) add_terms(w, ref, &sum);
  else key_number(w, sum.c < 0 ? -1 : sum.c > 0);
  if (constant && sum.c) add_open(w, ref, 0, sum.c < 0 ? -sum.c : sum.c);
}

static void add_ref(Writer *w, const Ref *ref) {
  const Buf *buf = ref->buf;
  add_buf(w, buf);
  if (code_is_variable(buf)) return;
  if (buf->of) add_in_view(w, ref);
  else if (buf->flat) add_flat(w, buf, ref->at);
  else
    for (int d = 0; d < buf->rank; d++)
      if (buf->place == REGS) add_fixed_index(w, &ref->at[d]);
      else add_index(w, &ref->at[d]);
}

static void add_cond(Writer *w, const Cond *cond) {
  for (int i = 0; i < cond->n; i++) {
    const All *all = &cond->any[i];
    if (known_decide_all(&w->instance->known, all) == 0) continue;
    key_number(w, all->n);
    for (int j = 0; j < all->n; j++) {
      const Range *range = &all->range[j];
      const RangeForm form = code_range(w->instance, range);
      key_number(w, form);
      if (form == RANGE_SETTLED) continue;
      add_index(w, &range->e);
      if (form == RANGE_IS || form == RANGE_FROM || form == RANGE_WITHIN)
        add_open(w, range, NUMBER_LOW, range->lo);
      if (form == RANGE_BELOW || form == RANGE_WITHIN) add_open(w, range, NUMBER_HIGH, range->hi);
    }
  }
  key_number(w, -1);
}

/* ---- values ---- */
static void key_value(Writer *, Val);

static void add_operands(Writer *w, Val e) {
  for (int i = 0; i < 3 && e->a[i]; i++) key_value(w, e->a[i]);
}

static void add_num(Writer *w, Val e, bool open) {
  key_number(w, e->num == 0);
  if (open && e->type.elem != F32) add_open(w, e, 0, (int64_t)e->num);
  else key_add_double(w->arena, w->key, e->num);
}

/* Adds a product. The key contains whether a factor is a negative constant, because such a product is printed
 * as a subtraction. */
static void key_product(Writer *w, Val e) {
  for (int i = 0; i < 2; i++) {
    const Val a = e->a[i];
    const bool fixed = a->op == NUM && a->num < 0;
    key_number(w, fixed);
    if (fixed) add_num(w, a, false);
    else key_value(w, a);
  }
}

static void add_pick(Writer *w, Val e) {
  const int verdict = known_pick(&w->instance->known, e);
  key_number(w, verdict);
  if (verdict >= 0) {
    key_value(w, e->a[1 - verdict]);
    return;
  }
  add_cond(w, e->cond);
  add_operands(w, e);
}

static void key_value(Writer *w, Val e) {
  key_number(w, e->op);
  key_number(w, e->type.elem);
  key_number(w, e->type.lanes);
  key_number(w, e->part);
  if (e->op == NUM) add_num(w, e, true);
  if (e->op == PRIMITIVE) key_add_text(w->arena, w->key, e->primitive->name);
  if (e->op == LOAD) add_ref(w, e->ref);
  for (int i = 0; e->op == SHUFFLE && i < e->type.lanes; i++) key_number(w, e->lane[i]);
  if (e->op == LANE) add_fixed_index(w, &e->index);
  if (e->op == POSITION) add_index(w, &e->index);
  if (e->op == PICK) add_pick(w, e);
  else if (e->op == FMA) {
    key_product(w, e);
    key_value(w, e->a[2]);
  } else add_operands(w, e);
}

/* ---- statements ---- */
static void add_body(Writer *, const NestStmt *);

static void add_limit(Writer *w, int n, const Index *bound, bool low) {
  const Index *limit[BOUNDS];
  const int limits = code_limit(&w->instance->known, n, bound, low, limit);
  key_number(w, n);
  key_number(w, limits);
  for (int i = 0; i < limits; i++) add_index(w, limit[i]);
}

static void add_loop(Writer *w, const NestStmt *stmt) {
  const LoopKind kind = stmt->u.loop.kind;
  const int slot = stmt->u.loop.slot, outer = w->slot[slot];
  const bool team = w->team;
  key_number(w, kind == PARALLEL && !team ? SERIAL : kind);
  if (kind == CHOSEN) {
    key_value(w, stmt->u.loop.chosen);
    add_fixed_index(w, &stmt->u.loop.lo[0]);
    add_fixed_index(w, &stmt->u.loop.hi[0]);
  } else {
    add_limit(w, stmt->u.loop.nlo, stmt->u.loop.lo, true);
    add_limit(w, stmt->u.loop.nhi, stmt->u.loop.hi, false);
  }
  if (kind == TILED) { /* the entry function configures the tile registers with these numbers */
    key_number(w, w->plan->nest->tiles.rows);
    key_number(w, w->plan->nest->tiles.pairs);
    key_number(w, w->plan->nest->tiles.lines);
  }
  w->slot[slot] = ++w->slots;
  w->team = team && kind != CHOSEN && (kind != PARALLEL || team_inner_loop(stmt));
  add_body(w, stmt->body);
  w->team = team;
  w->slot[slot] = outer;
}

static void add_store(Writer *w, const NestStmt *stmt) {
  const Val val = stmt->u.store.val;
  const bool adds = code_adds(stmt);
  key_number(w, stmt->u.store.part);
  key_number(w, stmt->u.store.declare);
  key_number(w, adds);
  key_number(w, val->type.lanes);
  if (adds) key_product(w, val);
  else key_value(w, val);
  add_ref(w, &stmt->u.store.ref);
}

/* Adds statements that are printed as one load of n words. continues: these words directly follow the words
 * of the previous such load, so their address is not printed. */
static void add_words(Writer *w, const NestStmt *const *stmt, int n, bool continues) {
  key_number(w, -n);
  key_number(w, continues);
  if (!continues) add_ref(w, code_named_word(stmt[0]));
  for (int i = 0; i < n; i++) add_buf(w, stmt[i]->u.store.ref.buf);
}

static void add_used(Writer *w, const Instance *callee) {
  for (int i = 0; i < w->plan->nest->nbufs; i++)
    if (callee->used.buf[i] && w->plan->nest->buf[i]->place < STACK) add_buf(w, w->plan->nest->buf[i]);
}

static void add_call(Writer *w, const NestStmt *stmt) {
  const Instance *callee = instance_called(w->plan, stmt->u.call.fn, &w->instance->known, stmt->u.call.arg);
  key_number(w, w->whole ? callee->id : callee->code);
  add_used(w, callee);
  for (int i = 0; i < callee->fn->nparams; i++)
    if (!callee->known.fixed[i + 1] && callee->used.slot[i + 1]) add_fixed_index(w, &stmt->u.call.arg[i]);
}

static void add_routine(Writer *w, const NestStmt *stmt) {
  const Routine *routine = stmt->u.routine.of;
  key_add_text(w->arena, w->key, routine->name);
  for (int i = 0; i < routine->nbufs; i++) add_buf(w, stmt->u.routine.buf[i]);
  for (int i = 0; i < routine->nnumbers; i++) key_add_double(w->arena, w->key, stmt->u.routine.number[i]);
}

static void add_statement(Writer *w, const NestStmt *stmt) {
  key_number(w, stmt->kind);
  switch (stmt->kind) {
  case LOOP: add_loop(w, stmt); break;
  case IF:
    add_cond(w, &stmt->u.branch.cond);
    add_body(w, stmt->body);
    add_body(w, stmt->otherwise);
    break;
  case STORE: add_store(w, stmt); break;
  case DECLARE: add_buf(w, stmt->u.declare.buf); break;
  case CALL: add_call(w, stmt); break;
  case ROUTINE: add_routine(w, stmt); break;
  case PIN: add_buf(w, stmt->u.pin.view); break;
  case PREFETCH:
    add_buf(w, stmt->u.prefetch.buf);
    add_index(w, &stmt->u.prefetch.flat);
    break;
  case COMMENT: break;
  }
}

static void add_body(Writer *w, const NestStmt *body) {
  enum { END = -1 };
  const int first = w->list.n;
  const NestStmt *before = NULL;
  code_statements(w->arena, w->instance, body, true, &w->list);
  const int end = w->list.n;
  for (int i = first, n; i < end; i += n) {
    const NestStmt *stmt = w->list.data[i];
    n = w->pairs ? code_words_at_once(w->list.data + i, end - i) : 1;
    if (n == 1) add_statement(w, stmt);
    else add_words(w, w->list.data + i, n, n == WORDS_AT_ONCE && code_continues(before, stmt));
    if (n == WORDS_AT_ONCE) before = stmt;
  }
  w->list.n = first;
  key_number(w, END);
}

/* ---- functions ---- */
static void key_parameters(Writer *w, bool entry) {
  const Instance *instance = w->instance;
  add_used(w, instance);
  key_number(w, 0);
  for (int i = 0; i < instance->fn->nparams; i++) {
    if (instance->known.fixed[i + 1] || !(entry || instance->used.slot[i + 1])) continue;
    w->slot[i + 1] = ++w->slots;
    key_number(w, instance->fn->flag[i] ? 2 : 1);
  }
  key_number(w, 0);
}

/* Adds a wrapper: an instance that only calls its body with constants. */
static void key_constants(Writer *w) {
  const Instance *instance = w->instance;
  key_number(w, w->whole ? instance->body->id : instance->body->code);
  for (int i = 0; i < instance->fn->nparams; i++) {
    if (!instance->used.slot[i + 1]) continue;
    key_number(w, instance->known.fixed[i + 1]);
    key_number(w, instance->known.fixed[i + 1] ? instance->known.value[i + 1] : w->slot[i + 1]);
  }
}

static void add_function(Writer *w) {
  const Instance *instance = w->instance;
  const bool entry = instance->fn == w->plan->nest->main;
  w->team = w->team && entry && team_shares(instance->fn->body);
  key_number(w, entry);
  key_number(w, instance->inlined);
  key_number(w, w->team);
  key_number(w, instance->body != NULL);
  key_parameters(w, entry);
  if (instance->body) key_constants(w);
  else add_body(w, instance->fn->body);
}

static Writer *writer_new(Arena *arena, Instances *plan) {
  Writer *w = NEW(arena, Writer);
  w->arena = arena;
  w->key = NEW(arena, Key);
  w->plan = plan;
  return w;
}

static void key_begin(Writer *w, const Instance *instance) {
  w->instance = instance;
  w->met = NEW_ARRAY(w->arena, int, w->plan->nest->nbufs + 1);
  w->n = w->slots = 0;
  memset(w->slot, 0, sizeof w->slot);
}

static const Key *key_finished(Writer *w) {
  key_close(w->key);
  return w->key;
}

/* ---- interface ---- */
const Key *code_key(Arena *arena, Instances *plan, const Instance *instance, bool team) {
  Writer *w = writer_new(arena, plan);
  key_begin(w, instance);
  w->team = team;
  add_function(w);
  return key_finished(w);
}

const Key *code_key_without_numbers(Arena *arena, Instances *plan, const Instance *instance, bool pairs,
                                    CodeNumbers *numbers) {
  Writer *w = writer_new(arena, plan);
  key_begin(w, instance);
  w->numbers = numbers;
  w->pairs = pairs;
  add_function(w);
  return key_finished(w);
}

const Key *nest_key(Arena *arena, const Nest *nest, bool team) {
  Instances *plan = instances_of(nest);
  Writer *w = writer_new(arena, plan);
  w->whole = true;
  for (int i = 0; i < plan->instances.n; i++) {
    key_begin(w, plan->instances.data[i]);
    w->team = team;
    add_function(w);
  }
  return key_finished(w);
}
