/* layer_names.c: Names of layers: numbered default names, and checks for names that clash as C
 * identifiers. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "sema/context.h"

/* The name of a layer, weight or port, converted to a part of an identifier. */
static char *name_c(Arena *arena, const char *name) {
  char *c = arena_copy(arena, name, strlen(name));
  for (char *at = c; *at; at++)
    if (*at == '.') *at = '_';
  return c;
}

static const char *name_macro(Arena *arena, const char *name) {
  char *c = name_c(arena, name);
  for (char *at = c; *at; at++)
    if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 'a' + 'A');
  return c;
}

/* ---- counting ---- */

Naming *naming_inner(Sema *s, const Naming *outer, const char *name) {
  Naming *inner = NEW(s->arena, Naming);
  *inner = (Naming){.prefix = arena_printf(s->arena, "%s%s.", outer->prefix, name),
                    .share_span = outer->share_span,
                    .frozen = outer->frozen,
                    .precision = outer->precision,
                    .muted = outer->muted};
  if (outer->share) inner->share = arena_printf(s->arena, "%s%s.", outer->share, name);
  return inner;
}

static int64_t count_next(Sema *s, Naming *naming, const void *what) {
  for (int i = 0; i < naming->counts.n; i++)
    if (naming->counts.data[i].what == what) return ++naming->counts.data[i].n;
  vec_push(s->arena, naming->counts, ((Count){what, 1}));
  return 1;
}

/* ---- given names: letters, digits, '_' and '.' ---- */

static bool well_formed(const char *name) {
  char before = '.';
  for (; *name; before = *name++) {
    const char c = *name;
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!plain && (c != '.' || before == '.')) return false;
  }
  return before != '.';
}

static const char *given_name(Sema *s, const Frame *frame, const char *what, const Argument *given) {
  const Const name = expr_eval(s, frame, given->value, NULL);
  if (name.kind == CONST_POISON) return NULL;
  if (name.kind == CONST_STRING && well_formed(name.s)) return name.s;
  if (name.kind != CONST_STRING) {
    diag_report(s->diags, DIAG_wrong_type, given->value->span, frame->site,
                "'name' of %s takes a string, but this is %s", what, const_describe(s->arena, &name));
    return NULL;
  }
  Diag *diag = diag_report(s->diags, DIAG_bad_name, given->value->span, frame->site,
                           "%s cannot be the name of a layer", const_text(s->arena, &name));
  diag_help(diag, "a name has parts of letters, digits and '_', separated by '.'");
  return NULL;
}

const char *naming_name(Sema *s, const Frame *frame, CallName call, const char *what, const void *key,
                        const Argument *given, const char **share) {
  const int64_t ordinal = count_next(s, call.naming, key);
  const Naming *where = frame->naming;
  const char *name = given ? given_name(s, frame, what, given) : NULL;
  if (name) name = arena_printf(s->arena, "%s%s", name, frame->rounds);
  else if (call.assigned) name = call.assigned;
  else {
    name = arena_printf(s->arena, "%s%lld", what, (long long)ordinal);
    where = call.naming;
  }
  *share = where->share ? arena_printf(s->arena, "%s%s", where->share, name) : NULL;
  return arena_printf(s->arena, "%s%s", where->prefix, name);
}

/* ---- tables of layers and of applications of blocks ---- */

static void clash_report(Sema *s, const LayerName *layer, const LayerName *before, const char *c) {
  if (layer->span.file == s->clash.file && layer->span.start == s->clash.start)
    return; /* another expansion of the same statement */
  s->clash = layer->span;
  const char *what = layer->block ? "blocks" : "layers";
  Diag *diag =
      strcmp(layer->full, before->full) == 0
          ? diag_report(s->diags, DIAG_name_clash, layer->span, layer->site, "two %s are named '%s'", what,
                        layer->full)
          : diag_report(s->diags, DIAG_name_clash, layer->span, layer->site,
                        "the layers '%s' and '%s' are both named %s in C", before->full, layer->full, c);
  diag_note(diag, before->span, "the first name is here");
  diag_help(diag, "rename one of them: name=\"...\"");
}

bool naming_add(Sema *s, const Naming *naming, LayerName layer) {
  if (s->abstract) return true;
  if (strlen(layer.full) > MOST_NAME && !naming->muted) {
    diag_report(s->diags, DIAG_too_large, layer.span, layer.site,
                "the full name of this %s, with its enclosing blocks, has %zu characters; the limit is %d",
                layer.block ? "block" : "layer", strlen(layer.full), MOST_NAME);
    return false;
  }
  const char *key = layer.block ? layer.full : name_c(s->arena, layer.full);
  Table *table = layer.block ? &s->applications : &s->layers;
  const LayerName *before = table_find(table, key);
  if (before && !naming->muted) clash_report(s, &layer, before, key);
  if (before) return false;
  LayerName *kept = NEW(s->arena, LayerName);
  *kept = layer;
  table_set(s->arena, table, key, kept);
  return true;
}

const LayerName *naming_find(const Sema *s, const char *full) {
  const LayerName *layer = table_find(&s->layers, name_c(s->arena, full));
  return layer && strcmp(layer->full, full) == 0 ? layer : table_find(&s->applications, full);
}

/* ---- ports and weights ---- */

static void port_check(Sema *s, Table *macros, bool output, const Port *port) {
  const char *macro = name_macro(s->arena, port->name), *kind = output ? "output" : "input";
  const Port *before = table_find(macros, macro);
  const bool same = before && strcmp(before->name, port->name) == 0;
  if (before && (output || !same)) { /* a second input with the same name is reported as a redefinition */
    Diag *diag =
        same ? diag_report(s->diags, DIAG_name_clash, port->span, NULL, "%s '%s' has the name of an input",
                           kind, port->name)
             : diag_report(s->diags, DIAG_name_clash, port->span, NULL,
                           "'%s' and '%s' are both named %s in C macros", before->name, port->name, macro);
    diag_note(diag, before->span, "the first name is here");
    diag_help(diag, "inputs and outputs need distinct names: use another name");
  }
  table_set(s->arena, macros, macro, (void *)port);
}

void names_check(Sema *s) {
  Table macros = {0}, members = {0};
  for (int i = 0; i < s->graph->inputs.n; i++) port_check(s, &macros, false, &s->graph->inputs.data[i]);
  for (int i = 0; i < s->graph->outputs.n; i++) port_check(s, &macros, true, &s->graph->outputs.data[i]);
  for (int i = 0; i < s->graph->weights.n; i++) {
    Weight *weight = s->graph->weights.data[i];
    const char *member = name_c(s->arena, weight->name);
    const Weight *before = table_find(&members, member);
    const bool layers_clash =
        before && strcmp(name_c(s->arena, before->owner->name), name_c(s->arena, weight->owner->name)) == 0;
    if (before && !layers_clash) {
      Diag *diag = diag_report(s->diags, DIAG_name_clash, weight->owner->span, weight->owner->site,
                               "the parameters '%s' and '%s' are both named %s in C", before->name,
                               weight->name, member);
      diag_note(diag, before->owner->span, "the first parameter belongs to this layer");
    }
    table_set(s->arena, &members, member, weight);
  }
}
