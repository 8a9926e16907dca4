/* fuse.c: Fusion of nodes into kernels. An element-wise node can join the kernel of its first input if the
 * input has no other user. In inference, batchnorm is folded into the weights of the convolution or dense
 * layer before the batchnorm. A normalize is folded into the weights of the convolution or dense layer after
 * it, if the result is exact (no padding). If only one convolution uses a value with scaled channels (squeeze
 * and excitation), the weights of the convolution can be scaled instead, for each image. Row means are
 * computed by the kernel that computes the rows, if its operator permits this (fuses_row_means). A pooling is
 * computed by the kernel of the convolution before the pooling, if the convolution's operator permits this
 * (fuses_pool).
 *
 * Requires: a verified graph. Preserves: dependences: in a group of kernels (kernel_group), a kernel runs at
 * the position of its last node. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse.h"
#include "graph/bf16.h"
#include "ops/registry.h"
#include "passes/node_tables.h"

enum { MOST_FUSED = 8, MOST_OPERANDS = 8, MOST_SCALES = 4 };
_Static_assert(sizeof((Lower *)0)->other / sizeof(Buf *) >= MOST_FUSED * (MOST_OPERANDS - 1),
               "Lower.other is too small for the operands of MOST_FUSED nodes");

typedef struct Phases { /* arrays by node id */
  const Plan *plan;
  int *phase;
  bool *late; /* the value exists only after its phase has run for all images */
} Phases;

typedef struct Fuser {
  Arena *arena;
  Plan *plan;
  const PlanOptions *options;
  int *uses;       /* by node id: the result of fuse_uses */
  Kernel **kernel; /* by node id: the kernel whose result so far is this node, or NULL */
  Phases phases;
} Fuser;

/* ---- liveness ---- */
int *fuse_uses(Arena *arena, const Plan *plan) {
  const int nlosses = plan->training ? plan->graph->training->losses.n : 0;
  return graph_live(arena, plan->graph, nlosses, plan->loss);
}

/* ---- phases: a batched kernel runs after the phase that computes its inputs for all images ---- */
static bool for_all_images(const Plan *plan, const Node *node) {
  return node->result == RESULT_BATCH || plan_whole_batch(plan, node);
}

static int ready_for(const Phases *p, const Node *node,
                     bool late) { /* the first phase in which the node's inputs exist */
  int phase = -1;
  for (int k = 0; k < node->nin; k++) {
    const int ready = p->phase[node->in[k]->id] + (p->late[node->in[k]->id] && !late);
    if (ready > phase) phase = ready;
  }
  return phase;
}

/* An update runs after all readers of the state: after all earlier nodes, since updates are last. */
static int phase_of_update(const Phases *p, const Node *update) {
  int phase = -1;
  for (int i = 0; i < update->id; i++)
    if (p->phase[i] + p->late[i] > phase) phase = p->phase[i] + p->late[i];
  return phase;
}

static void set_phase(const Phases *p, const Node *node) {
  const bool given = node_is_input(node) || node_is_target(node) || node_is_state(node),
             alias = node->op->family == FAMILY_ALIAS && node->nin;
  const int first = node->result == RESULT_BATCH || given ? -1 : plan_not_before(p->plan, node);
  const bool late =
      alias ? p->late[node->in[0]->id] && p->phase[node->in[0]->id] >= first : for_all_images(p->plan, node);
  const int ready = node_is_update(node) ? phase_of_update(p, node) : ready_for(p, node, late);
  p->phase[node->id] = ready > first ? ready : first;
  p->late[node->id] = late;
}

static Phases phases_of_none(Arena *arena, const Plan *plan) {
  const Graph *graph = plan->graph;
  return (Phases){plan, NEW_ARRAY(arena, int, graph->nodes.n + 1),
                  NEW_ARRAY(arena, bool, graph->nodes.n + 1)};
}

int *fuse_phases(Arena *arena, const Plan *plan) {
  const Phases phases = phases_of_none(arena, plan);
  for (int i = 0; i < plan->graph->nodes.n; i++) set_phase(&phases, plan->graph->nodes.data[i]);
  return phases.phase;
}

static int kernel_phase(const Fuser *f, const Node *node) {
  return f->phases.phase[node->id] < 0 && node->result != RESULT_BATCH ? 0 : f->phases.phase[node->id];
}

/* ---- fusion ---- */
static bool weighted(const Node *node) {
  return node->op->family == FAMILY_CONV || node->op->family == FAMILY_CONV_SCATTER ||
         node->op->family == FAMILY_CONV_REPEATED || node->op->family == FAMILY_DEPTHWISE ||
         node->op->family == FAMILY_DENSE;
}

static bool sole_reader(const Fuser *f, const Node *node, const Node *reader) {
  int reads = 0;
  for (int k = 0; k < reader->nin; k++) reads += reader->in[k] == node;
  return f->uses[node->id] == 1 && reads == 1;
}

