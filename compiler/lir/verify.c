/* verify.c: Verifier of lowered programs: replays the calls on ranges of bytes, for a symbolic image, and
 * tracks the value of each range. The verifier does not use the analyses that have built the program, so it
 * can find errors in them.
 *
 * nest/prove.c has proved each nest: the nest accesses only its buffers, does not write its inputs, and
 * writes all elements of its outputs. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"
#include <inttypes.h>
#include "base/number.h"
#include "lir/places.h"

/* The images for which bytes contain a value: the current image, the images of the process, or all images. */
typedef enum Reach { REACH_IMAGE, REACH_PROCESS, REACH_ALL } Reach;

/* Bytes that contain a value or a part of it. home: node id of the containing value; base: offset of the
 * containing value. */
typedef struct Piece {
  Place place;
  int home;
  int64_t base;
  Reach reach;
} Piece;

typedef struct Verifier {
  Arena *arena;
  const Program *program;
  int target, call;
  VEC(Piece) pieces;
  const char *error;
} Verifier;

static bool fail(Verifier *v, const char *what, const char *buffer) {
  const Program *p = v->program;
  const char *call = v->call >= 0 && v->call < p->calls.n
                         ? p->calls.data[v->call].version[v->target].lower->b->name
                         : "the program";
  v->error = arena_printf(v->arena, "%s, call %d (%s)%s%s: %s", p->target[v->target]->name, v->call + 1, call,
                          *buffer ? ", buffer " : "", buffer, what);
  return false;
}

/* ---- bytes ---- */
static int64_t state_bytes(const Node *state) { /* bytes of one image's state */
  return elem_bytes(state->elem) * shape_elements(state->shape);
}

static int64_t room_of(const Program *p, const Place *place) {
  const int64_t images = p->batching.images;
  switch (place->space) {
  case SPACE_ARENA:
  case SPACE_KEPT:
  case SPACE_BATCH:
  case SPACE_GRADIENT: return p->space[place->space].bytes;
  case SPACE_ALL: return p->space[SPACE_ALL].bytes * images;
  case SPACE_STATE: return state_bytes(graph_state(p->graph, place->index)) * images;
  default: return place->stride ? place->stride * images : INT64_MAX;
  }
}

static int64_t size_of(const Buf *buf) { /* bytes of an element */
  static const int64_t size[] = {[F32] = 4, [I32] = 4, [U8] = 1,   [I8] = 1,
                                 [I16] = 2, [I64] = 8, [BF16] = 2, [F16] = 2};
  return size[buf->type.elem];
}

/* The number of bytes from the first element of a buffer to the end of its last element. */
static int64_t footprint(const Buf *buf) {
  int64_t last = 0;
  for (int d = 0; d < buf->rank; d++) last += (buf->dim[d] - 1) * buf_room(buf, d + 1);
  return (last + 1) * size_of(buf);
}

/* ---- contents of bytes ---- */
static bool lasts(SpaceKind space) {
  return space == SPACE_KEPT || space == SPACE_ALL || space == SPACE_BATCH || space == SPACE_OUTPUT ||
         space == SPACE_STATE;
}

static bool meet_in_any(const Verifier *v, const Place *a,
                        const Place *b) { /* whether a intersects b, for any two images */
  return places_meet_in_any(a, b, v->program->batching.images);
}

static void
forget_meeting(Verifier *v,
               const Place *place) { /* forgets pieces that intersect the place, for any two images */
  int n = 0;
  for (int i = 0; i < v->pieces.n; i++)
    if (!meet_in_any(v, &v->pieces.data[i].place, place)) v->pieces.data[n++] = v->pieces.data[i];
  v->pieces.n = n;
}

/* At the start of a phase: the arena no longer has the values of the phase before. */
static void forget_arena(Verifier *v) {
  int n = 0;
  for (int i = 0; i < v->pieces.n; i++)
    if (lasts(v->pieces.data[i].place.space)) v->pieces.data[n++] = v->pieces.data[i];
  v->pieces.n = n;
}

static int64_t base_of(const Verifier *v, const Node *node, const Place *place) {
  const Home home = v->program->home[node->id];
  const int64_t lanes = home.node->result == RESULT_BATCH ? 1 : program_lanes(v->program, v->target);
  return place->offset - home_bytes(&home, home.offset * lanes);
}

