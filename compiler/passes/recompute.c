/* recompute.c: Rematerialization: values with late users are computed again rather than kept. If the inputs
 * of an element-wise node are kept anyway, and its work is small, the node is recomputed in each later phase
 * that uses its value: for example, batchnorm and relu after a convolution. This is faster than reading the
 * value from memory. Other values are rematerialized on request.
 *
 * Requires: a training graph. Preserves: values, bit for bit: a copy is the same operator with the same
 * inputs. Nodes stay in topological order; a copy is directly before its first user. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/recompute.h"
#include "ops/registry.h"
#include <stdlib.h>
#include "graph/op.h"
#include "passes/fuse.h"
#include "passes/node_tables.h"

enum {
  MOST_AGAIN = 4,
  LATE = 8
}; /* recomputing a cheap value processes at most MOST_AGAIN elements per element of the value; a reader is
      late if it is more than LATE positions after the previous reader in the execution order */

typedef struct Time {
  int phase, rank, before;
} Time;        /* rank: position in execution order; before: position in the graph */
struct Times { /* arrays by node id */
  Time *time;
  int *last; /* the last phase that reads the node's value */
  bool *all; /* whether a batched kernel reads the value */
};
typedef struct Reader {
  Node *node;
  Time time;
  bool copy;
} Reader;
typedef VEC(Reader) Readers;

typedef struct Recompute {
  Arena *arena;
  Plan *plan;
  Graph *graph;
  const Time *time;
  const int *last;
  const bool *all;
  bool *again;    /* by node id: whether the node is rematerialized: because it is cheap, on request, or for
                     a copy that reads it */
  int *requested; /* by node id: requested number of rematerializations */
  Readers *readers;
  Readers copies;
  Recomputed done;
} Recompute;

/* Whether a copy of the node costs nothing: an alias, or a slice that is a part of a layer (layer_part).
 * Other slices are also views, but a copy of such a slice keeps the whole input in memory, although the copy
 * reads only a part of the input. A layer's slices together read the whole input. */
static bool is_alias_of_kept(const Node *node) {
  const bool slice = node->op->traits.slice_offset && node->op->traits.layer_part;
  return (node->op->family == FAMILY_ALIAS || slice) && node->nin;
}
static bool is_caller(const Node *node) { return node_is_input(node) || node_is_target(node); }
/* Whether the value is in memory during the whole step. */
static bool is_always_stored(const Recompute *r, const Node *node) {
  const bool floats = is_caller(node) && node->port->elem == F32 && !node->port->chw;
  return node->result == RESULT_BATCH || floats || (node_is_input(node) && plan_given(r->plan, node));
}
static bool is_cheap(const Node *node) {
  return node->op->family == FAMILY_MAP || node->op->traits.elementwise || is_alias_of_kept(node);
}

/* Whether the node can be rematerialized. A value that contains its inputs (concat_offset) cannot. */
static bool can_copy(const Recompute *r, const Node *node) {
  return node->nin && node->result == RESULT_SAMPLE && !node->target && !plan_whole_batch(r->plan, node) &&
         !is_caller(node) && !node->op->traits.concat_offset;
}

/* ---- execution order and last uses ---- */
static int compare_uses(const void *a, const void *b) {
  const Reader *x = a, *y = b;
  if (x->time.phase != y->time.phase) return x->time.phase - y->time.phase;
  return x->time.rank != y->time.rank ? x->time.rank - y->time.rank : x->node->id - y->node->id;
}

/* Ranks nodes by phase, then by position. */
static void set_ranks(Arena *arena, Time *time, int n, const int *phase) {
  int last = -1;
  for (int i = 0; i < n; i++) last = phase[i] > last ? phase[i] : last;
  int *const rank = NEW_ARRAY(arena, int, last + 3); /* by phase + 1: rank of the phase's next node */
  for (int i = 0; i < n; i++) rank[phase[i] + 2]++;
  for (int p = 0; p <= last + 1; p++) rank[p + 1] += rank[p];
  for (int i = 0; i < n; i++) time[i] = (Time){phase[i], rank[phase[i] + 1]++, i};
}

