/* sampling.c: Sampling of images between pixels: the reference in double, and the code of nests. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/index/sampling.h"
#include <math.h>
#include "base/number.h"

/* ---- the shape ---- */
bool sampling_takes_image(ShapeContext *context, const Node *node, const Node *image) {
  const Shape in = image->shape;
  const bool is_image = in.rank == 3;
  if (is_image && larger(in.dim[0], in.dim[1]) <= SAMPLING_FAR) return true;
  Diag *diag = is_image
                   ? op_error(context, node, DIAG_too_large,
                              "%s of %s: the limit is 4,194,304 (2^22) pixels along an axis", node->op->name,
                              shape_text(context->arena, in))
                   : op_error(context, node, DIAG_wrong_shape, "%s samples an image, but its input is %s",
                              node->op->name, shape_text(context->arena, in));
  op_note_origin(context, diag, image);
  return false;
}

/* ---- reference ---- */
/* A position in pixels, and its derivative with respect to the coordinate. */
typedef struct Place {
  double at, speed;
} Place;

static Place mirrored(double at, double speed, double least, double most) {
  const double span = most - least;
  if (!(span > 0)) return (Place){0, 0};
  if (at < least) at = 2 * least - at, speed = -speed;
  const double rest = fmod(at - least, span);
  if (fmod(floor((at - least) / span), 2) == 0) return (Place){least + rest, speed};
  return (Place){most - rest, -speed};
}

static Place placed(const Sampling *s, double at, int64_t length) {
  const double n = (double)length, last = n - 1;
  if (s->unit) at = 2 * at - 1;
  Place p = s->corners ? (Place){(at + 1) / 2 * last, last / 2} : (Place){((at + 1) * n - 1) / 2, n / 2};
  if (s->unit) p.speed *= 2;
  if (s->outside == OUTSIDE_REFLECT)
    p = mirrored(p.at, p.speed, s->corners ? 0 : -0.5, s->corners ? last : n - 0.5);
  if (s->outside == OUTSIDE_ZEROS) return p;
  if (!(p.at > 0)) return (Place){0, 0};
  return p.at >= last ? (Place){last, 0} : p;
}

static SamplePoint nearest_point(const Sampling *s, double at, int64_t length) {
  const double n = nearbyint(at);
  const bool inside = n >= 0 && n <= (double)(length - 1);
  return (SamplePoint){inside ? (int64_t)n : 0, 1, {inside || s->outside != OUTSIDE_ZEROS, 0}, {0, 0}};
}

SamplePoint sample_point(const Sampling *s, double at, int64_t length) {
  const Place p = placed(s, at, length);
  if (s->nearest) return nearest_point(s, p.at, length);
  SamplePoint point = {.corners = length > 1 ? 2 : 1};
  const double low = floor(p.at), most = (double)larger(length - 2, 0);
  point.low = low > 0 ? (int64_t)fmin(low, most) : 0;
  for (int k = 0; k < point.corners; k++) {
    const double far = p.at - (double)(point.low + k);
    point.weight[k] = isnan(far) ? NAN : fmax(0, 1 - fabs(far));
    point.slope[k] = far >= 0 && far < 1 ? -p.speed : far >= -1 && far < 0 ? p.speed : 0;
  }
  return point;
}

/* Index of the first channel of a corner's pixel. */
static int64_t corner_pixel(const SampleImage *image, const SamplePoint point[2], int row, int column) {
  return ((point[0].low + row) * image->e.w + point[1].low + column) * image->e.c;
}

void sample_take(const SampleImage *image, const SamplePoint point[2], double factor, const double *from,
                 double *to) {
  for (int r = 0; r < point[0].corners; r++)
    for (int k = 0; k < point[1].corners; k++) {
      const double weight = point[0].weight[r] * point[1].weight[k];
      if (weight == 0) continue; // the pixel has no effect, even if it is NaN
      const double *pixel = from + corner_pixel(image, point, r, k);
      for (int64_t c = image->from; c < image->to; c++) to[c] += factor * weight * pixel[c];
    }
}

void sample_spread(const SampleImage *image, const SamplePoint point[2], double factor, const double *dy,
                   double *to) {
  for (int r = 0; r < point[0].corners; r++)
    for (int k = 0; k < point[1].corners; k++) {
      const double weight = factor * point[0].weight[r] * point[1].weight[k];
      double *pixel = to + corner_pixel(image, point, r, k);
      for (int64_t c = image->from; c < image->to; c++) pixel[c] += weight * dy[c];
    }
}

void sample_slopes(const SampleImage *image, const SamplePoint point[2], const double *dy, const double *from,
                   double to[3]) {
  for (int r = 0; r < point[0].corners; r++)
    for (int k = 0; k < point[1].corners; k++) {
      const double *pixel = from + corner_pixel(image, point, r, k);
      double product = 0;
      for (int64_t c = image->from; c < image->to; c++) product += dy[c] * pixel[c];
      to[0] += product * point[0].weight[r] * point[1].weight[k];
      to[1] += product * point[0].slope[r] * point[1].weight[k];
      to[2] += product * point[0].weight[r] * point[1].slope[k];
    }
}

