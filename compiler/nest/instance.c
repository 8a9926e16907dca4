/* instance.c: C functions of a nest, and the names that they use. A function of the nest becomes one C
 * function for each set of constants with which it is called. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/instance.h"
#include <string.h>

/* ---- constants ---- */
Index known_fold(const Known *known, const Index *ix) {
  Index r = *ix;
  for (int s = 1; s < SLOTS; s++)
    if (r.k[s] && known->fixed[s]) {
      r.c += r.k[s] * known->value[s];
      r.k[s] = 0;
    }
  return r;
}

int known_decide_all(const Known *known, const All *all) {
  int verdict = 1;
  for (int i = 0; i < all->n; i++) {
    const Range *range = &all->range[i];
    Index e = known_fold(known, &range->e);
    if (!index_constant(&e)) verdict = -1;
    else if (e.c < range->lo || e.c >= range->hi) return 0;
  }
  return verdict;
}

static int known_decide(const Known *known, const Cond *cond) {
  int verdict = 0;
  for (int i = 0; i < cond->n; i++) {
    int v = known_decide_all(known, &cond->any[i]);
    if (v == 1) return 1;
    if (v < 0) verdict = -1;
  }
  return verdict;
}

static int with_proof(const Known *known, const Cond *cond, int seen) {
  return seen == 1 ? 1 : seen == 2 ? 0 : known_decide(known, cond);
}
int known_branch(const Known *known, const NestStmt *stmt) {
  return with_proof(known, &stmt->u.branch.cond, stmt->u.branch.seen);
}
int known_pick(const Known *known, Val e) { return with_proof(known, e->cond, e->seen); }

/* ---- names that a body reads ---- */
typedef struct Reader {
  const Known *known;
  Instances *plan;
  Used *used;
} Reader;

static void
read_value(const Reader *r,
           Val e) { /* may also mark buffers that only unused names read: these names are not known yet */
  if (e->op == LOAD) r->used->read[(e->ref->buf->of ? e->ref->buf->of : e->ref->buf)->id] = true;
  int verdict = e->op == PICK ? known_pick(r->known, e) : -1;
  for (int i = 0; i < 3 && e->a[i]; i++)
    if (verdict < 0 || verdict == 1 - i) read_value(r, e->a[i]);
}

static void read_body(const Reader *r, const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) {
    int verdict = stmt->kind == IF ? known_branch(r->known, stmt) : -1;
    if (stmt->kind == STORE) read_value(r, stmt->u.store.val);
    if (stmt->kind == LOOP && stmt->u.loop.chosen) read_value(r, stmt->u.loop.chosen);
    for (int i = 0; stmt->kind == ROUTINE && i < stmt->u.routine.of->nbufs; i++)
      r->used->read[stmt->u.routine.buf[i]->id] = true;
    if (stmt->kind == CALL) {
      const Instance *callee = instance_called(r->plan, stmt->u.call.fn, r->known, stmt->u.call.arg);
      for (int i = 0; i < r->plan->nest->nbufs; i++) r->used->read[i] |= callee->used.read[i];
    }
    if (verdict != 0) read_body(r, stmt->body);
    if (verdict != 1) read_body(r, stmt->otherwise);
  }
}

/* ---- names that a body uses: the last statement is visited first, so uses come before declarations ---- */
static void use_index(const Reader *r, const Index *ix) {
  for (int s = 1; s < SLOTS; s++)
    if (ix->k[s] && !r->known->fixed[s]) r->used->slot[s] = true;
}

static void use_cond(const Reader *r, const Cond *cond) {
  for (int i = 0; i < cond->n; i++)
    for (int j = 0; j < cond->any[i].n; j++) use_index(r, &cond->any[i].range[j].e);
}

static void use_buf(const Reader *r, const Buf *buf) {
  r->used->buf[buf->id] = true;
  if (buf->of) r->used->buf[buf->of->id] = true;
}

static void use_ref(const Reader *r, const Ref *ref) {
  use_buf(r, ref->buf);
  for (int d = 0; d < ref->buf->rank; d++) use_index(r, &ref->at[d]);
}

static void use_value(const Reader *r, Val e) {
  if (e->op == LOAD) use_ref(r, e->ref);
  if (e->op == LANE || e->op == POSITION) use_index(r, &e->index);
  int verdict = e->op == PICK ? known_pick(r->known, e) : -1;
  if (e->op == PICK && verdict < 0) use_cond(r, e->cond);
  for (int i = 0; i < 3 && e->a[i]; i++)
    if (verdict < 0 || verdict == 1 - i) use_value(r, e->a[i]);
}

