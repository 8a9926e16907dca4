/* machine.c: Interpreter of lowered programs: runs the calls phase by phase and image by image, like the
 * printed functions. It detects two kinds of errors in programs: accesses outside a space, and reads of
 * unwritten elements. */
// SPDX-License-Identifier: Apache-2.0
#include "machine.h"
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "base/random.h"
#include "graph/bf16.h"

static double *numbers(const Machine *m, int64_t n) { /* NaN until they are written */
  double *x = NEW_ARRAY(m->arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) x[i] = NAN;
  return x;
}

static bool broken(Machine *m, const Version *version, int buffer, const char *what) {
  m->error = arena_printf(m->arena, "%s: buffer %s %s", version->lower->b->name,
                          version->lower->b->buf[buffer]->name, what);
  return false;
}

/* ---- addresses of buffers ---- */

/* The memory at an address, as elements of `size` bytes, or NULL; *room: number of elements from this address
 * on. */
static double *memory_at(const Machine *m, const Place *place, int64_t size, int64_t image, int shard,
                         int64_t *room) {
  const Graph *graph = m->program->graph;
  int64_t at = (place->offset + image * place->stride) / size, n = m->size[place->space] / size;
  double *memory = size < 4 ? m->small[place->space][size - 1] : m->space[place->space];
  switch (place->space) {
  case SPACE_INPUT:
    memory = m->input[place->index];
    n = m->images * place->stride / size;
    break;
  case SPACE_TARGET:
    memory = m->target[place->index];
    n = INT64_MAX;
    break;
  case SPACE_OUTPUT:
    memory = m->output[place->index];
    n = larger(m->images, m->program->batching.images) *
        shape_elements(m->program->output[place->index]->shape);
    break;
  case SPACE_STATE:
    memory = m->state[place->index];
    n = larger(m->images, m->program->batching.images) *
        shape_elements(graph_state(graph, place->index)->shape);
    break;
  case SPACE_WEIGHTS:
  case SPACE_MODEL:
    memory = (double *)(uintptr_t)m->weights; /* calls only read the weights */
    n = graph->parameters;
    break;
  case SPACE_GRADIENT: at += shard * n; break;
  default: break;
  }
  *room = place->space == SPACE_GRADIENT ? n - place->offset / size : n - at;
  return memory && at >= 0 && *room >= 0 ? memory + at : NULL;
}

static double *value_at(const Machine *m, const Node *node, int64_t image) {
  int64_t room;
  const int64_t size = elem_bytes(m->program->home[node->id].elem);
  return memory_at(m, &m->program->value[0][node->id], size, image, 0, &room);
}

/* ---- bindings of buffers ---- */
static void run_pack(const Machine *m, const Pack *pack, double *out) {
  Run *run = NEW(m->arena, Run);
  run->mem = NEW_ARRAY(m->arena, double *, pack->nest->nbufs + 1);
  for (int i = 0; i < pack->source.n; i++)
    run->mem[pack->source_buf.data[i]->id] =
        (double *)(uintptr_t)(m->weights + pack->source.data[i]->offset); /* only read */
  run->mem[pack->out->id] = out;
  nest_run(pack->nest, run);
}

static int64_t images_from(const Machine *m, int64_t image) { /* number of images that run in one call */
  return m->images - image < m->lanes ? m->images - image : m->lanes;
}

/* Copies a number, which is the same for all images, to the lane of each interleaved image; unused lanes are
 * 0. */
static double *repeated(const Machine *m, const Place *place, int64_t image) {
  int64_t room;
  double *own = NEW_ARRAY(m->arena, double, m->lanes);
  const double *value = memory_at(m, place, elem_bytes(F32), 0, 0, &room);
  for (int64_t i = 0; i < images_from(m, image) && value; i++) own[i] = *value;
  return own;
}