const Times *recompute_times(Arena *arena, const Plan *plan) {
  const Graph *graph = plan->graph;
  const int n = graph->nodes.n, *phase = fuse_phases(arena, plan);
  Times *t = NEW(arena, Times);
  *t = (Times){NEW_ARRAY(arena, Time, n + 1), NEW_ARRAY(arena, int, n + 1), NEW_ARRAY(arena, bool, n + 1)};
  set_ranks(arena, t->time, n, phase);
  for (int i = n - 1; i >= 0; i--) {
    const Node *node = graph->nodes.data[i];
    if (t->last[i] < phase[i]) t->last[i] = phase[i];
    const int read = is_alias_of_kept(node) ? t->last[i] : phase[i];
    for (int k = 0; k < node->nin; k++) {
      const int in = node->in[k]->id;
      if (t->last[in] < read) t->last[in] = read;
      t->all[in] = t->all[in] || node->result == RESULT_BATCH || plan_whole_batch(plan, node) ||
                   (is_alias_of_kept(node) && t->all[i]);
    }
  }
  return t;
}

/* ---- cheap values ---- */
static int64_t most_elements(const Node *node) {
  int64_t most = shape_elements(node->shape);
  for (int k = 0; k < node->nin; k++)
    if (node->in[k]->result == RESULT_SAMPLE && shape_elements(node->in[k]->shape) > most)
      most = shape_elements(node->in[k]->shape);
  return most;
}

/* Marks cheap values. A kept value is available until the last phase that reads it; a rematerialized value is
 * available as long as its inputs are. The work of a value includes the work of its rematerialized inputs. */
static void find_cheap(Recompute *r) {
  const Graph *graph = r->graph;
  int *until = NEW_ARRAY(r->arena, int, graph->nodes.n + 1);
  int64_t *work = NEW_ARRAY(r->arena, int64_t, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    until[i] = is_always_stored(r, node) ? INT32_MAX : r->last[i];
    if (r->again[i] || !can_copy(r, node) || !is_cheap(node)) continue;
    int inputs = INT32_MAX;
    int64_t sum = is_alias_of_kept(node) ? 0 : most_elements(node);
    for (int k = 0; k < node->nin; k++) {
      if (until[node->in[k]->id] < inputs) inputs = until[node->in[k]->id];
      sum += work[node->in[k]->id];
    }
    if (inputs < r->last[i] || sum > MOST_AGAIN * shape_elements(node->shape) || r->all[i]) continue;
    r->again[i] = true;
    until[i] = inputs;
    work[i] = sum;
  }
}

/* ---- copies ---- */
int64_t recompute_work(const Node *node) {
  return is_alias_of_kept(node) ? 0 : most_elements(node) + node_macs(node);
}

/* Whether the value is in memory when a node of that rank runs. */
static bool is_alive(const Recompute *r, const Node *node, int rank) {
  if (is_always_stored(r, node) || r->all[node->id]) return true;
  for (int i = 0; i < r->readers[node->id].n; i++) {
    const Reader *reader = &r->readers[node->id].data[i];
    if (!reader->copy && reader->time.rank >= rank) return true;
  }
  return false;
}

static void note_reads(Recompute *r, Node *reader, Time time, bool copy) {
  for (int k = 0; k < reader->nin; k++)
    vec_push(r->arena, r->readers[reader->in[k]->id], ((Reader){reader, time, copy}));
}

static void copy_for(Recompute *r, Node *node, Reader *reader, int n) {
  Node *copy = graph_copy_node(r->arena, node, NULL);
  Time time = reader[0].time;
  for (int i = 0; i < n; i++) {
    if (reader[i].time.before < time.before) time.before = reader[i].time.before;
    for (int k = 0; k < reader[i].node->nin; k++)
      if (reader[i].node->in[k] == node) reader[i].node->in[k] = copy;
  }
  for (int k = 0; k < copy->nin; k++)
    if (!r->again[copy->in[k]->id] && can_copy(r, copy->in[k]) && !is_alive(r, copy->in[k], time.rank)) {
      r->again[copy->in[k]->id] = true;
      r->requested[copy->in[k]->id] = 1;
    }
  vec_push(r->arena, r->copies, ((Reader){copy, time, true}));
  note_reads(r, copy, time, true);
  r->done.work += recompute_work(copy);
  r->done.macs += node_macs(copy);
}

/* Copies of an alias cost nothing, so each reader gets its own copy. */
static void split_alias(Recompute *r, Node *node, const Readers *readers) {
  for (int i = 0; i < readers->n; i++) copy_for(r, node, &readers->data[i], 1);
}

static void split_by_phases(Recompute *r, Node *node, const Readers *readers) {
  for (int from = 0, to; from < readers->n; from = to) {
    for (to = from + 1; to < readers->n && readers->data[to].time.phase == readers->data[from].time.phase;)
      to++;
    if (readers->data[from].time.phase > r->time[node->id].phase)
      copy_for(r, node, &readers->data[from], to - from);
  }
}

/* Splits the live range at the `cuts` longest gaps between readers; the value is recomputed at the end of
 * each gap. */
