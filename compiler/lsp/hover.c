/* hover.c: Hover text: the diagnostics at a position, and a description of the operator, name, argument or
 * setting there. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/diag_record.h"
#include "graph/shape.h"
#include "lsp/lsp.h"
#include "ops/registry.h"
#include "passes/passes.h"
#include "passes/stream.h"

enum { MOST_TOLD = 8 };

/* ---- diagnostics ---- */
static bool put_mistakes(Text *out, const Analysis *a, const Place *place) {
  for (int i = 0; i < a->diags->list.n; i++) {
    const Diag *diag = a->diags->list.data[i];
    if (diag->span.file != place->file || place->offset < diag->span.start || place->offset > diag->span.end)
      continue;
    const DiagInfo *info = &diag_info[diag->id];
    text_put(out, "**%s**: %s\n\n```text\n%s\n```\n\n", info->slug, info->summary, info->page);
  }
  return out->n > 0;
}

/* ---- calls ---- */
static void put_formula(Text *out, const Node *node) {
  const Window *w = node->window;
  if (!w || !node->nin ||
      (node->op->family != FAMILY_CONV && node->op->family != FAMILY_DEPTHWISE &&
       node->op->family != FAMILY_POOL))
    return;
  const Extent in = shape_extent(node->in[0]->shape);
  for (int axis = node->shape.rank == 3 ? 0 : 1; axis < 2; axis++)
    text_put(out, "  %s: %s\n",
             node->shape.rank == 2 ? "length"
             : axis                ? "width"
                                   : "height",
             window_formula(out->arena, extent_side(in, axis), w->kernel[axis], w->stride[axis],
                            w->dilation[axis], w->before[axis], w->after[axis], w->ceil));
}

/* If the net reads a sequence and can be computed in steps, writes the layer's number of rows, offset and
 * history for the shortest possible step. */
static void put_hovered_steps(Text *out, const Graph *graph, const Node *node) {
  StreamUse use = {NULL, 1};
  Streaming options = {.use = {&use, 1, 1}};
  Streams streams = {.arena = out->arena, .graph = graph, .written = graph, .options = &options};
  if (!graph->inputs.n || graph->inputs.data[0].node->shape.rank != 2) return;
  stream_rules(&streams);
  use.rows = streams.jump;
  const Graph *step = use.rows > 0 ? stream_graph(out->arena, NULL, graph, graph, &options) : NULL;
  if (!step || !step->stream->layer[node->id].flows) return;
  const StreamLayer *layer = &step->stream->layer[node->id];
  text_put(out, "  --stream=%lld: %lld row%s per step, offset %lld, history %lld%s\n", (long long)use.rows,
           (long long)layer->rows, layer->rows == 1 ? "" : "s", (long long)layer->offset,
           (long long)layer->history, layer->gathers ? " (gather ring)" : "");
}

static void put_application(Text *out, Analysis *a, const SemaCall *call) {
  Arena *arena = out->arena;
  const Node *node = call->node;
  const LayerNumbers *numbers = analysis_numbers(a);
  const bool layer = call->name && node->name && strcmp(call->name, node->name) == 0;
  text_put(out, "%s: ", call->name ? call->name : "here");
  if (layer && node->nin && node->in[0]->shape.rank)
    text_put(out, "%s -> ", shape_text(arena, node->in[0]->shape));
  text_put(out, "%s\n", shape_text(arena, node->shape));
  if (!layer) return;
  put_formula(out, node);
  if (!numbers) return;
  const LayerNumbers *f = &numbers[node->id];
  text_put(out, "  %s parameters, %s multiply-adds, receptive field %s, %s activation bytes\n",
           text_thousands(arena, f->parameters), text_thousands(arena, f->macs), f->field,
           text_thousands(arena, f->bytes));
  put_hovered_steps(out, a->graph, node);
}

static void put_applications(Text *out, Analysis *a, Span span) {
  int first, told = 0;
  const int n = calls_at(a, span, &first);
  for (int i = first; i < first + n; i++) {
    const SemaCall *call = call_of(a, i);
    if (!call->node->shape.rank || told++ >= MOST_TOLD) continue;
    text_put(out, "%s", told == 1 ? "```text\n" : "");
    put_application(out, a, call);
  }
  if (told > MOST_TOLD) text_put(out, "and %d more applications\n", told - MOST_TOLD);
  text_put(out, "%s", told ? "```\n\n" : "");
}

static const Block *hovered_block(const Analysis *a, const char *name) {
  for (int f = 0; f < a->program->files.n; f++)
    for (int i = 0; i < a->program->files.data[f]->n; i++) {
      const Decl *decl = a->program->files.data[f]->decl[i];
      if (decl->kind == DECL_BLOCK && strcmp(decl->block->name.s, name) == 0) return decl->block;
    }
  return NULL;
}

/* Comments directly above a definition. */
static void put_hovered_comment(Text *out, const Analysis *a, Span definition) {
  const Source *source = sources_get(&a->sources, definition.file);
  uint32_t begin = definition.start;
  VEC(const char *) lines = {0};
  while (begin > 0 && source->text[begin - 1] != '\n') begin--;
  while (begin > 0) {
    uint32_t line = begin - 1;
    while (line > 0 && source->text[line - 1] != '\n') line--;
    uint32_t at = line;
    while (source->text[at] == ' ' || source->text[at] == '\t') at++;
    if (source->text[at] != '#') break;
    while (source->text[at] == '#' || source->text[at] == ' ') at++;
    if (at > begin - 1) at = begin - 1;
    vec_push(out->arena, lines, arena_copy(out->arena, source->text + at, begin - 1 - at));
    begin = line;
  }
  for (int i = lines.n - 1; i >= 0; i--) text_put(out, "%s\n", lines.data[i]);
  if (lines.n) text_put(out, "\n");
}