static double *input_at(const Machine *m, const Node *node, int64_t image) {
  return (node_is_target(node) ? m->target : m->input)[node->port->index] +
         image * shape_elements(node->shape);
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

static void copy_values(const Pack *pack, const Buf *buf, double *to) {
  for (int64_t i = 0; i < buf_elements(buf); i++)
    to[i] = buf->type.elem == I8    ? ((const int8_t *)pack->values)[i]
            : buf->type.elem == I32 ? ((const int32_t *)pack->values)[i]
            : buf->type.elem == I64 ? (double)((const int64_t *)pack->values)[i]
            : buf->type.elem == I16 ? ((const int16_t *)pack->values)[i]
                                    : (double)((const float *)pack->values)[i];
}

/* Packs and tables do not depend on the image, so they are computed only once. */
static double *constant_of(const Machine *m, int call, const Binding *binding, const Buf *buf) {
  double **own = &m->constant[call][buf->id];
  const int64_t n = buf_elements(buf);
  if (*own) return *own;
  *own = NEW_ARRAY(m->arena, double, n + 1);
  if (binding->kind == BIND_PACK && binding->pack->values) copy_values(binding->pack, buf, *own);
  else if (binding->kind == BIND_PACK) run_pack(m, binding->pack, *own);
  for (int64_t i = 0; i < n && binding->kind == BIND_TABLE; i++) (*own)[i] = (double)binding->table[i];
  return *own;
}

/* Number of elements from the first to the last element that a call may access. For a batched call, only the
 * elements of its images count. All these elements must exist, because the interpreter marks these elements
 * as unset before the nest writes them. */
static int64_t reach(const Buf *buf, int64_t images, bool once) {
  int64_t last = 0;
  for (int d = buf->rank - 1; d >= 0; d--) {
    const bool part = once && d == 0 && buf->place == INPUT && buf->rank == 4 && images < buf->dim[0];
    const int64_t n = part ? images : buf->dim[d];
    last += (n - 1) * buf_room(buf, d + 1);
  }
  return last + 1;
}

static bool bind(Machine *m, Run *run, int c, const Version *version, int i, int64_t image) {
  const Operand *operand = &version->argument[i];
  const Binding *binding = operand->binding;
  const Buf *buf = version->lower->b->buf[i];
  const bool once = m->program->calls.data[c].how == CALL_ONCE;
  const int shard = once ? 0 : (int)(image * m->program->shards / m->images);
  int64_t room = INT64_MAX;
  if (!operand->used) { /* the C function has no such parameter; the interpreter also computes values that
                           nothing uses, and needs memory for them */
    run->mem[i] = NEW_ARRAY(m->arena, double, buf_room(buf, 0));
    return true;
  }
  switch (binding->kind) {
  case BIND_PACK:
  case BIND_TABLE: run->mem[i] = constant_of(m, c, binding, buf); break;
  case BIND_KEYS: run->mem[i] = keys_at(m, binding->node, image); break;
  case BIND_INPUT: run->mem[i] = input_at(m, binding->node, image); break;
  default:
    run->mem[i] = operand->repeated
                      ? repeated(m, &operand->place, image)
                      : memory_at(m, &operand->place, elem_bytes(buf->type.elem), image, shard, &room);
  }
  if (!run->mem[i]) return broken(m, version, i, "has no place");
  if (!operand->repeated && reach(buf, m->images, once) > room && binding->kind != BIND_INPUT)
    return broken(m, version, i, "ends after its memory space");
  return true;
}

/* ---- calls ---- */
static bool run_call(Machine *m, int c, int64_t image) {
  const KernelCall *call = &m->program->calls.data[c];
  const Version *version = &call->version[0];
  const Nest *nest = version->lower->b;
  Run *run = NEW(m->arena, Run);
  run->mem = NEW_ARRAY(m->arena, double *, nest->nbufs + 1);
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place < STACK && !bind(m, run, c, version, i, image)) return false;
  run->single = m->single;
  run->size[0] = call->how == CALL_ONCE ? m->images : images_from(m, image);
  if (nest_run(nest, run)) return true;
  m->error = arena_printf(m->arena, "%s: %s", nest->name, run->error);
  return false;
}

