/* init.c: NAME_init, and weights that are known at compile time. Each initial number depends only on the
 * seed, the weight's id and the index of the element. The arithmetic is in double without fused
 * multiply-adds, so that every machine gets the same weights. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "base/template.h"
#include "emit/module.h"

static void put_text(Text *out, const Net *net, const char *text) {
  const Blank own[] = {{"MIX", net->own->mix},
                       {"KEYS", net->own->keys},
                       {"BITS", net->own->bits},
                       {"UNIFORM", net->own->uniform},
                       {"LOG", net->own->log},
                       {"ROOT", net->own->root},
                       {"TURN", net->own->turn},
                       {"NORMAL", net->own->normal},
                       {"FILL", net->own->fill},
                       {"ORTHOGONAL", net->own->orthogonal},
                       {NULL, NULL}};
  template_put(out, text, own);
}

static const char keys_text[] =
    "// Two random keys from seed, step and sample (splitmix64's finalizer).\n"
    "static uint64_t @MIX@(uint64_t x) {\n"
    "  x += UINT64_C(0x9E3779B97F4A7C15);\n"
    "  x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);\n"
    "  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);\n"
    "  return x ^ (x >> 31);\n"
    "}\n"
    "static void @KEYS@(uint64_t seed, uint64_t step, uint64_t sample, int32_t keys[2]) {\n"
    "  const uint64_t x = @MIX@(@MIX@(@MIX@(seed) ^ step) ^ sample);\n"
    "  const uint32_t key[2] = {(uint32_t)x, (uint32_t)(x >> 32)};\n"
    "  memcpy(keys, key, sizeof key);\n"
    "}\n\n";

static const char bits_text[] =
    "// 24 random bits, determined by keys and counter.\n"
    "static uint32_t @BITS@(const int32_t keys[2], uint32_t counter) {\n"
    "  uint32_t x = counter * 0x9E3779B9u ^ (uint32_t)keys[0];\n"
    "  x ^= x >> 16, x *= 0x85EBCA6Bu, x ^= x >> 13, x += (uint32_t)keys[1], x *= 0xC2B2AE35u;\n"
    "  x ^= x >> 16, x *= 0x7FEB352Du, x ^= x >> 15;\n"
    "  return x >> 8;\n"
    "}\n\n";

static const char uniform_text[] =
    "// Uniform in -limit .. limit.\n"
    "static void @UNIFORM@(float *w, int64_t n, uint64_t seed, uint64_t weight, double limit) {\n"
    "  int32_t keys[2];\n"
    "  @KEYS@(seed, UINT64_C(0x696e6974), weight, keys);\n"
    "  for (int64_t i = 0; i < n; i++) w[i] = (float)(limit * (@BITS@(keys, (uint32_t)i) * 0x1p-23 - 1.0));\n"
    "}\n\n";

static const char normal_text[] =
    "// Natural logarithm of a positive number x = 2^e * m: the series of artanh for m.\n"
    "static double @LOG@(double x) {\n"
    "  uint64_t bits;\n"
    "  memcpy(&bits, &x, sizeof bits);\n"
    "  int e = (int)(bits >> 52) - 1023;\n"
    "  bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff0000000000000);\n"
    "  double m, sum = 0;\n"
    "  memcpy(&m, &bits, sizeof m);\n"
    "  if (m > 1.4142135623730951) m *= 0.5, e++;\n"
    "  const double s = (m - 1) / (m + 1), z = s * s;\n"
    "  for (int k = 23; k > 0; k -= 2) sum = sum * z + 1.0 / k;\n"
    "  return 2 * s * sum + e * 0.6931471805599453;\n"
    "}\n"
    "// Square root: Newton's iteration, which starts from half the exponent.\n"
    "static double @ROOT@(double x) {\n"
    "  uint64_t bits;\n"
    "  double y;\n"
    "  if (x <= 0) return 0;\n"
    "  memcpy(&bits, &x, sizeof bits);\n"
    "  bits = (bits >> 1) + (UINT64_C(1023) << 51);\n"
    "  memcpy(&y, &bits, sizeof y);\n"
    "  for (int k = 0; k < 5; k++) y = 0.5 * (y + x / y);\n"
    "  return y;\n"
    "}\n"
    "// Cosine and sine of the angle 2*pi*t, 0 <= t < 1: Taylor series around the nearest quarter turn.\n"
    "static void @TURN@(double t, double *cosine, double *sine) {\n"
    "  const int quarter = (int)(4 * t + 0.5);\n"
    "  const double x = (4 * t - quarter) * 1.5707963267948966, z = x * x;\n"
    "  double c = 1, s = 1;\n"
    "  for (int k = 9; k > 0; k--) c = 1 - c * z / ((2 * k - 1) * (2 * k)), s = 1 - s * z / (2 * k * (2 * k "
    "+ 1));\n"
    "  s *= x;\n"
    "  *cosine = quarter == 1 ? -s : quarter == 2 ? -c : quarter == 3 ? s : c;\n"
    "  *sine = quarter == 1 ? c : quarter == 2 ? -s : quarter == 3 ? -c : s;\n"
    "}\n"
    "// Normally distributed numbers, in pairs (Box and Muller, 1958).\n"
    "static void @NORMAL@(float *w, int64_t n, uint64_t seed, uint64_t weight, double mean, double "
    "deviation) {\n"
    "  int32_t keys[2];\n"
    "  @KEYS@(seed, UINT64_C(0x696e6974), weight, keys);\n"
    "  for (int64_t i = 0; i < n; i += 2) {\n"
    "    const double u = (@BITS@(keys, (uint32_t)i) + 1) * 0x1p-24, t = @BITS@(keys, (uint32_t)i + 1) * "
    "0x1p-24;\n"
    "    const double radius = deviation * @ROOT@(-2 * @LOG@(u));\n"
    "    double c, s;\n"
    "    @TURN@(t, &c, &s);\n"
    "    w[i] = (float)(mean + radius * c);\n"
    "    if (i + 1 < n) w[i + 1] = (float)(mean + radius * s);\n"
    "  }\n"
    "}\n\n";

static const char orthogonal_text[] =
    "// Orthonormal rows, or columns if these are fewer, in each block of `rows` rows: the Gram-Schmidt\n"
    "// process on normally distributed numbers.\n"
    "static void @ORTHOGONAL@(float *w, int64_t n, int64_t rows, int64_t columns, uint64_t seed,\n"
    "                         uint64_t weight) {\n"
    "  const int64_t vectors = rows < columns ? rows : columns, length = rows < columns ? columns : rows;\n"
    "  const int64_t next = rows < columns ? columns : 1, step = rows < columns ? 1 : columns;\n"
    "  @NORMAL@(w, n, seed, weight, 0, 1);\n"
    "  for (int64_t at = 0; at < n; at += rows * columns)\n"
    "    for (int64_t i = 0; i < vectors; i++) {\n"
    "      float *const v = w + at + i * next;\n"
    "      for (int64_t k = 0; k <= i; k++) {\n"
    "        const float *const u = w + at + k * next;\n"
    "        double dot = 0;\n"
    "        for (int64_t j = 0; j < length; j++) dot += (double)v[j * step] * u[j * step];\n"
    "        const double size = k < i || dot <= 0 ? 1 : @ROOT@(dot);\n"
    "        for (int64_t j = 0; j < length; j++)\n"
    "          v[j * step] = (float)(k < i ? v[j * step] - dot * u[j * step] : v[j * step] / size);\n"
    "      }\n"
    "    }\n"
    "}\n\n";

static const char constant_text[] = "static void @FILL@(float *w, int64_t n, float value) {\n"
                                    "  for (int64_t i = 0; i < n; i++) w[i] = value;\n"
                                    "}\n\n";

static bool has_init(const Net *net, InitKind kind) {
  for (int i = 0; i < net->graph->weights.n; i++)
    if (net->graph->weights.data[i]->init.kind == kind) return true;
  return false;
}

/* ---- values known at compile time ---- */
/* Sets the weights [a][b][y][x] of bilinear upsampling: they are 0 unless b is a modulo dim[1]. */
static void set_bilinear(const Weight *weight, float *out) {
  const int64_t h = weight->rank > 3 ? weight->dim[2] : 1, w = weight->dim[weight->rank - 1];
  for (int64_t i = 0; i < weight->size; i++) {
    const int64_t x = i % w, y = i / w % h, b = i / (w * h) % weight->dim[1],
                  a = i / (w * h * weight->dim[1]);
    double value = b == a % weight->dim[1];
    for (int axis = 0; axis < 2; axis++) {
      const int64_t size = axis ? w : h, at = axis ? x : y, factor = (size + 1) / 2;
      const double distance =
          (double)at / (double)factor - (double)(2 * factor - 1 - factor % 2) / (double)(2 * factor);
      if (size > 1) value *= 1 - (distance < 0 ? -distance : distance);
    }
    out[i] = (float)value;
  }
}