static bool put_hovered_call(Text *out, Analysis *a, const Call *call, Span span) {
  const Op *op = op_find(call->name.s);
  const Block *block = op ? NULL : hovered_block(a, call->name.s);
  if (!op && !block) return false;
  text_put(out, "```cnn\n");
  if (op) signature_put(out, op->name, op->params);
  else text_put(out, "block "), block_signature_put(out, a, block);
  text_put(out, "\n```\n\n");
  put_applications(out, a, span);
  if (op) op_markdown(out, op);
  else put_hovered_comment(out, a, block->span);
  return true;
}

/* ---- names ---- */
static void put_values(Text *out, const Analysis *a, const Symbol *symbol) {
  const char *before = NULL;
  int told = 0;
  for (int i = 0; i < a->record.names.n && told < MOST_TOLD; i++) {
    const SemaName *name = &a->record.names.data[i];
    if (name->span.file != symbol->span.file || name->span.start != symbol->span.start) continue;
    const Const *value = &name->value;
    const bool net = value->kind == CONST_VALUE;
    if (value->kind == CONST_POISON || (net && !value->node->shape.rank)) continue;
    const char *text = net ? shape_text(out->arena, value->node->shape) : const_text(out->arena, value);
    if (before && strcmp(before, text) == 0) continue;
    text_put(out, "%s%s", told++ ? ", " : symbol->kind == SYMBOL_CONST ? " is " : ": ", text);
    before = text;
  }
}

static void put_symbol(Text *out, const Analysis *a, const Symbol *symbol) {
  static const char *const kinds[] = {"const", "block",           "parameter", "value",
                                      "input", "round of repeat", "net",       "output"};
  text_put(out, "```cnn\n");
  if (symbol->kind == SYMBOL_BLOCK) text_put(out, "block "), block_signature_put(out, a, symbol->block);
  else if (symbol->stmt && (symbol->kind == SYMBOL_CONST || symbol->kind == SYMBOL_INPUT))
    text_put(out, "%s", source_text(a, out->arena, symbol->stmt->span));
  else text_put(out, "%s", symbol->name);
  text_put(out, "\n```\n\n%s `%s`", kinds[symbol->kind], symbol->name);
  put_values(out, a, symbol);
  text_put(out, "\n\n");
  put_hovered_comment(out, a, symbol->stmt ? symbol->stmt->span : symbol->span);
}

/* ---- arguments and settings ---- */
static bool put_param(Text *out, const Param *p) {
  if (!p) return false;
  text_put(out, "`%s`: %s", p->name, param_type_text(p));
  if (p->value && p->value[0]) text_put(out, ", `%s` by default", p->value);
  text_put(out, "\n\n%s\n", p->help ? p->help : "");
  return true;
}

static bool put_hovered_form(Text *out, const char *name) {
  const Op *loss = loss_find(name);
  const Form *form = loss ? NULL : form_any(name);
  if (!loss && !form) return false;
  text_put(out, "```cnn\n");
  signature_put(out, name, loss ? loss->params : form->params);
  text_put(out, "\n```\n\n");
  if (loss) op_markdown(out, loss);
  else text_put(out, "%s\n", form->summary);
  return true;
}

static bool put_argument(Text *out, const Found *found) {
  if (!found->argument || !found->on_name) return false;
  const char *callee = found->function ? found->function->callee.s : found->call ? found->call->name.s : "";
  return put_param(out, param_named(params_of(callee), found->argument->name.s));
}

static bool put_hovered_word(Text *out, const Found *found) {
  if (found->function && !found->argument && found->on_name)
    return put_hovered_form(out, found->function->callee.s);
  if (found->setting && !found->function && !found->argument && found->on_name)
    return put_param(out, key_named(found->setting->name.s));
  const Expr *e = found->setting ? found->setting->value : NULL;
  return e && e->kind == EXPR_PATH && e->nparts == 1 && put_hovered_form(out, e->part[0].s);
}

/* Writes the text about a position, which may be in the last text without errors. False: there is no text. */
static bool describe(Text *out, const Place *place) {
  const Found found = tree_find(file_of(place->analysis, place->file), place->offset);
  const Occurrence *name = names_at(place->analysis->names, place->file, place->offset);
  if (name && name->symbol->kind != SYMBOL_BLOCK) return put_symbol(out, place->analysis, name->symbol), true;
  if (found.call && found.on_name && !found.argument && !found.function)
    return put_hovered_call(out, place->analysis, found.call, found.call->span);
  if (name) return put_symbol(out, place->analysis, name->symbol), true;
  return put_argument(out, &found) || put_hovered_word(out, &found);
}

json_t *answer_hover(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  Place place, before;
  Text text = {.arena = arena};
  if (!place_of(s, params, &place, failure)) return NULL;
  const bool wrong = put_mistakes(&text, place.analysis, &place);
  uint32_t file;
  Analysis *best = analysis_for(s, place.document, &file);
  if (best != place.analysis) place = (Place){place.document, best, file, place.offset};
  else if (!wrong && place_before(&place, &before)) place = before;
  if (!describe(&text, &place) && !wrong) return json_null();
  return json_pack("{s:o}", "contents", markdown_json(arena, &text));
}
