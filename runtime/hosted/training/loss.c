/* loss.c: Losses in double precision. Training computes losses in generated code. The functions in this file
 * compute the losses of infer's outputs, with the same conventions: a loss is a mean over positions, elements
 * or images; class -1 is ignored; cross_entropy accepts probabilities, log-probabilities or raw scores. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/loss.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const cnn_loss DEFAULTS = {.weight = 1, .parameter = 1, .ignore = -1};

typedef struct Loss Loss;
struct Loss {
  const char *name;
  double parameter; /* default value of the loss's parameter */
  /* of_class: the loss of one position with `n` scores and class `label`; of_value: the loss of one value. A
   * loss has only one of of_class, of_value and of_image; the others are NULL. */
  double (*of_class)(const cnn_port *, const cnn_loss *, const float *score, int64_t n, int32_t label);
  double (*of_value)(const cnn_port *, const cnn_loss *, double value, double target);
  bool weighted; /* the mean uses the class weights */
  /* the loss of one image with n classes and `positions` pixels; the mean is over images */
  double (*of_image)(const cnn_port *, const float *score, int64_t n, const int32_t *label,
                     int64_t positions);
};

static double log_of(double p) { return log(p > (double)FLT_MIN ? p : (double)FLT_MIN); }

/* Logarithm of the sum of exponentials (logsumexp) of raw scores; a raw score minus this value is a
 * log-probability. 0 for the other kinds of scores. */
static double normalizer(const cnn_port *output, const float *score, int64_t n) {
  if (output->scores != CNN_SCORES_LOGIT) return 0;
  double top = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; i++) top = fmax(top, (double)score[i]);
  for (int64_t i = 0; i < n; i++) sum += exp((double)score[i] - top);
  return top + log(sum);
}

static double log_probability(const cnn_port *output, double score, double all) {
  return output->scores == CNN_SCORES_PROBABILITY ? log_of(score) : score - all;
}

static double class_weight(const cnn_loss *loss, int64_t label) {
  return loss->class_weight ? (double)loss->class_weight[label] : 1;
}

static double cross_entropy(const cnn_port *output, const cnn_loss *loss, const float *score, int64_t n,
                            int32_t label) {
  double all = normalizer(output, score, n), e = loss->smoothing, spread = 0;
  if (e > 0) {
    for (int64_t i = 0; i < n; i++)
      spread -= class_weight(loss, i) * log_probability(output, (double)score[i], all);
  }
  return -(1 - e) * class_weight(loss, label) * log_probability(output, (double)score[label], all) +
         e / (double)n * spread;
}

/* class weight * (1 - p)^gamma * -log(p), where p is the probability of the true class. */
static double focal(const cnn_port *output, const cnn_loss *loss, const float *score, int64_t n,
                    int32_t label) {
  double log_p = log_probability(output, (double)score[label], normalizer(output, score, n));
  return class_weight(loss, label) * -pow(1 - exp(log_p), loss->parameter) * log_p;
}

static double hinge(const cnn_port *output, const cnn_loss *loss, const float *score, int64_t n,
                    int32_t label) {
  (void)output;
  (void)loss;
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    if (i != label) sum += fmax(0, 1 - (double)score[label] + (double)score[i]);
  }
  return sum / (double)n;
}

static double binary_cross_entropy(const cnn_port *output, const cnn_loss *loss, double value,
                                   double target) {
  double t = target * (1 - loss->smoothing) + loss->smoothing / 2;
  if (output->scores == CNN_SCORES_BINARY_LOGIT) return fmax(value, 0) - value * t + log1p(exp(-fabs(value)));
  return -t * fmax(log(value), -100) -
         (1 - t) * fmax(log1p(-value), -100); /* PyTorch's lower bound of the logarithms */
}

static double mse(const cnn_port *output, const cnn_loss *loss, double value, double target) {
  (void)output;
  (void)loss;
  return (value - target) * (value - target);
}

static double mae(const cnn_port *output, const cnn_loss *loss, double value, double target) {
  (void)output;
  (void)loss;
  return fabs(value - target);
}