static void copy_output(Machine *m, const Copy *copy, int64_t image) {
  const int64_t n = shape_elements(copy->node->shape);
  const double *from = value_at(m, copy->node, image);
  double *to = m->output[copy->output] + image * n;
  if (from && from != to) memcpy(to, from, (size_t)n * sizeof *from);
}

static void scatter_output(Machine *m, const Copy *copy, int64_t image, int64_t images) {
  const int64_t n = shape_elements(copy->node->shape);
  const double *from = value_at(m, copy->node, image);
  for (int64_t lane = 0; lane < images && from; lane++)
    for (int64_t i = 0; i < n; i++)
      m->output[copy->output][(image + lane) * n + i] = from[i * m->lanes + lane];
}

/* Outputs are copied to the caller as soon as they are computed, before their memory is reused. */
static void give_outputs(Machine *m, int after, int64_t image, int64_t images) {
  const Program *p = m->program;
  for (int i = 0; i < p->copies.n; i++)
    if (p->copies.data[i].after == after && p->scatter) scatter_output(m, &p->copies.data[i], image, images);
    else if (p->copies.data[i].after == after)
      for (int64_t n = 0; n < images; n++) copy_output(m, &p->copies.data[i], image + n);
}

static bool run_and_give(Machine *m, int c, int64_t image) {
  const bool once = m->program->calls.data[c].how == CALL_ONCE;
  if (!run_call(m, c, image)) return false;
  give_outputs(m, c, once ? 0 : image, once ? m->images : images_from(m, image));
  return true;
}

/* ---- orders ---- */
/* Runs calls from .. to - 1, which no barrier separates. Calls that run on the first thread alone run in
 * order. Calls that the team shares run in reverse order, before the other calls (turns 1) or after them
 * (turns 2). */
static bool run_group(Machine *m, int from, int to, int64_t image) {
  const Program *p = m->program;
  for (int pass = 1; pass <= 2; pass++)
    for (int i = 0; i < to - from; i++) {
      const bool shared_now = pass == m->turns;
      const int c = shared_now ? to - 1 - i : from + i;
      if (p->calls.data[c].version[0].shared == shared_now && !run_and_give(m, c, image)) return false;
    }
  return true;
}

static bool run_calls(Machine *m, const Phase *phase, int64_t image) {
  const Program *p = m->program;
  const int end = phase->first + phase->n;
  if (!m->turns || !p->team || p->batching.how == WHOLE_BATCH) {
    for (int c = phase->first; c < end; c++)
      if (!run_and_give(m, c, image)) return false;
    return true;
  }
  for (int from = phase->first, to; from < end; from = to) {
    for (to = from + 1; to < end && !p->calls.data[to].version[0].barrier;) to++;
    if (!run_group(m, from, to, image)) return false;
  }
  return true;
}

static bool run_images(Machine *m, const Phase *phase) {
  for (int64_t image = 0; image < m->images; image += m->lanes) {
    for (int64_t i = 0; i < m->size[SPACE_ARENA] / elem_bytes(F32); i++)
      m->space[SPACE_ARENA][i] = NAN; /* no image may read the values of another image */
    for (int size = 1; size <= 2; size++)
      for (int64_t i = 0; m->small[SPACE_ARENA][size - 1] && i < m->size[SPACE_ARENA] / size; i++)
        m->small[SPACE_ARENA][size - 1][i] = NAN;
    if (!run_calls(m, phase, image)) return false;
  }
  return true;
}

/* All images of a phase, or one batched call. barrier: a barrier precedes this part. */
typedef struct Part {
  const Phase *phase;
  int call; /* -1: all images */
  bool barrier;
} Part;

static bool run_part(Machine *m, const Part *part) {
  return part->call < 0 ? run_images(m, part->phase) : run_and_give(m, part->call, 0);
}