bool used_dead(const Used *used, const NestStmt *stmt) {
  if (stmt->kind == DECLARE) return !used->buf[stmt->u.declare.buf->id];
  if (stmt->kind == PIN) return !used->buf[stmt->u.pin.view->id];
  if (stmt->kind != STORE) return false;
  const Buf *buf = stmt->u.store.ref.buf;
  const Buf *of = buf->of ? buf->of : buf;
  return stmt->u.store.declare ? !used->buf[buf->id] : of->place >= STACK && !used->read[of->id];
}

/* Whether any of the statements is printed. Must be called after use_body of these statements. Empty loops
 * and branches are not printed. */
static bool anything(const Reader *r, const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) {
    if (used_dead(r->used, stmt)) continue;
    if (stmt->kind != LOOP && stmt->kind != IF) return true;
    const int verdict = stmt->kind == IF ? known_branch(r->known, stmt) : -1;
    if ((verdict != 0 && anything(r, stmt->body)) || (verdict != 1 && anything(r, stmt->otherwise)))
      return true;
  }
  return false;
}

static void use_body(const Reader *, const NestStmt *);

static void use_loop(const Reader *r, const NestStmt *stmt) {
  bool *named = &r->used->slot[stmt->u.loop.slot];
  *named = false;
  use_body(r, stmt->body);
  if (!anything(r, stmt->body) || (stmt->u.loop.chosen && !*named)) return;
  for (int i = 0; i < stmt->u.loop.nlo; i++) use_index(r, &stmt->u.loop.lo[i]);
  for (int i = 0; i < stmt->u.loop.nhi; i++) use_index(r, &stmt->u.loop.hi[i]);
  if (stmt->u.loop.chosen) use_value(r, stmt->u.loop.chosen);
}

static Used used_new(const Instances *plan) {
  const int n = plan->nest->nbufs + 1;
  return (Used){.buf = NEW_ARRAY(plan->arena, bool, n), .read = NEW_ARRAY(plan->arena, bool, n)};
}

static void use_statement(const Reader *r, const NestStmt *stmt) {
  if (used_dead(r->used, stmt)) return;
  switch (stmt->kind) {
  case LOOP: use_loop(r, stmt); break;
  case IF: {
    int verdict = known_branch(r->known, stmt);
    if (verdict != 0) use_body(r, stmt->body);
    if (verdict != 1) use_body(r, stmt->otherwise);
    if (verdict < 0 && (anything(r, stmt->body) || anything(r, stmt->otherwise)))
      use_cond(r, &stmt->u.branch.cond);
    break;
  }
  case STORE:
    use_ref(r, &stmt->u.store.ref);
    use_value(r, stmt->u.store.val);
    break;
  case DECLARE:
    for (int d = 0; stmt->u.declare.buf->place == VIEW && d < stmt->u.declare.buf->rank; d++)
      use_index(r, &stmt->u.declare.buf->base[d]);
    break;
  case CALL: {
    const Instance *callee = instance_called(r->plan, stmt->u.call.fn, r->known, stmt->u.call.arg);
    for (int i = 0; i < r->plan->nest->nbufs; i++)
      r->used->buf[i] |= callee->used.buf[i] && r->plan->nest->buf[i]->place < STACK;
    for (int i = 0; i < callee->fn->nparams; i++)
      if (callee->used.slot[i + 1]) use_index(r, &stmt->u.call.arg[i]);
    break;
  }
  case ROUTINE:
    for (int i = 0; i < stmt->u.routine.of->nbufs; i++) use_buf(r, stmt->u.routine.buf[i]);
    break;
  case PIN: break; /* a pin alone is not a use */
  case PREFETCH:
    use_buf(r, stmt->u.prefetch.buf);
    use_index(r, &stmt->u.prefetch.flat);
    break;
  case COMMENT: break;
  }
}

static void use_body(const Reader *r, const NestStmt *stmt) {
  Instances *plan = r->plan;
  const int before = plan->left.n;
  for (; stmt; stmt = stmt->next) vec_push(plan->arena, plan->left, stmt);
  while (plan->left.n > before) use_statement(r, plan->left.data[--plan->left.n]);
}

static void used_by(Instances *plan, const NestStmt *body, const Known *known, Used *used) {
  Reader reader = {known, plan, used};
  read_body(&reader, body);
  use_body(&reader, body);
}

bool used_chosen(Instances *plan, const NestStmt *stmt, const Known *known, const Used *used) {
  const size_t n = (size_t)plan->nest->nbufs;
  Used inside = used_new(plan);
  memcpy(inside.buf, used->buf, n * sizeof *used->buf);
  memcpy(inside.read, used->read, n * sizeof *used->read);
  memcpy(inside.slot, used->slot, sizeof used->slot);
  inside.slot[stmt->u.loop.slot] = false;
  used_by(plan, stmt->body, known, &inside);
  return inside.slot[stmt->u.loop.slot];
}

/* ---- instances ---- */
static bool is_shared(const Instances *plan, const NestFn *fn) {
  for (int i = 0; i < plan->shared.n; i++)
    if (plan->shared.data[i] == fn) return true;
  return false;
}