/* ---- the nest ---- */
/* The position in pixels, which may be outside of the image. */
static Val pixel_place(Lower *l, const Sampling *s, Val at, int64_t length) {
  Nest *b = l->b;
  const double n = (double)length, factor = (s->corners ? n - 1 : n) * (s->unit ? 1 : 0.5);
  const double shift = (n - 1) / 2 - (s->unit ? factor / 2 : 0);
  return nest_let(b, "place", fma_(at, num(b, factor), num(b, shift)));
}

typedef struct Folded { /* flips: -1 if the position was mirrored an odd number of times, otherwise 1 */
  Val at, flips;
} Folded;

static Folded folded_back(Lower *l, const Sampling *s, Val at, int64_t length) {
  Nest *b = l->b;
  const double least = s->corners ? 0 : -0.5, span = (double)length - (s->corners ? 1 : 0);
  if (!(span > 0)) return (Folded){num(b, 0), num(b, 0)};
  Val from = sub(at, num(b, least)), turns = vfloor(mul(from, num(b, 0.5 / span)));
  Val rest = nest_let(b, "rest", sub(from, mul(turns, num(b, 2 * span)))); /* in 0 .. 2*span */
  Val second = less_eq(num(b, span), rest);
  Val there = add(choose(second, sub(num(b, 2 * span), rest), rest), num(b, least));
  return (Folded){nest_let(b, "folded", there), choose(second, num(b, -1), num(b, 1))};
}

static Val rounded_place(Lower *l, Val at) { /* rounds halves to even */
  Nest *b = l->b;
  Val low = nest_let(b, "low", vfloor(at)), rest = nest_let(b, "rest", sub(at, low)), half = num(b, 0.5);
  Val odd = sub(low, mul(num(b, 2), vfloor(mul(low, half))));
  Val up = choose(less(half, rest), num(b, 1), choose(equal(rest, half), odd, num(b, 0)));
  return nest_let(b, "nearest", add(low, up));
}

/* A position along an axis, and its derivative with respect to the coordinate. */
typedef struct Moving {
  Val at, speed;
} Moving;

static Moving moving_place(Lower *l, const Sampling *s, Val given, int64_t length) {
  Nest *b = l->b;
  const double n = (double)length, last = n - 1;
  Val at = pixel_place(l, s, given, length), speed = num(b, (s->corners ? last : n) / (s->unit ? 1 : 2));
  if (s->outside == OUTSIDE_REFLECT) {
    const Folded folded = folded_back(l, s, at, length);
    at = folded.at;
    speed = mul(speed, folded.flips);
  }
  if (s->outside == OUTSIDE_ZEROS) return (Moving){at, speed};
  Val still = num(b, 0);
  speed = choose(less(still, at), choose(less(at, num(b, last)), speed, still), still);
  return (Moving){nest_let(b, "cut", vmin(vmax(at, num(b, 0)), num(b, last))), nest_let(b, "speed", speed)};
}

static void corner_weights(Sample *sample, int axis, const Moving *m, Val low, bool slopes) {
  Lower *l = sample->l;
  Nest *b = l->b;
  Val nothing = num(b, 0), one = num(b, 1);
  if (sample->sampling->nearest) {
    Val last = num(b, (double)(sample->length[axis] - 1));
    sample->weight[axis][0] =
        sample->sampling->outside == OUTSIDE_ZEROS
            ? choose(less_eq(nothing, m->at), choose(less_eq(m->at, last), one, nothing), nothing)
            : one;
    return;
  }
  for (int k = 0; k < 2 && k < sample->length[axis]; k++) {
    Val far = nest_let(b, nest_text(b, "far%d", k), sub(m->at, k ? add(low, one) : low));
    sample->weight[axis][k] = nest_let(b, nest_text(b, "near%d", k), vmax(nothing, sub(one, vabs(far))));
    if (!slopes) continue;
    Val down = sub(nothing, m->speed), right = choose(less(far, one), down, nothing),
        left = choose(less_eq(num(b, -1), far), m->speed, nothing);
    sample->slope[axis][k] =
        nest_let(b, nest_text(b, "slope%d", k), choose(less_eq(nothing, far), right, left));
  }
}

static Val pixel_number(Nest *b, const Ix *index) { return convert(position(b, index), F32); }

