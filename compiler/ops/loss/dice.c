/* dice.c: dice, one minus the overlap of predicted and true pixels (Milletari, Navab and Ahmadi, 2016): per
 * image the mean of 1 - N/D over the classes c that appear in its labels. Sums are over the pixels that
 * count; t is 1 where the label is c; p = softmax(o), or sigmoid(o) if the output is a sigmoid or has one
 * channel. A single channel is class 1 of two classes; this class is always part of the mean.
 *
 * N = 2 * sum(p*t) + 1    D = sum(p) + sum(t) + 1    dL/dp = (N/D - 2*t) / D / n  (mean over n classes) */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/loss/loss.h"
#include "ops/activation/softmax.h"

static const Param params[] = {{0}};

static void shape(ShapeContext *context, Node *node) {
  const Node *output = node->in[0];
  if (output->shape.rank != 1) {
    node->shape = shape_vector(1);
    return;
  }
  Diag *diag = op_error(context, node, DIAG_loss_mismatch, "dice compares pixels, but the output %s has none",
                        shape_text(context->arena, output->shape));
  op_note_origin(context, diag, output);
  diag_help(diag, "cross_entropy is for one label per image");
}

/* Whether the probabilities are a sigmoid of each channel. If not, they are a softmax of the channels. */
static bool has_binary_scores(const Node *node, int64_t channels) {
  const LossDetail *detail = node->detail;
  const Scores scores = detail ? detail->scores : SCORES_NONE;
  return scores == SCORES_BINARY || (scores == SCORES_NONE && channels == 1);
}
static int64_t labels_of(int64_t channels) { return channels == 1 ? 2 : channels; }
static int64_t label_of(int64_t channels, int64_t c) { return channels == 1 ? 1 : c; }

/* ---- eval ---- */
typedef struct Overlap {
  double both, predicted, truth;
  bool appears;
} Overlap; /* for a class: sum(p*t), sum(p), sum(t) */

static double probability(const Node *node, const double *o, int64_t channels, int64_t c) {
  double largest, log_sum = 0;
  if (has_binary_scores(node, channels)) return 1 / (1 + exp(-o[c]));
  log_sum = softmax_log_sum(o, channels, &largest);
  return exp(o[c] - largest - log_sum);
}

static bool label_counts(double label, int64_t channels) {
  return label >= 0 && label < (double)labels_of(channels);
}

static Overlap overlap_run(const Eval *eval, Extent e, int64_t c) {
  Overlap sum = {0};
  for (int64_t i = 0; i < e.h * e.w; i++) {
    const double label = eval->in[1][i], t = label == (double)label_of(e.c, c);
    if (!label_counts(label, e.c)) continue;
    const double p = probability(eval->node, eval->in[0] + i * e.c, e.c, c);
    sum.both += p * t;
    sum.predicted += p;
    sum.truth += t;
  }
  sum.appears = e.c == 1 || sum.truth > 0;
  return sum;
}

static void run(const Eval *eval) {
  const Extent e = shape_joined(eval->node->in[0]->shape);
  double sum = 0, classes = 0;
  for (int64_t c = 0; c < e.c; c++) {
    const Overlap o = overlap_run(eval, e, c);
    if (o.appears) sum += 1 - (2 * o.both + 1) / (o.predicted + o.truth + 1);
    classes += o.appears;
  }
  eval->out[0] = classes > 0 ? sum / classes * eval->in[2][0] : 0;
}

/* dL/do from dL/dp at a pixel, in place. */
static void through_probabilities(const Node *node, const double *o, int64_t channels, double *d) {
  double dot = 0;
  for (int64_t c = 0; c < channels; c++) dot += d[c] * probability(node, o, channels, c);
  for (int64_t c = 0; c < channels; c++) {
    const double p = probability(node, o, channels, c);
    d[c] = p * (has_binary_scores(node, channels) ? d[c] * (1 - p) : d[c] - dot);
  }
}

/* Two rows with one number per class: dL/dp at pixels with another label, and at pixels with the class's
 * label. */
enum { OTHER, OWN, SLOPES };

static void slopes_run(const Eval *eval) {
  const Extent e = shape_joined(eval->node->in[0]->shape);
  double classes = 0;
  for (int64_t c = 0; c < e.c; c++) {
    const Overlap o = overlap_run(eval, e, c);
    const double d = o.predicted + o.truth + 1, share = (2 * o.both + 1) / d;
    eval->out[OTHER * e.c + c] = o.appears ? share / d : 0;
    eval->out[OWN * e.c + c] = o.appears ? (share - 2) / d : 0;
    classes += o.appears;
  }
  for (int64_t i = 0; i < SLOPES * e.c; i++) eval->out[i] *= classes > 0 ? eval->in[2][0] / classes : 0;
}

