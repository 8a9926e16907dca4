/* kernel_cache.c: Cache of lowered kernels. When the driver fits a net to a memory limit, it lowers the net
 * several times, and most kernels stay the same. The cache reuses the nests of such kernels instead of
 * building and proving them again.
 *
 * The key of a kernel has everything that lowering reads: the kernel's nodes, the nodes up to UPSTREAM steps
 * before them, the aliases among their values, the target and the options. Arguments, weights and details are
 * compared by pointer, so a kernel is lowered again if a pass has rebuilt them. */
// SPDX-License-Identifier: Apache-2.0
#include "base/keys.h"
#include "kernel/lower.h"
#include "lir/lir.h"
#include "ops/registry.h"
#include "schedule/schedule.h"

/* Lowering reads at most this many steps upstream: the operands of a kernel, the layer whose gradient the
 * kernel computes, and the operands of that layer. */
enum { UPSTREAM = 3 };

typedef struct CachedKernel {
  const Lower *lower;
  VEC(const Node *) nodes; /* kept_nodes of the kernel */
} CachedKernel;

struct KernelCache {
  Arena *arena;
  KeyTable nodes, kernels;
  int numbers; /* number of different node keys so far; also the number of the last key */
  ProgramKind kind;
  const int *number; /* by node id; equal nodes with equal upstream nodes have equal numbers */
};

KernelCache *kernel_cache_new(Arena *arena) {
  KernelCache *kept = NEW(arena, KernelCache);
  kept->arena = arena;
  return kept;
}

/* ---- nodes ---- */
static void kept_pointer(Arena *arena, Key *key, const void *to) { key_add(arena, key, (intptr_t)to); }

static void kept_shape(Arena *arena, Key *key, const Shape *shape) {
  key_add(arena, key, shape->rank);
  for (int d = 0; d < 3; d++) key_add(arena, key, shape->dim[d]);
  key_add(arena, key, shape->regions);
}

static void kept_window(Arena *arena, Key *key, const Window *w) {
  key_add(arena, key, w != NULL);
  for (int i = 0; w && i < 2; i++) {
    key_add(arena, key, w->kernel[i]);
    key_add(arena, key, w->stride[i]);
    key_add(arena, key, w->dilation[i]);
    key_add(arena, key, w->before[i]);
    key_add(arena, key, w->after[i]);
  }
  if (!w) return;
  key_add(arena, key, w->ceil);
  key_add(arena, key, w->count_pad);
  key_add(arena, key, w->groups);
  key_add(arena, key, w->multiplier);
}

static void kept_scale(Arena *arena, Key *key, const Quant *quant) {
  key_add(arena, key, quant != NULL);
  if (!quant) return;
  key_add_double(arena, key, (double)quant->scale);
  key_add(arena, key, quant->zero);
  key_add(arena, key, quant->wide);
}

static void kept_hidden(Arena *arena, Key *key, const Node *node) {
  key_add(arena, key, node->hidden ? node->hidden->wrt : -1);
  key_add(arena, key, node->port != NULL);
  if (!node->port) return;
  key_add(arena, key, node->port->index);
  key_add(arena, key, node->port->elem);
  key_add(arena, key, node->port->chw);
}

/* The number of a key. Equal keys have equal numbers. */
static int number_for(KernelCache *kept, Key *key) {
  key_close(key);
  int *number = key_table_find(&kept->nodes, key);
  if (number) return *number;
  number = NEW(kept->arena, int);
  *number = ++kept->numbers;
  key_table_set(kept->arena, &kept->nodes, key_copy(kept->arena, key), number);
  return *number;
}

/* The operator's data for the key; NULL for a slice, whose alias is in the key (kept_place). */
static const void *kept_detail(const Node *node) {
  return node->op->traits.slice_offset ? NULL : node->detail;
}

/* Assigns a number to a node, without regard to its operands. */
static int number_node(KernelCache *kept, Arena *scratch, const Node *node) {
  Key key = {0};
  const void *const to[] = {node->op, node->arg, node->target, node->rounds, kept_detail(node)};
  const int64_t numbers[] = {node->elem, node->frozen,   node->precision, node->rounded, node->result,
                             node->nin,  node->nweights, node->backward,  node->salt};
  for (size_t i = 0; i < sizeof to / sizeof *to; i++) kept_pointer(scratch, &key, to[i]);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) key_add(scratch, &key, numbers[i]);
  for (int k = 0; k < node->nweights; k++) kept_pointer(scratch, &key, node->weight[k]);
  key_add_text(scratch, &key, node->name);
  kept_shape(scratch, &key, &node->shape);
  kept_window(scratch, &key, node->window);
  kept_scale(scratch, &key, node->quant);
  kept_hidden(scratch, &key, node);
  return number_for(kept, &key);
}