static bool run_parts(Machine *m) {
  const Program *p = m->program;
  Part *part = NEW_ARRAY(m->arena, Part, p->phases.n + p->calls.n + 1);
  int n = 0;
  for (int i = 0; i < p->phases.n; i++) {
    const Phase *phase = &p->phases.data[i];
    if (!phase->once) part[n++] = (Part){phase, -1, phase->barrier};
    for (int c = phase->first; phase->once && c < phase->first + phase->n; c++)
      part[n++] =
          (Part){phase, c, p->calls.data[c].version[0].barrier || (c == phase->first && phase->barrier)};
  }
  const bool turned = m->turns && p->team && p->batching.how == WHOLE_BATCH;
  for (int from = 0, to; from < n; from = to) {
    for (to = from + 1; turned && to < n && !part[to].barrier;) to++;
    for (int i = to - 1; i >= from; i--)
      if (!run_part(m, &part[i])) return false;
  }
  return true;
}

/* ---- a whole program ---- */
static int64_t gradients_of(const Machine *m) { return m->size[SPACE_GRADIENT] / elem_bytes(F32); }

static bool has_size(const Program *p, int size) { /* a value has elements of that size */
  for (int i = 0; i < p->graph->nodes.n; i++)
    if (elem_bytes(p->graph->nodes.data[i]->elem) == size || elem_bytes(p->home[i].elem) == size) return true;
  return false;
}

/* In the first shard, the gradients that the program clears become 0, and all other gradients become NaN. The
 * other shards are 0 already. */
static void clear_gradients(Machine *m) {
  const Program *p = m->program;
  double *first = m->space[SPACE_GRADIENT];
  for (int64_t i = 0; i < gradients_of(m); i++) first[i] = NAN;
  for (int i = 0; i < p->cleared.n; i++)
    for (int64_t k = p->cleared.data[i].from / 4; k < p->cleared.data[i].to / 4; k++) first[k] = 0;
}

static void prepare(Machine *m) {
  const Program *p = m->program;
  const Graph *graph = p->graph;
  const int64_t times[SPACES] = {
      [SPACE_ARENA] = 1, [SPACE_KEPT] = m->images, [SPACE_ALL] = p->batching.images, [SPACE_BATCH] = 1};
  m->error = NULL;
  for (int s = SPACE_ARENA; s <= SPACE_BATCH; s++) {
    m->size[s] = p->space[s].bytes * times[s];
    m->space[s] = numbers(m, m->size[s] / elem_bytes(F32));
    for (int size = 1; size <= 2; size++)
      m->small[s][size - 1] = has_size(p, size) ? numbers(m, m->size[s] / size) : NULL;
  }
  m->size[SPACE_GRADIENT] = p->space[SPACE_GRADIENT].bytes;
  m->space[SPACE_GRADIENT] = NEW_ARRAY(m->arena, double, p->shards *gradients_of(m) + 1);
  clear_gradients(m);
  m->output = NEW_ARRAY(m->arena, double *, graph->outputs.n + 1);
  for (int o = 0; o < graph->outputs.n; o++)
    m->output[o] = numbers(m, larger(m->images, p->batching.images) * shape_elements(p->output[o]->shape));
  for (int i = 0; i < graph->weights.n; i++) {
    const Weight *w = graph->weights.data[i];
    if (w->statistic)
      memcpy(m->space[SPACE_GRADIENT] + w->offset, m->weights + w->offset, (size_t)w->size * sizeof(double));
  }
  m->constant = NEW_ARRAY(m->arena, double **, p->calls.n + 1);
  for (int c = 0; c < p->calls.n; c++)
    m->constant[c] = NEW_ARRAY(m->arena, double *, p->calls.data[c].version[0].lower->b->nbufs + 1);
}

/* Fills the states like the generated reset function; elements that it does not fill count as unwritten. */
static void reset_states(Machine *m) {
  const Program *p = m->program;
  const int n = graph_states(p->graph);
  const int64_t images = larger(m->images, p->batching.images);
  m->state = NEW_ARRAY(m->arena, double *, n + 1);
  for (int k = 0; k < n; k++)
    m->state[k] = numbers(m, images * shape_elements(graph_state(p->graph, k)->shape));
  for (int i = 0; i < p->initial.n; i++) {
    const Fill *fill = &p->initial.data[i];
    const Node *state = graph_state(p->graph, fill->state);
    const int64_t size = elem_bytes(state->elem), elements = shape_elements(state->shape);
    for (int64_t image = 0; image < images; image++)
      for (int64_t at = fill->from / size; at < fill->to / size && at < elements; at++)
        m->state[fill->state][image * elements + at] = fill->value;
  }
}

