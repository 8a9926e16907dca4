/* random_shapes.c: Operators that move elements: each function writes one call for the current value. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"

bool op_flat(Net *net) {
  const Shape in = net->now.shape;
  const double size = net->now.size;
  const long long n = elements(in), c = in.c;
  switch (below(net, 3)) {
  case 0:
    text_put(net->out, chance(net, 60)   ? "flatten"
                       : chance(net, 50) ? "flatten(order=chw)"
                                         : "flatten(order=\"hwc\")");
    becomes(net, vector(n), size);
    return true;
  case 1: {
    const int64_t side = divisor(net, n, n), rest = divisor(net, n / side, n / side);
    if (chance(net, 50)) {
      text_put(net->out, "reshape([%lld, %lld, %lld])", (long long)side, (long long)rest, n / side / rest);
      becomes(net, picture(side, rest, n / side / rest), size);
    } else {
      text_put(net->out, "reshape(%lldx%lld)", (long long)side, n / side);
      becomes(net, (Shape){2, 1, side, n / side}, size);
    }
    return true;
  }
  default: {
    const int64_t from = below(net, c), to = between(net, from + 1, c);
    if (to - from == c && c > 1) return false;
    text_put(net->out, "slice(%lld..%lld)", (long long)from, (long long)to);
    becomes(net, (Shape){in.rank, in.h, in.w, to - from}, size);
    return true;
  }
  }
}

bool op_border(Net *net) {
  const Shape in = net->now.shape;
  const double size = net->now.size;
  const long long c = in.c;
  const bool crop = chance(net, 50);
  const long long t = in.rank == 2 ? 0 : below(net, 3), b = in.rank == 2 ? 0 : below(net, 3),
                  l = below(net, 3), r = below(net, 3);
  const int64_t h = crop ? in.h - t - b : in.h + t + b, w = crop ? in.w - l - r : in.w + l + r;
  if (in.rank == 1 || h < 1 || w < 1 || h * w * c > MOST_ELEMENTS) return false;
  const int mode = crop ? 0 : (int)below(net, 5); /* 1: reflect, 2: edge, 3: value=0.5; others: zeros */
  const bool mirrors = mode == 1;
  if (mirrors && (t >= in.h || b >= in.h || l >= in.w || r >= in.w)) return false;
  if (in.rank == 2) text_put(net->out, "%s([%lld, %lld]", crop ? "crop" : "zero_pad", l, r);
  else if (t == b && l == r && t == l) text_put(net->out, "%s(%lld", crop ? "crop" : "zero_pad", t);
  else if (t == b && l == r) text_put(net->out, "%s([%lld, %lld]", crop ? "crop" : "zero_pad", t, l);
  else text_put(net->out, "%s([%lld, %lld, %lld, %lld]", crop ? "crop" : "zero_pad", t, b, l, r);
  text_put(net->out, "%s)",
           (const char *const[]){"", ", mode=reflect", ", mode=edge", ", value=0.5", ""}[mode]);
  becomes(net, (Shape){in.rank, h, w, c}, size);
  if (mode == 1 || mode == 2)
    net->now.equal = net->now.equal ? net->now.equal : 1; /* some elements are copies */
  return true;
}

/* Resizing with any interpolation mode. */
bool op_resize(Net *net) {
  const Shape in = net->now.shape;
  static const char *const modes[] = {"nearest", "bilinear", "nearest_exact", "cubic"};
  const bool up = chance(net, 50);
  const int mode = (int)below(net, up ? 2 : 4);
  const bool bilinear = mode == 1 || mode == 3;
  int64_t out[2] = {1, 1};
  if (in.rank == 1) return false;
  for (int axis = in.rank == 2; axis < 2; axis++) out[axis] = between(net, 1, up ? 3 : 9);
  const Shape to = {in.rank, up ? in.h * out[0] : out[0], up ? in.w * out[1] : out[1], in.c};
  if (elements(to) > MOST_ELEMENTS) return false;
  text_put(net->out, up ? "upsample(" : "resize(");
  put_kernel(net, out, in.rank);
  text_put(net->out, ", mode=%s", modes[mode]);
  if (!up && bilinear && chance(net, 40)) text_put(net->out, ", corners=true");
  text_put(net->out, ")");
  const int equal = bilinear && net->now.equal ? 2 : net->now.equal;
  becomes(net, to, mode == 3 ? 2 * net->now.size : net->now.size);
  net->now.equal = equal ? equal : bilinear ? 2 : 1; /* 1: some elements are copies */
  return true;
}

