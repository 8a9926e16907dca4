/* plan.c: where every value lives. Values of one image, and the scratch of the kernels, share an arena by
 * liveness.
 *
 * Needs: the kernels in order. Keeps: them; sets storage. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/plan.h"
#include "passes/fuse.h"
#include "passes/layout.h"
#include "passes/passes.h"
#include "passes/place.h"
#include "passes/recompute.h"

enum { ALIGN = 16 }; /* floats: 64 bytes */
static int64_t rounded(int64_t floats) { return (floats + ALIGN - 1) / ALIGN * ALIGN; }

typedef struct Life {
  const Node *node;
  Block block;
  int phase, last_phase;
  bool all;
} Life; /* block: steps are kernels; all: read or made for all images together */

static const Node *home_of(const Node *node) { return node_home(node).node; }

static void use(Plan *plan, const Node *node, int kernel) {
  Life *life = &plan->life[home_of(node)->id];
  const Kernel *reader = plan->kernels.data[kernel];
  if (kernel > life->block.dies) life->block.dies = kernel;
  if (reader->phase > life->last_phase) life->last_phase = reader->phase;
  if (reader->batch) life->all = true;
}

/* Where images take turns at the same kernels, a value of all of them is there from the first image of its
 * phase to the last one of the phase that reads it last. */
static void live_for_phases(const Plan *plan, Life *life) {
  Kernel *const *kernel = plan->kernels.data;
  while (life->block.born > 0 && !kernel[life->block.born]->batch &&
         kernel[life->block.born - 1]->phase == life->phase)
    life->block.born--;
  while (life->block.dies + 1 < plan->kernels.n && !kernel[life->block.dies + 1]->batch &&
         kernel[life->block.dies + 1]->phase == life->last_phase)
    life->block.dies++;
}

static void set_lives(Plan *plan) {
  for (int k = 0; k < plan->kernels.n; k++) {
    const Kernel *kernel = plan->kernels.data[k];
    const Node *home = plan->graph->nodes.data[home_of(kernel->result)->id];
    const int64_t images = home->result == RESULT_BATCH ? 1 : plan->images;
    Life *life = &plan->life[home->id];
    if (!life->node)
      *life = (Life){home,
                     {rounded(images * shape_elements(home->shape)), k, k, 0},
                     kernel->phase,
                     kernel->phase,
                     false};
    use(plan, home, k); /* what is joined is written by several */
    plan->last_writer[home->id] = k;
    for (int i = 0; i < kernel->root->nin; i++) use(plan, kernel->root->in[i], k);
    for (int c = 0; c < kernel->nchain; c++)
      for (int i = 1; i < kernel->chain[c]->nin; i++) use(plan, kernel->chain[c]->in[i], k);
  }
  for (int i = 0; plan->training && i < plan->graph->training->losses.n; i++) {
    Life *life = &plan->life[plan->loss[i]->id];
    life->all = true;
    life->block.dies = plan->kernels.n - 1;
    life->last_phase = plan->phases - 1;
  }
  for (int i = 0; i < plan->graph->nodes.n; i++) {
    Life *life = &plan->life[i];
    if (!plan->training && life->last_phase > life->phase) life->all = true;
    if (life->all) live_for_phases(plan, life);
  }
}

/* ---- homes ---- */
static bool is_output(const Plan *plan, const Node *node,
                      int *index) { /* the first output of that very value */
  for (int o = 0; o < plan->graph->outputs.n; o++)
    if (home_of(plan->graph->outputs.data[o].node)->id == node->id) {
      *index = o;
      return true;
    }
  return false;
}

static StoreKind kind_of(const Plan *plan, const Life *life, int *index) {
  const Node *node = life->node;
  if (node->target) return STORE_GRADIENT;
  if (node->result == RESULT_BATCH) return STORE_BATCH;
  if (!plan->training && plan->images == 1 && is_output(plan, node, index)) return STORE_OUTPUT;
  return life->all ? STORE_ALL : life->last_phase > life->phase ? STORE_KEPT : STORE_ARENA;
}

