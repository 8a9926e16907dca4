// conv_groups_weights.c: Weight gradient of convolutions whose groups are narrower than a vector.
// SPDX-License-Identifier: Apache-2.0
//
//     dw[s][l][ky][kx] += sum over y, x of small[y][x][s] * large[y*S + ky*D - P][x*S + kx*D - P][l]
//
// The sums use the diagonals of conv_groups.c. For diagonal r, the lanes of a vector of the small side are
// exchanged: channel j ^ r is moved to the lane of channel j of the large side. One exchange is used for
// several taps of a row of the kernel. The sums over all pixels, one or two vectors per tap and diagonal, are
// added to the gradient lane by lane.
//
// Example: `x: 14x14x32 -> conv(32, 3x3, pad=same, groups=16) -> train(8)` --target=x86-64-v3 --train,
// lines 2-11 of conv1_weight_gradient:
//
//       float (*restrict out)[2][3][3]) {
//     for (int block = 0; block < 4; block++)
//       for (int ky = 0; ky < 3; ky++) {
//         v8 a[3][2];
//         UNROLL for (int kx = 0; kx < 3; kx++)
//           UNROLL for (int t = 0; t < 2; t++)
//             a[kx][t] = (v8){0};
//         for (int y = 0; y < 14; y++)
//           if (0 <= ky + y - 1 && ky + y - 1 < 14) {
//             for (int x = 1; x < 13; x++) {
#include "base/number.h"
#include "schedule/float/axis.h"
#include "schedule/float/phases.h"
#include "schedule/schedule.h"

enum { MOST_TERMS = 16 };

typedef struct Sums {
  const Lower *l;
  Correlation k;
  int64_t n, larges, smalls; /* n: number of diagonals of a square. larges, smalls: number of vectors of the
                                large side, and of the small side, that are multiplied with each other; at
                                least one of the two numbers is 1 */
  int lanes, taps;           /* lanes of a vector; number of taps of a row that are summed together */
  TapRun column[MOST_TAP_RUNS];
  int ncolumns;
} Sums;

typedef struct Block { /* `groups` groups that share vectors, from index `group` on; `count` taps of row ky,
                          from tap `first` on */
  Ix group, ky;
  int64_t groups, first, count;
} Block;

static int64_t group_weights_terms_of(const Sums *s) { return s->n * s->larges * s->smalls; }

static Val vector_at(Nest *b, const Sums *s, Buf *buf, const Ix *y, const Ix *x, const Block *block,
                     int64_t channels, int64_t vector) {
  const int64_t first = vector * s->lanes, real = smaller(block->groups * channels - first, s->lanes);
  const Ref ref = nest_at(b, buf, *y, *x, block->group * channels + first);
  return real < s->lanes ? nest_load_part(b, ref, (int)real, s->lanes) : nest_load(b, ref, s->lanes);
}

static int64_t real_vectors(const Sums *s, const Block *block, int64_t channels) {
  return ceil_divide(block->groups * channels, s->lanes);
}

/* For each diagonal, permutes the small side's channels to the lanes of the large side's vector u. */
static void exchange(Nest *b, const Sums *s, const Val small[2], int64_t u, Val term[MOST_TERMS]) {
  const Correlation *k = &s->k;
  for (int64_t h = 0; h < s->smalls; h++)
    for (int64_t r = 0; r < s->n; r++) {
      /* a diagonal whose term is already computed; 0: the term of r is computed from `small` */
      const int64_t fewer = s->larges * s->smalls == 1 ? r & (r - 1) : 0;
      const Val from = fewer ? term[fewer] : small[0];
      int *lane = NEW_ARRAY(b->arena, int, s->lanes);
      for (int64_t i = 0; i < s->lanes; i++) {
        const int64_t at = u * s->lanes + i, group = at / k->l,
                      other = group * k->s + h * s->n + (at % s->n ^ (r ^ fewer));
        lane[i] = (int)other;
      }
      const bool same = s->larges * s->smalls == 1 && r == 0;
      term[h * s->n + r] = same ? from
                                : nest_let(b, nest_text(b, "d%d_%d_%d", (int)u, (int)h, (int)r),
                                           shuffle(from, s->smalls > 1 ? small[1] : from, s->lanes, lane));
    }
}

