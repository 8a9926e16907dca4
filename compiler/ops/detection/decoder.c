/* decoder.c: Boxes moved and scaled by deltas (Ren et al., 2015), like torchvision's BoxCoder. The deltas
 * dx dy dw dh, each divided by its weight, turn a box with center (cx, cy), width w and height h into a box
 * with
 *
 *     center (cx + dx*w, cy + dy*h), width w * exp(min(dw, log(1000/16))), height h * exp(min(dh, ...))
 *
 * The corners of the new box are clipped to the image. Without an image, coordinates below 0 become 0. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/detection/decoder.h"
#include <math.h>

/* ---- reference ---- */
static double cut_at(double x, double most) { return x < 0 ? 0 : x > most ? most : x; }

void decoder_run(const Decoder *d, const double *box, const double *delta, double *out) {
  for (int axis = 0; axis < 2; axis++) { /* x, y */
    const double side = box[axis + 2] - box[axis], grown = delta[axis + 2] / d->weight[axis + 2],
                 center = box[axis] + side / 2 + delta[axis] / d->weight[axis] * side,
                 half = exp(grown > box_growth() ? box_growth() : grown) * side / 2,
                 most = d->picture ? (double)d->picture->shape.dim[1 - axis] : INFINITY;
    out[axis] = cut_at(center - half, most);
    out[axis + 2] = cut_at(center + half, most);
  }
}

/* ---- in a nest ---- */
static Buf *pattern(Lower *l, int lanes, const double *of) { /* repeats the four numbers of a box */
  float *values = NEW_ARRAY(l->arena, float, lanes);
  for (int i = 0; i < lanes; i++) values[i] = (float)of[i % BOX];
  return lower_table(l, values, lanes);
}

DecoderTables decoder_tables(Lower *l, const Decoder *d, int lanes) {
  DecoderTables tables = {.decoder = d};
  double factor[BOX];
  bool divides = false;
  for (int i = 0; i < BOX; i++) {
    factor[i] = 1 / d->weight[i];
    divides |= d->weight[i] != 1;
  }
  if (lanes == 1) return tables;
  if (divides) tables.factor = pattern(l, lanes, factor);
  tables.sign = pattern(l, lanes, (double[]){-1, -1, 1, 1});
  if (d->picture) {
    const double h = (double)d->picture->shape.dim[0], w = (double)d->picture->shape.dim[1];
    tables.most = pattern(l, lanes, (double[]){w, h, w, h});
  }
  return tables;
}

static Val growth(Nest *b, Val d) { return vexp(vmin(num(b, box_growth()), d)); }
static Val cut_value(Nest *b, Val x, Val most) { return vmax(num(b, 0), most ? vmin(most, x) : x); }

Val decoder_pairs(Val x, int lanes, int k) {
  int lane[LANES] = {0};
  for (int i = 0; i < lanes; i++) lane[i] = i / BOX * BOX % x->type.lanes + k + i % 2;
  return shuffle(x, x, lanes, lane);
}

Val decoder_vector(Lower *l, const DecoderTables *t, Val delta, Val center, Val side) {
  Nest *b = l->b;
  const int lanes = delta->type.lanes;
  if (t->factor) delta = mul(delta, nest_load(b, nest_at(b, t->factor, 0), lanes));
  delta = nest_let(b, "d", delta);
  Val moved = decoder_pairs(fma_(delta, side, center), lanes, 0),
      half = decoder_pairs(mul(growth(b, delta), mul(side, num(b, 0.5))), lanes, 2);
  Val corner = fma_(half, nest_load(b, nest_at(b, t->sign, 0), lanes), moved);
  return cut_value(b, corner, t->most ? nest_load(b, nest_at(b, t->most, 0), lanes) : NULL);
}

static Val divided(Nest *b, Val delta, double weight) {
  return weight == 1 ? delta : mul(delta, num(b, 1 / weight));
}

void decoder_scalar(Lower *l, const Decoder *d, int axis, Val by, Val grown, Val center, Val side,
                    Val out[2]) {
  Nest *b = l->b;
  Val most = d->picture ? num(b, (double)d->picture->shape.dim[1 - axis]) : NULL,
      middle = nest_let(b, "middle", fma_(divided(b, by, d->weight[axis]), side, center)),
      half =
          nest_let(b, "half", mul(growth(b, divided(b, grown, d->weight[axis + 2])), mul(side, num(b, 0.5))));
  out[0] = cut_value(b, sub(middle, half), most);
  out[1] = cut_value(b, add(middle, half), most);
}