static void hold(Verifier *v, const Node *node, const Place *place, Reach reach) {
  const Piece piece = {*place, v->program->home[node->id].node->id, base_of(v, node, place), reach};
  vec_push(v->arena, v->pieces, piece);
}

/* Whether the place contains the value, for the images of `reach`. */
static bool held(Verifier *v, const Node *node, const Place *place, Reach reach) {
  const int home = v->program->home[node->id].node->id;
  const int64_t base = base_of(v, node, place);
  const Place **by = NEW_ARRAY(v->arena, const Place *, v->pieces.n + 1);
  int n = 0;
  for (int i = 0; i < v->pieces.n; i++) {
    const Piece *one = &v->pieces.data[i];
    if (one->home == home && one->base == base && one->place.space == place->space &&
        one->place.index == place->index && (one->reach >= reach || !place->stride) &&
        one->place.stride == place->stride)
      by[n++] = &one->place;
  }
  return places_cover(v->arena, place, by, n);
}

/* ---- a call ---- */
static bool caller_owned(SpaceKind space) {
  return space >= SPACE_INPUT && space <= SPACE_KEYS && space != SPACE_OUTPUT;
}

static bool check_room(Verifier *v, const Operand *operand, const Buf *buf, bool once) {
  const Place *place = &operand->place;
  const int64_t images = v->program->batching.images;
  if (operand->binding->kind == BIND_PACK || operand->binding->kind == BIND_TABLE ||
      operand->binding->kind == BIND_KEYS || operand->repeated)
    return true;
  if (place->space == SPACE_NONE) return fail(v, "has no place", buf->name);
  const bool gathers = operand->binding->kind == BIND_INPUT && v->program->batching.how == INTERLEAVED;
  const bool all = place->stride && (once ? buf->rank == 4 : gathers); /* gathers: this per-image call reads
                                                                          the images of all lanes */
  const int64_t bytes = all ? place->bytes + place->stride * (buf->dim[0] - 1) : place->bytes,
                most =
                    place->space == SPACE_KEPT ? place->bytes : place->bytes + place->stride * (images - 1);
  if (place->offset < 0 || place->offset % size_of(buf) != 0)
    return fail(v, "starts before its memory space, or is not aligned", buf->name);
  if (place->offset + most > room_of(v->program, place))
    return fail(v, "ends after its memory space", buf->name);
  if (place->space == SPACE_KEPT && place->stride != v->program->space[SPACE_KEPT].bytes)
    return fail(v, "has records of a wrong size", buf->name);
  if (footprint(buf) > bytes) return fail(v, "is smaller than the footprint of the nest", buf->name);
  if (all && buf_room(buf, 1) * size_of(buf) != place->stride && buf->dim[0] > 1)
    return fail(v, "has a different distance between images than the nest", buf->name);
  return true;
}

/* Whether the proof of the nest, its C (no `restrict`) and the threads permit the result to overwrite an
 * operand. If a later call reads the operand, check_read reports the error. An operand in the memory of a
 * state is dead after the call, because the state's next value is then in these bytes. */
static bool may_overwrite(const Verifier *v, const Version *version, const Buf *out, const Buf *in) {
  const Place *written = &version->argument[out->id].place, *read = &version->argument[in->id].place;
  const int64_t behind = written->offset - read->offset;
  int64_t most, step;
  return in->place == INPUT && out->place == OUTPUT && in->overlaps && out->overlaps &&
         (written->space == SPACE_ARENA ? !v->program->threads
                                        : written->space == SPACE_STATE && !version->shared) &&
         nest_overlap(version->lower->b, in, out, &most, &step) && behind <= most && behind % step == 0;
}

/* Checks that results of the call, except gradients, overlap no other buffer than an operand that they may
 * overwrite. */
