/* lir_dump.c: Lowered program as text: its spaces and calls (--emit=lir), or its nests (--emit=nests). */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include "lir/lir.h"

static const char *lir_number(Text *out, int64_t n) { return text_thousands(out->arena, n); }

/* ---- spaces ---- */
static void put_space(Text *out, const Program *p, SpaceKind kind, int64_t times, const char *each) {
  const Space *space = &p->space[kind];
  if (!space->bytes) return;
  text_put(out, "  %-9s %13s bytes%s", space_name(kind), lir_number(out, space->bytes), each);
  if (times > 1) text_put(out, ", %s", lir_number(out, times));
  if (space->bound < space->bytes) text_put(out, "; the lower bound is %s", lir_number(out, space->bound));
  text_put(out, "\n");
}

static void put_spaces(Text *out, const Program *p) {
  const bool training = p->kind == PROGRAM_TRAINING;
  put_space(out, p, SPACE_ARENA, training ? p->shards : p->slots, training ? " per shard" : " per slot");
  put_space(out, p, SPACE_KEPT, p->batching.images, " per image");
  put_space(out, p, SPACE_ALL, p->batching.images, " per image");
  put_space(out, p, SPACE_BATCH, 1, "");
  if (training) put_space(out, p, SPACE_GRADIENT, p->shards, " per shard");
}

/* ---- calls ---- */
static const char *what(Text *out, const Binding *binding) {
  switch (binding->kind) {
  case BIND_VALUE:
  case BIND_INPUT:
    return binding->node->hidden
               ? arena_printf(out->arena, "%s of %s", binding->node->op->name, binding->node->name)
               : binding->node->name;
  case BIND_WEIGHT:
  case BIND_GRADIENT: return binding->weight->name;
  case BIND_PACK: return binding->pack->name;
  case BIND_SCRATCH: return "scratch";
  case BIND_KEYS: return "keys";
  case BIND_TABLE: return "table";
  }
  return "";
}

static void put_lir_place(Text *out, const Place *place) {
  text_put(out, "%s", space_name(place->space));
  if (place->space == SPACE_INPUT || place->space == SPACE_OUTPUT || place->space == SPACE_TARGET ||
      place->space == SPACE_STATE)
    text_put(out, " %d", place->index);
  if (place->space == SPACE_MODEL || place->space == SPACE_TABLE || place->space == SPACE_KEYS) return;
  text_put(out, " %" PRId64 " .. %" PRId64, place->offset, place->offset + place->bytes - 1);
  if (place->width < place->pitch)
    text_put(out, ", %" PRId64 " of each %" PRId64, place->width, place->pitch);
  if (place->stride) text_put(out, ", %" PRId64 " per image", place->stride);
}

static void put_operand(Text *out, const Buf *buf, const Operand *operand) {
  static const char *const roles[] = {[INPUT] = "reads",    [WEIGHTS] = "reads", [OUTPUT] = "writes",
                                      [UPDATE] = "adds to", [OVER] = "in place", [WORK] = "scratch"};
  const bool value = operand->binding->kind == BIND_VALUE && buf->place == UPDATE;
  text_put(out, "       %-8s %-10s ", value ? "updates" : roles[buf->place], buf->name);
  put_lir_place(out, &operand->place);
  text_put(out, operand->binding->kind == BIND_SCRATCH ? "\n" : "  (%s)\n", what(out, operand->binding));
}

static void put_lir_call(Text *out, const Program *p, int c, int target) {
  const Version *version = &p->calls.data[c].version[target];
  const Nest *nest = version->lower->b;
  if (version->barrier) text_put(out, "  -- barrier --\n");
  text_put(out, "  %3d  %s%s\n", c + 1, nest->name,
           version->shared                    ? ", shared by the team"
           : p->team && p->calls.data[c].team ? ", on one thread"
                                              : "");
  for (int i = 0; i < nest->nbufs; i++)
    if (version->argument[i].used) put_operand(out, nest->buf[i], &version->argument[i]);
}

