/* expand.c: Expansion of statements: chains, constants, repeats and branches. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "sema/context.h"
#include "ops/registry.h"

enum { DEEPEST_BODIES = 1000, MOST_ROUNDS = 100000, LONGEST_SHOWN = 40 };

/* ---- calls of a chain ---- */

typedef struct Link {
  const Op *op;
  BlockDef *block;
} Link; /* both NULL: the name is unknown */

static Link link_find(const Sema *s, const Call *call) {
  const Op *op = op_find(call->name.s);
  return (Link){op, op ? NULL : table_find(&s->blocks, call->name.s)};
}

/* The value that is called by mistake, as in x(...) and e.c1(...); or NULL. */
static const Entry *value_called(Sema *s, const Frame *frame, const char *name) {
  const size_t n = strcspn(name, ".");
  return strcmp(name, "in") == 0 ? NULL
                                 : scope_find(frame->scope, name[n] ? arena_copy(s->arena, name, n) : name);
}

static const char *const *call_names(Sema *s, const Frame *frame, bool value) {
  VEC(const char *) names = {0};
  for (int i = 0; op_table[i]; i++) vec_push(s->arena, names, op_table[i]->name);
  for (int i = 0; i < s->block_list.n; i++) vec_push(s->arena, names, s->block_list.data[i]->block->name.s);
  for (const char *const *visible = names_visible(s, frame->scope); value && *visible; visible++)
    vec_push(s->arena, names, *visible);
  vec_push(s->arena, names, NULL);
  return names.data;
}

/* A call with the names of required arguments: conv(filters, kernel). */
static const char *required_text(Sema *s, const char *name) {
  const Op *op = op_find(name);
  Text text = {.arena = s->arena};
  text_put(&text, "%s", name);
  int n = 0;
  for (const Param *p = op ? op->params : NULL; p && p->name; p++)
    if (!p->value) text_put(&text, "%s%s", n++ ? ", " : "(", p->name);
  text_put(&text, "%s", n ? ")" : "");
  return text.s;
}

/* Whether the expression is 1, (1), [1, 1] or another list of ones. */
static bool is_one(const Expr *e) {
  bool one = e->kind == EXPR_INT ? e->i == 1 : e->kind == EXPR_LIST && e->n > 0;
  for (int i = 0; one && e->kind == EXPR_LIST && i < e->n; i++) one = is_one(e->items[i]);
  return one;
}

static bool is_minus_one(const Expr *e) {
  return e->kind == EXPR_UNARY && e->op == OP_NEGATE && e->a->kind == EXPR_INT && e->a->i == 1;
}

/* Help for foreign names whose meaning depends on the arguments: view(-1), AdaptiveAvgPool2d(1). True if help
 * was added. */
static bool call_rewrite(Sema *s, Diag *diag, const Call *call, const char *meant) {
  const Arguments *args = &call->args;
  if (strcmp(meant, "reshape") == 0) {
    bool rest = false;
    for (int i = 0; i < args->n; i++) rest |= is_minus_one(args->list[i].value);
    if (!rest || args->n > 2) return false;
    diag_help(diag, "flatten makes a vector of all elements");
    if (args->n == 1) diag_fix(diag, call->span, "flatten");
    return true;
  }
  if (!name_is(s->arena, call->name.s, "adaptiveavgpool adaptivemaxpool") || args->n == 0) return false;
  if (args->n == 1 && is_one(args->list[0].value)) {
    diag_meant(diag, call->name.span, call->name.s, meant);
    argument_drop(diag, args, 0);
  }
  diag_help(diag, "%s", name_advice(s->arena, ADVICE_OPERATOR, call->name.s, NULL));
  return true;
}

static void call_advise(Sema *s, Diag *diag, const Call *call, const char *meant) {
  const char *name = call->name.s, *advice = name_advice(s->arena, ADVICE_OPERATOR, name, NULL);
  const int channels = meant ? torch_channels_argument(name, &call->args) : -1;
  if (meant && call_rewrite(s, diag, call, meant)) return;
  if (meant) name_suggest(s->arena, diag, call->name.span, name, meant);
  if (advice) diag_help(diag, "%s", advice);
  if (!meant && !advice)
    diag_help(diag, "cnnc --help operators lists them; cnnc --help OPERATOR describes one");
  if (channels < 0) return;
  diag_help(diag, "the input size is inferred, so it is not written: %s", required_text(s, meant));
  argument_drop(diag, &call->args, channels);
}

