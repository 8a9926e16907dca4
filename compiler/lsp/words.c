/* words.c: Descriptions of operators, losses, forms and blocks from the compiler's tables, for the editor. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "lsp/lsp.h"
#include "ops/registry.h"

static const Form *form_in(const Form *const *table, const char *name) {
  for (; *table; table++)
    if (strcmp((*table)->name, name) == 0) return *table;
  return NULL;
}

const Form *form_any(const char *name) {
  const Form *const *const tables[] = {optimizer_table, schedule_table, augment_table,
                                       metric_table,    quantize_table, init_table};
  const Form *found = NULL;
  for (int i = 0; i < 6 && !found; i++) found = form_in(tables[i], name);
  return found;
}

const Op *loss_find(const char *name) {
  for (const Op *const *loss = loss_table; *loss; loss++)
    if (strcmp((*loss)->name, name) == 0) return *loss;
  return NULL;
}

const Param *params_of(const char *name) {
  const Op *op = op_find(name), *loss = op ? NULL : loss_find(name);
  const Form *form = op || loss ? NULL : form_any(name);
  return op ? op->params : loss ? loss->params : form ? form->params : NULL;
}

const Param *param_named(const Param *params, const char *name) {
  for (; params && params->name; params++)
    if (strcmp(params->name, name) == 0) return params;
  return NULL;
}

const Param *key_named(const char *name) {
  for (int i = 0; train_key(i); i++)
    if (strcmp(train_key(i)->name, name) == 0) return train_key(i);
  return NULL;
}

const char *choices_of_param(Arena *arena, const Param *p) {
  if (p->type == PARAM_CHOICE) return p->choices;
  if (p->type == PARAM_PAD) return "valid same causal";
  if (p->type == PARAM_BOOL) return "true false";
  if (p->type != PARAM_INIT) return "";
  Text words = {.arena = arena};
  for (const Form *const *form = init_table; *form; form++)
    text_put(&words, "%s%s", words.n ? " " : "", (*form)->name);
  return words.s;
}

void signature_put(Text *out, const char *name, const Param *params) {
  text_put(out, "%s(", name);
  for (const Param *p = params; p && p->name; p++)
    text_put(out, p->value && p->value[0] ? "%s%s=%s" : "%s%s", p == params ? "" : ", ", p->name, p->value);
  text_put(out, ")");
}

const char *source_text(const Analysis *a, Arena *arena, Span span) {
  const Source *source = sources_get(&a->sources, span.file);
  if (!source || span.end > source->n || span.start > span.end) return "";
  return arena_copy(arena, source->text + span.start, span.end - span.start);
}

void block_signature_put(Text *out, const Analysis *a, const Block *block) {
  text_put(out, "%s(", block->name.s);
  for (int i = 0; i < block->nparams; i++) {
    const Parameter *p = &block->param[i];
    text_put(out, "%s%s", i ? ", " : "", p->name.s);
    if (p->value) text_put(out, "=%s", source_text(a, out->arena, p->value->span));
  }
  text_put(out, ")");
}

json_t *markdown_json(Arena *arena, const Text *text) {
  return json_pack("{s:s, s:o}", "kind", "markdown", "value", string_json(arena, text->s ? text->s : ""));
}

void op_markdown(Text *out, const Op *op) {
  if (op->summary) text_put(out, "%s\n\n", op->summary);
  for (const Param *p = op->params; p && p->name; p++)
    text_put(out, "- `%s`%s%s: %s%s%s\n", p->name, p->value && p->value[0] ? " = " : "",
             p->value ? p->value : "", param_type_text(p), p->help && p->help[0] ? "; " : "",
             p->help ? p->help : "");
  if (op->detail) text_put(out, "\n```text\n%s\n```\n", op->detail);
  if (op->example) text_put(out, "\n```cnn\n%s\n```\n", op->example);
}
