/* exchanges.c: Mutants of lowered programs, each of which program_verify must reject: damaged exchanges
 * between processes, and values with other element sizes. The interpreter cannot detect damaged exchanges,
 * because it runs one process with all images. With several processes, each damaged exchange would make
 * processes compute with stale data of other processes, or omit a gradient. Each kind of mutant is for one
 * check of program_verify, and must be rejected with the error of this check. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "check.h"
#include "machine.h"

static const char *const LATE = "is added to after it was sent",
                         *const UNSENT = "that is not sent exactly once",
                         *const ABSENT = "in other processes";

/* Damages gather or bucket `i` of a copied program; false: the change is harmless. */
typedef bool Damage(Program *, int i);

static bool drop_gather(Program *p, int i) {
  memmove(p->gathers.data + i, p->gathers.data + i + 1,
          (size_t)(p->gathers.n - i - 1) * sizeof *p->gathers.data);
  p->gathers.n--;
  return true;
}

static bool gather_later(Program *p, int i) {
  p->gathers.data[i].before++;
  return true;
}

static bool gather_first(Program *p, int i) { /* gathers before any image has written the bytes:
                                                 processes would get old values of the training struct */
  Gather *g = &p->gathers.data[i];
  const bool harms = g->space == SPACE_ALL && g->before > 0;
  g->before = 0;
  return harms;
}

static bool gather_aside(Program *p, int i) {
  Gather *g = &p->gathers.data[i];
  g->offset += 4;
  return g->space == SPACE_ALL;
}

static bool gather_closer(Program *p, int i) {
  p->gathers.data[i].stride /= 2;
  return true;
}

/* gathers with a wrong stride between images */
static bool gather_wider(Program *p, int i) {
  p->gathers.data[i].stride += 4;
  return true;
}

static bool gather_elsewhere(Program *p, int i) {
  Gather *g = &p->gathers.data[i];
  g->space = g->space == SPACE_ALL ? SPACE_INPUT : SPACE_ALL;
  return true;
}

/* Whether each image adds its part to gradients `from` to `to` - 1. If not, a batched call computes these
 * gradients, and every process has all of them. */
static bool added(const Program *p, int64_t from, int64_t to) {
  for (int c = 0; c < p->calls.n; c++) {
    const Version *version = &p->calls.data[c].version[0];
    for (int a = 0; p->calls.data[c].how != CALL_ONCE && a < version->lower->b->nbufs; a++) {
      const Place *place = &version->argument[a].place;
      if (version->argument[a].used && place->space == SPACE_GRADIENT && place->offset < to &&
          from < place->offset + place->bytes)
        return true;
    }
  }
  return false;
}

static bool drop_bucket(Program *p, int i) {
  Bucket *b = &p->buckets.data[i];
  const bool harms = added(p, b->from, b->to);
  b->to = b->from;
  return harms;
}

static bool send_never(Program *p, int i) {
  Bucket *b = &p->buckets.data[i];
  b->after = p->phases.n;
  return added(p, b->from, b->to);
}

static bool send_early(Program *p, int i) {
  p->buckets.data[i].after--;
  return true;
}

static bool cut_bucket(Program *p, int i) {
  Bucket *b = &p->buckets.data[i];
  b->to -= 4;
  return added(p, b->to, b->to + 4);
}

static bool send_twice(Program *p, int i) { /* bucket i gets the range of bucket i - 1 */
  if (i == 0) return false;
  Bucket *b = &p->buckets.data[i];
  const Bucket *before = b - 1;
  const bool harms = added(p, b->from, b->to) || added(p, before->from, before->to);
  b->from = before->from;
  b->to = before->to;
  b->after = p->phases.n - 1;
  return harms;
}

typedef struct Kind {
  const char *name;
  Damage *damage;
  bool gathers; /* true: damages a gather; false: damages a bucket */
  const char *const *refusal;
} Kind;

