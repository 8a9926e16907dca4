/* share.c: Analysis of the data that processes exchange when they divide the shards of a batch. Each process
 * has some images of each value and the gradients of some shards. Batched calls run in every process, with
 * the same inputs: the images of all processes are gathered before these calls. Gradient sums are exchanged
 * in buckets, in the order in which the backward pass completes them, while the next phases run.
 *
 * Requires: phases, places and sums. Preserves: phases, places and sums; sets gathers and buckets. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/lir.h"

/* A bucket of at least this size is not extended: for such a message, the latency of common networks is
 * negligible. */
enum { BUCKET_BYTES = 128 << 10 };

/* The place of a value, for all images. */
typedef struct Region {
  SpaceKind space;
  int index;
  int64_t offset, stride;
} Region;

/* Bytes that per-image calls have written, and that were not gathered since: a process has these bytes only
 * for its own images. */
typedef struct Stale {
  Region region;
  Place place;
} Stale;

typedef struct Sharing {
  Program *program;
  Arena *arena;
  VEC(Stale) stale;
} Sharing;

/* The region of an operand: an alias is gathered with the containing value. */
static Region region_of(const Program *p, const Operand *operand) {
  const Binding *binding = operand->binding;
  Place place = operand->place;
  if (binding->kind == BIND_VALUE && place.space == SPACE_ALL)
    place = p->value[0][p->home[binding->node->id].node->id];
  const int64_t offset = place.space == SPACE_ALL ? place.offset : 0;
  return (Region){place.space, place.index, offset, place.stride};
}

static bool same_region(const Region *a, const Region *b) {
  return a->space == b->space && a->index == b->index && a->offset == b->offset && a->stride == b->stride;
}

static bool regions_meet(const Program *p, const Region *a, const Region *b) {
  const int64_t images = p->batching.images;
  return a->space == b->space && a->index == b->index && a->offset < b->offset + b->stride * images &&
         b->offset < a->offset + a->stride * images;
}

/* Whether two places of one region intersect. Two parts of a concat do not intersect if they have different
 * channels. */
static bool shared_places_meet(const Place *a, const Place *b) {
  if (a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset) return false;
  if (a->pitch != b->pitch || a->pitch <= 0) return true;
  const int64_t between = ((b->offset - a->offset) % a->pitch + a->pitch) % a->pitch;
  return between < a->width || a->pitch - between < b->width;
}

static bool same_place(const Place *a, const Place *b) {
  return a->offset == b->offset && a->bytes == b->bytes && a->pitch == b->pitch && a->width == b->width;
}

static bool is_gathered(const Program *p, const Region *region) {
  for (int i = 0; i < p->gathers.n; i++) {
    const Gather *g = &p->gathers.data[i];
    if (same_region(region, &(Region){g->space, g->index, g->offset, g->stride})) return true;
  }
  return false;
}

/* Whether a process has the bytes of this place only for its own images. The caller's arrays are stale until
 * they are gathered. */
static bool is_stale(const Sharing *s, const Region *region, const Place *place) {
  if (region->space != SPACE_ALL) return !is_gathered(s->program, region);
  for (int i = 0; i < s->stale.n; i++)
    if (same_region(&s->stale.data[i].region, region) && shared_places_meet(&s->stale.data[i].place, place))
      return true;
  return false;
}

/* Records that the bytes of a place, or of the whole region if `place` is NULL, are not stale. Also forgets
 * the stale bytes of other regions that overlap this region, because the values in those regions are dead. */
static void refresh(Sharing *s, const Region *region, const Place *place) {
  int kept = 0;
  for (int i = 0; i < s->stale.n; i++) {
    const Stale *stale = &s->stale.data[i];
    const bool same = same_region(&stale->region, region);
    if (same ? place && !same_place(&stale->place, place) : !regions_meet(s->program, &stale->region, region))
      s->stale.data[kept++] = *stale;
  }
  s->stale.n = kept;
}

static void gather(Sharing *s, int before, const Region *region, const Place *place) {
  if (!is_stale(s, region, place)) return;
  vec_push(s->arena, s->program->gathers,
           ((Gather){before, region->space, region->index, region->offset, region->stride}));
  refresh(s, region, NULL);
}