static void call_report(Sema *s, const Frame *frame, const Call *call, bool first, bool last) {
  const char *name = call->name.s;
  const Entry *entry = value_called(s, frame, name);
  if (entry && entry->value.kind == CONST_POISON && !s->abstract) return; /* an error was reported earlier */
  if (entry) {
    Diag *diag = diag_report(s->diags, DIAG_unknown_operator, call->name.span, frame->site,
                             "'%s' is a value, which can only begin a chain", name);
    diag_note(diag, entry->span, "'%s' is defined here", entry->name);
    diag_help(diag, "-> add(%s), -> concat(%s) and similar operators combine values", name, name);
    return;
  }
  const bool value = first && !call->args.given; /* the first word of a chain may also name a value */
  const char *meant = name_meant_as(s->arena, ADVICE_OPERATOR, name, call_names(s, frame, value));
  if (value && (name_defined_below(frame->scope, call->name) || (!last && !meant)))
    return name_report(s, frame, call->name);
  s->unknown_calls = true;
  if ((!meant && s->damage.n) || damage_mentions(s, name))
    return; /* a syntax error may hide a block with this name */
  const char *neither = value ? "an operator, a block nor a value" : "an operator nor a block";
  Diag *diag = diag_report(s->diags, DIAG_unknown_operator, call->name.span, frame->site,
                           "'%s' is neither %s", name, neither);
  call_advise(s, diag, call, meant);
}

/* ---- inputs written as arguments: relu(conv(...)) ---- */

static bool takes_value(const Param *p) {
  return p && p->name &&
         (p->type == PARAM_VALUE || p->type == PARAM_VALUES || p->type == PARAM_OPERAND ||
          p->type == PARAM_OPERANDS);
}

static bool makes_value(Sema *s, const Frame *frame, const Expr *e) {
  if (e->kind == EXPR_CALL) return !arithmetic_knows(e->callee.s) && !form_find(init_table, e->callee.s);
  return e->kind == EXPR_PATH && path_eval(s, frame, e, true).kind == CONST_VALUE;
}

/* Reports relu(x + y), which must be x -> add(y) -> relu. True after the error. */
static bool sum_is_argument(Sema *s, const Frame *frame, const Op *op, const Call *call, bool first) {
  const Expr *e = call->args.list[0].value;
  if (e->kind != EXPR_BINARY || call->args.n != 1) return false;
  const char *combine = e->op == OP_PLUS     ? "add"
                        : e->op == OP_MINUS  ? "subtract"
                        : e->op == OP_TIMES  ? "multiply"
                        : e->op == OP_DIVIDE ? "divide"
                                             : NULL;
  if (!combine || e->a->kind != EXPR_PATH || e->b->kind != EXPR_PATH || !makes_value(s, frame, e->a) ||
      !makes_value(s, frame, e->b))
    return false;
  Diag *diag = diag_report(s->diags, DIAG_too_many_arguments, e->span, frame->site,
                           "%s takes its input from the left of '->', not as an argument", op->name);
  const char *chain = arena_printf(s->arena, "%s -> %s(%s) -> %s", path_text(s->arena, e->a, 0, e->a->nparts),
                                   combine, path_text(s->arena, e->b, 0, e->b->nparts), op->name);
  diag_help(diag, "write: %s", chain);
  if (first) diag_fix(diag, call->span, "%s", chain);
  return true;
}

/* Reports relu(conv(...)) and relu(x). True after the error. */
static bool input_is_argument(Sema *s, const Frame *frame, const Op *op, const Call *call, bool first) {
  const Arguments *args = &call->args;
  if (args->n == 0 || args->list[0].name.s || takes_value(op->params)) return false;
  if (sum_is_argument(s, frame, op, call, first)) return true;
  if (!makes_value(s, frame, args->list[0].value)) return false;
  if (!first && args->list[0].value->kind == EXPR_PATH) return false;
  const Span input = args->list[0].span;
  const char *rest = args->n > 1 ? "(...)" : "";
  Diag *diag = diag_report(s->diags, DIAG_too_many_arguments, input, frame->site,
                           "%s takes its input from the left of '->', not as an argument", op->name);
  const Source *source = sources_get(s->sources, input.file);
  const int n = (int)(input.end - input.start);
  diag_help(diag, "write: %.*s%s -> %s%s", n > LONGEST_SHOWN ? LONGEST_SHOWN : n, source->text + input.start,
            n > LONGEST_SHOWN ? "..." : "", op->name, rest);
  if (!first) return true;
  diag_fix(diag, (Span){input.file, call->span.start, input.start}, "%s", "");
  if (args->n > 1)
    diag_fix(diag, (Span){input.file, input.end, args->list[1].span.start}, " -> %s(", op->name);
  else diag_fix(diag, (Span){input.file, input.end, call->span.end}, " -> %s", op->name);
  return true;
}