static bool extendable(const Fuser *f, const Node *node, const Kernel *kernel) {
  if (!kernel || f->options->fusing == FUSE_NOTHING || node->op->family != FAMILY_MAP ||
      node->result != RESULT_SAMPLE || kernel->root->result != RESULT_SAMPLE)
    return false;
  /* a kernel that interleaves images is not fused */
  if (f->plan->images > 1 && node_is_input(kernel->root)) return false;
  if (!sole_reader(f, node->in[0], node) || !shape_equal(node->shape, node->in[0]->shape)) return false;
  for (int k = 1; k < node->nin; k++)
    if (node->in[k]->shape.regions != node->shape.regions) return false; /* the operand is repeated */
  if (kernel->nchain == MOST_FUSED || kernel->pool || node->nin > MOST_OPERANDS) return false;
  return kernel->batch ? ready_for(&f->phases, node, true) <= kernel->phase &&
                             plan_not_before(f->plan, node) <= kernel->phase
                       : kernel->phase == kernel_phase(f, node);
}

static bool foldable_scale(const Fuser *f, const Node *node, const Kernel *kernel) {
  return !f->plan->training && kernel && node->op->traits.fold == FOLD_SCALE && weighted(kernel->root) &&
         !kernel->root->hidden && kernel->nchain == 0 && kernel->nscales < MOST_SCALES;
}

/* Whether the normalize before the node can be folded into the node's weights and bias. The folding is exact
 * only without padding. */
static bool foldable_normalize(const Fuser *f, const Node *node) {
  if (!node->nin) return false;
  const Node *before = node->in[0];
  if (f->plan->training || f->options->fusing == FUSE_NOTHING || before->op->traits.fold != FOLD_NORMALIZE ||
      !weighted(node) || node_weight_elem(node) != F32 || node->hidden || !sole_reader(f, before, node))
    return false;
  if (node->op->family != FAMILY_CONV && node->op->family != FAMILY_DENSE) return false;
  if (f->plan->home[before->in[0]->id].elem != F32)
    return false; /* a convolution would convert each byte repeatedly */
  const Kernel *own = f->kernel[before->id];
  if (!own || own->root != before || own->result != before)
    return false; /* the normalize is already fused into another kernel, where it costs nothing */
  for (int axis = 0; axis < 2 && node->window; axis++)
    if (node->window->before[axis] || node->window->after[axis]) return false;
  return true;
}

/* Whether the kernel can compute the pooling, too, so that the input of the pooling is never stored. */
static bool poolable(const Fuser *f, const Node *node, const Kernel *kernel) {
  if (!kernel || f->options->fusing == FUSE_NOTHING || f->plan->training || node->op->family != FAMILY_POOL ||
      !sole_reader(f, node->in[0], node))
    return false;
  return !kernel->pool && !kernel->batch && kernel->root->op->traits.fuses_pool &&
         kernel->root->op->traits.fuses_pool(kernel->root, node);
}

/* Whether the kernel that stores the rows can compute their means, too. */
static bool can_compute_row_means(const Fuser *f, const Node *node, const Kernel *kernel) {
  if (node->op != &op_row_mean || !kernel || kernel->means || kernel->batch || kernel->pool) return false;
  const Node *root = kernel->root;
  return f->options->fusing == FUSE_ALL && f->plan->images == 1 && root->op->traits.fuses_row_means &&
         root->op->traits.fuses_row_means(root) && kernel->phase == kernel_phase(f, node);
}

static void append_node(Fuser *f, Node *node) {
  Kernel *before = node->nin ? f->kernel[node->in[0]->id] : NULL;
  if (before && before->result != node->in[0]) before = NULL;
  if (can_compute_row_means(f, node, before)) {
    before->means = node;
    return;
  }
  if (extendable(f, node, before) || poolable(f, node, before)) {
    if (node->op->family == FAMILY_POOL) before->pool = node;
    else if (foldable_scale(f, node, before)) before->scale[before->nscales++] = node;
    else before->chain[before->nchain++] = node;
    before->result = node;
    f->kernel[node->id] = before;
    f->kernel[node->in[0]->id] = NULL;
    if (before->batch) {
      f->phases.phase[node->id] = before->phase;
      f->phases.late[node->id] = true;
    }
    return;
  }
  Kernel *kernel = NEW(f->arena, Kernel);
  kernel->chain = NEW_ARRAY(f->arena, Node *, MOST_FUSED);
  kernel->scale = NEW_ARRAY(f->arena, Node *, MOST_SCALES);
  kernel->root = kernel->result = node;
  kernel->phase = kernel_phase(f, node);
  kernel->batch = for_all_images(f->plan, node);
  kernel->home = f->plan->home;
  f->kernel[node->id] = kernel;
}