static bool check_apart(Verifier *v, const Version *version, bool once) {
  const Nest *nest = version->lower->b;
  for (int i = 0; i < nest->nbufs; i++) {
    if (!version->argument[i].used || nest->buf[i]->place < OUTPUT) continue;
    for (int k = 0; k < nest->nbufs; k++) {
      if (k == i || !version->argument[k].used) continue;
      const Place *a = &version->argument[i].place, *b = &version->argument[k].place;
      if (a->space == SPACE_GRADIENT || !(once ? meet_in_any(v, a, b) : places_meet(a, b))) continue;
      if (once || !may_overwrite(v, version, nest->buf[i], nest->buf[k]))
        return fail(v, "overwrites another operand of the call", nest->buf[i]->name);
    }
  }
  return true;
}

static bool check_read(Verifier *v, const Operand *operand, const Buf *buf, const Node *node, bool once) {
  const Place *place = &operand->place;
  if (elem_bytes(v->program->home[node->id].elem) != size_of(buf))
    return fail(v, "has elements of a different size than its value", buf->name);
  if (place->space == SPACE_ARENA && once) return fail(v, "all images read one image's arena", buf->name);
  if (place->space == SPACE_KEPT && once) return fail(v, "all images read one image's record", buf->name);
  if (caller_owned(place->space) || held(v, node, place, once ? REACH_ALL : REACH_IMAGE)) return true;
  return fail(v,
              held(v, node, place, REACH_PROCESS)
                  ? "is read for all images, some of which are in other processes"
                  : "is read from memory that does not contain its value",
              buf->name);
}

/* Checks that an operand of a batched call in the caller's arrays is gathered before the call: each process
 * has only its own images of these arrays. */
static bool check_passed(Verifier *v, int phase, const Operand *operand, const Buf *buf) {
  const Program *p = v->program;
  const Place *place = &operand->place;
  if (!p->processes || !place->stride || (place->space != SPACE_INPUT && place->space != SPACE_TARGET))
    return true;
  for (int i = 0; i < p->gathers.n; i++) {
    const Gather *g = &p->gathers.data[i];
    if (g->before <= phase && g->space == place->space && g->index == place->index &&
        g->stride == place->stride)
      return true;
  }
  return fail(v, "is passed for all images, some of which are in other processes", buf->name);
}

/* Checks that weights and gradients have the offsets of the weights struct. */
static bool check_weight(Verifier *v, const Operand *operand, const Buf *buf) {
  const Binding *binding = operand->binding;
  const Place *place = &operand->place;
  if (binding->kind != BIND_WEIGHT && binding->kind != BIND_GRADIENT) return true;
  const bool gradient = binding->kind == BIND_GRADIENT;
  const SpaceKind space = gradient                                ? SPACE_GRADIENT
                          : v->program->kind == PROGRAM_INFERENCE ? SPACE_MODEL
                                                                  : SPACE_WEIGHTS;
  if (place->space == space && place->offset == weight_from(binding->weight) && place->stride == 0)
    return true;
  return fail(v, gradient ? "is not the gradient of its weight" : "is not its weight", buf->name);
}

static bool check_reads(Verifier *v, int phase, const KernelCall *call, const Version *version) {
  const Nest *nest = version->lower->b;
  const bool once = call->how == CALL_ONCE;
  for (int i = 0; i < nest->nbufs; i++) {
    const Operand *operand = &version->argument[i];
    const Buf *buf = nest->buf[i];
    if (!operand->used) continue;
    if (!check_room(v, operand, buf, once) || !check_weight(v, operand, buf)) return false;
    if (buf->place >= OUTPUT && caller_owned(operand->place.space))
      return fail(v, "must not be written", buf->name);
    if (once && !check_passed(v, phase, operand, buf)) return false;
    if (operand->binding->kind != BIND_VALUE) continue;
    if (buf->place == INPUT && !check_read(v, operand, buf, operand->binding->node, once)) return false;
    if (buf->place != OVER && buf->place != UPDATE) continue;
    if (!call->kernel->over) return fail(v, "has no operand to overwrite", buf->name);
    if (!check_read(v, operand, buf, call->kernel->over, once)) return false;
  }
  return check_apart(v, version, once);
}