static double sum_of(const Machine *m, int64_t i, int64_t from, int64_t to) {
  if (to - from == 1) return m->space[SPACE_GRADIENT][from * gradients_of(m) + i];
  const int64_t middle = program_sum_middle(from, to);
  return sum_of(m, i, from, middle) + sum_of(m, i, middle, to);
}

static void add_shards(Machine *m) {
  const Program *p = m->program;
  for (int s = 0; p->shards > 1 && s < p->sums.n; s++)
    for (int64_t i = p->sums.data[s].from / elem_bytes(F32); i < p->sums.data[s].to / elem_bytes(F32); i++)
      m->space[SPACE_GRADIENT][i] = sum_of(m, i, 0, p->shards);
  m->gradients = m->space[SPACE_GRADIENT];
}

static bool execute_call(Machine *m) {
  const Program *p = m->program;
  prepare(m);
  give_outputs(m, -1, 0, m->images);
  if (!run_parts(m)) return false;
  /* Copies outputs that no call writes because they equal another output or an input. Also copies all outputs
   * of inspection code, which copies none itself. */
  for (int o = 0; p->kind != PROGRAM_TRAINING && p->batching.how != INTERLEAVED && o < p->graph->outputs.n;
       o++)
    for (int64_t n = 0; n < m->images && !program_writes(p, o); n++) {
      const SpaceKind space = p->value[0][p->output[o]->id].space;
      if (space == SPACE_OUTPUT || p->kind == PROGRAM_LOOK) copy_output(m, &(Copy){o, 0, p->output[o]}, n);
    }
  if (p->kind == PROGRAM_TRAINING) {
    add_shards(m);
    m->loss = NEW_ARRAY(m->arena, double *, p->graph->training->losses.n + 1);
    for (int i = 0; i < p->graph->training->losses.n; i++) m->loss[i] = value_at(m, p->loss[i], 0);
  }
  return true;
}

bool machine_execute(Machine *m, const Program *p) {
  m->program = p;
  m->lanes = program_lanes(p, 0);
  reset_states(m);
  for (int call = graph_states(p->graph) ? STATE_CALLS : 1; call; call--)
    if (!execute_call(m)) return false;
  return true;
}

Program *machine_lower(const Machine *m, const Target *target, bool plain) {
  const Target **list = NEW_ARRAY(m->arena, const Target *, 2);
  list[0] = target;
  const ProgramKind kind = m->plan->training ? PROGRAM_TRAINING
                           : m->plan->layer  ? PROGRAM_LOOK
                                             : PROGRAM_INFERENCE;
  return program_lower(m->arena, kind, m->plan,
                       &(ProgramOptions){.ntargets = 1,
                                         .target = list,
                                         .threads = m->threads,
                                         .little_ram = m->little_ram,
                                         .team = m->threads,
                                         .plain = plain,
                                         .sums = m->sums,
                                         .exact = m->exact,
                                         .batch = m->batch ? m->batch : 1,
                                         .processes = m->processes,
                                         .written = m->plan->graph,
                                         .tuning = m->tuning,
                                         .layout_lanes = m->layout_lanes ? m->layout_lanes : target->lanes,
                                         .weight_bytes = m->weight_bytes});
}

bool machine_run(Machine *m, const Target *target, bool plain) {
  const Program *program = machine_lower(m, target, plain);
  m->error = program_verify(m->arena, program);
  return !m->error && machine_execute(m, program);
}

bool machine_seen(const Target *target, const Graph *graph) {
  if (target->for_int8 || target->for_bf16) return !target->for_bf16 || !graph_has_bf16(graph);
  for (const Target *t = target_table; t != target; t++)
    if (t->lanes == target->lanes && t->registers == target->registers && t->fma == target->fma) return true;
  return false;
}