/* The call that gets the statement's name. Candidates are all blocks, and the layers that have parameters.
 * The result is the chain's only candidate; the last call if there is no candidate; -1 if there are
 * several. */
static int named_call_find(const Sema *s, const Stmt *stmt, int first) {
  int carrier = stmt->ncalls - 1, n = 0;
  for (int i = first; i < stmt->ncalls; i++) {
    const Link link = link_find(s, &stmt->call[i]);
    if (!link.block && !(link.op && op_has_parameters(link.op))) continue;
    carrier = i;
    n++;
  }
  return n > 1 ? -1 : carrier;
}

/* ---- chains ---- */

static bool is_value(const Frame *frame, const Call *call) {
  return !call->args.given && scope_find(frame->scope, call->name.s);
}

/* Reports a constant where a value is needed. written: the path as in the source; name: its first part. */
static Const value_wanted(Sema *s, const Frame *frame, Const value, const char *written, const char *name) {
  if (value.kind == CONST_VALUE || value.kind == CONST_POISON) return value;
  Diag *diag = diag_report(s->diags, DIAG_wrong_type, value.span, frame->site,
                           "a chain starts from a value of the net, but '%s' is %s", written,
                           const_describe(s->arena, &value));
  const Entry *entry = scope_find(frame->scope, name);
  if (entry) diag_note(diag, entry->span, "'%s' is defined here", name);
  return const_poison(value.span);
}

/* Reports a name such as nn.Flatten as an unknown operator; such names are parsed as members of values. True
 * after the error. */
static bool member_report(Sema *s, const Frame *frame, const Expr *head) {
  const char *name = path_text(s->arena, head, 0, head->nparts);
  if (head->nparts < 2 || strcmp(head->part[0].s, "in") == 0 || scope_find(frame->scope, head->part[0].s) ||
      s->damage.n)
    return false;
  const Call call = {.name = {name, head->span}, .span = head->span};
  const char *meant = name_meant_as(s->arena, ADVICE_OPERATOR, name, call_names(s, frame, false));
  const bool module = words_have("nn torch F tf keras layers self", head->part[0].s);
  if ((!meant && !module) || name_defined_below(frame->scope, head->part[0])) return false;
  Diag *diag = diag_report(s->diags, DIAG_unknown_operator, head->span, frame->site,
                           "'%s' is neither an operator, a block nor a value", name);
  call_advise(s, diag, &call, meant);
  s->unknown_calls = true;
  return true;
}

/* The input of the chain. *first: index of the first call that is applied to this input; 1 if call 0 is only
 * the name of the input. */
static Const chain_start(Sema *s, const Frame *frame, const Stmt *stmt, int *first) {
  *first = 0;
  if (stmt->head && member_report(s, frame, stmt->head)) return const_poison(stmt->head->span);
  if (stmt->head)
    return value_wanted(s, frame, path_eval(s, frame, stmt->head, false),
                        path_text(s->arena, stmt->head, 0, stmt->head->nparts), stmt->head->part[0].s);
  if (stmt->ncalls && is_value(frame, &stmt->call[0])) {
    const Call *call = &stmt->call[0];
    *first = 1;
    Const value = scope_find(frame->scope, call->name.s)->value;
    value.span = call->span;
    return value_wanted(s, frame, value, call->name.s, call->name.s);
  }
  if (s->current.kind != CONST_NONE) return s->current;
  if (!s->no_input_reported) {
    Diag *diag = diag_report(s->diags, DIAG_no_input, stmt->span, frame->site,
                             "no input is declared before this statement");
    diag_help(diag, "declare the input first: input image: 28x28x1");
  }
  s->no_input_reported = true;
  return const_poison(stmt->span);
}

/* Reports an operator that takes no input, but is not the start of its chain. True after the error. */
static bool source_is_applied(Sema *s, const Frame *frame, const Op *op, const Call *call, bool first) {
  if (!op->source || first) return false;
  Diag *diag = diag_report(s->diags, DIAG_too_many_arguments, call->span, frame->site,
                           "%s takes no input, so it cannot follow a value", op->name);
  diag_help(diag, "name its result, own = %s(...), and use the name: x -> add(own)", op->name);
  return true;
}

