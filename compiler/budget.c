// budget.c: --flash and --ram. Of what a layer of 8 bits can be computed by, the fastest is taken that fits.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>
#include "compilation.h"
#include "schedule/choice.h"

/* ---- what is taken ---- */
/* A way to compute a layer by Winograd's algorithm, which is faster than the smallest way, and larger. Those
 * of a layer stand side by side. */
typedef struct Gain {
  int root; /* the id of its node */
  Small small;
  bool chosen; /* it is the way that is taken now */
  int64_t bytes;
  double cycles;
} Gain;
typedef VEC(Gain) Gains;

static const Candidate *candidate(const Decision *d, Method method) {
  for (int i = 0; i < d->candidates.n; i++)
    if (d->candidates.data[i].choice.method == method && !d->candidates.data[i].refused)
      return &d->candidates.data[i];
  return NULL;
}

/* What takes its place where it is left out. */
static const Candidate *instead_of_winograd(const Decision *d) {
  const Candidate *direct = candidate(d, METHOD_DIRECT);
  return direct ? direct : candidate(d, METHOD_OWN);
}

static void add_gains(const Compilation *c, const Lower *l, Gains *gains) {
  const Decision *d = l->decision;
  const Candidate *chosen = &d->candidates.data[d->chosen], *other = instead_of_winograd(d);
  if (chosen->choice.method != METHOD_WINOGRAD || !other) return;
  for (int i = 0; i < d->candidates.n; i++) {
    const Candidate *way = &d->candidates.data[i];
    if (way->refused || way->choice.method != METHOD_WINOGRAD || way->choice.m > chosen->choice.m) continue;
    const Gain gain = {.root = l->node->id,
                       .small = way->choice.m > 2 ? SMALL_NOT : SMALL_TILES,
                       .chosen = way == chosen,
                       .bytes = way->cycles.weight_bytes - other->cycles.weight_bytes,
                       .cycles = other->cycles.total - way->cycles.total};
    if (gain.bytes > 0 && (gain.chosen || gain.cycles > 0)) vec_push(c->arena, *gains, gain);
  }
}

static Gains gains_of(const Compilation *c) {
  const Program *p = c->programs.infer;
  Gains gains = {0};
  for (int i = 0; c->quantised && i < p->calls.n; i++)
    add_gains(c, p->calls.data[i].version[0].lower, &gains);
  return gains;
}

/* A set of gains: the last one, and those before it. */
typedef struct Taken {
  int64_t bytes;
  double cycles;
  int last;
  const struct Taken *before;
} Taken;
typedef VEC(const Taken *) Sets;

