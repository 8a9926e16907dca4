/* block.c: Application of blocks: binds arguments and expands the body in a new scope; detects recursion. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "sema/context.h"

enum { DEEPEST_BLOCKS = 200, DEEPEST_BODIES = 1000, MOST_APPLICATIONS = 100000 };

/* ---- recursive blocks, also in branches that are not taken ---- */

enum { NOT_SEEN, ON_THE_WAY, DONE };

typedef struct CallPath {
  VEC(BlockDef *) block;
  VEC(const Call *) call;
  int depth;
} CallPath; /* block[i] applies block[i + 1] with call[i] */

static void cycle_report(Sema *s, const CallPath *path, BlockDef *again, const Call *call) {
  const int last = path->block.n - 1;
  int from = last;
  while (path->block.data[from] != again) from--;
  const char *name = again->block->name.s,
             *through = from == last
                            ? ""
                            : arena_printf(s->arena, " through %s", path->block.data[last]->block->name.s);
  Diag *diag = diag_report(s->diags, DIAG_block_recursion, call->span, NULL, "block %s applies itself%s",
                           name, through);
  for (int i = from; i < last; i++)
    diag_note(diag, path->call.data[i]->span, "%s applies %s here", path->block.data[i]->block->name.s,
              path->block.data[i + 1]->block->name.s);
  diag_help(diag, "blocks are expanded where they are applied, so this would never end; repeat applies "
                  "operators several times");
  for (int i = from; i <= last; i++) path->block.data[i]->broken = true;
}

static int body_visit(Sema *s, CallPath *path, const Body *body);

/* Visits a block and the blocks that it applies. Returns the nesting depth of these blocks. */
static int block_visit(Sema *s, CallPath *path, BlockDef *block) {
  block->color = ON_THE_WAY;
  vec_push(s->arena, path->block, block);
  block->height = 1 + body_visit(s, path, block->block->body);
  path->block.n--;
  block->color = DONE;
  return block->height;
}

static int call_visit(Sema *s, CallPath *path, const Call *call) {
  BlockDef *block = table_find(&s->blocks, call->name.s);
  int height = block ? block->height : 0;
  if (!block || s->stopped) return 0;
  if (block->color == ON_THE_WAY) {
    cycle_report(s, path, block, call);
    return 0;
  }
  if (block->color == NOT_SEEN && path->block.n < DEEPEST_BLOCKS && path->depth < DEEPEST_BODIES) {
    vec_push(s->arena, path->call, call);
    height = block_visit(s, path, block);
    path->call.n--;
  }
  if (block->color == DONE && path->block.n + height <= DEEPEST_BLOCKS) return height;
  if (!s->stopped)
    diag_report(s->diags, DIAG_too_deep, call->span, NULL, "blocks are nested more than %d deep",
                DEEPEST_BLOCKS);
  s->stopped = true;
  return 0;
}

static int body_visit(Sema *s, CallPath *path, const Body *body) {
  int height = 0;
  path->depth++;
  for (int i = 0; body && i < body->n; i++) {
    const Stmt *stmt = body->stmt[i];
    for (int k = 0; k < stmt->ncalls + 2; k++) {
      const int below = k < stmt->ncalls
                            ? call_visit(s, path, &stmt->call[k])
                            : body_visit(s, path, k == stmt->ncalls ? stmt->body : stmt->otherwise);
      if (below > height) height = below;
    }
  }
  path->depth--;
  return height;
}

void blocks_find_cycles(Sema *s) {
  CallPath path = {0};
  for (int i = 0; i < s->block_list.n; i++)
    if (s->block_list.data[i]->color == NOT_SEEN) block_visit(s, &path, s->block_list.data[i]);
}

/* ---- arguments ---- */

typedef struct Application {
  Matched matched;
  int nparams;
  Extras extras;
} Application;

/* Matches arguments with the block's parameters and with the extra arguments (`name`, `precision`, `weights`,
 * `frozen`). A parameter of the block hides the extra argument with the same name. */
static Application block_arguments(Sema *s, const Frame *frame, const Block *block, const Arguments *args) {
  const char **names = NEW_ARRAY(s->arena, const char *, block->nparams + EXTRAS);
  int n = 0, at[EXTRAS];
  for (; n < block->nparams; n++) names[n] = block->param[n].name.s;
  for (int e = 0; e < EXTRAS; e++) {
    at[e] = -1;
    bool own = false;
    for (int i = 0; i < block->nparams; i++) own |= strcmp(names[i], extra_names[e]) == 0;
    if (!own) names[at[e] = n++] = extra_names[e];
  }
  Application a = {arguments_match(s, frame, block->name.s, "block", n, names, 0, block->nparams, -1, args),
                   block->nparams,
                   {0}};
  a.extras.name = at[0] < 0 ? NULL : a.matched.slot[at[0]];
  a.extras.precision = at[1] < 0 ? NULL : a.matched.slot[at[1]];
  a.extras.weights = at[2] < 0 ? NULL : a.matched.slot[at[2]];
  a.extras.frozen = at[3] < 0 ? NULL : a.matched.slot[at[3]];
  return a;
}

static bool required_given(Sema *s, const Frame *frame, const Block *block, const Application *a, Span call) {
  Text missing = {.arena = s->arena};
  int n = 0;
  for (int i = 0; i < block->nparams; i++)
    if (!block->param[i].value && !a->matched.slot[i])
      text_put(&missing, "%s'%s'", n++ ? ", " : "", block->param[i].name.s);
  if (n == 0) return true;
  const char *plural = n == 1 ? "" : "s";
  Diag *diag = diag_report(s->diags, DIAG_missing_argument, call, frame->site, "%s needs its argument%s %s",
                           block->name.s, plural, missing.s);
  diag_note(diag, block->name.span, "block %s is defined here", block->name.s);
  return false;
}

