/* dump.c: Nests as text (--emit=nests). */
// SPDX-License-Identifier: Apache-2.0
#include "nest/nest.h"

typedef struct Dump {
  Text *out;
  const Nest *nest;
  const char *name[SLOTS];
} Dump;

static const char *const place_name[] = {[INPUT] = "input",   [WEIGHTS] = "weights", [OUTPUT] = "output",
                                         [UPDATE] = "update", [OVER] = "over",       [WORK] = "work",
                                         [STACK] = "stack",   [REGS] = "regs",       [VIEW] = "view"};

/* ---- references, conditions, values ---- */
static void put_type(Dump *d, Type type) {
  text_put(d->out, "%s", elem_name(type.elem));
  if (type.lanes > 1) text_put(d->out, "x%d", type.lanes);
}

static void put_ref(Dump *d, const Ref *ref) {
  text_put(d->out, "%s", ref->buf->name);
  for (int i = 0; i < ref->buf->rank; i++) {
    text_put(d->out, "[");
    index_put(d->out, &ref->at[i], d->name);
    text_put(d->out, "]");
  }
}

static void put_range(Dump *d, const Range *r) {
  if (r->lo != NO_LO && r->hi == r->lo + 1) {
    index_put(d->out, &r->e, d->name);
    text_put(d->out, " == %lld", (long long)r->lo);
    return;
  }
  if (r->lo != NO_LO) text_put(d->out, "%lld <= ", (long long)r->lo);
  index_put(d->out, &r->e, d->name);
  if (r->hi != NO_HI) text_put(d->out, " < %lld", (long long)r->hi);
}

static void put_cond(Dump *d, const Cond *cond) {
  for (int i = 0; i < cond->n; i++)
    for (int j = 0; j < cond->any[i].n; j++) {
      text_put(d->out, "%s", j ? " and " : i ? " or " : "");
      put_range(d, &cond->any[i].range[j]);
    }
}

static void put_expression(Dump *, Val);

static void put_arguments(Dump *d, const char *name, Val e) {
  text_put(d->out, "%s(", name);
  for (int i = 0; i < 3 && e->a[i]; i++) {
    text_put(d->out, "%s", i ? ", " : "");
    put_expression(d, e->a[i]);
  }
}

static void put_binary(Dump *d, Val e, const char *sign) {
  text_put(d->out, "(");
  put_expression(d, e->a[0]);
  text_put(d->out, " %s ", sign);
  put_expression(d, e->a[1]);
  text_put(d->out, ")");
}

static void put_lanes(Dump *d, Val e) { /* prints operations that permute, convert or broadcast */
  switch (e->op) {
  case SHUFFLE:
    put_arguments(d, "shuffle", e);
    text_put(d->out, ";");
    for (int i = 0; i < e->type.lanes; i++) text_put(d->out, " %d", e->lane[i]);
    text_put(d->out, ")");
    break;
  case LANE:
    put_arguments(d, "lane", e);
    text_put(d->out, ", ");
    index_put(d->out, &e->index, d->name);
    text_put(d->out, ")");
    break;
  case SPLAT:
    put_arguments(d, "splat", e);
    text_put(d->out, ", %d)", e->type.lanes);
    break;
  case CONVERT:
    put_arguments(d, elem_name(e->type.elem), e);
    text_put(d->out, ")");
    break;
  default: break;
  }
}

static void put_width(Dump *d, Val load) {
  if (load->ref->buf->place != REGS && load->type.lanes > 1) text_put(d->out, ":%d", load->part);
  if (val_is_words(load)) text_put(d->out, load->ref->buf->type.elem == BF16 ? " as pairs" : " as words");
  else if (load->part != load->type.lanes) text_put(d->out, "/%d", load->type.lanes);
}

static const char *const function_name[] = {[MIN] = "min",
                                            [MAX] = "max",
                                            [MAX_NAN] = "max_nan",
                                            [SELECT] = "choose",
                                            [FMA] = "fma",
                                            [EXP] = "exp",
                                            [LOG] = "log",
                                            [SQRT] = "sqrt",
                                            [TANH] = "tanh",
                                            [SIGMOID] = "sigmoid",
                                            [CDF] = "cdf",
                                            [ABS] = "abs",
                                            [HSUM] = "sum",
                                            [HMAX] = "max",
                                            [RANDOM] = "random",
                                            [POWER] = "power",
                                            [SIN] = "sin",
                                            [COS] = "cos",
                                            [FLOOR] = "floor",
                                            [DOT] = "dot",
                                            [DECAY] = "decay",
                                            [INTERLEAVE_LOW] = "interleave_low",
                                            [INTERLEAVE_HIGH] = "interleave_high"};