static int by_bytes(const void *a, const void *b) {
  const Taken *x = *(const Taken *const *)a, *y = *(const Taken *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
  return x->cycles > y->cycles ? -1 : x->cycles < y->cycles;
}

/* Those that no other set of as few bytes beats; where they are very many, of neighbours the smaller. */
static Sets best_sets(Arena *arena, Sets all) {
  enum { MOST = 4096 };
  Sets kept = {0};
  double best = -1;
  qsort(all.data, (size_t)all.n, sizeof *all.data, by_bytes);
  for (int i = 0; i < all.n; i++) {
    if (all.data[i]->cycles <= best) continue;
    best = all.data[i]->cycles;
    vec_push(arena, kept, all.data[i]);
  }
  for (; kept.n > MOST; kept.n /= 2)
    for (int i = 0; i < kept.n / 2; i++) kept.data[i] = kept.data[2 * i];
  return kept;
}

/* The set of most cycles gained in so many bytes, with one way a layer at the most: a knapsack. */
static const Taken *best_set(Arena *arena, const Gains *gains, int64_t bytes) {
  Sets sets = {0};
  vec_push(arena, sets, NEW(arena, Taken));
  for (int g = 0, next; g < gains->n; g = next) {
    const int n = sets.n;
    for (next = g; next < gains->n && gains->data[next].root == gains->data[g].root; next++) {
      const Gain *gain = &gains->data[next];
      for (int i = 0; i < n; i++) {
        const Taken *before = sets.data[i];
        if (before->bytes + gain->bytes > bytes) continue;
        Taken *taken = NEW(arena, Taken);
        *taken = (Taken){before->bytes + gain->bytes, before->cycles + gain->cycles, next + 1, before};
        vec_push(arena, sets, taken);
      }
    }
    sets = best_sets(arena, sets);
  }
  return sets.data[sets.n - 1];
}

const Small *budget_small(const Compilation *c, int64_t flash) {
  const Gains gains = gains_of(c);
  if (!gains.n || flash <= c->options->flash) return NULL;
  int64_t least = flash;
  for (int g = 0; g < gains.n; g++) least -= gains.data[g].chosen ? gains.data[g].bytes : 0;
  const int nodes = c->programs.infer->graph->nodes.n;
  Small *small = NEW_ARRAY(c->arena, Small, nodes + 1);
  for (int i = 0; c->lowering.small && i < nodes; i++) small[i] = c->lowering.small[i];
  for (int g = 0; g < gains.n; g++) small[gains.data[g].root] = SMALL_BYTES;
  if (least > c->options->flash) return small; /* nothing fits: what would is told of the smallest */
  for (const Taken *set = best_set(c->arena, &gains, c->options->flash - least); set && set->last;
       set = set->before)
    small[gains.data[set->last - 1].root] = gains.data[set->last - 1].small;
  return small;
}

/* ---- what does not fit ---- */
static const char *bytes_text(const Compilation *c, int64_t bytes) { return text_thousands(c->arena, bytes); }

/* The largest three layers. */
static void tell_layers(const Compilation *c, Diag *diag, const Footprint *f, bool ram) {
  enum { TOLD = 3 };
  bool *told = NEW_ARRAY(c->arena, bool, f->n + 1);
  for (int i = 0; i < TOLD; i++) {
    int largest = -1;
    for (int l = 0; l < f->n; l++) {
      const int64_t bytes = ram ? f->layer[l].ram : f->layer[l].flash;
      if (!told[l] && bytes > 0 &&
          (largest < 0 || bytes > (ram ? f->layer[largest].ram : f->layer[largest].flash)))
        largest = l;
    }
    if (largest < 0) return;
    told[largest] = true;
    diag_fact(diag, "%s: %s bytes", f->layer[largest].name,
              bytes_text(c, ram ? f->layer[largest].ram : f->layer[largest].flash));
  }
}

static void tell_machine(const Compilation *c, Diag *diag, const Footprint *f) {
  if (f->stack < 0)
    diag_help(diag, "that is of %s: --cpu=NAME counts for a board", c->options->targets.data[0]->name);
}

static void tell_flash(Compilation *c, const Footprint *f) {
  Diag *diag = diag_report(c->diags, DIAG_too_little_flash, c->graph->name_span, NULL,
                           "net %s takes %s bytes of flash, code not counted, of at most %s", c->graph->name,
                           bytes_text(c, f->flash), bytes_text(c, c->options->flash));
  tell_layers(c, diag, f, false);
  tell_machine(c, diag, f);
  if (!c->quantised)
    diag_help(diag, "as a net of 8 bits it takes about %s bytes: cnnc quantize", bytes_text(c, f->flash / 4));
  else if (c->lowering.small)
    diag_help(diag,
              "that is without Winograd's algorithm, whose weights are larger: fewer filters take less");
  else diag_help(diag, "fewer filters take less");
}

static void tell_elsewhere(Compilation *c, const Footprint *f) {
  Diag *diag = diag_report(c->diags, DIAG_weights_in_ram, c->graph->name_span, NULL,
                           "--flash bounds no weights: these are the caller's, %s bytes of RAM",
                           bytes_text(c, f->model));
  diag_help(diag, "--weights=FILE puts the weights into flash");
}

static void tell_ram(Compilation *c, const Footprint *f) {
  const int64_t stack = f->stack > 0 ? f->stack : 0;
  Diag *diag = diag_report(c->diags, DIAG_too_little_ram, c->graph->name_span, NULL,
                           "net %s takes %s bytes of RAM, of at most %s", c->graph->name,
                           bytes_text(c, f->model + f->workspace + stack), bytes_text(c, c->options->ram));
  diag_fact(diag, "%s bytes of workspace", bytes_text(c, f->workspace));
  if (c->bands.n)
    diag_fact(diag, "that is with the layers up to %s in bands of rows; without, it takes %s bytes",
              c->bands_to, bytes_text(c, c->ram_whole));
  if (stack) diag_fact(diag, "%s bytes of stack, at the most", bytes_text(c, stack));
  if (f->model) diag_fact(diag, "%s bytes of weights, which are not compiled in", bytes_text(c, f->model));
  tell_layers(c, diag, f, true);
  tell_machine(c, diag, f);
  if (f->model) diag_help(diag, "--weights=FILE puts the weights into flash");
  else if (!c->quantised)
    diag_help(diag, "as a net of 8 bits its values take a fourth of the workspace: cnnc quantize");
  else diag_help(diag, "a smaller picture, or fewer channels where it is large, takes less");
}

bool budget_check(Compilation *c) {
  const Footprint f = emit_footprint(c->net);
  const int64_t ram = f.model + f.workspace + (f.stack > 0 ? f.stack : 0);
  if (c->options->flash && f.flash > c->options->flash) tell_flash(c, &f);
  if (c->options->flash && f.model) tell_elsewhere(c, &f);
  if (c->options->ram && ram > c->options->ram) tell_ram(c, &f);
  return good(c);
}
