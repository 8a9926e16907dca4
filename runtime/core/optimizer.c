/* optimizer.c: Optimizers: SGD, Adam, AdamW and RMSprop with the formulas of PyTorch's torch.optim; LARS and
 * LAMB with the formulas of their papers. Tensors are float, and each element is updated in float. */
// SPDX-License-Identifier: MIT-0
#include "cnn_core.h"
#include "scalar.h"

#if defined __GNUC__ && !defined __clang__
#pragma GCC optimize("O3") /* at -O2 gcc does not vectorize the loops over elements */
#endif

/* Elements are independent: the result does not depend on the number of threads. For small tensors, several
 * threads are not faster than one. */
#ifdef _OPENMP
#define ELEMENTS(i)                                                                                          \
  _Pragma("omp parallel for schedule(static) if (count > 65536)") for (int64_t i = 0; i < count; i++)
#else
#define ELEMENTS(i) for (int64_t i = 0; i < count; i++)
#endif

int32_t cnn_optimizer_slots(const cnn_recipe *recipe) {
  switch (recipe->optimizer) {
  case CNN_SGD: return recipe->momentum != 0;
  case CNN_LARS: return 1;
  case CNN_ADAM:
  case CNN_ADAMW:
  case CNN_LAMB: return 2;
  case CNN_RMSPROP: return 1 + (recipe->momentum != 0);
  }
  return 0;
}

/* g = gradient + decay*w; b = momentum*b + g; w -= rate * (nesterov ? g + momentum*b : b). b starts at zero,
 * so the first b is g. */
static void sgd(const cnn_recipe *recipe, float *restrict w, const float *restrict gradient,
                float *restrict b, int64_t count, float rate, float decay) {
  const float momentum = (float)recipe->momentum;
  if (!b) {
    ELEMENTS(i) w[i] -= rate * (gradient[i] + decay * w[i]);
    return;
  }
  const float ahead = recipe->nesterov ? momentum : 0,
              now = recipe->nesterov ? 1 : 0; /* the step is along g + momentum*b (nesterov) or along b */
  const float plain = recipe->nesterov ? 0 : 1;
  ELEMENTS(i) {
    float g = gradient[i] + decay * w[i];
    b[i] = momentum * b[i] + g;
    w[i] -= rate * (now * g + (ahead + plain) * b[i]);
  }
}

/* m and v are the moving averages of the gradient and of its square. They are stored without bias correction;
 * the weight update corrects both. Adam adds decay*w to the gradient. AdamW shrinks the weights before the
 * update. */
static void adam(const cnn_recipe *recipe, float *restrict w, const float *restrict gradient,
                 float *restrict m, float *restrict v, int64_t count, int64_t step, double rate,
                 double decay) {
  const bool decoupled = recipe->optimizer == CNN_ADAMW;
  const float shrink = decoupled ? (float)(1 - rate * decay) : 1, added = decoupled ? 0 : (float)decay;
  const float new1 = (float)(1 - recipe->beta1), beta2 = (float)recipe->beta2,
              new2 = (float)(1 - recipe->beta2), epsilon = (float)recipe->epsilon;
  const float size = (float)(rate / (1 - cnn_power_whole(recipe->beta1, step)));
  const float correction = (float)cnn_sqrt(1 - cnn_power_whole(recipe->beta2, step));
  ELEMENTS(i) {
    float kept = w[i] * shrink, g = gradient[i] + added * kept;
    m[i] += new1 * (g - m[i]);
    v[i] = beta2 * v[i] + new2 * g * g;
    w[i] = kept - size * m[i] / (cnn_sqrt_float(v[i]) / correction + epsilon);
  }
}

/* g = gradient + decay*w; s = alpha*s + (1 - alpha)*g*g; w -= rate * g / (sqrt(s) + epsilon). With momentum:
 * b = momentum*b + g / (sqrt(s) + epsilon); w -= rate * b. */
static void rmsprop(const cnn_recipe *recipe, float *restrict w, const float *restrict gradient,
                    float *restrict s, float *restrict b, int64_t count, float rate, float decay) {
  const float alpha = (float)recipe->alpha, fresh = (float)(1 - recipe->alpha),
              epsilon = (float)recipe->epsilon, momentum = (float)recipe->momentum;
  if (!b) {
    ELEMENTS(i) {
      float g = gradient[i] + decay * w[i];
      s[i] = alpha * s[i] + fresh * g * g;
      w[i] -= rate * g / (cnn_sqrt_float(s[i]) + epsilon);
    }
    return;
  }
  ELEMENTS(i) {
    float g = gradient[i] + decay * w[i];
    s[i] = alpha * s[i] + fresh * g * g;
    b[i] = momentum * b[i] + g / (cnn_sqrt_float(s[i]) + epsilon);
    w[i] -= rate * b[i];
  }
}