static void set_storage(Plan *plan) {
  const Graph *graph = plan->graph;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Life *life = &plan->life[i];
    const Node *node = graph->nodes.data[i];
    Storage *storage = &plan->storage[i];
    *storage = (Storage){STORE_NONE, 0, 0};
    if (fuse_in_place(plan, node))
      *storage = (Storage){node->op == &op_target ? STORE_TARGET : STORE_INPUT, node->wrt, 0};
    if (!life->node) continue;
    storage->kind = kind_of(plan, life, &storage->index);
    if (storage->kind == STORE_BATCH) {
      storage->offset = plan->batch_floats;
      plan->batch_floats += life->block.floats;
    }
  }
  for (int i = 0; i < graph->nodes.n; i++)
    plan->storage[i] = plan->storage[home_of(graph->nodes.data[i])->id];
}

/* ---- in place ----
 * What an element-wise operator reads, in a kernel of its own or fused into another one, is read at the
 * element that is stored. */
static bool same_home(const Node *a, const Node *b) { return home_of(a)->id == home_of(b)->id; }

static bool read_at_the_element(const Kernel *kernel, const Node *value) {
  const bool map = kernel->root->op->family == FAMILY_MAP;
  for (int i = 0; i < kernel->root->nin; i++)
    if (same_home(kernel->root->in[i], value) && !(map && kernel->root->in[i] == value)) return false;
  for (int c = 0; c < kernel->nchain; c++)
    for (int i = 1; i < kernel->chain[c]->nin; i++)
      if (same_home(kernel->chain[c]->in[i], value) && kernel->chain[c]->in[i] != value) return false;
  return true;
}

static bool
fills_place(const Plan *plan,
            const Node *value) { /* all of one that is laid out, and nobody but kernels looks at it */
  int output;
  const Home home = node_home(value);
  const StoreKind kind = plan->storage[value->id].kind;
  return (kind == STORE_ARENA || kind == STORE_KEPT) &&
         shape_elements(home.node->shape) == shape_elements(value->shape) && value->op != &op_target &&
         home.node->result == RESULT_SAMPLE && !is_output(plan, value, &output);
}

static bool dies_in(const Plan *plan, int k, const Node *value) {
  const Kernel *kernel = plan->kernels.data[k];
  return fills_place(plan, value) &&
         plan->storage[value->id].kind == plan->storage[kernel->result->id].kind &&
         shape_equal(value->shape, kernel->result->shape) && plan->life[home_of(value)->id].block.dies == k &&
         read_at_the_element(kernel, value);
}

static const Node *operand_to_replace(const Plan *plan, int k) {
  const Kernel *kernel = plan->kernels.data[k];
  const bool own =
      home_of(kernel->result)->id == kernel->result->id && plan->life[kernel->result->id].block.born == k;
  if (!own || kernel->pool || kernel->root->result != RESULT_SAMPLE || !fills_place(plan, kernel->result))
    return NULL;
  for (int i = 0; i < kernel->root->nin; i++)
    if (dies_in(plan, k, kernel->root->in[i])) return kernel->root->in[i];
  for (int c = 0; c < kernel->nchain; c++)
    for (int i = 1; i < kernel->chain[c]->nin; i++)
      if (dies_in(plan, k, kernel->chain[c]->in[i])) return kernel->chain[c]->in[i];
  return NULL;
}

static void write_over(Plan *plan) {
  for (int k = 0; k < plan->kernels.n; k++) plan->kernels.data[k]->over = operand_to_replace(plan, k);
}

static void set_outputs(Arena *arena, Plan *plan) {
  const int n = plan->graph->outputs.n;
  plan->output = NEW_ARRAY(arena, Node *, n + 1);
  plan->copy_output = NEW_ARRAY(arena, bool, n + 1);
  for (int o = 0; o < n; o++) {
    plan->output[o] = plan->graph->outputs.data[o].node;
    const Storage *storage = &plan->storage[plan->output[o]->id];
    plan->copy_output[o] = storage->kind != STORE_OUTPUT || storage->index != o;
  }
}

/* ---- places ---- */
/* By node id: the block of the value. What is written over another value has that one's, which lives as long
 * as either. */
static Block **value_blocks(Arena *arena, const Plan *plan) {
  const int nodes = plan->graph->nodes.n;
  Block **of = NEW_ARRAY(arena, Block *, nodes + 1), *own = NEW_ARRAY(arena, Block, nodes + 1);
  for (int i = 0; i < nodes; i++) {
    own[i] = plan->life[i].block;
    of[i] = &own[i];
  }
  for (int k = 0; k < plan->kernels.n; k++) {
    const Kernel *kernel = plan->kernels.data[k];
    if (!kernel->over) continue;
    Block *block = of[kernel->result->id] = of[home_of(kernel->over)->id];
    block->dies = own[kernel->result->id].dies;
  }
  for (int i = 0; i < nodes; i++) of[i] = of[home_of(plan->graph->nodes.data[i])->id];
  return of;
}