/* Pixel blocks to channels, or the reverse; channel shuffles. */
bool op_blocks(Net *net) {
  const Shape in = net->now.shape;
  const char *order = chance(net, 50) ? "" : chance(net, 50) ? ", order=dcr" : ", order=crd";
  const int kind = (int)below(net, in.rank == 1 ? 1 : 3);
  if (kind == 0) {
    text_put(net->out, "channel_shuffle(%lld)", (long long)divisor(net, in.c, in.c));
    becomes(net, in, net->now.size);
    return true;
  }
  int64_t f[2] = {1, 1};
  for (int axis = in.rank == 2; axis < 2; axis++)
    f[axis] = kind == 1 ? divisor(net, axis ? in.w : in.h, 12) : between(net, 1, 3);
  const int64_t block = f[0] * f[1];
  const Shape to = kind == 1 ? (Shape){in.rank, in.h / f[0], in.w / f[1], in.c * block}
                             : (Shape){in.rank, in.h * f[0], in.w * f[1], in.c / block};
  if ((kind == 2 && in.c % block) || block > 16) return false;
  text_put(net->out, kind == 1 ? "space_to_depth(" : "depth_to_space(");
  put_kernel(net, f, in.rank);
  text_put(net->out, "%s)", order);
  becomes(net, to, net->now.size);
  return true;
}

static bool is_smaller(Shape now, const Value *v) {
  return now.rank > 1 && v->shape.rank == now.rank && v->shape.h <= now.h && v->shape.w <= now.w;
}

bool op_crop_like(Net *net) {
  Value *like = draw_value(net, is_smaller);
  if (!like) return false;
  const Shape in = net->now.shape;
  like->reads++;
  text_put(net->out, "crop_like(%s)", like->name);
  becomes(net, (Shape){in.rank, like->shape.h, like->shape.w, in.c}, net->now.size);
  return true;
}

/* ---- concat: each axis along which values are joined ---- */
static bool joins(Shape now, const Value *v) {
  return v->shape.rank == now.rank && same_pixels(v->shape, now) &&
         (v->shape.c + now.c) * now.h * now.w <= MOST_ELEMENTS;
}
static bool joins_below(Shape now, const Value *v) {
  return now.rank == 3 && v->shape.rank == 3 && v->shape.c == now.c && v->shape.w == now.w &&
         elements(now) + elements(v->shape) <= MOST_ELEMENTS;
}
static bool joins_beside(Shape now, const Value *v) {
  return now.rank > 1 && v->shape.rank == now.rank && v->shape.c == now.c && v->shape.h == now.h &&
         elements(now) + elements(v->shape) <= MOST_ELEMENTS;
}

bool op_concat(Net *net) {
  static bool (*const along[])(Shape, const Value *) = {joins, joins_below, joins_beside};
  const int axis = (int)below(net, 3);
  Value *other = draw_value(net, along[axis]);
  if (!other) return false;
  Shape shape = net->now.shape;
  double size = net->now.size;
  text_put(net->out, "concat(");
  for (int i = 0; i < 3 && other; i++) {
    text_put(net->out, "%s%s", i ? ", " : "", other->name);
    other->reads++;
    if (axis == 0) shape.c += other->shape.c;
    else if (axis == 1) shape.h += other->shape.h;
    else shape.w += other->shape.w;
    size = other->size > size ? other->size : size;
    net->now.shape = shape;
    other = chance(net, 30) ? draw_value(net, along[axis]) : NULL;
  }
  if (axis == 1) text_put(net->out, ", axis=height");
  else if (axis == 2) text_put(net->out, ", axis=%s", shape.rank == 2 ? "length" : "width");
  else if (chance(net, 10)) text_put(net->out, ", axis=channels");
  text_put(net->out, ")");
  becomes(net, shape, size);
  return true;
}