static void add_columns(Nest *b, const Sums *s, const Block *block, Buf *acc, const Ix *y, TapRun run) {
  const Correlation *k = &s->k;
  const Ix ly = *y * k->stride[0] + block->ky * k->dilation[0] - k->before[0];
  const int64_t first = larger(run.first, block->first),
                end = smaller(run.first + run.count, block->first + block->count);
  if (run.from >= run.to || first >= end) return;
  NEST_FROM(b, x, run.from, run.to) {
    Val small[2], term[MOST_TERMS];
    for (int64_t v = 0; v < s->smalls; v++)
      small[v] =
          v < real_vectors(s, block, k->s)
              ? nest_let(b, nest_text(b, "s%d", (int)v), vector_at(b, s, s->l->in[1], y, &x, block, k->s, v))
              : small[0];
    for (int64_t u = 0; u < real_vectors(s, block, k->l); u++) {
      exchange(b, s, small, u, term);
      for (int64_t kx = first; kx < end; kx++) {
        const Ix lx = x * k->stride[1] + kx * k->dilation[1] - k->before[1];
        Val large = nest_let(b, nest_text(b, "l%d_%d", (int)u, (int)kx),
                             vector_at(b, s, s->l->in[0], &ly, &lx, block, k->l, u));
        for (int64_t t = 0; t < s->n * s->smalls; t++)
          nest_accumulate(b, nest_at(b, acc, kx - block->first, u * s->n * s->smalls + t), large, term[t]);
      }
    }
  }
}

/* Adds the sums of diagonal r to the gradient. A sum is for a channel j of the large side and channel j ^ r
 * of the small side. There is one loop per bit of j, because j ^ r is affine in the bits of j, but not in
 * j. */
static void add_diagonal(Nest *b, const Sums *s, const Block *block, const Buf *sums, const Ix *place,
                         int64_t r, int64_t bit, const Ix *large, const Ix *small) {
  if (bit) {
    NEST_FOR(b, one, 2)
      add_diagonal(b, s, block, sums, place, r, bit / 2, NEST_IX(*large + one * bit),
                   r & bit ? NEST_IX(*small + bit - one * bit) : NEST_IX(*small + one * bit));
    return;
  }
  const Correlation *k = &s->k;
  const Ix kx = block->first + place[0], l = place[2] * s->n + *large,
           c = (block->group + place[1]) * k->s + place[3] * s->n + *small;
  Ix index[4];
  const Ref ref = nest_ref(b, s->l->out, correlation_weight_index(k, index, &c, &l, &block->ky, &kx), index);
  const Ref sum = nest_at(b, (Buf *)sums, place[0], place[3] * s->n + r, place[1] * k->l + l);
  nest_store(b, ref, add(nest_load(b, sum, 1), nest_load(b, ref, 1)));
}

static void add_to_gradient(Nest *b, const Sums *s, const Block *block, Buf *acc) {
  const int64_t vectors = real_vectors(s, block, s->k.l), each = s->n * s->smalls;
  const Ix none = {0};
  Buf *sums = NEST_BUF(b, STACK, "sums", block->count, each, vectors * s->lanes);
  for (int64_t kx = 0; kx < block->count; kx++)
    for (int64_t u = 0; u < vectors; u++)
      for (int64_t t = 0; t < each; t++)
        nest_store(b, nest_at(b, sums, kx, t, u * s->lanes), nest_get(b, nest_at(b, acc, kx, u * each + t)));
  NEST_FOR(b, kx, block->count)
    NEST_FOR(b, g, block->groups)
      NEST_FOR(b, q, s->larges)
        NEST_FOR(b, h, s->smalls) {
          const Ix place[] = {kx, g, q, h};
          for (int64_t r = 0; r < s->n; r++)
            add_diagonal(b, s, block, sums, place, r, s->n / 2, &none, &none);
        }
}

/* The columns where all taps of the row are inside the large side. They form one loop; in other columns, each
 * run of taps has its own loop. */
static TapRun common_columns(const Sums *s) {
  TapRun all = tap_runs_common(s->column, s->ncolumns, s->k.small.w);
  if (all.count < s->k.kernel[1] || all.from >= all.to) all.from = all.to = s->k.small.w;
  return all;
}