/* Inputs: output, target, slopes. */
static void gradient_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t i = 0; i < e.h * e.w; i++) {
    const double label = eval->in[1][i];
    double *d = eval->out + i * e.c;
    for (int64_t c = 0; c < e.c; c++) {
      const int of = label == (double)label_of(e.c, c) ? OWN : OTHER;
      d[c] = label_counts(label, e.c) ? eval->in[2][of * e.c + c] : 0;
    }
    through_probabilities(eval->node, eval->in[0] + i * e.c, e.c, d);
  }
}

/* ---- nests ---- */
enum { BOTH, PREDICTED, TRUTH, SUMS };

typedef struct Pixels {
  Extent e;
  Buf *row, *line, *total; /* row: the exponentials of a pixel; line, total: sums over a row of pixels and
                              over all pixels, [SUMS][c] */
  bool binary;
} Pixels;

static Pixels pixels_begin(Lower *l) {
  const Extent e = shape_joined(l->node->in[0]->shape);
  const int64_t dim[2] = {SUMS, e.c};
  return (Pixels){e, lower_scratch(l, "row", 1, &e.c), lower_scratch(l, "line", 2, dim),
                  lower_scratch(l, "total", 2, dim), has_binary_scores(l->node, e.c)};
}

typedef struct Pixel {
  Val label, counts, share;
} Pixel; /* share: 1 / sum of the exponentials; NULL with sigmoids */

static Pixel pixel_at(Lower *l, const Pixels *s, const Ix *y, const Ix *x) {
  Nest *b = l->b;
  Pixel pixel = {.share = NULL};
  if (!s->binary) {
    Val largest, sum = softmax_exponentials(l, l->in[0], s->row, s->e.c, y, x, &largest);
    pixel.share = nest_let(b, "share", div_(num(b, 1), sum));
  }
  pixel.label = nest_let(b, "label", nest_load(b, nest_at(b, l->in[1], *y, *x, 0), 1));
  const Val zero = num(b, 0), known = less(pixel.label, num_i32(b, (int32_t)labels_of(s->e.c)));
  pixel.counts =
      nest_let(b, "counts", choose(less(pixel.label, num_i32(b, 0)), zero, choose(known, num(b, 1), zero)));
  return pixel;
}

static Val probability_at(Lower *l, const Pixels *s, const Pixel *pixel, const Ix *y, const Ix *x,
                          const Ix *c) {
  Nest *b = l->b;
  if (s->binary) return vsigmoid(nest_load(b, nest_at(b, l->in[0], *y, *x, *c), 1));
  return mul(normal_factor(nest_load(b, nest_at(b, s->row, *c), 1)), pixel->share);
}

static Val is_class(Lower *l, const Pixels *s, const Pixel *pixel, const Ix *c) {
  return s->e.c == 1 ? equal(pixel->label, num_i32(l->b, 1)) : loss_is_label(l, pixel->label, c);
}

static void add_to(Nest *b, Ref at, Val more) { nest_store(b, at, add(nest_load(b, at, 1), more)); }

static void clear_sums(Nest *b, Buf *sums, int64_t channels) {
  NEST_FOR(b, k, SUMS)
    NEST_FOR(b, c, channels) nest_store(b, nest_at(b, sums, k, c), num(b, 0));
}

/* Rows are summed separately, so that small numbers are not lost in the sum of a whole image. */
static void sums_lower(Lower *l, const Pixels *s) {
  Nest *b = l->b;
  clear_sums(b, s->total, s->e.c);
  NEST_FOR(b, y, s->e.h) {
    clear_sums(b, s->line, s->e.c);
    NEST_FOR(b, x, s->e.w) {
      const Pixel pixel = pixel_at(l, s, &y, &x);
      NEST_FOR(b, c, s->e.c) {
        const Val p = nest_let(b, "p", mul(pixel.counts, probability_at(l, s, &pixel, &y, &x, &c))),
                  is = is_class(l, s, &pixel, &c);
        add_to(b, nest_at(b, s->line, BOTH, c), choose(is, p, num(b, 0)));
        add_to(b, nest_at(b, s->line, PREDICTED, c), p);
        add_to(b, nest_at(b, s->line, TRUTH, c), choose(is, num(b, 1), num(b, 0)));
      }
    }
    NEST_FOR(b, k, SUMS)
      NEST_FOR(b, c, s->e.c)
        add_to(b, nest_at(b, s->total, k, c), nest_load(b, nest_at(b, s->line, k, c), 1));
  }
}

static Val appears(Nest *b, const Pixels *s, const Ix *c) { /* 1 or 0 */
  if (s->e.c == 1) return num(b, 1);
  return choose(less(num(b, 0), nest_load(b, nest_at(b, s->total, TRUTH, *c), 1)), num(b, 1), num(b, 0));
}

static Val numerator(Nest *b, const Pixels *s, const Ix *c) {
  return fma_(nest_load(b, nest_at(b, s->total, BOTH, *c), 1), num(b, 2), num(b, 1));
}

static Val denominator(Nest *b, const Pixels *s, const Ix *c) {
  return add(add(nest_load(b, nest_at(b, s->total, PREDICTED, *c), 1),
                 nest_load(b, nest_at(b, s->total, TRUTH, *c), 1)),
             num(b, 1));
}