static void put_expression(Dump *d, Val e);

static void put_pick(Dump *d, Val e) {
  text_put(d->out, "(if ");
  put_cond(d, e->cond);
  text_put(d->out, " then ");
  put_expression(d, e->a[0]);
  text_put(d->out, " else ");
  put_expression(d, e->a[1]);
  text_put(d->out, ")");
}

static void put_expression(Dump *d, Val e) {
  static const char *const sign[] = {[ADD] = "+",  [SUB] = "-",      [MUL] = "*",   [DIV] = "/",
                                     [LESS] = "<", [LESS_EQ] = "<=", [EQUAL] = "=="};
  switch (e->op) {
  case NUM: text_put(d->out, "%s", text_float(d->out->arena, e->num)); break;
  case LOAD:
    put_ref(d, e->ref);
    put_width(d, e);
    if (!e->a[0]) break;
    text_put(d->out, "[");
    put_expression(d, e->a[0]);
    text_put(d->out, "]");
    break;
  case ADD:
  case SUB:
  case MUL:
  case DIV:
  case LESS:
  case LESS_EQ:
  case EQUAL: put_binary(d, e, sign[e->op]); break;
  case MIN:
  case MAX:
  case MAX_NAN:
  case SELECT:
  case FMA:
  case DOT:
  case INTERLEAVE_LOW:
  case INTERLEAVE_HIGH:
  case EXP:
  case DECAY:
  case LOG:
  case SQRT:
  case TANH:
  case SIGMOID:
  case CDF:
  case POWER:
  case SIN:
  case COS:
  case FLOOR:
  case ABS:
  case HSUM:
  case HMAX:
  case RANDOM:
  case PRIMITIVE:
    put_arguments(d, e->op == PRIMITIVE ? e->primitive->name : function_name[e->op], e);
    text_put(d->out, ")");
    break;
  case SHUFFLE:
  case LANE:
  case SPLAT:
  case CONVERT: put_lanes(d, e); break;
  case POSITION:
    text_put(d->out, "position(");
    index_put(d->out, &e->index, d->name);
    text_put(d->out, ")");
    break;
  case PICK: put_pick(d, e); break;
  }
}

/* ---- statements ---- */
static void put_body(Dump *, const NestStmt *, int depth);

static void put_bounds(Dump *d, int n, const Index *bound, const char *of_two) {
  if (n > 1) text_put(d->out, "%s(", of_two);
  for (int i = 0; i < n; i++) {
    text_put(d->out, "%s", i ? ", " : "");
    index_put(d->out, &bound[i], d->name);
  }
  if (n > 1) text_put(d->out, ")");
}

static void put_loop(Dump *d, const NestStmt *stmt, int depth) {
  static const char *const kind[] = {[SERIAL] = "for",        [UNROLLED] = "unroll", [ROLLED] = "for",
                                     [PARALLEL] = "parallel", [CHOSEN] = "choose",   [TILED] = "tiled"};
  text_put(d->out, "%s %s ", kind[stmt->u.loop.kind], stmt->u.loop.name);
  if (stmt->u.loop.chosen) {
    text_put(d->out, "= ");
    put_expression(d, stmt->u.loop.chosen);
    text_put(d->out, " ");
  }
  text_put(d->out, "in ");
  put_bounds(d, stmt->u.loop.nlo, stmt->u.loop.lo, "max");
  text_put(d->out, " .. ");
  put_bounds(d, stmt->u.loop.nhi, stmt->u.loop.hi, "min");
  text_put(d->out, "\n");
  d->name[stmt->u.loop.slot] = stmt->u.loop.name;
  put_body(d, stmt->body, depth + 1);
}