static bool check_writes(Verifier *v, const KernelCall *call, const Version *version) {
  const Nest *nest = version->lower->b;
  const bool once = call->how == CALL_ONCE;
  for (int i = 0; i < nest->nbufs; i++) {
    const Operand *operand = &version->argument[i];
    const Buf *buf = nest->buf[i];
    if (!operand->used || buf->place < OUTPUT || operand->place.space == SPACE_GRADIENT) continue;
    if (once && operand->place.space == SPACE_KEPT)
      return fail(v, "all images write one image's record", buf->name);
    forget_meeting(v, &operand->place);
    if (operand->binding->kind == BIND_VALUE)
      hold(v, operand->binding->node, &operand->place, once ? REACH_ALL : REACH_IMAGE);
  }
  return true;
}

static bool check_copies(Verifier *v, int after) {
  const Program *p = v->program;
  for (int i = 0; i < p->copies.n; i++) {
    const Copy *copy = &p->copies.data[i];
    const Place *place = &p->value[v->target][copy->node->id];
    if (copy->after != after || caller_owned(place->space)) continue;
    if (!held(v, copy->node, place, REACH_IMAGE))
      return fail(v, "an output is copied from memory that does not contain its value", "");
  }
  return true;
}

/* ---- a phase ---- */
/* The name of a result of the call that would overwrite another image's part of the value in `place` (in
 * SPACE_ALL), or NULL. An image may overwrite its own part of a value. */
static const char *written_in_turn(const Verifier *v, int call, const Node *node, const Place *place) {
  const Program *p = v->program;
  if (place->space != SPACE_ALL) return NULL;
  const Version *version = &p->calls.data[call].version[v->target];
  for (int i = 0; i < version->lower->b->nbufs; i++) {
    const Operand *operand = &version->argument[i];
    const Buf *buf = version->lower->b->buf[i];
    if (!operand->used || buf->place < OUTPUT || operand->place.space != SPACE_ALL) continue;
    const bool same = node && operand->binding->node && operand->place.stride == place->stride &&
                      base_of(v, operand->binding->node, &operand->place) == base_of(v, node, place);
    if (!same && meet_in_any(v, &operand->place, place)) return buf->name;
  }
  return NULL;
}

/* The operands in SPACE_ALL of the calls of a phase; few nets have any. */
typedef VEC(const Operand *) Operands;

static Operands operands_of_all(const Verifier *v, const Phase *phase, bool written) {
  const Program *p = v->program;
  Operands found = {0};
  for (int c = phase->first; c < phase->first + phase->n; c++) {
    const Version *version = &p->calls.data[c].version[v->target];
    for (int k = 0; k < version->lower->b->nbufs; k++) {
      const Operand *operand = &version->argument[k];
      if (operand->used && operand->place.space == SPACE_ALL &&
          (!written || version->lower->b->buf[k]->place >= OUTPUT))
        vec_push(v->arena, found, operand);
    }
  }
  return found;
}

/* Images may run concurrently, so a write to SPACE_ALL must not change a value that another image still
 * reads, or that is copied to the caller later. */
static bool check_turns(Verifier *v, const Phase *phase) {
  const Program *p = v->program;
  const int end = phase->first + phase->n;
  if (operands_of_all(v, phase, true).n == 0) return true;
  const Operands used = operands_of_all(v, phase, false);
  for (v->call = phase->first; v->call < end; v->call++) {
    const char *written = NULL;
    for (int i = 0; i < used.n && !written; i++)
      written = written_in_turn(v, v->call, used.data[i]->binding->node, &used.data[i]->place);
    if (written) return fail(v, "is written where another image still reads", written);
    for (int i = 0; i < p->copies.n && !written; i++) {
      const Copy *copy = &p->copies.data[i];
      if (copy->after >= phase->first && copy->after < end)
        written = written_in_turn(v, v->call, copy->node, &p->value[v->target][copy->node->id]);
    }
    if (written) return fail(v, "overwrites another image's output before it is copied", written);
  }
  return true;
}

/* At the end of a phase, records that its results exist for all images of the process. */
static void images_through(Verifier *v) {
  const Reach reach = v->program->processes ? REACH_PROCESS : REACH_ALL;
  for (int i = 0; i < v->pieces.n; i++)
    if (v->pieces.data[i].reach < reach) v->pieces.data[i].reach = reach;
}

/* Replays the gathers: processes receive each other's images of whole values, including all aliases in these
 * values. */