/* Arguments are evaluated in the scope of the application, defaults in the scope of the block, where a
 * default may use earlier parameters. */
static void parameters_define(Sema *s, const Frame *frame, const Frame *inner, const BlockDef *def,
                              const Application *a) {
  for (int i = 0; i < def->block->nparams; i++) {
    const Parameter *param = &def->block->param[i];
    Const value = const_poison(param->name.span);
    if (a && a->matched.slot[i]) value = expr_eval(s, frame, a->matched.slot[i]->value, &choices_values);
    else if (param->value) value = expr_eval(s, inner, param->value, &choices_values);
    if (!a) value = const_poison(param->name.span); /* the parameters of an unapplied block are unknown */
    scope_define(s, inner->scope, ENTRY_PARAMETER, param->name, value, NULL);
  }
}

/* ---- application ---- */

static bool applications_limit(Sema *s, const Frame *frame, Span span) {
  if (s->stopped || ++s->napplications <= MOST_APPLICATIONS) return !s->stopped;
  diag_report(s->diags, DIAG_too_large, span, frame->site, "blocks are applied more than %d times",
              MOST_APPLICATIONS);
  s->stopped = true;
  return false;
}

static const char *share_prefix(Sema *s, const Frame *frame, const BlockDef *def, const Extras *extras,
                                const char *counterpart, bool *ok) {
  if (!extras->weights) return counterpart ? arena_printf(s->arena, "%s.", counterpart) : NULL;
  const LayerName *found = share_find(s, frame, def->block->name.s, extras->weights, true);
  *ok = found && found->block == def;
  if (found && !*ok) {
    Diag *diag = diag_report(s->diags, DIAG_bad_weights_sharing, extras->weights->value->span, frame->site,
                             "'%s' is an application of block %s, not of %s", found->full,
                             found->block->block->name.s, def->block->name.s);
    diag_note(diag, found->span, "'%s' is applied here", found->full);
  }
  return *ok ? arena_printf(s->arena, "%s.", found->full) : NULL;
}

/* The result of a block that is not expanded: poison, a value that causes no further errors. A block is not
 * expanded if its application has an error, or if it is applied in a block that is only checked. */
static Made block_unknown(Sema *s, Span span) { return (Made){.value = value_poison(s, span)}; }

Made block_apply(Sema *s, const Frame *frame, BlockDef *def, const Call *call, const Const *value,
                 CallName call_name) {
  const Block *block = def->block;
  const Application a = block_arguments(s, frame, block, &call->args);
  const char *counterpart,
      *name = naming_name(s, frame, call_name, block->name.s, def, a.extras.name, &counterpart);
  const bool complete = !a.matched.ok || required_given(s, frame, block, &a, call->span);
  bool ok = a.matched.ok && complete && !def->broken && applications_limit(s, frame, call->span);
  for (int i = 0; i < a.nparams && (s->abstract || !ok);
       i++) /* the block is not expanded, but its arguments are checked */
    if (a.matched.slot[i]) expr_eval(s, frame, a.matched.slot[i]->value, &choices_values);
  if (s->abstract) return block_unknown(s, call->span);
  Naming *naming = NEW(s->arena, Naming);
  naming->prefix = arena_printf(s->arena, "%s.", name);
  naming->share_span = a.extras.weights ? a.extras.weights->span : frame->naming->share_span;
  naming->share = share_prefix(s, frame, def, &a.extras, counterpart, &ok);
  naming->frozen = flag_eval(s, frame, block->name.s, a.extras.frozen) || frame->naming->frozen;
  naming->precision = precision_eval(s, frame, block->name.s, a.extras.precision);
  naming->muted = !naming_add(s, frame->naming, (LayerName){name, NULL, def, call->span, frame->site}) ||
                  frame->naming->muted;
  if (!ok) return block_unknown(s, call->span);
  def->applied = true;

  Site *site = NEW(s->arena, Site);
  *site = (Site){.outer = frame->site, .applied = call->span, .block = block->name.s};
  Scope *scope = scope_new(s, def->file, block->body);
  scope->limit = def->order;
  scope->block = block;
  scope->in = const_value(call->span,
                          value->kind == CONST_VALUE ? value->node : value_poison(s, call->span).node, NULL);
  const Frame inner = {
      .scope = scope, .naming = naming, .rounds = "", .site = site, .depth = frame->depth + 1};
  parameters_define(s, frame, &inner, def, &a);
  s->current = scope->in;
  body_expand(s, &inner, block->body);
  return (Made){.value = s->current, .name = name, .members = scope};
}

/* ---- unapplied blocks: checked with unknown arguments, in a temporary graph ---- */

static void block_check(Sema *s, const BlockDef *def) {
  Naming naming = {.prefix = ""};
  Scope *scope = scope_new(s, def->file, def->block->body);
  scope->limit = def->order;
  scope->block = def->block;
  scope->in = value_poison(s, def->block->name.span);
  const Frame frame = {.scope = scope, .naming = &naming, .rounds = ""};
  parameters_define(s, &frame, &frame, def, NULL);
  s->current = scope->in;
  body_expand(s, &frame, def->block->body);
}

void blocks_check(Sema *s) {
  Graph *graph = s->graph;
  const Const current = s->current;
  s->abstract = true;
  for (int i = 0; i < s->block_list.n; i++) {
    const BlockDef *def = s->block_list.data[i];
    s->graph = graph_new(s->arena, def->block->name.s);
    if (!def->applied) block_check(s, def);
  }
  s->abstract = false;
  s->graph = graph;
  s->current = current;
}