static Made link_apply(Sema *s, const Frame *frame, const Call *call, const Const *value, CallName name,
                       bool first, bool last) {
  const Link link = link_find(s, call);
  if (link.op && (source_is_applied(s, frame, link.op, call, first) ||
                  input_is_argument(s, frame, link.op, call, first)))
    return (Made){.value = value_poison(s, call->span)};
  if (link.op) return layer_make(s, frame, link.op, call, value, name);
  if (link.block) return block_apply(s, frame, link.block, call, value, name);
  call_report(s, frame, call, first, last);
  arguments_check(s, frame, &call->args);
  return (Made){.value = value_poison(s, call->span)};
}

static void call_record(Sema *s, const Frame *frame, const Call *call, const Made *made) {
  SemaRecord *record = s->options && !s->abstract ? s->options->record : NULL;
  if (record && made->value.kind == CONST_VALUE)
    vec_push(s->arena, record->calls, ((SemaCall){call->span, frame->site, made->name, made->value.node}));
}

static void chain_expand(Sema *s, const Frame *frame, const Stmt *stmt) {
  int first, blocks = 0;
  Const value = chain_start(s, frame, stmt, &first);
  const Origin *origin = first == stmt->ncalls ? value.origin : NULL;
  const char *assigned = stmt->name.s ? arena_printf(s->arena, "%s%s", stmt->name.s, frame->rounds) : NULL;
  const int carrier = assigned ? named_call_find(s, stmt, first) : -1;
  const bool prefixes = assigned && carrier < 0;
  const bool muted = frame->naming->muted;
  frame->naming->muted |= assigned && scope_find(frame->scope, stmt->name.s); /* a redefinition is reported as
                                                                                 such, not as a name clash */
  Naming *naming = prefixes ? naming_inner(s, frame->naming, assigned) : frame->naming;
  const char *layer = prefixes ? arena_printf(s->arena, "%s%s", frame->naming->prefix, assigned) : NULL;
  const Scope *members = NULL;
  for (int i = first; i < stmt->ncalls && !s->stopped; i++) {
    const Made made =
        link_apply(s, frame, &stmt->call[i], &value, (CallName){i == carrier ? assigned : NULL, naming},
                   i == 0 && !stmt->head, i == stmt->ncalls - 1);
    value = made.value;
    call_record(s, frame, &stmt->call[i], &made);
    if (i == carrier) layer = made.name;
    if (made.members) members = made.members;
    blocks += made.members != NULL;
  }
  frame->naming->muted = muted;
  if (value.kind != CONST_VALUE) value = value_poison(s, stmt->span);
  if (prefixes) table_set(s->arena, &s->prefixes, layer, (void *)stmt);
  if (!origin) {
    Origin *made = NEW(s->arena, Origin);
    *made = (Origin){blocks == 1 ? members : NULL, layer, blocks};
    origin = made;
  }
  s->current = const_value(stmt->span, value.node, NULL);
  if (!s->abstract)
    vec_push(s->arena, s->results, ((StmtResult){value.node, stmt->name, stmt->span, frame->site}));
  if (stmt->name.s)
    scope_define(s, frame->scope, ENTRY_VALUE, stmt->name, const_value(stmt->name.span, value.node, origin),
                 frame->site);
}

/* ---- repeats ---- */

static bool count_eval(Sema *s, const Frame *frame, const Stmt *stmt, int64_t *count) {
  const Const c = expr_eval(s, frame, stmt->value, NULL);
  if (c.kind == CONST_POISON) return false;
  const bool integer = const_as_int(&c, count);
  if (integer && *count >= 0 && *count <= MOST_ROUNDS) return true;
  Diag *diag = const_is_number(&c)
                   ? diag_report(s->diags, DIAG_repeat_count, stmt->value->span, frame->site,
                                 "the repeat count is %s", const_text(s->arena, &c))
                   : diag_report(s->diags, DIAG_wrong_type, stmt->value->span, frame->site,
                                 "repeat needs a count, but this is %s", const_describe(s->arena, &c));
  diag_help(diag, "the count must be an integer from 0 to %d", MOST_ROUNDS);
  return false;
}

static void round_expand(Sema *s, const Frame *frame, const Stmt *stmt, int64_t round, Const number) {
  Scope *scope = scope_new(s, frame->scope, stmt->body);
  scope->in = s->current;
  const Frame inner = {.scope = scope,
                       .naming = frame->naming,
                       .rounds = arena_printf(s->arena, "%s.%lld", frame->rounds, (long long)round),
                       .site = frame->site,
                       .depth = frame->depth + 1};
  if (stmt->name.s) scope_define(s, scope, ENTRY_ROUND, stmt->name, number, frame->site);
  body_expand(s, &inner, stmt->body);
}