static void split_at_longest_waits(Recompute *r, Node *node, const Readers *readers, int cuts) {
  bool *begins = NEW_ARRAY(r->arena, bool, readers->n + 1);
  for (int c = 0; c < cuts; c++) {
    int cut = -1, longest = 1, before = r->time[node->id].rank;
    for (int i = 0; i < readers->n; before = readers->data[i++].time.rank)
      if (!begins[i] && readers->data[i].time.rank - before > longest) {
        cut = i;
        longest = readers->data[i].time.rank - before;
      }
    if (cut >= 0) begins[cut] = true;
  }
  for (int from = 0, to; from < readers->n; from = to) {
    for (to = from + 1; to < readers->n && !begins[to];) to++;
    if (begins[from]) copy_for(r, node, &readers->data[from], to - from);
  }
}

static void split_phases(Recompute *r, Node *node) {
  Readers *readers = &r->readers[node->id];
  if (!readers->n) return;
  qsort(readers->data, (size_t)readers->n, sizeof *readers->data, compare_uses);
  if (is_alias_of_kept(node)) split_alias(r, node, readers);
  else if (!r->requested[node->id]) split_by_phases(r, node, readers);
  else split_at_longest_waits(r, node, readers, r->requested[node->id]);
}

/* Inserts the copies into the graph. The copies were created in reverse order of the graph. */
static void insert_copies(Recompute *r) {
  const int nodes = r->graph->nodes.n, all = nodes + r->copies.n;
  Nodes to = {0};
  int *was = NEW_ARRAY(r->arena, int, all + 1), *phase = NEW_ARRAY(r->arena, int, all + 1);
  Readers *copies = NEW_ARRAY(r->arena, Readers, nodes + 1);
  for (int i = r->copies.n - 1; i >= 0; i--)
    vec_push(r->arena, copies[r->copies.data[i].time.before], r->copies.data[i]);
  for (int i = 0; i < nodes; i++) {
    for (int k = 0; k < copies[i].n; k++) {
      was[to.n] = -1;
      phase[to.n] = copies[i].data[k].time.phase;
      vec_push(r->arena, to, copies[i].data[k].node);
    }
    was[to.n] = i;
    vec_push(r->arena, to, r->graph->nodes.data[i]);
  }
  plan_set_nodes(r->arena, r->plan, &to, was);
  r->plan->not_before = phase;
}

static Recompute recompute_begin(Arena *arena, Plan *plan, const Times *times) {
  const int n = plan->graph->nodes.n + 1;
  return (Recompute){.arena = arena,
                     .plan = plan,
                     .graph = plan->graph,
                     .time = times->time,
                     .last = times->last,
                     .all = times->all,
                     .again = NEW_ARRAY(arena, bool, n),
                     .requested = NEW_ARRAY(arena, int, n),
                     .readers = NEW_ARRAY(arena, Readers, n)};
}

const bool *recompute_late(Arena *arena, Plan *plan, const Times *times) {
  const Graph *graph = plan->graph;
  Recompute r = recompute_begin(arena, plan, times);
  bool *late = NEW_ARRAY(arena, bool, graph->nodes.n + 1);
  find_cheap(&r);
  for (int i = graph->nodes.n - 1; i >= 0; i--) {
    Node *node = graph->nodes.data[i];
    note_reads(&r, node, r.time[i], false);
    Readers *readers = &r.readers[i];
    if (r.again[i] || r.all[i] || !can_copy(&r, node)) continue;
    if (readers->n) qsort(readers->data, (size_t)readers->n, sizeof *readers->data, compare_uses);
    for (int k = 0, before = r.time[i].rank; k < readers->n; before = readers->data[k++].time.rank)
      late[i] = late[i] || readers->data[k].time.rank - before > LATE;
  }
  return late;
}

Recomputed pass_recompute(Plan *plan, const Times *times, const unsigned char *again) {
  const Graph *graph = plan->graph;
  Recompute r = recompute_begin(graph->arena, plan, times ? times : recompute_times(graph->arena, plan));
  for (int i = 0; again && i < graph->nodes.n; i++) {
    r.again[i] = again[i] && !r.all[i] && can_copy(&r, graph->nodes.data[i]);
    if (r.again[i]) r.requested[i] = again[i];
  }
  find_cheap(&r);
  for (int i = graph->nodes.n - 1; i >= 0; i--) { /* users first */
    Node *node = graph->nodes.data[i];
    if (r.again[i]) split_phases(&r, node);
    note_reads(&r, node, r.time[i], false);
  }
  insert_copies(&r);
  return r.done;
}