static void add_block(Nest *b, const Sums *s, const Block *block) {
  const Correlation *k = &s->k;
  const TapRun all = common_columns(s);
  Buf *acc = NEST_REGISTERS(b, "a", s->lanes, block->count, group_weights_terms_of(s));
  NEST_UNROLL(b, kx, block->count)
    NEST_UNROLL(b, t, group_weights_terms_of(s)) nest_store(b, nest_at(b, acc, kx, t), num(b, 0));
  NEST_FOR(b, y, k->small.h)
    NEST_IF(b, nest_within(b, y * k->stride[0] + block->ky * k->dilation[0] - k->before[0], 0, k->large.h)) {
      add_columns(b, s, block, acc, &y, all);
      for (int i = 0; i < s->ncolumns; i++) {
        TapRun before = s->column[i], behind = s->column[i];
        before.to = smaller(before.to, all.from);
        behind.from = larger(behind.from, all.to);
        add_columns(b, s, block, acc, &y, before);
        add_columns(b, s, block, acc, &y, behind);
      }
    }
  add_to_gradient(b, s, block, acc);
}

static void add_groups(Nest *b, const Sums *s, const Ix *group, int64_t groups) {
  NEST_FOR(b, ky, s->k.kernel[0])
    for (int64_t first = 0; first < s->k.kernel[1]; first += s->taps)
      add_block(b, s,
                &(Block){.group = *group,
                         .ky = ky,
                         .groups = groups,
                         .first = first,
                         .count = smaller(s->taps, s->k.kernel[1] - first)});
}

static const char *conv_groups_weights_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  const Correlation own = correlation_of(l->node), *k = &own;
  const int64_t n = smaller(k->l, k->s), wide = larger(k->l, k->s);
  if (l->layout_lanes == 1) return "no vectors";
  if (l->images > 1) return "batch-innermost layout";
  if (k->groups == 1) return "no groups";
  if ((n & (n - 1)) || (wide != n && wide != 2 * n))
    return "channels per group other than n:n, n:2n or 2n:n, with n a power of two";
  if (n >= l->layout_lanes) return "groups at least as wide as a vector";
  return wide > MOST_TERMS ? "groups of more than 16 channels" : NULL;
}

static bool conv_groups_weights_build(Lower *l) {
  Sums s = {.l = l, .k = correlation_of(l->node)};
  const Correlation *k = &s.k;
  s.n = smaller(k->l, k->s);
  s.larges = k->l / s.n;
  s.smalls = k->s / s.n;
  s.lanes = l->target->lanes;
  while (s.lanes > 4 && s.lanes / 2 >= k->groups * s.n) s.lanes /= 2;
  s.ncolumns = axis_runs(k, 1, s.column);
  if (s.lanes < s.n || s.lanes == 1 || s.ncolumns < 0) return schedule_conv_weights.build(l);
  s.taps = (int)larger(1, smaller(k->kernel[1], l->target->registers / group_weights_terms_of(&s) - 1));
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  const int64_t side = s.lanes / s.n, blocks = k->groups / side, rest = k->groups % side;
  if (blocks)
    NEST_FOR(b, block, blocks) add_groups(b, &s, NEST_IX(block * side), side);
  if (rest) add_groups(b, &s, NEST_IX(blocks * side), rest);
  lower_about(l, "%d taps of a row at a time, %d adjacent groups in vectors of %d channels, by diagonals",
              s.taps, (int)smaller(side, k->groups), s.lanes);
  return true;
}

static Cycles conv_groups_weights_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Correlation k = correlation_ranked(l->node);
  return cost_groups_weights(target, &k);
}

const Schedule schedule_conv_groups_weights = {.name = "diagonals of groups",
                                               .tuning_name = "groups",
                                               .families = FAMILY_BIT(FAMILY_CONV_WEIGHTS),
                                               .transforms = "exchanged lanes",
                                               .takes = takes_groups,
                                               .refused = conv_groups_weights_refused,
                                               .cycles = conv_groups_weights_cycles,
                                               .build = conv_groups_weights_build,
                                               .variants = choices_itself};
