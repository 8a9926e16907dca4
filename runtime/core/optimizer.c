/* optimizer.c: SGD, Adam, AdamW and RMSprop with the arithmetic of PyTorch's torch.optim, term for term:
 * scalars in double, tensors in float. */
// SPDX-License-Identifier: MIT-0
#include "cnn_core.h"
#include "scalar.h"

#if defined __GNUC__ && !defined __clang__
#pragma GCC optimize("O3") /* at -O2 gcc leaves these loops scalar */
#endif

/* Each element on its own: the result does not depend on the number of threads. Small tensors are not worth a
 * team. */
#ifdef _OPENMP
#define ELEMENTS(i)                                                                                          \
  _Pragma("omp parallel for schedule(static) if (count > 65536)") for (int64_t i = 0; i < count; i++)
#else
#define ELEMENTS(i) for (int64_t i = 0; i < count; i++)
#endif

int32_t cnn_optimizer_slots(const cnn_recipe *recipe) {
  switch (recipe->optimizer) {
  case CNN_SGD: return recipe->momentum != 0;
  case CNN_ADAM:
  case CNN_ADAMW: return 2;
  case CNN_RMSPROP: return 1 + (recipe->momentum != 0);
  }
  return 0;
}

/* g += decay*w; b = momentum*b + g; w -= rate * (nesterov ? g + momentum*b : b). The first b is g, for b
 * starts at zero. */
static void sgd(const cnn_recipe *recipe, float *restrict w, const float *restrict gradient,
                float *restrict b, int64_t count, float rate, float decay) {
  const float momentum = (float)recipe->momentum;
  if (!b) {
    ELEMENTS(i) w[i] -= rate * (gradient[i] + decay * w[i]);
    return;
  }
  const float ahead = recipe->nesterov ? momentum : 0,
              now = recipe->nesterov ? 1 : 0; /* g*now + b*ahead, or b */
  const float plain = recipe->nesterov ? 0 : 1;
  ELEMENTS(i) {
    float g = gradient[i] + decay * w[i];
    b[i] = momentum * b[i] + g;
    w[i] -= rate * (now * g + (ahead + plain) * b[i]);
  }
}

/* m and v are the averages of the gradient and of its square; both are corrected for their start at zero.
 * Adam adds the decay to the gradient, AdamW shrinks the weights before the step. */
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

/* s = alpha*s + (1 - alpha)*g*g; the step g / (sqrt(s) + epsilon), or with momentum b = momentum*b + that. */
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
  }
}