static void repeat_expand(Sema *s, const Frame *frame, const Stmt *stmt) {
  int64_t count;
  if (!count_eval(s, frame, stmt, &count)) {
    s->current =
        value_poison(s, stmt->span); /* the number of iterations is unknown: only names are checked */
    round_expand(s, frame, stmt, 0, const_poison(stmt->value->span));
    s->current = value_poison(s, stmt->span);
  } else {
    for (int64_t round = 0; round < count && sema_step(s, stmt->span, frame->site); round++)
      round_expand(s, frame, stmt, round, const_int(stmt->name.span, round));
  }
}

/* ---- branches ---- */

static void entries_hide(const Scope *scope, int from, int to, bool hidden) {
  for (int i = from; i < to; i++) scope->entries.data[i]->hidden = hidden;
}

/* Checks both branches if the condition is unknown. The current value is poison at the start of each branch
 * and after the statement. */
static void branches_check(Sema *s, const Frame *frame, const Stmt *stmt) {
  Scope *const scope = frame->scope;
  const int start = scope->entries.n;
  const bool muted = frame->naming->muted;
  frame->naming->muted = true;
  s->current = value_poison(s, stmt->span);
  body_expand(s, frame, stmt->body);
  const int middle = scope->entries.n;
  entries_hide(scope, start, middle, true);
  s->current = value_poison(s, stmt->span);
  if (stmt->otherwise) body_expand(s, frame, stmt->otherwise);
  entries_hide(scope, start, middle, false);
  frame->naming->muted = muted;
  s->current = value_poison(s, stmt->span);
}

static void if_expand(Sema *s, const Frame *outer, const Stmt *stmt) {
  Frame deeper = *outer, *frame = &deeper;
  deeper.depth++;
  const Const condition = expr_eval(s, frame, stmt->value, NULL);
  if (condition.kind != CONST_BOOL) {
    if (condition.kind != CONST_POISON) {
      Diag *diag =
          diag_report(s->diags, DIAG_not_boolean, stmt->value->span, frame->site,
                      "a condition is true or false, but this is %s", const_describe(s->arena, &condition));
      if (const_is_number(&condition)) diag_help(diag, "compare it: if %s != 0", name_or_x(stmt->value));
    }
    branches_check(s, frame, stmt);
  } else if (condition.i) {
    body_expand(s, frame, stmt->body);
  } else if (stmt->otherwise) {
    body_expand(s, frame, stmt->otherwise);
  }
}

/* ---- statements ---- */

static void stmt_expand(Sema *s, const Frame *frame, const Stmt *stmt) {
  switch (stmt->kind) {
  case STMT_CHAIN: chain_expand(s, frame, stmt); break;
  case STMT_CONST:
    scope_define(s, frame->scope, ENTRY_CONST, stmt->name, expr_eval(s, frame, stmt->value, NULL),
                 frame->site);
    break;
  case STMT_REPEAT: repeat_expand(s, frame, stmt); break;
  case STMT_IF: if_expand(s, frame, stmt); break;
  case STMT_INPUT:
    if (frame->net) input_make(s, frame, stmt);
    break; /* the parser reports inputs outside of the net */
  case STMT_OUTPUT:
    if (frame->net) output_make(s, frame, stmt);
    break;
  case STMT_LABELS:
    if (frame->net) labels_read(s, frame, stmt);
    break;
  case STMT_TRAIN:
    if (frame->net) train_read(s, frame, stmt);
    break;
  }
}

/* A syntax error in this range may have hidden statements. After such an error, the current value is unknown,
 * and unknown names are not reported. */
static void gap_expand(Sema *s, const Frame *frame, uint32_t file, uint32_t start, uint32_t end) {
  if (s->damage.n == 0 || !damage_within(s, file, start, end)) return;
  s->current = value_poison(s, (Span){file, start, end});
  frame->scope->damaged = true;
}

void body_expand(Sema *s, const Frame *frame, const Body *body) {
  if (frame->depth > DEEPEST_BODIES) {
    diag_report(s->diags, DIAG_too_deep, body->span, frame->site, "repeats and blocks are nested too deeply");
    s->stopped = true;
  }
  uint32_t end = body->span.start;
  for (int i = 0; i < body->n && !s->stopped; i++) {
    const Stmt *stmt = body->stmt[i];
    gap_expand(s, frame, stmt->span.file, end, stmt->span.start);
    if (sema_step(s, stmt->span, frame->site)) stmt_expand(s, frame, stmt);
    end = stmt->span.end;
  }
  gap_expand(s, frame, body->span.file, end, body->span.end);
}