static Instance *add_instance(Instances *plan, const NestFn *fn, const Known *known, const Instance *body) {
  Instance *instance = NEW(plan->arena, Instance);
  *instance = (Instance){.fn = fn, .known = *known, .body = body, .inlined = !fn->kernel};
  instance->used = body ? body->used : used_new(plan);
  /* first adds the functions that this function calls */
  if (!body) used_by(plan, fn->body, known, &instance->used);
  instance->id = plan->instances.n;
  vec_push(plan->arena, plan->instances, instance);
  return instance;
}

static const Instance *shared_body(Instances *plan, const NestFn *fn) {
  for (int i = 0; i < plan->instances.n; i++) {
    const Instance *have = plan->instances.data[i];
    if (have->fn == fn && have->inlined) return have;
  }
  Instance *body = add_instance(plan, fn, &(Known){0}, NULL);
  body->inlined = true;
  return body;
}

static bool same_known(const Known *a, const Known *b) {
  for (int s = 1; s < SLOTS; s++)
    if (a->fixed[s] != b->fixed[s] || a->value[s] != b->value[s]) return false;
  return true;
}

const Instance *instance_called(Instances *plan, const NestFn *fn, const Known *caller, const Index *args) {
  Known known = {0};
  for (int i = 0; i < fn->nparams; i++) {
    Index a = known_fold(caller, &args[i]);
    known.fixed[i + 1] = index_constant(&a) && !fn->varied[i];
    if (known.fixed[i + 1]) known.value[i + 1] = a.c;
  }
  bool shared = is_shared(plan, fn);
  for (int i = 0; i < plan->instances.n; i++) {
    const Instance *have = plan->instances.data[i];
    if (have->fn == fn && (have->body != NULL) == shared && same_known(&have->known, &known)) return have;
  }
  return add_instance(plan, fn, &known, shared ? shared_body(plan, fn) : NULL);
}

static Instances *collect(Arena *arena, const Nest *nest, const Instances *before) {
  Instances *plan = NEW(arena, Instances);
  plan->arena = arena;
  plan->nest = nest;
  if (before) {
    plan->shared.data = before->shared.data;
    plan->shared.n = before->shared.n;
  }
  add_instance(plan, nest->main, &(Known){0}, NULL);
  return plan;
}

/* Finds functions with NestFn.kernel that are called with several sets of constants; the instances of such a
 * function will share one body. */
static bool find_shared(Instances *plan) {
  for (const NestFn *fn = plan->nest->fns; fn; fn = fn->next) {
    int n = 0;
    for (int i = 0; i < plan->instances.n; i++) n += plan->instances.data[i]->fn == fn;
    if (fn->kernel && n > 1) vec_push(plan->arena, plan->shared, fn);
  }
  return plan->shared.n > 0;
}

Instances *instances_of(const Nest *nest) {
  if (nest->instances) return nest->instances;
  Instances *plan = collect(nest->arena, nest, NULL);
  if (find_shared(plan)) plan = collect(nest->arena, nest, plan);
  return ((Nest *)(uintptr_t)nest)->instances = plan;
}

bool nest_uses(const Nest *nest, int buf_id) {
  const Instances *plan = instances_of(nest);
  return plan->instances.data[plan->instances.n - 1]->used.buf[buf_id];
}

/* ---- names of the functions ---- */
/* Appends a number if one of the first n instances, or the main function, already has that name. */
static const char *unique_name(const Instances *plan, int n, const char *main, const char *name) {
  int same = 0;
  for (bool taken = true; taken; same++) {
    const char *wanted = same ? arena_printf(plan->arena, "%s_%d", name, same + 1) : name;
    taken = !strcmp(wanted, main);
    for (int i = 0; i < n; i++) taken = taken || !strcmp(plan->instances.data[i]->name, wanted);
    if (!taken) return wanted;
  }
  return name;
}

static const char *
instance_name(Arena *arena, const Instance *instance, bool shared,
              const char *main) { /* the name of an instance with its flags, such as conv_tile8_left_first */
  const NestFn *fn = instance->fn;
  const char *name = arena_printf(arena, "%s_%s%s", main, fn->name, shared ? "_body" : "");
  for (int i = 0; i < fn->nparams; i++)
    if (fn->flag[i] && instance->known.fixed[i + 1] && instance->known.value[i + 1])
      name = arena_printf(arena, "%s_%s", name, fn->param[i]);
  return name;
}

void instances_name(Instances *plan, const char *name) {
  for (int i = 0; i < plan->instances.n; i++) {
    Instance *instance = plan->instances.data[i];
    const bool shared = !instance->body && is_shared(plan, instance->fn);
    instance->name = i == plan->instances.n - 1
                         ? name
                         : unique_name(plan, i, name, instance_name(plan->arena, instance, shared, name));
  }
}