static double huber(const cnn_port *output, const cnn_loss *loss, double value, double target) {
  (void)output;
  double d = fabs(value - target), delta = loss->parameter;
  return d < delta ? 0.5 * d * d : delta * (d - 0.5 * delta);
}

static double linear(const cnn_port *output, const cnn_loss *loss, double value, double target) {
  (void)output;
  (void)loss;
  return value * target;
}

/* Probability of class `c` at a position; `all` is the position's normalizer. */
static double probability(const cnn_port *output, const float *score, int64_t c, double all) {
  const double value = (double)score[c];
  switch (output->scores) {
  case CNN_SCORES_PROBABILITY:
  case CNN_SCORES_BINARY: return value;
  case CNN_SCORES_BINARY_LOGIT: return 1 / (1 + exp(-value));
  default: return exp(value - all);
  }
}

/* One minus the Dice coefficient, smoothed by 1, averaged over the classes in the annotations. With one
 * channel there are two classes, and only class 1 counts. */
static double dice(const cnn_port *output, const float *score, int64_t n, const int32_t *label,
                   int64_t positions) {
  double miss = 0, classes = 0;
  for (int64_t c = 0; c < n; c++) {
    double both = 0, predicted = 0, truth = 0;
    for (int64_t i = 0; i < positions; i++) {
      if (label[i] < 0 || label[i] >= (n == 1 ? 2 : n)) continue;
      const double p = probability(output, score + i * n, c, normalizer(output, score + i * n, n));
      const double t = label[i] == (n == 1 ? 1 : c) ? 1 : 0;
      both += p * t;
      predicted += p;
      truth += t;
    }
    if (truth == 0 && n > 1) continue;
    miss += 1 - (2 * both + 1) / (predicted + truth + 1);
    classes++;
  }
  return classes > 0 ? miss / classes : 0;
}

static const Loss LOSSES[] = {
    {"cross_entropy", 0, cross_entropy, NULL, true, NULL},
    {"focal", 2, focal, NULL, false, NULL},
    {"hinge", 0, hinge, NULL, false, NULL},
    {"binary_cross_entropy", 0, NULL, binary_cross_entropy, false, NULL},
    {"mse", 0, NULL, mse, false, NULL},
    {"mae", 0, NULL, mae, false, NULL},
    {"huber", 1, NULL, huber, false, NULL},
    {"linear", 0, NULL, linear, false, NULL},
    {"dice", 0, NULL, NULL, false, dice},
};

static const Loss *find(const cnn_port *output) {
  if (!output->loss) return NULL;
  for (size_t i = 0; i < sizeof LOSSES / sizeof *LOSSES; i++) {
    const Loss *loss = &LOSSES[i];
    if (strcmp(loss->name, output->loss) == 0 &&
        output->target == (loss->of_value ? CNN_TARGET_VALUES : CNN_TARGET_CLASS))
      return loss;
  }
  return NULL;
}

bool cnn_loss_known(const cnn_port *output) { return find(output) != NULL; }

double cnn_loss_weight(const cnn_port *output) { return output->criterion ? output->criterion->weight : 1; }

cnn_loss_sum cnn_loss_sample(const cnn_port *output, const float *values, const void *target) {
  const Loss *loss = find(output);
  cnn_loss numbers = DEFAULTS;
  cnn_loss_sum result = {0, 0};
  if (!loss) return result;
  numbers.parameter = loss->parameter;
  if (output->criterion) numbers = *output->criterion;
  if (loss->of_value) {
    const float *t = target;
    for (int64_t i = 0; i < output->size; i++)
      result.sum += loss->of_value(output, &numbers, (double)values[i], (double)t[i]);
    result.weight = (double)output->size;
    return result;
  }
  const int32_t *label = target;
  int64_t n = output->size / output->target_size; /* number of classes */
  if (loss->of_image) return (cnn_loss_sum){loss->of_image(output, values, n, label, output->target_size), 1};
  for (int64_t i = 0; i < output->target_size; i++) {
    if (label[i] < 0 || label[i] >= n || label[i] == numbers.ignore) continue;
    result.sum += loss->of_class(output, &numbers, values + i * n, n, label[i]);
    result.weight += loss->weighted ? class_weight(&numbers, label[i]) : 1;
  }
  return result;
}