/* A number for a node from the numbers `before` of the node, of its operands and of its forward node
 * (hidden->of). It depends on one more step upstream than before[node->id]. */
static int number_further(KernelCache *kept, Arena *scratch, const int *before, const Node *node) {
  Key key = {0};
  key_add(scratch, &key, before[node->id]);
  for (int k = 0; k < node->nin; k++) key_add(scratch, &key, before[node->in[k]->id]);
  if (node->hidden) key_add(scratch, &key, before[node->hidden->of->id]);
  return number_for(kept, &key);
}

void kernel_cache_begin(KernelCache *kept, ProgramKind kind, const Graph *graph) {
  Arena *scratch = arena_new();
  const int n = graph->nodes.n;
  int *number = NEW_ARRAY(kept->arena, int, n + 1);
  for (int i = 0; i < n; i++) number[i] = number_node(kept, scratch, graph->nodes.data[i]);
  for (int step = 0; step < UPSTREAM; step++) {
    int *further = NEW_ARRAY(kept->arena, int, n + 1);
    for (int i = 0; i < n; i++) further[i] = number_further(kept, scratch, number, graph->nodes.data[i]);
    number = further;
  }
  kept->kind = kind;
  kept->number = number;
  arena_free(scratch);
}

/* ---- kernels ---- */
typedef VEC(const Node *) Nodes;

static void kept_operand(Arena *arena, Nodes *nodes, const Node *node) {
  if (!node) return;
  vec_push(arena, *nodes, node);
  while (node->op->family == FAMILY_ALIAS && node->nin) {
    node = node->in[0];
    vec_push(arena, *nodes, node);
  }
}

static void kept_part(Arena *arena, Nodes *nodes, const Node *node) {
  kept_operand(arena, nodes, node);
  for (int k = 0; node && k < node->nin; k++) kept_operand(arena, nodes, node->in[k]);
}

/* The nodes of a kernel, their operands, and the operands of aliases. Most kernels bind their buffers only to
 * these nodes (binds_own). */
static Nodes kept_nodes(Arena *arena, const Kernel *kernel) {
  Nodes nodes = {0};
  kept_part(arena, &nodes, kernel->root);
  for (int i = 0; i < kernel->nchain; i++) kept_part(arena, &nodes, kernel->chain[i]);
  kept_part(arena, &nodes, kernel->pool);
  kept_part(arena, &nodes, kernel->means);
  kept_part(arena, &nodes, kernel->result);
  for (int i = 0; i < kernel->nscales; i++) kept_part(arena, &nodes, kernel->scale[i]);
  kept_part(arena, &nodes, kernel->normalize);
  kept_part(arena, &nodes, kernel->gate);
  kept_operand(arena, &nodes, kernel->over);
  return nodes;
}

static int kept_first(const Nodes *nodes, const Node *node) {
  int i = 0;
  while (nodes->data[i] != node) i++;
  return i;
}

static Home kept_home(const Kernel *kernel, const Node *node) {
  return kernel->home ? kernel->home[node->id] : home_own(node);
}

/* Index of the first node with the same containing value as `home`; if `from` is true, also with the same
 * offset. */
static int kept_beside(const Kernel *kernel, const Nodes *nodes, const Home *home, bool from) {
  for (int i = 0;; i++) {
    const Home other = kept_home(kernel, nodes->data[i]);
    if (other.node == home->node && (!from || other.offset == home->offset)) return i;
  }
}

/* Adds the node's alias: strides, element type, the shape of the containing value, and the first nodes with
 * the same containing value and with the same offset. No nest depends on the offset itself. */