static const Kind kinds[] = {{"a gather is left out", drop_gather, true, &ABSENT},
                             {"a gather comes too late", gather_later, true, &ABSENT},
                             {"a gather comes too early", gather_first, true, &ABSENT},
                             {"a gather of other bytes", gather_aside, true, &ABSENT},
                             {"a gather of fewer bytes", gather_closer, true, &ABSENT},
                             {"a gather with a larger stride", gather_wider, true, &ABSENT},
                             {"a gather of another space", gather_elsewhere, true, &ABSENT},
                             {"a bucket is empty", drop_bucket, false, &UNSENT},
                             {"a bucket is never sent", send_never, false, &UNSENT},
                             {"a bucket is sent early", send_early, false, &LATE},
                             {"a bucket is cut", cut_bucket, false, &UNSENT},
                             {"a bucket is sent in place of another", send_twice, false, &UNSENT}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *try_mutant(Arena *arena, const Program *p, const Kind *kind, int i) {
  Program mutant = *p;
  mutant.gathers.data = NEW_ARRAY(arena, Gather, p->gathers.n + 1);
  mutant.buckets.data = NEW_ARRAY(arena, Bucket, p->buckets.n + 1);
  if (p->gathers.n)
    memcpy(mutant.gathers.data, p->gathers.data, (size_t)p->gathers.n * sizeof *p->gathers.data);
  if (p->buckets.n)
    memcpy(mutant.buckets.data, p->buckets.data, (size_t)p->buckets.n * sizeof *p->buckets.data);
  if (!kind->damage(&mutant, i)) return NULL;
  const char *error = program_verify(arena, &mutant);
  if (error && strstr(error, *kind->refusal)) return "";
  return arena_printf(arena, "%s %d of %d: %s", kind->name, i + 1,
                      kind->gathers ? p->gathers.n : p->buckets.n, error ? error : "accepted");
}

static void check_plan(const Check *check, Plan *plan, const char *how) {
  Arena *arena = check->sample.arena;
  const Machine m = {
      .arena = arena, .plan = plan, .batch = check->sample.count + 2, .threads = true, .processes = 3};
  const Program *p = machine_lower(&m, target_find(plan->images > 1 ? "x86-64" : "generic"), false);
  const char *missed = program_verify(arena, p);
  int mutants = 0;
  for (int k = 0; k < KINDS && !missed; k++)
    for (int i = 0; i < (kinds[k].gathers ? p->gathers.n : p->buckets.n) && !missed; i++) {
      const char *refused = try_mutant(arena, p, &kinds[k], i);
      mutants += refused != NULL;
      if (refused && *refused) missed = refused;
    }
  if (missed) printf("# %s\n", missed);
  printf("# %s: %d gathers, %d buckets, %d damaged exchanges\n", how, p->gathers.n, p->buckets.n, mutants);
  report(!missed && mutants > 0, check, arena_printf(arena, "damaged exchanges of %s are refused", how), 0,
         0);
}

/* ---- elements ---- */
static bool is_read(const Program *p, int home) { /* a nest reads this value */
  for (int c = 0; c < p->calls.n; c++) {
    const Version *version = &p->calls.data[c].version[0];
    for (int a = 0; a < version->lower->b->nbufs; a++) {
      const Binding *binding = version->argument[a].used ? version->argument[a].binding : NULL;
      if (binding && binding->kind == BIND_VALUE && version->lower->b->buf[a]->place == INPUT &&
          p->home[binding->node->id].node->id == home)
        return true;
    }
  }
  return false;
}

/* Changes the element type of an int8 or uint8 value to int16 or float, but no offset. Returns false if
 * program_verify does not report the different size. */
static bool widen(Arena *arena, const Program *p, int home, Elem elem) {
  Program mutant = *p;
  Home *homes = NEW_ARRAY(arena, Home, p->graph->nodes.n);
  memcpy(homes, p->home, (size_t)p->graph->nodes.n * sizeof *homes);
  for (int i = 0; i < p->graph->nodes.n; i++)
    if (homes[i].node->id == home) homes[i].elem = elem;
  mutant.home = homes;
  const char *error = program_verify(arena, &mutant);
  if (!error || !strstr(error, "has elements of a different size than its value"))
    printf("# %s: %s\n", p->graph->nodes.data[home]->name, error ? error : "accepted");
  return error && strstr(error, "has elements of a different size than its value");
}

void check_elements(const Check *check, const char *rounding) {
  Arena *arena = check->sample.arena;
  const Machine m = {.arena = arena,
                     .plan = plan_inference(arena, check->sample.graph, FUSE_ALL, 1, 0),
                     .batch = check->sample.count};
  const Program *p = machine_lower(&m, target_find("generic"), false);
  int mutants = 0;
  bool fine = program_verify(arena, p) == NULL;
  for (int i = 0; i < p->graph->nodes.n && fine; i++) {
    const Home *home = &p->home[i];
    if (!home->node || home->node->id != i || elem_bytes(home->elem) != 1 || !is_read(p, i)) continue;
    fine = widen(arena, p, i, I16) && widen(arena, p, i, F32);
    mutants += 2;
  }
  if (fine && mutants == 0) return; /* a random net in which no nest reads bytes */
  report(fine, check, arena_printf(arena, "%s: elements of another size are refused", rounding), 0, 0);
}

void check_exchanges(const Check *check) {
  const Sample *s = &check->sample;
  const int lanes = target_find("x86-64")->lanes;
  if (!s->graph->training) return;
  check_plan(check, plan_training(s->arena, s->graph, FUSE_ALL, 1), "training");
  Plan *interleaved = plan_training(s->arena, s->graph, FUSE_ALL, lanes);
  if (interleaved->images > 1) check_plan(check, interleaved, "training, interleaved");
  Plan *whole =
      plan_new(s->arena, s->graph, PLAN_TRAINING, sample_together(s, target_find("generic"), false));
  if (plan_any_together(whole)) check_plan(check, whole, "training of a whole batch");
}
