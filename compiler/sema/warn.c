/* warn.c: Checks of the complete net. Warnings: unused values and blocks, two softmaxes in a row, an
 * activation before the last one. Errors: states without an update, trained layers before an audio front
 * end. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "sema/context.h"

/* ---- values without effect ---- */

/* An array indexed by node id: the first statement whose result is the node, or NULL. */
static const StmtResult **results_find(const Sema *s) {
  const StmtResult **of = NEW_ARRAY(s->arena, const StmtResult *, s->graph->nodes.n);
  for (int i = s->results.n - 1; i >= 0; i--) of[s->results.data[i].node->id] = &s->results.data[i];
  return of;
}

static void unused_report(Sema *s, const Node *node, const StmtResult *result) {
  if (node_is_input(node)) {
    diag_report(s->diags, DIAG_unused_value, node->span, NULL, "the input '%s' has no effect on any output",
                node->name);
  } else if (node_is_state(node) && result && result->name.s) {
    diag_report(s->diags, DIAG_unused_value, result->name.span, node->site,
                "the state '%s' has no effect on any output, in this call or a later one", result->name.s);
  } else if (result && result->name.s) {
    diag_report(s->diags, DIAG_unused_value, result->name.span, result->site, "the value '%s' is never used",
                result->name.s);
  } else if (result) {
    Diag *diag = diag_report(s->diags, DIAG_unused_value, result->span, result->site,
                             "the result of this statement is never used");
    diag_help(diag, "name it, NAME = ..., and use the name later");
  }
}

/* Marks arguments that are used only for their size, such as the argument of crop_like. Such arguments are
 * not inputs of the node. */
static void mark_arguments(const Node *node, bool *live, bool *read) {
  for (int k = 0; node->arg && node->op->params && node->op->params[k].name; k++)
    if (node->op->params[k].type == PARAM_VALUE && node->arg[k].node) {
      const int id = node->arg[k].node->id;
      if (node_is_update(node)) continue; /* an update does not read its state */
      live[id] |= live[node->id];
      read[id] = true;
    }
}

/* The state of the program that an update sets; NULL: the node is no update, or an update of a state that a
 * recurrent layer keeps. */
static const Node *state_of(const Node *node, const StmtResult *const *results) {
  const bool updates = node_is_update(node) && node->nin > 1 && node_is_state(node->in[1]);
  return updates && results[node->in[1]->id] ? node->in[1] : NULL;
}

/* Marks the values that affect a live value, and the values that a node reads. An update is live if its state
 * is. Returns the number of live values: if it has grown, the values before an update may be missing. */
static int mark_live(const Graph *graph, const StmtResult *const *results, bool *live, bool *read) {
  int count = 0;
  for (int i = graph->nodes.n - 1; i >= 0; i--) {
    const Node *node = graph->nodes.data[i], *state = state_of(node, results);
    live[i] |= state ? live[state->id] : node_is_update(node);
    for (int k = 0; k < (node_is_update(node) ? 1 : node->nin); k++) {
      live[node->in[k]->id] |= live[i];
      read[node->in[k]->id] = true;
    }
    mark_arguments(node, live, read);
  }
  for (int i = 0; i < graph->nodes.n; i++) count += live[i];
  return count;
}

/* Warns about values that affect no output or loss, in this call or a later one. In a chain of these values,
 * warns only about the last value; the cause of an update without effect is its state, which nobody reads. */
void warn_unused_values(Sema *s) {
  const Graph *graph = s->graph;
  bool *live = NEW_ARRAY(s->arena, bool, graph->nodes.n), *read = NEW_ARRAY(s->arena, bool, graph->nodes.n);
  for (int i = 0; i < graph_ports(graph); i++) live[graph_port(graph, i)->node->id] = true;
  const StmtResult **results = results_find(s);
  for (int before = -1, now = 0; now != before; before = now) now = mark_live(graph, results, live, read);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    const bool cause = !read[i] || (node_is_state(node) && results[i]);
    if (!live[i] && cause && !state_of(node, results)) unused_report(s, node, results[i]);
  }
}

/* ---- states ---- */

/* The name within its block or iteration: "h" of "cell1.h", "stage.0.h" and "h.0". */
static const char *own_name(Arena *arena, const char *name) {
  const char *end = name + strlen(name);
  for (;;) {
    const char *start = end;
    while (start > name && start[-1] != '.') start--;
    if (start == name || *start < '0' || *start > '9') return arena_copy(arena, start, (size_t)(end - start));
    end = start - 1;
  }
}

/* Checks that each state has an update; reports nothing after an error in an update. */
void check_states(Sema *s) {
  const Graph *graph = s->graph;
  bool *updated = NEW_ARRAY(s->arena, bool, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!node_is_update(node)) continue;
    if (node->nin < 2 || !node_is_state(node->in[1])) return;
    updated[node->in[1]->id] = true;
  }
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!node_is_state(node) || !node->shape.rank || updated[i]) continue;
    Diag *diag = diag_report(s->diags, DIAG_state_update, node->span, node->site,
                             "the state '%s' has no update", node->name);
    diag_help(diag, "set the value for the next call: ... -> update(%s)", own_name(s->arena, node->name));
  }
}

