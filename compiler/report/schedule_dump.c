/* schedule_dump.c: --emit=schedule: the candidates of each kernel with their costs, and the reason for the
 * choice. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <math.h>
#include "graph/node_text.h"
#include "lir/lir.h"
#include "nest/team.h"
#include "schedule/choose.h"
#include "schedule/schedule.h"

static const char *thousands(Arena *arena, double n) { return text_thousands(arena, (int64_t)llround(n)); }

static const char *rounded_bytes(Arena *arena, int64_t bytes) {
  if (bytes < 10000) return arena_printf(arena, "%" PRId64 " bytes", bytes);
  return bytes < 1000000 ? arena_printf(arena, "%.1f KB", (double)bytes / 1024)
                         : arena_printf(arena, "%.1f MB", (double)bytes / 1048576);
}

/* ---- threads ---- */
typedef struct Shares {
  int loops;
  int64_t fewest, most;
} Shares;

static int64_t parallel_rounds(const NestStmt *loop) { return loop->u.loop.hi[0].c - loop->u.loop.lo[0].c; }

static void count_shares(const NestStmt *stmt, Shares *s) {
  for (; stmt; stmt = stmt->next) {
    const NestStmt *body = stmt;
    if (stmt->kind == LOOP && stmt->u.loop.kind == PARALLEL) {
      int64_t rounds = parallel_rounds(stmt);
      for (; team_inner_loop(body); body = body->body) rounds *= parallel_rounds(team_inner_loop(body));
      if (!s->loops || rounds < s->fewest) s->fewest = rounds;
      if (!s->loops || rounds > s->most) s->most = rounds;
      s->loops++;
    }
    if (stmt->kind == LOOP || stmt->kind == IF) {
      count_shares(body->body, s);
      count_shares(body->otherwise, s);
    }
  }
}

static void put_threads(Text *out, const Lower *l) {
  Shares s = {0};
  for (const NestFn *fn = l->b->fns; fn; fn = fn->next) count_shares(fn->body, &s);
  if (!l->threads) return;
  if (!s.loops) text_put(out, "      threads: one; too little work, or it cannot be split\n");
  else if (s.loops == 1) text_put(out, "      threads: a loop of %" PRId64 " iterations is shared\n", s.most);
  else
    text_put(out, "      threads: %d loops of %" PRId64 " to %" PRId64 " iterations are shared\n", s.loops,
             s.fewest, s.most);
}

/* ---- one kernel ---- */
static void put_scheduled_layer(Text *out, const Sources *sources, const Node *node) {
  if (node) text_put(out, "      %s\n", layer_text(out->arena, sources, node));
}

static void put_scheduled_layers(Text *out, const Sources *sources, const Kernel *k) {
  put_scheduled_layer(out, sources, k->root);
  put_scheduled_layer(out, sources, k->normalize);
  put_scheduled_layer(out, sources, k->gate);
  for (int i = 0; i < k->nscales; i++) put_scheduled_layer(out, sources, k->scale[i]);
  for (int i = 0; i < k->nchain; i++) put_scheduled_layer(out, sources, k->chain[i]);
  put_scheduled_layer(out, sources, k->pool);
  put_scheduled_layer(out, sources, k->means);
}

static void put_cycles(Text *out, const Cycles *c, const Schedule *s) {
  text_put(out, "%11s cycles: multiply-adds %s", thousands(out->arena, c->total),
           thousands(out->arena, c->products));
  if (c->transforms > 0)
    text_put(out, ", %s %s", s->transforms ? s->transforms : "transforms",
             thousands(out->arena, c->transforms));
  if (c->weight_bytes)
    text_put(out, ", %s of weights from %s %s", rounded_bytes(out->arena, c->weight_bytes), c->from,
             thousands(out->arena, c->memory));
  else text_put(out, ", values %s", thousands(out->arena, c->memory));
}

static void put_candidate(Text *out, const Lower *l, int i) {
  const Candidate *c = &l->decision->candidates.data[i];
  text_put(out, "    %c %-20s ", i == l->decision->chosen ? '*' : ' ', c->name);
  if (c->refused) text_put(out, "          - %s", c->refused);
  else put_cycles(out, &c->cycles, c->choice.schedule);
  text_put(out, "\n");
}

static void put_packed_weights(Text *out, const Lower *l) {
  int64_t bytes = 0;
  for (int i = 0; i < l->packs.n; i++) bytes += buf_bytes(l->packs.data[i]->out);
  if (bytes) text_put(out, "      packed: %s\n", rounded_bytes(out->arena, bytes));
}

static void put_decision(Text *out, const Lower *l) {
  const Decision *d = l->decision;
  const Candidate *chosen = &d->candidates.data[d->chosen];
  for (int i = 0; i < d->candidates.n; i++) put_candidate(out, l, i);
  if (*d->why)
    text_put(out, "      why: %s%s\n", d->why,
             d->layout && !d->tuned
                 ? ", on the widest target of the file; all its targets share packed weights"
                 : "");
  if (d->tuned) text_put(out, "      measured choice: %s\n", tuning_choice(out->arena, &d->tuned->choice));
  if (chosen->error.typical > 0)
    text_put(out,
             "      rounding: about %.1g of the largest output on random data; at most %.1g of the largest "
             "output that inputs and weights of this size allow\n",
             chosen->error.typical, chosen->error.worst);
}