static void kept_place(Arena *arena, Key *key, const Kernel *kernel, const Nodes *nodes, const Node *node) {
  const Home home = kept_home(kernel, node);
  key_add(arena, key, kept_beside(kernel, nodes, &home, false));
  key_add(arena, key, kept_beside(kernel, nodes, &home, true));
  key_add(arena, key, home.node == node);
  key_add(arena, key, home.pitch);
  key_add(arena, key, home.rows);
  key_add(arena, key, home.elem);
  kept_shape(arena, key, &home.node->shape);
}

static void kept_options(Arena *arena, Key *key, const LowerOptions *o) {
  const int64_t numbers[] = {o->layout_lanes, o->sums,  o->plain, o->exact, o->threads, o->updatable,
                             o->sole,         o->small, o->batch, o->call,  o->images,  o->weight_bytes};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) key_add(arena, key, numbers[i]);
  kept_pointer(arena, key, o->cycles);
  kept_pointer(arena, key, o->layout);
  kept_pointer(arena, key, o->tuning);
}

static const Key *kernel_key(const KernelCache *kept, Arena *arena, const Kernel *kernel, const Nodes *nodes,
                             const Target *target, const LowerOptions *options) {
  Key *key = NEW(arena, Key);
  const int flags[] = {(int)kept->kind,      kernel->nchain,        kernel->nscales,
                       kernel->pool != NULL, kernel->means != NULL, kernel->normalize != NULL,
                       kernel->gate != NULL, kernel->over != NULL,  kernel->normalize_shift,
                       kernel->batch};
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) key_add(arena, key, flags[i]);
  kept_pointer(arena, key, target);
  kept_pointer(arena, key, kernel->root->detail);
  kept_pointer(arena, key, node_forward(kernel->root)->detail);
  kept_options(arena, key, options);
  for (int i = 0; i < nodes->n; i++) {
    const Node *node = nodes->data[i];
    key_add(arena, key, kept_first(nodes, node));
    key_add(arena, key, kept->number[node->id]);
    kept_place(arena, key, kernel, nodes, node);
  }
  key_close(key);
  return key;
}

/* Whether all nodes to which buffers are bound are in the key, so that bound_again can replace them. */
static bool binds_own(const Lower *l, const Nodes *nodes) {
  for (int i = 0; i < l->bindings.n; i++) {
    const Node *node = l->bindings.data[i].node;
    bool known = !node;
    for (int k = 0; k < nodes->n; k++) known = known || nodes->data[k] == node;
    if (!known) return false;
  }
  return true;
}

/* A copy of the earlier lowering, bound to the nodes of this kernel. */
static Lower *bound_again(Arena *arena, const CachedKernel *from, const Kernel *kernel, const Nodes *nodes) {
  Lower *l = NEW(arena, Lower);
  *l = *from->lower;
  l->kernel = kernel;
  if (kernel->over && !from->lower->kernel->over) {
    Kernel *apart = NEW(arena, Kernel);
    *apart = *kernel;
    apart->over = NULL;
    l->kernel = apart;
  }
  l->node = kernel->root;
  l->bindings.data = NEW_ARRAY(arena, Binding, l->bindings.n + 1);
  for (int i = 0; i < l->bindings.n; i++) {
    Binding *binding = &l->bindings.data[i];
    *binding = from->lower->bindings.data[i];
    for (int k = 0; binding->node && k < nodes->n; k++)
      if (from->nodes.data[k] == binding->node) {
        binding->node = nodes->data[k];
        break;
      }
  }
  for (int i = 0; i < l->b->nbufs; i++) l->b->buf[i]->overlaps = false;
  return l;
}

Lower *kernel_cache_get(KernelCache *kept, Arena *arena, const Kernel *kernel, const Target *target,
                        const LowerOptions *options) {
  Arena *scratch = arena_new();
  const Nodes nodes = kept_nodes(kept->arena, kernel);
  const Key *key = kernel_key(kept, scratch, kernel, &nodes, target, options);
  CachedKernel *entry = key_table_find(&kept->kernels, key);
  Lower *l =
      entry ? bound_again(arena, entry, kernel, &nodes) : schedule_kernel(arena, kernel, target, options);
  if (!entry && binds_own(l, &nodes)) {
    entry = NEW(kept->arena, CachedKernel);
    entry->lower = l;
    entry->nodes.data = nodes.data;
    entry->nodes.n = nodes.n;
    key_table_set(kept->arena, &kept->kernels, key_copy(kept->arena, key), entry);
  }
  arena_free(scratch);
  return l;
}