/* The scale divided by the number of classes that appear (or by 1, if no class appears). */
static Val scale_of_class(Lower *l, const Pixels *s) {
  Nest *b = l->b;
  Buf *classes = NEST_REGISTERS(b, "classes", 1, 1);
  nest_store(b, nest_at(b, classes, 0), num(b, 0));
  NEST_FOR(b, c, s->e.c)
    nest_store(b, nest_at(b, classes, 0), add(nest_get(b, nest_at(b, classes, 0)), appears(b, s, &c)));
  const Val n = nest_get(b, nest_at(b, classes, 0));
  return nest_let(b, "scale", div_(nest_load(b, nest_at(b, l->in[2], 0, 0, 0), 1), vmax(n, num(b, 1))));
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Ix zero = {0};
  const Pixels s = pixels_begin(l);
  nest_fn(b, b->name, false);
  sums_lower(l, &s);
  const Val scale = scale_of_class(l, &s);
  Buf *sum = NEST_REGISTERS(b, "sum", 1, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, c, s.e.c) {
    const Val miss = sub(num(b, 1), div_(numerator(b, &s, &c), denominator(b, &s, &c)));
    nest_store(b, nest_at(b, sum, 0), fma_(appears(b, &s, &c), miss, nest_get(b, nest_at(b, sum, 0))));
  }
  lower_store(l, mul(nest_get(b, nest_at(b, sum, 0)), scale), &zero, &zero, &zero, 1, 1);
}

static void slopes_lower(Lower *l) {
  Nest *b = l->b;
  const Ix zero = {0}, own = OWN + zero;
  const Pixels s = pixels_begin(l);
  nest_fn(b, b->name, false);
  sums_lower(l, &s);
  const Val scale = scale_of_class(l, &s);
  NEST_FOR(b, c, s.e.c) {
    const Val d = nest_let(b, "d", denominator(b, &s, &c)),
              part = nest_let(b, "part", div_(mul(scale, appears(b, &s, &c)), d)),
              share = nest_let(b, "overlap", div_(numerator(b, &s, &c), d));
    lower_store(l, mul(part, share), &zero, &zero, &c, 1, 1);
    lower_store(l, mul(part, sub(share, num(b, 2))), &zero, &own, &c, 1, 1);
  }
}

static Val slope_at(Lower *l, const Pixels *s, const Pixel *pixel, const Ix *c) {
  Nest *b = l->b;
  return mul(pixel->counts,
             choose(is_class(l, s, pixel, c), nest_load(b, nest_at(b, l->in[2], 0, OWN, *c), 1),
                    nest_load(b, nest_at(b, l->in[2], 0, OTHER, *c), 1)));
}

static void gradient_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const Pixels s = {
      .e = e, .row = lower_scratch(l, "row", 1, &e.c), .binary = has_binary_scores(l->node, e.c)};
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, s.e.h)
    NEST_FOR(b, x, s.e.w) {
      const Pixel pixel = pixel_at(l, &s, &y, &x);
      Buf *dot = NEST_REGISTERS(b, "dot", 1, 1);
      nest_store(b, nest_at(b, dot, 0), num(b, 0));
      if (!s.binary)
        NEST_FOR(b, c, s.e.c)
          nest_store(b, nest_at(b, dot, 0),
                     fma_(slope_at(l, &s, &pixel, &c), probability_at(l, &s, &pixel, &y, &x, &c),
                          nest_get(b, nest_at(b, dot, 0))));
      NEST_FOR(b, c, s.e.c) {
        const Val p = nest_let(b, "p", probability_at(l, &s, &pixel, &y, &x, &c)),
                  slope = slope_at(l, &s, &pixel, &c);
        const Val through =
            s.binary ? mul(slope, sub(num(b, 1), p)) : sub(slope, nest_get(b, nest_at(b, dot, 0)));
        lower_store(l, mul(p, through), &y, &x, &c, 1, 1);
      }
    }
}

const Op op_loss_dice = {
    .name = "dice",
    .group = "loss",
    .summary = "one minus the Dice coefficient of pixels; the output is a softmax, sigmoids or raw scores",
    .detail = "mean over the images, and over the classes that appear in an image, of 1 - (2 * sum p*t + 1) "
              "/ (sum p + sum t + 1); pixels with label -1 do not count",
    .params = params,
    .example = "loss = dice",
    .traits.class_target = true,
    .shape = shape,
    .eval = run,
    .lower = lower,
};
const Op op_loss_dice_scale = {
    .name = "dice scale", .params = params, .eval = loss_images_scale_run, .lower = loss_images_scale_lower};
const Op op_loss_dice_slopes = {
    .name = "dice slopes", .params = params, .eval = slopes_run, .lower = slopes_lower};
const Op op_loss_dice_gradient = {
    .name = "dice gradient", .params = params, .eval = gradient_run, .lower = gradient_lower};