/* There are always eight partial sums, whatever the vector width of the processor, so that all processors
 * compute the same bits. */
static double squares_of(const float *value, int64_t count) {
  enum { SUMS = 8 };
  double sum[SUMS] = {0}, all = 0;
  const int64_t whole = count / SUMS * SUMS;
  for (int64_t i = 0; i < whole; i += SUMS)
    for (int k = 0; k < SUMS; k++) sum[k] += (double)value[i + k] * (double)value[i + k];
  for (int64_t i = whole; i < count; i++) sum[i - whole] += (double)value[i] * (double)value[i];
  for (int k = 0; k < SUMS; k++) all += sum[k];
  return all;
}

static double length_of(const float *value, int64_t count) { return cnn_sqrt(squares_of(value, count)); }

/* You, Gitman & Ginsburg, "Large batch training of convolutional networks" (2017), algorithm 1, with the
 * gradient g: local = trust * |w| / (|g| + decay*|w|); b = momentum*b + rate * local * (g + decay*w); w -= b.
 * If |w| or |g| is 0, or if the tensor has no decay, local is 1. With `decay = weights`, biases and the
 * parameters of normalization layers have no decay. */
static void lars(const cnn_recipe *recipe, float *restrict w, const float *restrict gradient,
                 float *restrict b, int64_t count, double rate, double decay, bool local) {
  const double long_w = local ? length_of(w, count) : 0, long_g = local ? length_of(gradient, count) : 0;
  const bool scaled = long_w > 0 && long_g > 0;
  const float step = (float)(scaled ? rate * recipe->trust * long_w / (long_g + decay * long_w) : rate);
  const float momentum = (float)recipe->momentum, added = (float)decay;
  ELEMENTS(i) {
    b[i] = momentum * b[i] + step * (gradient[i] + added * w[i]);
    w[i] -= b[i];
  }
}

/* You et al., "Large batch optimization for deep learning" (2020), algorithm 2, with phi(x) = x and
 * bias-corrected averages m and v: r = m / (sqrt(v) + epsilon) + decay*w; w -= rate * |w|/|r| * r. The ratio
 * |w|/|r| is 1 if |w| or |r| is 0, and for a tensor without decay. r is computed twice to save memory. */
static inline float lamb_step(float m, float v, float w, float first, float second, float epsilon,
                              float decay) {
  return first * m / (cnn_sqrt_float(v) * second + epsilon) + decay * w;
}

static void lamb(const cnn_recipe *recipe, float *restrict w, const float *restrict gradient,
                 float *restrict m, float *restrict v, int64_t count, int64_t step, double rate, double decay,
                 bool local) {
  enum { BLOCK = 256 };
  const float new1 = (float)(1 - recipe->beta1), beta2 = (float)recipe->beta2,
              new2 = (float)(1 - recipe->beta2), epsilon = (float)recipe->epsilon, added = (float)decay;
  const float first = (float)(1 / (1 - cnn_power_whole(recipe->beta1, step))),
              second = (float)(1 / cnn_sqrt(1 - cnn_power_whole(recipe->beta2, step)));
  double square = 0;
  for (int64_t from = 0; from < count; from += BLOCK) {
    float r[BLOCK];
    const int64_t n = count - from < BLOCK ? count - from : BLOCK;
    for (int64_t k = 0; k < n; k++) {
      const int64_t i = from + k;
      m[i] += new1 * (gradient[i] - m[i]);
      v[i] = beta2 * v[i] + new2 * gradient[i] * gradient[i];
      r[k] = lamb_step(m[i], v[i], w[i], first, second, epsilon, added);
    }
    square += squares_of(r, n);
  }
  const double long_w = local ? length_of(w, count) : 0, long_r = cnn_sqrt(square);
  const float size = (float)(long_w > 0 && long_r > 0 ? rate * long_w / long_r : rate);
  ELEMENTS(i) w[i] -= size * lamb_step(m[i], v[i], w[i], first, second, epsilon, added);
}

void cnn_optimizer_step(const cnn_recipe *recipe, float *weights, const float *gradients, float *slot0,
                        float *slot1, int64_t count, int64_t step, double rate, bool decay) {
  double shrink = decay ? recipe->weight_decay : 0;
  switch (recipe->optimizer) {
  case CNN_SGD: sgd(recipe, weights, gradients, slot0, count, (float)rate, (float)shrink); break;
  case CNN_ADAM:
  case CNN_ADAMW: adam(recipe, weights, gradients, slot0, slot1, count, step, rate, shrink); break;
  case CNN_RMSPROP:
    rmsprop(recipe, weights, gradients, slot0, slot1, count, (float)rate, (float)shrink);
    break;
  case CNN_LARS: lars(recipe, weights, gradients, slot0, count, rate, shrink, decay); break;
  case CNN_LAMB: lamb(recipe, weights, gradients, slot0, slot1, count, step, rate, shrink, decay); break;
  }
}