static void put_lir_phase(Text *out, const Program *p, const Phase *phase, int target) {
  if (phase->barrier) text_put(out, "  -- barrier --\n");
  text_put(out, "phase %d, ", phase->number);
  if (phase->once) text_put(out, "once for all images\n");
  else if (p->batching.how == INTERLEAVED)
    text_put(out, "for each group of %d interleaved images\n", program_lanes(p, target));
  else text_put(out, "for each image\n");
  for (int c = phase->first; c < phase->first + phase->n; c++) {
    put_lir_call(out, p, c, target);
    for (int i = 0; i < p->copies.n; i++)
      if (p->copies.data[i].after == c) text_put(out, "       copies output %d\n", p->copies.data[i].output);
  }
}

static void put_cleared(Text *out, const Program *p) {
  for (int i = 0; i < p->cleared.n; i++)
    text_put(out, "%s gradient %" PRId64 " .. %" PRId64, i ? "," : "cleared:", p->cleared.data[i].from,
             p->cleared.data[i].to - 1);
  if (p->cleared.n) text_put(out, "\n");
}

static void put_sums(Text *out, const Program *p) {
  if (p->shards < 2 || !p->sums.n) return;
  text_put(out, "sums of the shards, in pairs:");
  for (int i = 0; i < p->sums.n; i++)
    text_put(out, "%s gradient %" PRId64 " .. %" PRId64, i ? "," : "", p->sums.data[i].from,
             p->sums.data[i].to - 1);
  text_put(out, "\n");
}

/* Prints the exchanges of data between processes (sums of gradients, and gathers) that begin between phase
 * `before` - 1 and phase `before`. */
static void put_exchange(Text *out, const Program *p, int before) {
  for (int i = 0; i < p->buckets.n; i++)
    if (p->buckets.data[i].after == before - 1)
      text_put(out, "  -- sums of gradient %" PRId64 " .. %" PRId64 " begin --\n", p->buckets.data[i].from,
               p->buckets.data[i].to - 1);
  for (int i = 0; i < p->gathers.n; i++) {
    const Gather *g = &p->gathers.data[i];
    if (g->before != before) continue;
    text_put(out, "  -- gathers %s", space_name(g->space));
    if (g->space != SPACE_ALL) text_put(out, " %d", g->index);
    text_put(out, " from %" PRId64 ", %" PRId64 " per image --\n", g->offset, g->stride);
  }
}

void program_nests(Text *out, const Programs *programs) {
  const Program *const all[] = {programs->infer, programs->train, programs->look};
  for (int t = 0; t < programs->infer->ntargets; t++) {
    text_put(out, "%s# %s\n\n", t ? "\n" : "", programs->infer->target[t]->name);
    for (int i = 0; i < 3; i++)
      for (int c = 0; all[i] && c < all[i]->calls.n; c++) {
        const Lower *lower = all[i]->calls.data[c].version[t].lower;
        for (int p = 0; p < lower->packs.n; p++) nest_dump(out, lower->packs.data[p]->nest);
        nest_dump(out, lower->b);
      }
  }
}

void program_dump(Text *out, const Program *p) {
  static const char *const kinds[] = {"inference", "training", "inspection"};
  for (int t = 0; t < p->ntargets; t++) {
    text_put(out, "%s of %s for %s: ", kinds[p->kind], p->graph->name, p->target[t]->name);
    text_put(out, "%d calls, %s image%s%s\n", p->calls.n, lir_number(out, p->batching.images),
             p->batching.images == 1 ? "" : "s at most", p->team ? ", a team of threads" : "");
    put_spaces(out, p);
    put_cleared(out, p);
    for (int i = 0; i < p->phases.n; i++) {
      put_exchange(out, p, i);
      put_lir_phase(out, p, &p->phases.data[i], t);
    }
    put_exchange(out, p, p->phases.n);
    put_sums(out, p);
    text_put(out, "\n");
  }
}