static void gather_calls(Verifier *v, int before) {
  const Program *p = v->program;
  for (int i = 0; i < p->gathers.n; i++) {
    const Gather *g = &p->gathers.data[i];
    for (int k = 0; g->before == before && k < v->pieces.n; k++) {
      Piece *piece = &v->pieces.data[k];
      const Place *place = &piece->place;
      if (place->space == g->space && place->index == g->index && piece->base == g->offset &&
          place->stride == g->stride && piece->reach == REACH_PROCESS)
        piece->reach = REACH_ALL;
    }
  }
}

static bool replay(Verifier *v) {
  const Program *p = v->program;
  int next = 0;
  v->call = -1;
  if (!check_copies(v, -1)) return false;
  for (int i = 0; i < p->phases.n; i++) {
    const Phase *phase = &p->phases.data[i];
    if (phase->first != next || (i && phase->number < p->phases.data[i - 1].number))
      return fail(v, "phases are not in order", "");
    next = phase->first + phase->n;
    forget_arena(v);
    gather_calls(v, i);
    if (!phase->once && !check_turns(v, phase)) return false;
    for (int c = phase->first; c < next; c++) {
      const KernelCall *call = &p->calls.data[c];
      const Version *version = &call->version[v->target];
      v->call = c;
      if ((call->how == CALL_ONCE) != phase->once) return fail(v, "runs in a phase of the wrong kind", "");
      if (!check_reads(v, i, call, version) || !check_writes(v, call, version) || !check_copies(v, c))
        return false;
    }
    if (!phase->once) images_through(v);
  }
  gather_calls(v, p->phases.n);
  return next == p->calls.n ? true : fail(v, "calls belong to no phase", "");
}

/* Checks that the results of the program exist: the outputs or, in training, the losses. */
static bool check_end(Verifier *v) {
  const Program *p = v->program;
  v->call = p->calls.n;
  for (int o = 0; p->kind != PROGRAM_TRAINING && o < p->graph->outputs.n; o++)
    if (program_writes(p, o) && !held(v, p->output[o], &p->value[v->target][p->output[o]->id], REACH_IMAGE))
      return fail(v, "an output is not written", "");
  for (int i = 0; p->kind == PROGRAM_TRAINING && i < p->graph->training->losses.n; i++) {
    const Place *place = &p->value[v->target][p->loss[i]->id];
    if (!held(v, p->loss[i], place, REACH_PROCESS)) return fail(v, "a loss is not computed", "");
    if (!held(v, p->loss[i], place, REACH_ALL))
      return fail(v, "a loss is summed, but parts of it are in other processes", "");
  }
  return true;
}

/* ---- states ---- */
/* The place where a state is read, and where its update must be stored at the end. */
static Place state_place(const Node *state) {
  const int64_t bytes = state_bytes(state);
  const Home home = home_own(state);
  const int64_t pixel = home_bytes(&home, home.pitch);
  return (Place){SPACE_STATE, state->port->index, 0, bytes, bytes, pixel, pixel};
}

/* Checks that NAME_reset writes each byte of the states once, in whole elements, with the initial values of
 * the net. */
static bool check_initial(Verifier *v) {
  const Program *p = v->program;
  int at = 0;
  v->call = -1;
  for (int k = 0; k < graph_states(p->graph); k++) {
    const Node *state = graph_state(p->graph, k);
    const int64_t size = elem_bytes(state->elem);
    int64_t byte = 0;
    for (; at < p->initial.n && p->initial.data[at].state == k; at++) {
      const Fill *fill = &p->initial.data[at];
      if (fill->from != byte || fill->to <= byte || fill->to % size)
        return fail(v, "a state has bytes with no initial value, or with two", state->name);
      const int64_t step = state_same_initial(state) ? fill->to - byte : size;
      for (; byte < fill->to && byte < state_bytes(state); byte += step)
        if (state_initial(state, byte / size) != fill->value)
          return fail(v, "a state does not begin with its initial value", state->name);
    }
    if (byte != state_bytes(state) || (at && at <= p->initial.n && p->initial.data[at - 1].to != byte))
      return fail(v, "a state has bytes with no initial value, or too many values", state->name);
  }
  return at == p->initial.n || fail(v, "an initial value belongs to no state", "");
}

/* Records what holds when a call of the net begins: the memory of each state contains the state, for all
 * images. */