/* ---- operators of the audio front end ---- */

static bool is_trained(const Node *node) {
  for (int k = 0; k < node->nweights; k++)
    if (node->weight[k] && !node->frozen && !node->weight[k]->frozen && !node->weight[k]->statistic)
      return true;
  return false;
}

/* An array indexed by node id: the nearest trained layer before the node; NULL: there is none. past: also
 * searches before other front ends. */
static const Node **trained_before(Sema *s, bool past) {
  const Graph *graph = s->graph;
  const Node **before = NEW_ARRAY(s->arena, const Node *, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    for (int k = 0; k < node->nin && !before[i]; k++) {
      const Node *in = node->in[k];
      before[i] = is_trained(in) ? in : in->op->traits.front_end && !past ? NULL : before[in->id];
    }
  }
  return before;
}

bool stops_training(Sema *s, const Node *node) {
  return node->op->traits.front_end && trained_before(s, true)[node->id];
}

/* Audio front ends pass no gradient: reports trained layers before them. */
void check_front_end(Sema *s) {
  const Graph *graph = s->graph;
  if (!graph->training || diags_mistakes(s->diags)) return;
  const Node **before = trained_before(s, false);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!node->op->traits.front_end || !before[i]) continue;
    Diag *diag = diag_report(s->diags, DIAG_frontend_gradient, node->span, node->site,
                             "no gradient passes through %s, but the layer '%s' before it is trained",
                             node->op->name, before[i]->name);
    diag_note(diag, before[i]->span, "this is trained");
    diag_help(diag, "add frozen=true to the layer, or move the layer after %s", node->op->name);
  }
}

/* ---- blocks that the net does not reach ---- */

typedef VEC(BlockDef *) Reached;

static void calls_mark(Sema *s, const Body *body, Reached *reached) {
  for (int i = 0; body && i < body->n; i++) {
    const Stmt *stmt = body->stmt[i];
    for (int k = 0; k < stmt->ncalls; k++) {
      BlockDef *block = table_find(&s->blocks, stmt->call[k].name.s);
      if (!block || block->used) continue;
      block->used = true;
      vec_push(s->arena, *reached, block);
    }
    calls_mark(s, stmt->body, reached);
    calls_mark(s, stmt->otherwise, reached);
  }
}

void warn_unused_blocks(Sema *s, const NetDecl *net) {
  Reached reached = {0};
  calls_mark(s, net->body, &reached);
  for (int i = 0; i < reached.n; i++) calls_mark(s, reached.data[i]->block->body, &reached);
  for (int i = 0; i < s->block_list.n; i++) {
    const BlockDef *def = s->block_list.data[i];
    const Ident name = def->block->name;
    if (def->in_main && !def->used && !def->broken)
      diag_report(s->diags, DIAG_unused_block, name.span, NULL, "block %s is never applied", name.s);
  }
}

/* ---- softmax of a softmax ---- */

/* The span of " -> softmax" after another operator; empty if it is written differently. */
static Span link_span(const Sema *s, Span call) {
  const Source *source = sources_get(s->sources, call.file);
  uint32_t at = call.start;
  while (at > 0 && strchr(" \t\r\n", source->text[at - 1])) at--;
  if (at < 2 || memcmp(source->text + at - 2, "->", 2) != 0) return (Span){call.file, call.end, call.end};
  for (at -= 2; at > 0 && strchr(" \t\r\n", source->text[at - 1]);) at--;
  return (Span){call.file, at, call.end};
}

void warn_softmax(Sema *s, const Node *node) {
  if (!node->op->traits.softmax || !node->shape.rank) return;
  const Node *before = node->in[0];
  while (before->op->family == FAMILY_ALIAS && before->nin) before = before->in[0];
  if (!before->op->traits.softmax) return;
  Diag *diag = diag_report(s->diags, DIAG_double_softmax, node->span, node->site,
                           "%s of a value that is a %s already", node->op->name, before->op->name);
  diag_note(diag, before->span, "the first softmax is here");
  diag_help(diag, "remove one: the softmax of a softmax makes all classes nearly equal");
  const Span link = link_span(s, node->span);
  if (link.start < link.end) diag_fix(diag, link, "%s", "");
}

/* ---- an activation before the last softmax or sigmoid ---- */

/* The messages of losses (loss.c) are about outputs without a softmax or sigmoid. */
void warn_clipped_scores(Sema *s) {
  const Graph *graph = s->graph;
  for (int i = 0; i < graph->outputs.n; i++) {
    const Node *last = node_computed_by(graph->outputs.data[i].node);
    if (last->op->traits.scores == SCORES_NONE || !last->nin) continue;
    const Node *before = node_computed_by(last->in[0]);
    const bool activation = before->op->group && strcmp(before->op->group, "activation") == 0;
    if (!activation || before->op->traits.softmax) continue;
    Diag *diag = diag_report(s->diags, DIAG_clipped_scores, last->span, last->site,
                             "the last %s needs scores, but the %s before it clips or compresses them",
                             last->op->name, before->op->name);
    diag_note(diag, before->span, "the %s is here", before->op->name);
    diag_help(diag, "remove the %s, unless the weights were trained with it", before->op->name);
  }
}