static const float *known_values(Arena *arena, const Weight *weight) {
  if (weight->init.kind == INIT_LITERAL) return weight->init.values;
  float *values = NEW_ARRAY(arena, float, weight->size);
  if (weight->init.kind == INIT_BILINEAR) set_bilinear(weight, values);
  else
    for (int64_t i = 0; i < weight->size; i++) values[i] = (float)weight->init.a;
  return values;
}

static bool is_random(InitKind kind) {
  return kind == INIT_NORMAL || kind == INIT_UNIFORM || kind == INIT_ORTHOGONAL;
}

const float *constant_weights(Arena *arena, const Graph *graph) {
  for (int i = 0; i < graph->weights.n; i++) {
    const Weight *weight = graph->weights.data[i];
    if (!weight->frozen || is_random(weight->init.kind)) return NULL;
  }
  if (!graph->weights.n) return NULL;
  float *weights = NEW_ARRAY(arena, float, graph->parameters);
  for (int i = 0; i < graph->weights.n; i++) {
    const Weight *weight = graph->weights.data[i];
    memcpy(weights + weight->offset, known_values(arena, weight), (size_t)weight->size * sizeof *weights);
  }
  return weights;
}

/* ---- the function ---- */
static void put_first(Text *out, Net *net, const Weight *weight) { /* &weights->conv1_weight[0][0][0][0] */
  text_put(out, "%sweights->%s", weight->rank > 1 ? "&" : "", name_letters(net->arena, weight->name));
  for (int i = 0; i < weight->rank && weight->rank > 1; i++) text_put(out, "[0]");
}