static void begin_states(Verifier *v) {
  v->pieces.n = 0;
  for (int k = 0; k < graph_states(v->program->graph); k++) {
    const Node *state = graph_state(v->program->graph, k);
    const Place place = state_place(state);
    hold(v, state, &place, REACH_ALL);
  }
}

/* Checks that each state has the value of its update after a call of the net. */
static bool check_updates(Verifier *v) {
  const Program *p = v->program;
  v->call = p->calls.n;
  for (int k = 0; k < graph_states(p->graph); k++) {
    const Node *state = graph_state(p->graph, k), *update = graph_update(p->graph, k);
    const Place place = state_place(state);
    if (!update) return fail(v, "a state has no update", state->name);
    if (!held(v, update->in[0], &place, REACH_IMAGE) && !held(v, update, &place, REACH_IMAGE))
      return fail(v, "a state does not contain its update at the end", state->name);
  }
  return true;
}

/* Replays a call of the net. If the net has states, replays a second call, which reads the states that the
 * first call has left. */
static bool replay_calls(Verifier *v) {
  const int calls = graph_states(v->program->graph) ? 2 : 1;
  if (v->program->kind != PROGRAM_INFERENCE) return replay(v) && check_end(v);
  if (!check_initial(v)) return false;
  for (int i = 0; i < calls; i++) {
    begin_states(v);
    if (!replay(v) || !check_end(v) || !check_updates(v)) return false;
  }
  return true;
}

/* ---- teams ---- */
static bool is_contended(const Operand *operand) {
  return operand->used && !caller_owned(operand->place.space) && operand->binding->kind != BIND_PACK;
}

static const char *conflict(const Verifier *v, const Version *a, const Version *b, bool all) {
  for (int i = 0; i < a->lower->b->nbufs; i++)
    for (int k = 0; is_contended(&a->argument[i]) && k < b->lower->b->nbufs; k++) {
      if (!is_contended(&b->argument[k])) continue;
      if (a->lower->b->buf[i]->place < OUTPUT && b->lower->b->buf[k]->place < OUTPUT) continue;
      const Place *x = &a->argument[i].place, *y = &b->argument[k].place;
      if (all ? meet_in_any(v, x, y) : places_meet(x, y)) return b->lower->b->buf[k]->name;
    }
  return NULL;
}

/* Checks that calls without a barrier between them do not conflict, unless one thread runs both. */
static bool check_team(Verifier *v) {
  const Program *p = v->program;
  const bool whole = p->batching.how == WHOLE_BATCH;
  int open = 0; /* the first call since the last barrier */
  for (int i = 0; i < p->phases.n; i++) {
    const Phase *phase = &p->phases.data[i];
    const bool images =
        whole && !phase->once; /* images: each thread runs all calls of the phase for some images */
    if (phase->barrier) open = phase->first;
    for (int c = phase->first; c < phase->first + phase->n; c++) {
      const Version *version = &p->calls.data[c].version[v->target];
      if (version->barrier) open = c;
      v->call = c;
      for (int b = images && open > phase->first ? phase->first : open; b < (images ? phase->first : c);
           b++) {
        const Version *before = &p->calls.data[b].version[v->target];
        const bool one = !whole && !version->shared && !before->shared;
        const char *name = one ? NULL : conflict(v, before, version, whole);
        if (name) return fail(v, "accesses memory that another thread may still use", name);
      }
    }
  }
  return true;
}

/* ---- gradients ---- */
static const Place *gradient_of(const Version *version,
                                int buffer) { /* the gradient's place; NULL: the buffer is not a gradient */
  const Operand *operand = &version->argument[buffer];
  return operand->used && operand->place.space == SPACE_GRADIENT ? &operand->place : NULL;
}

/* Whether the call is batched, and only one buffer of all calls accesses the gradient `stored`. */
static bool is_sole_writer(const Verifier *v, const KernelCall *call, const Place *stored) {
  const Program *p = v->program;
  int touched = 0;
  for (int c = 0; c < p->calls.n; c++) {
    const Version *other = &p->calls.data[c].version[v->target];
    for (int i = 0; i < other->lower->b->nbufs; i++)
      touched += gradient_of(other, i) && places_meet(gradient_of(other, i), stored);
  }
  return call->how == CALL_ONCE && touched == 1;
}

