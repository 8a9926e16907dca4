/* machine.c: kernels in the order of a plan, image by image and phase by phase, as the printed functions call
 * them. */
// SPDX-License-Identifier: Apache-2.0
#include "machine.h"
#include <math.h>
#include <string.h>
#include "base/random.h"
#include "passes/fuse.h"

static double *numbers(const Machine *m, int64_t n) { /* NaN until they are written */
  double *x = NEW_ARRAY(m->arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) x[i] = NAN;
  return x;
}

static double *value_at(const Machine *m, const Node *node, int64_t image) {
  const Storage *s = &m->plan->storage[node->id];
  const Home home = node_home(node);
  const int64_t n = shape_elements(home.node->shape);
  switch (s->kind) {
  case STORE_INPUT: return m->input[s->index] + image * n + home.offset * m->lanes;
  case STORE_TARGET: return m->target[s->index] + image * n + home.offset * m->lanes;
  case STORE_OUTPUT: return m->output[s->index] + image * n + home.offset * m->lanes;
  case STORE_ARENA: return m->values + s->offset + home.offset * m->lanes;
  case STORE_KEPT: return m->kept + image * m->plan->kept_floats + s->offset + home.offset;
  case STORE_ALL: return m->all + s->offset * m->batch + image * n + home.offset * m->lanes;
  case STORE_BATCH: return m->batch_values + s->offset + home.offset * m->lanes;
  case STORE_GRADIENT: return m->gradients + node->target->offset;
  case STORE_NONE: break;
  }
  return NULL;
}

static void run_pack(const Machine *m, const Pack *pack, double *out) {
  Run *run = NEW(m->arena, Run);
  for (int i = 0; i < pack->source.n; i++)
    run->mem[pack->source_buf.data[i]->id] =
        (double *)(uintptr_t)(m->weights + pack->source.data[i]->offset); /* only read */
  run->mem[pack->out->id] = out;
  nest_run(pack->nest, run);
}

static int64_t images_from(const Machine *m, int64_t image) {
  return m->images - image < m->lanes ? m->images - image : m->lanes;
} /* that are run together */

/* What there is once, for each of the images that lie side by side: 0 for those that do not count. */
static double *repeated(const Machine *m, const Node *node, int64_t image) {
  double *own = NEW_ARRAY(m->arena, double, m->lanes);
  for (int64_t i = 0; i < images_from(m, image); i++) own[i] = value_at(m, node, 0)[0];
  return own;
}

static double *input_at(const Machine *m, const Node *node, int64_t image) {
  return (node->op == &op_target ? m->target : m->input)[node->wrt] + image * shape_elements(node->shape);
}

static double *keys_at(const Machine *m, const Node *node, int64_t image) {
  double *own = NEW_ARRAY(m->arena, double, 2 * m->lanes);
  for (int64_t i = 0; i < m->lanes; i++) {
    uint32_t key[2];
    random_keys(m->seed, m->step,
                (uint64_t)(image + (i < images_from(m, image) ? i : images_from(m, image) - 1)), key);
    own[i] = (int32_t)key[0];
    own[m->lanes + i] = (int32_t)(key[1] ^ (uint32_t)node->salt);
  }
  return own;
}

static double *memory(const Machine *m, const Buf *buf, const Binding *binding, int64_t image, bool batch) {
  const int64_t n = buf_elements(buf);
  switch (binding->kind) {
  case BIND_VALUE:
    if (m->plan->images > 1 && batch && binding->node->op == &op_target) return input_at(m, binding->node, 0);
    if (m->plan->images > 1 && !batch && binding->node->result == RESULT_BATCH)
      return repeated(m, binding->node, image);
    return value_at(m, binding->node, image);
  case BIND_INPUT: return input_at(m, binding->node, image);
  case BIND_KEYS: return keys_at(m, binding->node, image);
  case BIND_WEIGHT: return (double *)(uintptr_t)(m->weights + binding->weight->offset);
  case BIND_GRADIENT: return m->gradients + binding->weight->offset;
  default: break;
  }
  double *own = NEW_ARRAY(m->arena, double, n + 1);
  if (binding->kind == BIND_PACK) run_pack(m, binding->pack, own);
  for (int64_t i = 0; i < n && binding->kind == BIND_TABLE; i++) own[i] = (double)binding->table[i];
  return own;
}

