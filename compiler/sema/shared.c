/* shared.c: Resolution of the argument weights=NAME to the earlier layer or block that owns the
 * parameters. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "sema/context.h"

/* If the path is a value, such as x or x.c1: the full name of the layer or block that computes this value. If
 * the path is a string constant: the text of the string. Otherwise NULL. */
static const char *layer_of_path(Sema *s, const Frame *frame, const Expr *e) {
  Const value = path_eval(s, frame, e, true);
  if (value.kind == CONST_STRING) return value.s;
  if (value.kind == CONST_VALUE && value.origin && value.origin->layer) return value.origin->layer;
  const Entry *entry = scope_find(frame->scope, e->part[0].s);
  const Origin *origin = entry && entry->value.kind == CONST_VALUE ? entry->value.origin : NULL;
  return origin && origin->layer && e->nparts > 1
             ? arena_printf(s->arena, "%s.%s", origin->layer, path_text(s->arena, e, 1, e->nparts))
             : NULL;
}

/* The full name of layer or block `name`: within the enclosing block if it exists there, otherwise in the
 * net. */
static const char *layer_of_name(Sema *s, const Frame *frame, const char *name) {
  const char *inner = arena_printf(s->arena, "%s%s", frame->naming->prefix, name);
  if (naming_find(s, inner) || table_find(&s->prefixes, inner)) return inner;
  return name;
}

static const char *shared_name(Sema *s, const Frame *frame, const Expr *e) {
  if (e->kind == EXPR_PATH) {
    const char *layer = layer_of_path(s, frame, e);
    return layer ? layer : layer_of_name(s, frame, path_text(s->arena, e, 0, e->nparts));
  }
  const Const name = expr_eval(s, frame, e, NULL);
  if (name.kind == CONST_STRING) return layer_of_name(s, frame, name.s);
  if (name.kind == CONST_VALUE && name.origin && name.origin->layer) return name.origin->layer;
  if (name.kind != CONST_POISON)
    diag_report(s->diags, DIAG_wrong_type, e->span, frame->site,
                "'weights' takes the name of a layer or block, but this is %s",
                const_describe(s->arena, &name));
  return NULL;
}

static const char *closest(Sema *s, const char *name) {
  VEC(const char *) names = {0};
  for (int i = 0; i < s->graph->nodes.n; i++)
    if (naming_find(s, s->graph->nodes.data[i]->name))
      vec_push(s->arena, names, s->graph->nodes.data[i]->name);
  for (int i = 0; i < s->applications.room; i++)
    if (s->applications.slot[i].key) vec_push(s->arena, names, s->applications.slot[i].key);
  vec_push(s->arena, names, NULL);
  return suggest(name, names.data);
}

static void report_unknown_shared(Sema *s, const Frame *frame, const char *what, const Expr *e,
                                  const char *name) {
  const Entry *entry = e->kind == EXPR_PATH ? scope_find(frame->scope, e->part[0].s) : NULL;
  Diag *diag;
  if (table_find(&s->prefixes, name)) {
    diag = diag_report(s->diags, DIAG_bad_weights_sharing, e->span, frame->site, "'%s' names several layers",
                       name);
    diag_help(diag, "choose one: weights=\"%s.%s1\"", name, what);
    return;
  }
  if (entry && e->nparts == 1) {
    diag = diag_report(s->diags, DIAG_bad_weights_sharing, e->span, frame->site,
                       "'%s' is not a layer or block with parameters to share", e->part[0].s);
    diag_note(diag, entry->span, "'%s' is defined here", e->part[0].s);
  } else {
    diag = diag_report(s->diags, DIAG_unknown_name, e->span, frame->site,
                       "there is no layer or block '%s' above", name);
    const char *meant = closest(s, name);
    if (meant) diag_help(diag, "did you mean \"%s\"?", meant);
    if (meant) diag_fix(diag, e->span, "\"%s\"", meant);
  }
  diag_help(diag, "weights= takes the name that a statement assigns, or a layer's full name as a string "
                  "(--emit=summary lists them)");
}

const LayerName *share_find(Sema *s, const Frame *frame, const char *what, const Argument *weights,
                            bool block) {
  const Expr *e = weights->value;
  if (s->abstract || e->kind == EXPR_POISON) return NULL;
  const char *name = shared_name(s, frame, e);
  if (!name) return NULL;
  const LayerName *found = naming_find(s, name);
  if (!found) return report_unknown_shared(s, frame, what, e, name), NULL;
  if (block == (found->block != NULL)) return found;
  Diag *diag =
      block ? diag_report(s->diags, DIAG_bad_weights_sharing, e->span, frame->site,
                          "'%s' is a layer, but block %s can only share the layers of a block", name, what)
            : diag_report(s->diags, DIAG_bad_weights_sharing, e->span, frame->site,
                          "'%s' is a block, but %s can only share the parameters of a layer", name, what);
  diag_note(diag, found->span, "'%s' is applied here", name);
  return NULL;
}