static bool has_block(const Plan *plan, Block *const *value, int id,
                      StoreKind kind) { /* and is the first value in it */
  const Life *life = &plan->life[id];
  return life->node && plan->storage[id].kind == kind && value[id]->born == life->block.born;
}

/* Lays out the values of a kind, and `more` blocks, which stand in `block` already. In a record of its image
 * a value may take the place of one that a kernel before read last, as in the arena: from phase to phase it
 * is the same images that take turns. */
static Layout lay_out_kind(Plan *plan, StoreKind kind, Block *const *value, Block **block, int more) {
  const int nodes = plan->graph->nodes.n;
  int n = more;
  for (int i = 0; i < nodes; i++)
    if (has_block(plan, value, i, kind)) block[n++] = value[i];
  const Layout layout = layout_blocks(block, n, plan->kernels.n);
  for (int i = 0; i < nodes; i++)
    if (plan->storage[i].kind == kind) plan->storage[i].offset = value[i]->offset;
  return layout;
}

void plan_lay_out(Arena *arena, Plan *plan, const int64_t *scratch) {
  const int kernels = plan->kernels.n;
  Block **value = value_blocks(arena, plan),
        **block = NEW_ARRAY(arena, Block *, plan->graph->nodes.n + kernels + 1),
        *own = NEW_ARRAY(arena, Block, kernels + 1);
  const Layout kept = lay_out_kind(plan, STORE_KEPT, value, block, 0),
               all = lay_out_kind(plan, STORE_ALL, value, block, 0);
  int n = 0;
  for (int k = 0; k < kernels; k++) {
    own[k] = (Block){rounded(scratch[k]), k, k, 0};
    if (scratch[k]) block[n++] = &own[k];
  }
  const Layout values = lay_out_kind(plan, STORE_ARENA, value, block, n);
  plan->kept_floats = kept.floats;
  plan->kept_bound = kept.bound;
  plan->all_floats = all.floats;
  plan->all_bound = all.bound;
  plan->arena_floats = values.floats;
  plan->arena_bound = values.bound;
  plan->scratch = NEW_ARRAY(arena, int64_t, kernels + 1);
  for (int k = 0; k < kernels; k++) plan->scratch[k] = own[k].offset;
}

static Plan *plan_new(Arena *arena, Graph *graph, int images) {
  Plan *plan = NEW(arena, Plan);
  plan->graph = graph;
  plan->images = images > 1 ? images : 1;
  return plan;
}

static Plan *plan_kernels(Arena *arena, Plan *plan, Fusing fusing) {
  place_values(arena, plan);
  plan->storage = NEW_ARRAY(arena, Storage, plan->graph->nodes.n + 1);
  plan->life = NEW_ARRAY(arena, Life, plan->graph->nodes.n + 1);
  plan->last_writer = NEW_ARRAY(arena, int, plan->graph->nodes.n + 1);
  fuse_kernels(arena, plan, fusing);
  set_lives(plan);
  set_storage(plan);
  set_outputs(arena, plan);
  write_over(plan);
  return plan;
}

/* Statistics over the values of all images are made of images that lie one after the other. */
static bool looks_at_all_images(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++)
    for (int k = 0; graph->nodes.data[i]->result == RESULT_BATCH && k < graph->nodes.data[i]->nin; k++) {
      const Node *in = graph->nodes.data[i]->in[k];
      if (in->result == RESULT_SAMPLE && in->op != &op_target && in->op != &op_input) return true;
    }
  return false;
}

/* ---- dense layers of all images at once ----
 * Image by image, their weights would be read once an image, in training three times and their gradients
 * written; those that stay in the first caches may. */
enum { TOGETHER_WEIGHTS = 1 << 14, FEWEST_IMAGES = 8, MOST_IMAGES = 1024 };

static bool computed_together(const Node *node, int64_t batch) {
  const Family family = node->op->family;
  if (family != FAMILY_DENSE && family != FAMILY_DENSE_INPUT && family != FAMILY_DENSE_WEIGHTS) return false;
  const Node *forward = family == FAMILY_DENSE ? node : node->of;
  const int64_t inputs = shape_elements(forward->in[0]->shape), units = shape_elements(forward->shape),
                larger = inputs > units ? inputs : units;
  return !forward->in[0]->shape.regions && inputs * units >= TOGETHER_WEIGHTS && larger <= INT32_MAX / batch;
}