/* What does not depend on the image (packs, tables) is made once for each kernel: `own`. */
static bool run_kernel(Machine *m, const Lower *l, double **own, int64_t scratch, int64_t image) {
  Run *run = NEW(m->arena, Run);
  for (int i = 0; i < l->b->nbufs; i++) {
    if (l->b->buf[i]->place >= STACK) continue;
    const BindKind kind = l->binding[i].kind;
    const bool constant = kind == BIND_PACK || kind == BIND_TABLE;
    const bool batch = l->kernel->batch;
    if (constant && !own[i]) own[i] = memory(m, l->b->buf[i], &l->binding[i], image, batch);
    if (constant) run->mem[i] = own[i];
    else if (kind != BIND_SCRATCH) run->mem[i] = memory(m, l->b->buf[i], &l->binding[i], image, batch);
    else {
      run->mem[i] = m->values + scratch;
      scratch += l->binding[i].elements;
    }
    if (run->mem[i]) continue;
    m->error = arena_printf(m->arena, "%s: buffer %s has no place", l->b->name, l->b->buf[i]->name);
    return false;
  }
  run->size[0] = l->kernel->batch ? m->images : images_from(m, image);
  if (nest_run(l->b, run)) return true;
  m->error = arena_printf(m->arena, "%s: %s", l->b->name, run->error);
  return false;
}

/* Outputs are the caller's as soon as they are there, before their place is taken again. */
static void keep_outputs(Machine *m, const Node *of, int64_t image) { /* of: the value in which they lie */
  for (int o = 0; o < m->plan->graph->outputs.n; o++) {
    const Node *node = m->plan->output[o];
    const int64_t n = shape_elements(node->shape);
    const double *from = node_home(node).node->id == of->id ? value_at(m, node, image) : NULL;
    for (int64_t lane = 0; from && m->plan->images > 1 && lane < images_from(m, image); lane++)
      for (int64_t i = 0; i < n; i++) m->output[o][(image + lane) * n + i] = from[i * m->lanes + lane];
    if (m->plan->images > 1) continue;
    if (from && from != m->output[o] + image * n)
      memcpy(m->output[o] + image * n, from, (size_t)n * sizeof *from);
  }
}

typedef struct Step {
  const Kernel *kernel;
  const Lower *lower;
  double **own;
} Step;

static bool run_steps(Machine *m, const Step *step, int phase, bool batch, int64_t image) {
  for (int k = 0; k < m->plan->kernels.n; k++) {
    const Kernel *kernel = step[k].kernel;
    if (kernel->phase != phase || kernel->batch != batch) continue;
    if (!run_kernel(m, step[k].lower, step[k].own, m->plan->scratch[k], image)) return false;
    const Node *home = node_home(kernel->result).node;
    const int64_t made = m->plan->last_writer[home->id] != k ? 0
                         : !batch                            ? 1
                         : m->plan->images == 1 ? m->images
                                                : 0; /* images, or groups of them, whose value it is */
    for (int64_t i = 0; i < made; i++) keep_outputs(m, home, image + i);
  }
  return true;
}