static void put_literal(Text *out, Net *net, const Weight *weight) {
  text_put(out, "  {\n    static const float values[%" PRId64 "] = {\n", weight->size);
  put_floats(out, known_values(net->arena, weight), weight->size, "      ");
  text_put(out, "    };\n    memcpy(weights->%s, values, sizeof values);\n  }\n",
           name_letters(net->arena, weight->name));
}

static void put_initial_weight(Text *out, Net *net, const Weight *weight) {
  const Init *init = &weight->init;
  if (init->kind == INIT_LITERAL || init->kind == INIT_BILINEAR) {
    put_literal(out, net, weight);
    return;
  }
  const char *const functions[] = {[INIT_NORMAL] = net->own->normal,
                                   [INIT_UNIFORM] = net->own->uniform,
                                   [INIT_CONSTANT] = net->own->fill,
                                   [INIT_ORTHOGONAL] = net->own->orthogonal};
  text_put(out, "  %s(", functions[init->kind]);
  put_first(out, net, weight);
  text_put(out, ", %" PRId64 ", ", weight->size);
  if (init->kind == INIT_CONSTANT) put_float(out, (float)init->a);
  else if (init->kind == INIT_ORTHOGONAL)
    text_put(out, "%.0f, %" PRId64 ", seed, %d", init->a, weight->dim[weight->rank - 1], weight->id);
  else {
    text_put(out, "seed, %d, ", weight->id);
    put_double(out, init->a);
    if (init->kind == INIT_NORMAL) {
      text_put(out, ", ");
      put_double(out, init->b);
    }
  }
  text_put(out, ");\n");
}

static bool uses_keys(const Net *net) { /* whether a training kernel uses random keys, as dropout does */
  for (int i = 0; i < net->layout->train.steps.n; i++) {
    const Lower *lower = net->layout->train.steps.data[i].call->version[0].lower;
    for (int k = 0; k < lower->b->nbufs; k++)
      if (lower->b->buf[k]->place < STACK && lower_binding(lower, k)->kind == BIND_KEYS) return true;
  }
  return false;
}

void put_init(Text *out, Net *net) {
  if (!net->options->network) return;
  const bool orthogonal = has_init(net, INIT_ORTHOGONAL), normal = orthogonal || has_init(net, INIT_NORMAL),
             uniform = has_init(net, INIT_UNIFORM);
  text_put(out, "/* ---- initial weights: without fused multiply-adds, for equal weights on all machines "
                "---- */\n\n");
  text_put(out, "#if defined(__clang__)\n#pragma clang fp contract(off)\n#elif defined(__GNUC__)\n#pragma "
                "GCC push_options\n#pragma GCC optimize(\"fp-contract=off\")\n#endif\n\n");
  if (normal || uniform || uses_keys(net)) put_text(out, net, keys_text);
  if (normal || uniform) put_text(out, net, bits_text);
  if (uniform) put_text(out, net, uniform_text);
  if (normal) put_text(out, net, normal_text);
  if (orthogonal) put_text(out, net, orthogonal_text);
  if (has_init(net, INIT_CONSTANT)) put_text(out, net, constant_text);
  if (net->weights) {
    text_put(out, "%svoid %s(%s *weights, uint64_t seed) {\n",
             net->layout->train.program ? net_linkage(net) : "static ", net->own->init, net->own->weights);
    if (!normal && !uniform) text_put(out, "  (void)seed;\n");
    for (int i = 0; i < net->graph->weights.n; i++) put_initial_weight(out, net, net->graph->weights.data[i]);
    text_put(out, "}\n\n");
  }
  text_put(out, "#if defined(__GNUC__) && !defined(__clang__)\n#pragma GCC pop_options\n#endif\n\n");
}