static bool of_images(SpaceKind space) {
  return space == SPACE_INPUT || space == SPACE_TARGET || space == SPACE_ALL;
}

static void gather_inputs(Sharing *s, int phase, const Version *version) {
  const Nest *nest = version->lower->b;
  for (int i = 0; i < nest->nbufs; i++) {
    const Operand *operand = &version->argument[i];
    if (!operand->used || !of_images(operand->place.space) || nest->buf[i]->place == OUTPUT) continue;
    const Region region = region_of(s->program, operand);
    gather(s, phase, &region, &operand->place);
  }
}

/* Per-image results become stale, batched results are no longer stale. */
static void see_outputs(Sharing *s, bool once, const Version *version) {
  const Nest *nest = version->lower->b;
  for (int i = 0; i < nest->nbufs; i++) {
    const Operand *operand = &version->argument[i];
    if (!operand->used || operand->place.space != SPACE_ALL || nest->buf[i]->place < OUTPUT) continue;
    const Region region = region_of(s->program, operand);
    refresh(s, &region, &operand->place);
    if (!once) vec_push(s->arena, s->stale, ((Stale){region, operand->place}));
  }
}

static void find_gathers(Sharing *s) {
  Program *p = s->program;
  for (int i = 0; i < p->phases.n; i++) {
    const Phase *phase = &p->phases.data[i];
    for (int c = phase->first; c < phase->first + phase->n; c++) {
      const Version *version = &p->calls.data[c].version[0];
      if (phase->once) gather_inputs(s, i, version);
      see_outputs(s, phase->once, version);
    }
  }
  for (int i = 0; i < p->graph->training->losses.n; i++) {
    const Place *place = &p->value[0][p->loss[i]->id];
    gather(s, p->phases.n, &(Region){place->space, place->index, place->offset, (int64_t)sizeof(float)},
           place);
  }
}

/* The last phase that writes these bytes of the gradients. -1: no per-image call writes them, so every
 * process computes the same bytes, for example running statistics. */
static int last_phase(const Program *p, int64_t from, int64_t to) {
  int last = -1;
  bool images = false;
  for (int i = 0; i < p->phases.n; i++) {
    const Phase *phase = &p->phases.data[i];
    for (int c = phase->first; c < phase->first + phase->n; c++) {
      const Version *version = &p->calls.data[c].version[0];
      for (int b = 0; b < version->lower->b->nbufs; b++) {
        const Operand *operand = &version->argument[b];
        if (operand->used && operand->place.space == SPACE_GRADIENT && operand->place.offset < to &&
            from < operand->place.offset + operand->place.bytes) {
          last = i;
          images = images || !phase->once;
        }
      }
    }
  }
  return images ? last : -1;
}

static bool is_summed(const Program *p, int64_t from, int64_t to) {
  for (int i = 0; i < p->sums.n; i++)
    if (p->sums.data[i].from <= from && to <= p->sums.data[i].to) return true;
  return false;
}

/* Fills buckets in the order in which the backward pass completes gradients: by phase, then from the last
 * weight to the first. */
static void find_buckets(Sharing *s, const Graph *written) {
  Program *p = s->program;
  for (int phase = 0; phase < p->phases.n; phase++)
    for (int i = written->weights.n - 1; i >= 0; i--) {
      const Weight *weight = written->weights.data[i];
      const int64_t from = weight_from(weight), to = from + weight_bytes(weight);
      if (!is_summed(p, from, to) || last_phase(p, from, to) != phase) continue;
      Bucket *last = p->buckets.n ? &p->buckets.data[p->buckets.n - 1] : NULL;
      if (last && (last->from == to || last->to == from) && last->to - last->from < BUCKET_BYTES) {
        last->after = phase;
        if (last->from == to) last->from = from;
        else last->to = to;
      } else vec_push(s->arena, p->buckets, ((Bucket){phase, from, to}));
    }
}

void program_share(Program *p, Arena *arena, const Graph *written) {
  Sharing s = {.program = p, .arena = arena};
  find_gathers(&s);
  find_buckets(&s, written);
}