static void prepare(Machine *m) {
  const Plan *plan = m->plan;
  const Graph *graph = plan->graph;
  m->error = NULL;
  m->values = numbers(m, plan->arena_floats);
  m->kept = numbers(m, plan->kept_floats * m->images);
  m->all = numbers(m, plan->all_floats * m->batch);
  m->batch_values = numbers(m, plan->batch_floats);
  m->output = NEW_ARRAY(m->arena, double *, graph->outputs.n + 1);
  for (int o = 0; o < graph->outputs.n; o++) {
    const Node *node = plan->output[o];
    m->output[o] = numbers(m, m->images * shape_elements(node->shape));
  }
  m->gradients = NEW_ARRAY(m->arena, double, graph->parameters + 1);
  for (int i = 0; i < graph->weights.n; i++) {
    const Weight *w = graph->weights.data[i];
    if (w->statistic)
      memcpy(m->gradients + w->offset, m->weights + w->offset, (size_t)w->size * sizeof(double));
  }
  for (int o = 0; o < graph->outputs.n; o++)
    for (int64_t image = 0; image < m->images && plan->storage[plan->output[o]->id].kind == STORE_INPUT;
         image++)
      keep_outputs(m, node_home(plan->output[o]).node, image);
}

static int64_t scratch_of(const Lower *l) {
  int64_t floats = 0;
  for (int i = 0; i < l->b->nbufs; i++)
    floats += l->b->buf[i]->place < STACK && l->binding[i].kind == BIND_SCRATCH ? l->binding[i].elements : 0;
  return floats;
}

bool machine_run(Machine *m, const Target *target, bool plain) {
  Plan *plan = m->plan;
  Step *step = NEW_ARRAY(m->arena, Step, plan->kernels.n + 1);
  m->lanes = plan->images > 1 ? target->lanes : 1;
  int64_t *scratch = NEW_ARRAY(m->arena, int64_t, plan->kernels.n + 1);
  for (int k = 0; k < plan->kernels.n; k++) {
    step[k] =
        (Step){plan->kernels.data[k],
               schedule_kernel(
                   m->arena, plan->kernels.data[k], target,
                   &(LowerOptions){.layout_lanes = m->layout_lanes ? m->layout_lanes : target->lanes,
                                   .plain = plain,
                                   .exact = m->exact,
                                   .threads = m->threads,
                                   .weight_bytes = m->weight_bytes,
                                   .tuning = m->tuning,
                                   .batch = plan->training || plan->kernels.data[k]->batch ? m->batch : 0,
                                   .call = plan->together ? m->batch : 0,
                                   .images = plan->images > 1 ? target->lanes : 1}),
               NEW_ARRAY(m->arena, double *, BUFS)};
    if (step[k].lower->out->place != OVER) plan->kernels.data[k]->over = NULL;
    scratch[k] = scratch_of(step[k].lower);
  }
  plan_lay_out(m->arena, plan, scratch);
  prepare(m);
  for (int phase = plan->first_phase; phase < plan->phases; phase++) {
    for (int64_t image = 0; image < m->images; image += m->lanes) {
      for (int64_t i = 0; i < plan->arena_floats; i++)
        m->values[i] = NAN; /* no image sees another's values */
      if (!run_steps(m, step, phase, false, image)) return false;
      for (int o = 0; !plan->training && o < plan->graph->outputs.n;
           o++) /* an output that is another output, too */
        if (plan->copy_output[o] && plan->storage[plan->output[o]->id].kind == STORE_OUTPUT)
          memcpy(m->output[o] + image * shape_elements(plan->output[o]->shape),
                 value_at(m, plan->output[o], image),
                 (size_t)shape_elements(plan->output[o]->shape) * sizeof(double));
    }
    if (!run_steps(m, step, phase, true, 0)) return false;
  }
  m->loss = NEW_ARRAY(m->arena, double *, plan->training ? plan->graph->training->losses.n + 1 : 1);
  for (int i = 0; plan->training && i < plan->graph->training->losses.n; i++)
    m->loss[i] = value_at(m, plan->loss[i], 0);
  return true;
}

bool machine_seen(const Target *target) {
  for (const Target *t = target_table; t != target; t++)
    if (t->lanes == target->lanes && t->registers == target->registers && t->fma == target->fma) return true;
  return false;
}