void sample_choose(Lower *l, const Sampling *s, Extent e, Val y, Val x, bool slopes, SampleBody body,
                   const void *context) {
  Nest *b = l->b;
  Sample sample = {.l = l, .sampling = s, .length = {e.h, e.w}};
  Moving m[2] = {moving_place(l, s, y, e.h), moving_place(l, s, x, e.w)};
  const int64_t end = s->nearest ? 0 : 1; /* bilinear sampling also reads the next pixel */
  for (int axis = 0; axis < 2 && s->nearest; axis++) m[axis].at = rounded_place(l, m[axis].at);
  NEST_CHOSEN(b, row, m[0].at, 0, larger(e.h - end, 1)) {
    sample.at[0] = &row;
    corner_weights(&sample, 0, &m[0], pixel_number(b, &row), slopes);
    NEST_CHOSEN(b, column, m[1].at, 0, larger(e.w - end, 1)) {
      sample.at[1] = &column;
      corner_weights(&sample, 1, &m[1], pixel_number(b, &column), slopes);
      body(&sample, context);
    }
  }
}

bool sample_has(const Sample *s, int k) { return s->weight[0][k / 2] && s->weight[1][k % 2]; }

Val sample_weight(const Sample *s, int k) { return mul(s->weight[0][k / 2], s->weight[1][k % 2]); }

static Ref sample_corner(const Sample *s, Buf *image, int k, const Ix *c) {
  const Ix y = *s->at[0] + k / 2, x = *s->at[1] + k % 2;
  return nest_at(s->l->b, image, y, x, *c);
}

Val sample_value(const Sample *s, Buf *image, const Val weight[SAMPLE_CORNERS], const Ix *c, int part,
                 int lanes, Val sum) {
  for (int k = 0; k < SAMPLE_CORNERS; k++) {
    if (!sample_has(s, k)) continue;
    Val pixel = nest_load_part(s->l->b, sample_corner(s, image, k, c), part, lanes);
    sum = sum ? fma_(pixel, weight[k], sum) : mul(pixel, weight[k]);
  }
  return sum;
}

void sample_add(const Sample *s, Buf *image, const Val weight[SAMPLE_CORNERS], Val dy, const Ix *c, int part,
                int lanes) {
  Nest *b = s->l->b;
  for (int k = 0; k < SAMPLE_CORNERS; k++) {
    if (!sample_has(s, k)) continue;
    const Ref to = sample_corner(s, image, k, c);
    nest_store_part(b, to, fma_(dy, weight[k], nest_load_part(b, to, part, lanes)), part);
  }
}

/* ---- products of dy with the pixels around a point, summed over the channels ---- */
typedef struct Products {
  const Sample *sample;
  Buf *image, *dy, *sum;
  const Ix *from;
} Products;

static void products_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                          const void *context) {
  const Products *p = context;
  Nest *b = l->b;
  const Ix at_ = *p->from + *c;
  Val dy = nest_let(b, "dy", walk_load(l, p->dy, y, x, &at_, part, lanes));
  for (int k = 0; k < SAMPLE_CORNERS; k++) {
    if (!sample_has(p->sample, k)) continue;
    Val product = hsum(mul(dy, nest_load_part(b, sample_corner(p->sample, p->image, k, &at_), part, lanes)));
    nest_store(b, nest_at(b, p->sum, k), add(product, nest_get(b, nest_at(b, p->sum, k))));
  }
}

void sample_products(const Sample *s, Buf *image, Buf *dy, const Ix *y, const Ix *x, const Ix *from,
                     int64_t n, Val product[SAMPLE_CORNERS]) {
  Nest *b = s->l->b;
  const Products p = {s, image, dy, NEST_REGISTERS(b, "product", 1, SAMPLE_CORNERS), from};
  for (int k = 0; k < SAMPLE_CORNERS; k++) nest_store(b, nest_at(b, p.sum, k), num(b, 0));
  walk_channels(s->l, n, y, x, products_body, &p);
  for (int k = 0; k < SAMPLE_CORNERS; k++) product[k] = nest_get(b, nest_at(b, p.sum, k));
}

/* The sum over the corners of product * rows[] * columns[]. */
static Val sum_of_corners(const Sample *s, const Val rows[2], const Val columns[2],
                          const Val product[SAMPLE_CORNERS]) {
  Val sum = NULL;
  for (int k = 0; k < SAMPLE_CORNERS; k++) {
    if (!sample_has(s, k)) continue;
    Val term = mul(product[k], mul(rows[k / 2], columns[k % 2]));
    sum = sum ? add(sum, term) : term;
  }
  return sum;
}

Val sample_total(const Sample *s, const Val product[SAMPLE_CORNERS]) {
  return sum_of_corners(s, s->weight[0], s->weight[1], product);
}

Val sample_slope(const Sample *s, int axis, const Val product[SAMPLE_CORNERS]) {
  if (s->sampling->nearest) return num(s->l->b, 0);
  return axis ? sum_of_corners(s, s->weight[0], s->slope[1], product)
              : sum_of_corners(s, s->slope[0], s->weight[1], product);
}