static bool compute_together(Graph *graph, int64_t batch) { /* false: there are none */
  bool any = false;
  for (int i = 0; i < graph->nodes.n && batch <= MOST_IMAGES; i++) {
    Node *node = graph->nodes.data[i];
    node->together = computed_together(node, batch);
    any = any || node->together;
  }
  return any;
}

Plan *plan_inference(Arena *arena, const Graph *graph, Fusing fusing, int images, int64_t together) {
  Plan *plan = plan_new(arena, pass_inference(arena, graph), images);
  plan->together =
      plan->images == 1 && fusing == FUSE_ALL && together && compute_together(plan->graph, together);
  return plan_kernels(arena, plan, fusing);
}

TrainingGraph plan_differentiate(Arena *arena, const Graph *graph, Fusing fusing, int *images, bool *phases) {
  const TrainingGraph training = pass_differentiate(arena, graph);
  const bool statistics = looks_at_all_images(training.graph), apart = statistics || *images <= 1;
  const bool together = apart && fusing == FUSE_ALL && graph->training->batch >= FEWEST_IMAGES &&
                        compute_together(training.graph, graph->training->batch);
  *phases = statistics || together;
  *images = apart ? 1 : *images;
  return training;
}

Plan *plan_training_again(Arena *arena, const Graph *graph, Fusing fusing, int images,
                          const unsigned char *again) {
  bool phases;
  const TrainingGraph training = plan_differentiate(arena, graph, fusing, &images, &phases);
  const Recomputed done = phases || again ? pass_recompute(training.graph, again) : (Recomputed){0, 0};
  Plan *plan = plan_new(arena, training.graph, images);
  plan->again_work = done.work;
  plan->again_macs = done.macs;
  plan->training = true;
  plan->loss = training.loss;
  plan->target = training.target;
  return plan_kernels(arena, plan, fusing);
}

Plan *plan_training(Arena *arena, const Graph *graph, Fusing fusing, int images) {
  return plan_training_again(arena, graph, fusing, images, NULL);
}

/* ---- how much memory a training step takes ---- */
typedef struct Needs {
  int64_t *alive, most;
} Needs; /* floats of values of a kind, in a batch: at each kernel, at the most */

static Needs needs_of(Arena *arena, const Plan *plan, Block *const *value, StoreKind kind, int64_t times) {
  Needs needs = {NEW_ARRAY(arena, int64_t, plan->kernels.n + 2), 0};
  for (int i = 0; i < plan->graph->nodes.n; i++)
    if (has_block(plan, value, i, kind)) {
      needs.alive[value[i]->born] += times * value[i]->floats;
      needs.alive[value[i]->dies + 1] -= times * value[i]->floats;
    }
  for (int k = 0; k < plan->kernels.n; k++) {
    if (k) needs.alive[k] += needs.alive[k - 1];
    if (needs.alive[k] > needs.most) needs.most = needs.alive[k];
  }
  return needs;
}

static int64_t too_much(const Plan *plan, const Needs *needs, int64_t room) {
  int64_t sum = 0;
  for (int k = 0; k < plan->kernels.n; k++) sum += needs->alive[k] > room ? needs->alive[k] - room : 0;
  return sum;
}

TrainingNeeds plan_training_needs(const Plan *plan, int64_t shards, int64_t room) {
  Arena *arena = arena_new();
  Block **value = value_blocks(arena, plan);
  const int64_t batch = plan->graph->training->batch;
  const Needs kept = needs_of(arena, plan, value, STORE_KEPT, batch),
              all = needs_of(arena, plan, value, STORE_ALL, batch),
              own = needs_of(arena, plan, value, STORE_ARENA, shards);
  const TrainingNeeds needs = {kept.most + all.most + own.most,
                               too_much(plan, &kept, room - all.most - own.most) +
                                   too_much(plan, &own, room - all.most - kept.most)};
  arena_free(arena);
  return needs;
}

Plan *plan_look(Arena *arena, const Graph *graph) {
  const LookGraph look = pass_look(arena, graph);
  Plan *plan = plan_new(arena, look.graph, 1);
  plan->layer = look.layer;
  plan->score = look.score;
  plan->gradient = look.gradient;
  return plan_kernels(arena, plan, true);
}