static void put_buffer(Dump *d, const Buf *buf) {
  text_put(d->out, "%s %s", place_name[buf->place], buf->name);
  if (buf->place == VIEW) {
    text_put(d->out, " of %s", buf->of->name);
    for (int i = 0; i < buf->rank; i++) {
      text_put(d->out, "[");
      index_put(d->out, &buf->base[i], d->name);
      text_put(d->out, "]");
    }
  } else {
    buf_put_dims(d->out, buf);
    text_put(d->out, " ");
    put_type(d, buf->type);
  }
  text_put(d->out, "\n");
}

static void put_store(Dump *d, const NestStmt *stmt) {
  Val val = stmt->u.store.val;
  if (stmt->u.store.declare) text_put(d->out, "let ");
  put_ref(d, &stmt->u.store.ref);
  if (stmt->u.store.ref.buf->place != REGS && val->type.lanes > 1)
    text_put(d->out, ":%d", stmt->u.store.part);
  text_put(d->out, " = ");
  put_expression(d, val);
  text_put(d->out, "\n");
}

static void put_nest_call(Dump *d, const NestStmt *stmt) {
  const NestFn *fn = stmt->u.call.fn;
  text_put(d->out, "call %s(", fn->name);
  for (int i = 0; i < fn->nparams; i++) {
    text_put(d->out, "%s%s=", i ? ", " : "", fn->param[i]);
    index_put(d->out, &stmt->u.call.arg[i], d->name);
  }
  text_put(d->out, ")\n");
}

static void put_routine(Dump *d, const NestStmt *stmt) {
  const Routine *routine = stmt->u.routine.of;
  text_put(d->out, "routine %s(", routine->name);
  for (int i = 0; i < routine->nbufs; i++)
    text_put(d->out, "%s%s%s", i ? ", " : "", routine->writes[i] ? "out " : "", stmt->u.routine.buf[i]->name);
  for (int i = 0; i < routine->nnumbers; i++)
    text_put(d->out, ", %s", text_float(d->out->arena, stmt->u.routine.number[i]));
  text_put(d->out, ")\n");
}

static void put_body(Dump *d, const NestStmt *stmt, int depth) {
  for (; stmt; stmt = stmt->next) {
    text_put(d->out, "%*s", 2 * depth, "");
    switch (stmt->kind) {
    case LOOP: put_loop(d, stmt, depth); break;
    case IF:
      text_put(d->out, "if ");
      put_cond(d, &stmt->u.branch.cond);
      text_put(d->out, "\n");
      put_body(d, stmt->body, depth + 1);
      if (stmt->otherwise) {
        text_put(d->out, "%*selse\n", 2 * depth, "");
        put_body(d, stmt->otherwise, depth + 1);
      }
      break;
    case STORE: put_store(d, stmt); break;
    case DECLARE: put_buffer(d, stmt->u.declare.buf); break;
    case CALL: put_nest_call(d, stmt); break;
    case ROUTINE: put_routine(d, stmt); break;
    case PIN: text_put(d->out, "pin %s\n", stmt->u.pin.view->name); break;
    case PREFETCH:
      text_put(d->out, "prefetch %s + ", stmt->u.prefetch.buf->name);
      index_put(d->out, &stmt->u.prefetch.flat, d->name);
      text_put(d->out, "\n");
      break;
    case COMMENT: text_put(d->out, "# %s\n", stmt->u.comment); break;
    }
  }
}

void nest_dump(Text *out, const Nest *nest) {
  Dump d = {.out = out, .nest = nest};
  text_put(out, "nest %s: %s\n", nest->name, nest->about);
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place < STACK) {
      text_put(out, "  ");
      put_buffer(&d, nest->buf[i]);
    }
  for (const NestFn *fn = nest->fns; fn; fn = fn->next) {
    text_put(out, "  %s %s(", fn == nest->main ? "main" : fn->kernel ? "kernel" : "inline", fn->name);
    for (int i = 0; i < fn->nparams; i++) {
      d.name[i + 1] = fn->param[i];
      text_put(out, "%s%s", i ? ", " : "", fn->param[i]);
      if (fn->flag[i]) text_put(out, " in 0 .. 1");
      if (fn->size[i]) text_put(out, " in %lld .. %lld", (long long)fn->lo[i], (long long)fn->hi[i]);
    }
    text_put(out, ")\n");
    put_body(&d, fn->body, 2);
  }
}