/* Index of a kernel's group. Groups are ordered by phase; in a phase, per-image kernels run before batched
 * kernels. */
static int kernel_group(const Plan *plan, const Kernel *kernel) {
  return 2 * (kernel->phase - plan->first_phase) + kernel->batch;
}

/* Sorts kernels by group, without changing the order within a group. */
static void order_kernels(Arena *arena, Plan *plan) {
  const int n = plan->kernels.n, groups = 2 * (plan->phases - plan->first_phase);
  Kernel **const kernel = NEW_ARRAY(arena, Kernel *, n + 1);
  int *const at = NEW_ARRAY(arena, int, groups + 1); /* by group: the index of the group's next kernel */
  for (int k = 0; k < n; k++) {
    kernel[k] = plan->kernels.data[k];
    at[kernel_group(plan, kernel[k]) + 1]++;
  }
  for (int g = 0; g < groups; g++) at[g + 1] += at[g];
  for (int k = 0; k < n; k++) plan->kernels.data[at[kernel_group(plan, kernel[k])]++] = kernel[k];
}

/* Folds a normalize: the convolution or dense layer reads the input of the normalize, and the normalize gets
 * no kernel. */
static void fold_normalize(Fuser *f, Kernel *kernel) {
  Node *node = kernel->root;
  if (!foldable_normalize(f, node)) return;
  Node *normalize = node->in[0];
  Node *copy = graph_copy_node(f->arena, node, NULL);
  copy->in[0] = normalize->in[0];
  kernel->normalize = normalize;
  kernel->normalize_shift = true;
  kernel->root = copy;
  if (kernel->result == node) kernel->result = copy;
  f->kernel[normalize->id] = NULL;
}

/* Whether the kernel's convolution reads a product with one factor per channel, and can scale its weights by
 * these factors instead. Returns the index of the product's operand that contains the factors; -1: no. */
static int foldable_gate(const Fuser *f, const Kernel *kernel) {
  const Node *node = kernel->root, *product = node->nin ? node->in[0] : NULL;
  if (f->plan->training || f->options->fusing != FUSE_ALL || f->options->exact || f->plan->images > 1 ||
      kernel->batch || node_weight_elem(node) != F32 || !node->op->traits.fuses_gate ||
      !product->op->traits.gate || !sole_reader(f, product, node))
    return -1;
  const Kernel *own = f->kernel[product->id];
  if (!own || own->root != product || own->result != product || own->phase != kernel->phase) return -1;
  const int gate = product->op->traits.gate(product);
  for (int k = 0; k < product->nin; k++)
    if (f->plan->home[product->in[k]->id].elem != F32) return -1;
  return gate >= 0 && node->op->traits.fuses_gate(node) ? gate : -1;
}

/* Folds a gate: the convolution reads the unscaled value, and the factors as a second input; the product has
 * no kernel. */
static void fold_gate(Fuser *f, Kernel *kernel) {
  Node *node = kernel->root;
  const int gate = foldable_gate(f, kernel);
  if (gate < 0) return;
  Node *product = node->in[0], *copy = graph_copy_node(f->arena, node, NULL);
  copy->nin = 2;
  copy->in = NEW_ARRAY(f->arena, Node *, 2);
  copy->in[0] = product->in[1 - gate];
  copy->in[1] = product->in[gate];
  kernel->gate = product;
  kernel->root = copy;
  if (kernel->result == node) kernel->result = copy;
  f->kernel[product->id] = NULL;
}

void fuse_kernels(Arena *arena, Plan *plan, const PlanOptions *options) {
  const Graph *graph = plan->graph;
  Fuser f = {arena,
             plan,
             options,
             fuse_uses(arena, plan),
             NEW_ARRAY(arena, Kernel *, graph->nodes.n + 1),
             phases_of_none(arena, plan)};
  for (int i = 0; i < graph->nodes.n; i++) {
    Node *node = graph->nodes.data[i];
    set_phase(&f.phases, node);
    if (!f.uses[i] || node->op->family == FAMILY_ALIAS || plan->inside[i].done || plan_given(plan, node))
      continue;
    append_node(&f, node);
  }
  for (int i = graph->nodes.n - 1; i >= 0; i--)
    if (f.kernel[i]) {
      fold_normalize(&f, f.kernel[i]);
      fold_gate(&f, f.kernel[i]);
    }
  plan->first_phase = 0;
  plan->phases = 1;
  for (int i = 0; i < graph->nodes.n; i++) {
    Kernel *kernel = f.kernel[i];
    if (!kernel) continue;
    vec_push(arena, plan->kernels, kernel);
    if (kernel->phase < plan->first_phase) plan->first_phase = kernel->phase;
    if (kernel->phase + 1 > plan->phases) plan->phases = kernel->phase + 1;
  }
  order_kernels(arena, plan);
}
