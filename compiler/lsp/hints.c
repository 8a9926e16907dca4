/* hints.c: Inlay hints of calls (shapes, parameters, multiply-adds), and the code lens of a net (parameters,
 * multiply-adds, memory). */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "lsp/lsp.h"
#include "passes/plan.h"

typedef struct Hinting {
  Server *server;
  Arena *arena;
  const Document *document;
  Analysis *analysis;
  Analysis *now; /* the analysis whose syntax tree is visited */
  uint32_t file, from, to;
  json_t *hints;
} Hinting;

/* ---- sizes and costs of a call ---- */
static bool within(const char *name, const char *prefix) {
  const size_t n = strlen(prefix);
  return strncmp(name, prefix, n) == 0 && (name[n] == 0 || name[n] == '.');
}

/* Parameters and multiply-adds of a layer, or of all layers in one application of a block. */
static LayerNumbers call_numbers(Analysis *a, const SemaCall *call) {
  const LayerNumbers *numbers = analysis_numbers(a);
  LayerNumbers sum = {0};
  for (int i = 0; numbers && call->name && i < a->graph->nodes.n; i++) {
    const Node *node = a->graph->nodes.data[i];
    if (node_is_input(node) || !within(node->name, call->name)) continue;
    sum.parameters += numbers[i].parameters;
    sum.macs += numbers[i].macs;
  }
  return sum;
}

static const char *hint_label(const Hinting *h, Analysis *a, const SemaCall *call) {
  const Server *s = h->server;
  Text label = {.arena = h->arena};
  text_put(&label, "%s", s->hint_shapes ? shape_text(h->arena, call->node->shape) : "");
  if (!s->hint_parameters && !s->hint_macs) return label.s;
  const LayerNumbers numbers = call_numbers(a, call);
  if (s->hint_parameters && numbers.parameters)
    text_put(&label, "%s%s parameters", label.n ? ", " : "", text_thousands(h->arena, numbers.parameters));
  if (s->hint_macs && numbers.macs)
    text_put(&label, "%s%s multiply-adds", label.n ? ", " : "", text_thousands(h->arena, numbers.macs));
  return label.s;
}

/* ---- hints ---- */
static bool known(const SemaCall *call) { return call->node->shape.rank > 0; }

/* Adds the hint of a call. there: position of the call in the analysis; here: in the current text. Returns
 * false if no result of the call is known. If a call has several results, as in a block that is applied
 * several times, the hint shows the first one, and the tooltip lists up to 20 shapes. */
static bool hint(Hinting *h, Analysis *a, Span there, Span here) {
  enum { MOST_TOLD = 20 };
  int first, told = 0;
  const int n = calls_at(a, there, &first);
  const SemaCall *shown = NULL;
  Text others = {.arena = h->arena};
  for (int i = first; i < first + n; i++) {
    const SemaCall *call = call_of(a, i);
    if (!known(call)) continue;
    if (!shown) shown = call;
    if (told++ < MOST_TOLD)
      text_put(&others, "%s%s: %s", others.n ? "\n" : "", call->name ? call->name : "",
               shape_text(h->arena, call->node->shape));
  }
  if (!shown) return false;
  if (told > MOST_TOLD) text_put(&others, "\nand %d more", told - MOST_TOLD);
  const char *label = hint_label(h, a, shown);
  if (!*label) return true;
  json_t *range = range_json(h->server, h->now, here);
  json_t *json = json_pack("{s:O, s:s, s:i, s:b}", "position", json_object_get(range, "end"), "label", label,
                           "kind", 1, "paddingLeft", 1);
  if (told > 1) json_object_set_new(json, "tooltip", string_json(h->arena, others.s));
  json_array_append_new(h->hints, json);
  json_decref(range);
  return true;
}

static void hint_call(void *context, const Call *call) {
  Hinting *h = context;
  if (call->span.end < h->from || call->span.start > h->to) return;
  if (hint(h, h->analysis, call->span, call->span)) return;
  /* The call has no results, for example because of an error. Shows the results that the call had in the last
   * text without errors. */
  Place before, here = {(Document *)h->document, h->now, h->file, call->span.start};
  if (h->now != h->document->now || !place_before(&here, &before)) return;
  Span there = {1, before.offset, before.offset + call->span.end - call->span.start};
  hint(h, before.analysis, there, call->span);
}

json_t *answer_hints(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  Document *d = document_of(s, params, failure);
  if (!d) return NULL;
  Hinting h = {.server = s, .arena = arena, .document = d, .to = UINT32_MAX, .hints = json_array()};
  h.analysis = h.now = analysis_for(s, d, &h.file);
  json_int_t line, character;
  const json_t *range = json_object_get(params, "range");
  if (place_read(json_object_get(range, "start"), &line, &character))
    h.from = position_offset(s, h.now, h.file, line, character);
  if (place_read(json_object_get(range, "end"), &line, &character))
    h.to = position_offset(s, h.now, h.file, line, character);
  tree_calls(file_of(h.now, h.file), hint_call, &h);
  return h.hints;
}

/* ---- the net ---- */
/* Text with the bytes of the values of one image and, with a train block, of a training step, without kernel
 * scratch. Empty for large nets. */
static const char *memory_text(Analysis *a) {
  enum { MOST_NODES = 2000 };
  const Graph *graph = a->graph;
  if (graph->nodes.n > MOST_NODES) return "";
  Plan *plan = plan_inference(a->arena, graph, FUSE_ALL, 1, 0);
  plan_lay_out(a->arena, plan, NEW_ARRAY(a->arena, int64_t, plan->kernels.n + 1));
  Text text = {.arena = a->arena};
  text_put(&text, " · values %s bytes", text_thousands(a->arena, plan->arena_bytes));
  if (graph->training) {
    const Plan *train = plan_training(a->arena, graph, FUSE_ALL, 1);
    text_put(&text, ", in training %s bytes",
             text_thousands(a->arena, plan_training_needs(a->arena, train, 1, INT64_MAX).bytes));
  }
  return text.s;
}

static const char *net_text(Analysis *a) {
  const LayerNumbers *numbers = analysis_numbers(a);
  int64_t macs = 0, parameters = 0;
  for (int i = 0; i < a->graph->weights.n; i++) parameters += a->graph->weights.data[i]->size;
  for (int i = 0; i < a->graph->nodes.n; i++) macs += numbers[i].macs;
  if (!a->memory) a->memory = memory_text(a);
  return arena_printf(a->arena, "%s parameters · %s multiply-adds%s", text_thousands(a->arena, parameters),
                      text_thousands(a->arena, macs), a->memory);
}

json_t *answer_lens(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  (void)arena;
  Document *d = document_of(s, params, failure);
  if (!d) return NULL;
  analysis_refresh(s, d);
  json_t *lenses = json_array();
  Analysis *good = d->good;
  const File *file = file_of(d->now, 1);
  for (int i = 0; good && i < file->n; i++) {
    if (file->decl[i]->kind != DECL_NET) continue;
    json_array_append_new(lenses, json_pack("{s:o, s:{s:s, s:s}}", "range",
                                            range_json(s, d->now, file->decl[i]->net->name.span), "command",
                                            "title", net_text(good), "command", ""));
    break;
  }
  return lenses;
}
