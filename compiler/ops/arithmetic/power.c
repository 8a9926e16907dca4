/* power.c: power, y = x^n, for integers n and for 1/2 and -1/2: power(-1) is the reciprocal, power(-1/2) the
 * reciprocal square root. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const double largest = 64;

static const Param params[] = {
    {"n", PARAM_NUMBER, NULL, "exponent: an integer from -64 to 64 except 0, or 1/2 or -1/2", 0, 0, NULL},
    {0}};

static double exponent(const Node *node) { return arg_number(node, "n"); }
static bool of_root(const Node *node) { return fabs(exponent(node)) == 0.5; }

static void shape(ShapeContext *context, Node *node) {
  const double n = exponent(node);
  if (of_root(node) || (n == floor(n) && fabs(n) <= largest && n != 0)) {
    map_shape(context, node);
    return;
  }
  Diag *diag = op_error_at(context, node, "n", DIAG_bad_value, "power(%g): %s", n,
                           n == 0              ? "it is 1 everywhere"
                           : fabs(n) > largest ? "n must be from -64 to 64"
                                               : "n must be an integer, 1/2 or -1/2");
  if (n == 0) diag_help(diag, "multiply(0) -> add(1) sets all elements to 1");
  else if (fabs(n) <= largest)
    diag_help(diag, "for values above 0: log -> multiply(%s) -> exp", text_float(context->arena, n));
}

/* ---- reference ---- */
MAP_EVAL(power) { /* roots use sqrt, which differs from pow at -inf and -0 */
  const double n = exponent(node);
  return n == 0.5 ? sqrt(x[0]) : n == -0.5 ? 1 / sqrt(x[0]) : pow(x[0], n);
}
MAP_SLOPE(slope) {
  const double n = exponent(node);
  return n == 0.5 ? 0.5 / y : n == -0.5 ? -0.5 * y * y * y : n * pow(x[0], n - 1);
}

/* ---- the nest: products by repeated squaring ---- */
static Val whole_power(Val x, int64_t n) { /* n > 0 */
  Val result = NULL;
  for (Val square = x; n > 0; n /= 2) {
    if (n % 2) result = result ? mul(result, square) : square;
    if (n > 1) square = mul(square, square);
  }
  return result;
}

static Val constant_power(Map *m, Val x, double n) {
  if (n == 0) return number(1);
  if (n > 0) return whole_power(x, (int64_t)n);
  return div_(number(1), whole_power(x, (int64_t)-n));
}

MAP_VALUE(value) {
  const double n = exponent(m->node);
  if (!of_root(m->node)) return constant_power(m, m->x[0], n);
  return n > 0 ? vsqrt(m->x[0]) : div_(number(1), vsqrt(m->x[0]));
}

/* The derivatives of roots are computed from the value: 1 / (2y) for n = 1/2, and -y^3 / 2 for n = -1/2. */
static uint32_t needs(const Node *node, int wrt) {
  return of_root(node) ? map_needs_y(node, wrt) : map_needs_x(node, wrt);
}

MAP_GRADIENT(gradient) {
  const double n = exponent(m->node);
  if (!of_root(m->node)) return mul(mul(number(n), constant_power(m, m->x[0], n - 1)), dy);
  return n > 0 ? div_(mul(number(0.5), dy), m->y) : mul(mul(number(-0.5), whole_power(m->y, 3)), dy);
}

const Op op_power = {
    .name = "power",
    .group = "activation",
    .summary = "power of each element, with an integer exponent or with the exponent 1/2 or -1/2",
    .detail = "y = x^n; n = -1: 1/x, n = 1/2: sqrt(x), n = -1/2: 1/sqrt(x)",
    .params = params,
    .example = "square -> channel_mean -> add(1e-6) -> power(-1/2)",
    .shape = shape,
    MAP_OPERATOR,
    .map_eval = power,
    .map_slope = slope,
    .map_needs = needs,
    .map = value,
    .map_gradient = gradient,
};