static double schedule_cycles(const Lower *l) {
  return l->decision->candidates.data[l->decision->chosen].cycles.total;
}

static void put_scheduled_call(Text *out, const Sources *sources, const KernelCall *call, int target,
                               int number, double all) {
  const Lower *l = call->version[target].lower;
  text_put(out, "%3d %s: %.1f %%\n", number, l->b->name, all > 0 ? 100 * schedule_cycles(l) / all : 0);
  put_scheduled_layers(out, sources, call->kernel);
  text_put(out, "      %s\n", l->b->about);
  put_decision(out, l);
  for (int i = 0; i < l->details.n; i++) text_put(out, "      %s\n", l->details.data[i]);
  put_packed_weights(out, l);
  put_threads(out, l);
  text_put(out, "\n");
}

/* ---- a target ---- */
/* Writes the cycles per instruction of the board for which an int8 model is compiled. */
static void put_board(Text *out, const Graph *graph, const Target *t, const CpuCycles *cycles) {
  text_put(out,
           "%s for %s: cycles per load %g, per store %g, per pair of products %g, per other instruction %g",
           graph->name, t->name, cycles->load, cycles->store, cycles->pair, cycles->other);
  if (t->vectors && cycles->vector > 0) text_put(out, ", per vector instruction %g", cycles->vector);
  if (cycles->line > 0) text_put(out, ", extra per 16 bytes of flash %g", cycles->line);
  text_put(out, "\nCycles are predicted. * marks the chosen schedule; a percentage is a fraction of the "
                "net's cycles.\n\n");
}

static void put_schedule_head(Text *out, const ProgramOptions *options, const Target *t) {
  const Graph *graph = options->written;
  const int64_t weights = 4 * graph->parameters;
  if (t->dsp && options->cycles && graph->floats) {
    put_board(out, graph, t, options->cycles);
    return;
  }
  text_put(out, "%s for %s%s: %d lanes, %d registers, %g vector multiply-adds per cycle\n", graph->name,
           t->name, t->cpu ? arena_printf(out->arena, " of %s", t->cpu) : "", t->lanes, t->registers,
           t->fmas);
  text_put(out, "L2 cache %s, %g bytes per cycle; last-level cache %s, %g; memory %g\n",
           rounded_bytes(out->arena, t->l2), t->l2_rate, rounded_bytes(out->arena, t->l3), t->l3_rate,
           t->memory_rate);
  if (weights)
    text_put(out, "weights of the net: %s, %s\n", rounded_bytes(out->arena, weights),
             weights > t->l3 / 2 ? "more than half the last-level cache: each call loads them from memory"
             : weights > t->l2 / 2
                 ? "more than half the L2 cache: each call loads them from the last-level cache"
                 : "which stay in the L2 cache");
  text_put(out, "Cycles are predicted, for one thread; multiply-adds run while weights are loaded. "
                "* marks the chosen schedule; a percentage is a fraction of the net's cycles.\n\n");
}

static void put_total(Text *out, const Program *p, int target) {
  Cycles all = {0};
  for (int i = 0; i < p->calls.n; i++) {
    const Lower *l = p->calls.data[i].version[target].lower;
    const Cycles *c = &l->decision->candidates.data[l->decision->chosen].cycles;
    all.products += c->products;
    all.transforms += c->transforms;
    all.memory += c->memory > c->products ? c->memory - c->products : 0;
    all.total += c->total;
  }
  text_put(out, "total %s cycles: multiply-adds %s, transforms %s, waiting for memory %s\n",
           thousands(out->arena, all.total), thousands(out->arena, all.products),
           thousands(out->arena, all.transforms), thousands(out->arena, all.memory));
}

static void put_program(Text *out, const Sources *sources, const Program *p, int target) {
  double all = 0;
  if (p->batching.how == INTERLEAVED)
    text_put(out, "%d images are interleaved in the lanes of vectors: cycles are for all of them.\n\n",
             program_lanes(p, target));
  for (int i = 0; i < p->calls.n; i++) all += schedule_cycles(p->calls.data[i].version[target].lower);
  for (int i = 0; i < p->calls.n; i++)
    put_scheduled_call(out, sources, &p->calls.data[i], target, i + 1, all);
  put_total(out, p, target);
}

void program_schedules(Text *out, const Programs *programs, const ProgramOptions *options,
                       const Sources *sources) {
  for (int t = 0; t < options->ntargets; t++) {
    if (t) text_put(out, "\n");
    put_schedule_head(out, options, options->target[t]);
    put_program(out, sources, programs->infer, t);
    if (programs->train) {
      text_put(out, "\ntraining, per image:\n\n");
      put_program(out, sources, programs->train, t);
    }
  }
}