/* Checks that gradients to which calls add were cleared, and that every other gradient is stored. */
static bool check_gradients(Verifier *v) {
  const Program *p = v->program;
  Stretches all = {0}, zeros = {0};
  for (int i = 0; i < p->cleared.n; i++) {
    vec_push(v->arena, all, p->cleared.data[i]);
    vec_push(v->arena, zeros, p->cleared.data[i]);
  }
  for (v->call = 0; v->call < p->calls.n; v->call++) {
    const KernelCall *call = &p->calls.data[v->call];
    const Version *version = &call->version[v->target];
    for (int i = 0; i < version->lower->b->nbufs; i++) {
      const Place *place = gradient_of(version, i);
      const Buf *buf = version->lower->b->buf[i];
      if (!place) continue;
      if (buf->place == OUTPUT) {
        if (!is_sole_writer(v, call, place))
          return fail(v, "is not the sole access to its gradient", buf->name);
        vec_push(v->arena, all, ((Stretch){place->offset, place->offset + place->bytes}));
      } else if (!stretches_cover(zeros.data, zeros.n, place->offset, place->offset + place->bytes))
        return fail(v, "is a gradient that is added to and not cleared", buf->name);
    }
  }
  return stretches_cover(all.data, all.n, 0, p->space[SPACE_GRADIENT].bytes) ||
         fail(v, "a gradient is neither cleared nor stored", "");
}

/* ---- sums ---- */
static bool check_sums(Verifier *v) {
  const Program *p = v->program;
  for (int c = 0; p->shards > 1 && c < p->calls.n; c++) {
    const Version *version = &p->calls.data[c].version[v->target];
    v->call = c;
    for (int i = 0; p->calls.data[c].how != CALL_ONCE && i < version->lower->b->nbufs; i++) {
      const Place *place = &version->argument[i].place;
      bool summed = place->space != SPACE_GRADIENT || !version->argument[i].used;
      for (int s = 0; s < p->sums.n; s++)
        summed = summed || (p->sums.data[s].from <= place->offset &&
                            place->offset + place->bytes <= p->sums.data[s].to);
      if (!summed)
        return fail(v, "is a gradient of a shard that is not summed", version->lower->b->buf[i]->name);
    }
  }
  return true;
}

/* ---- several processes ---- */
/* Checks that each byte of a gradient to which shards add is in one bucket, and that nothing is added to the
 * byte after the bucket's exchange. */
static bool check_buckets(Verifier *v) {
  const Program *p = v->program;
  for (int i = 0; i < p->phases.n; i++)
    for (int c = p->phases.data[i].first; c < p->phases.data[i].first + p->phases.data[i].n; c++) {
      const Version *version = &p->calls.data[c].version[v->target];
      v->call = c;
      for (int a = 0; a < version->lower->b->nbufs; a++) {
        const Place *place = &version->argument[a].place;
        if (place->space != SPACE_GRADIENT || !version->argument[a].used) continue;
        int64_t found = 0;
        for (int b = 0; b < p->buckets.n; b++) {
          const Bucket *bucket = &p->buckets.data[b];
          const int64_t from = bucket->from > place->offset ? bucket->from : place->offset,
                        end = place->offset + place->bytes, to = bucket->to < end ? bucket->to : end;
          if (from >= to) continue;
          if (bucket->after < i)
            return fail(v, "is added to after it was sent", version->lower->b->buf[a]->name);
          if (bucket->after < p->phases.n) found += to - from;
        }
        if (p->calls.data[c].how != CALL_ONCE && found != place->bytes)
          return fail(v, "is a gradient that is not sent exactly once", version->lower->b->buf[a]->name);
      }
    }
  return true;
}

const char *program_verify(Arena *arena, const Program *p) {
  Verifier v = {.arena = arena, .program = p};
  for (v.target = 0; v.target < p->ntargets && !v.error; v.target++) {
    v.pieces.n = 0;
    if (!replay_calls(&v)) break;
    if (p->team && !check_team(&v)) break;
    if (p->kind == PROGRAM_TRAINING && (!check_gradients(&v) || !check_sums(&v))) break;
    if (p->processes && !check_buckets(&v)) break;
  }
  return v.error;
}
