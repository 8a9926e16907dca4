/* runtime_net.c: the linear classifier of runtime_net.h, scores = softmax(W (x/255 - mean) * scale + b).
 * `mean` is the running mean of all pixels, and `scale` is frozen at 1. In training every pixel of a sample
 * is dropped with probability 1/8. */
// SPDX-License-Identifier: Apache-2.0
#include "runtime_net.h"

#include <math.h>
#include <string.h>

typedef struct Weights {
  float weight[NET_CLASSES][NET_PIXELS], bias[NET_CLASSES], mean[1], scale[1];
} Weights;
_Static_assert(sizeof(Weights) == NET_PARAMETERS * sizeof(float), "weights are a flat array");
typedef struct Training {
  float x[NET_TRAIN_BATCH][NET_PIXELS];
} Training;

static const cnn_port INPUT = {
    .name = "image", .type = CNN_U8, .rank = 3, .dim = {NET_SIDE, NET_SIDE, 1}, .size = NET_PIXELS};
static const cnn_port OUTPUT = {.name = "output",
                                .rank = 1,
                                .dim = {NET_CLASSES},
                                .size = NET_CLASSES,
                                .target = CNN_TARGET_CLASS,
                                .target_size = 1,
                                .scores = CNN_SCORES_PROBABILITY,
                                .loss = "cross_entropy"};
static const cnn_weight WEIGHT[] = {
    {"dense1.weight", 2, {NET_CLASSES, NET_PIXELS}, 0, NET_CLASSES * NET_PIXELS, CNN_TRAINED, 1, {0}},
    {"dense1.bias", 1, {NET_CLASSES}, NET_CLASSES * NET_PIXELS, NET_CLASSES, CNN_TRAINED, 0, {0}},
    {"norm1.running_mean", 1, {1}, NET_CLASSES * NET_PIXELS + NET_CLASSES, 1, CNN_STATISTIC, 0, {0}},
    {"scale1.weight", 1, {1}, NET_CLASSES * NET_PIXELS + NET_CLASSES + 1, 1, CNN_FROZEN, 0, {0}},
};
static const cnn_layer LAYER[] = {{"dense1", "dense", 3, 1, 0, {NET_CLASSES}, 148, 144, 16}};
static const cnn_step STEP[] = {{"norm1", 0}, {"dense1", 144}};
static const char *const LABEL[] = {"north", "east", "south", "we\"st"};
static const cnn_option METRIC[] = {{"accuracy", {0}, 0}, {"top", {2}, 1}};

const cnn_recipe net_recipe = {.optimizer = CNN_ADAM,
                               .rate = 0.01,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .schedule = CNN_COSINE,
                               .warmup = 1,
                               .batch = 16,
                               .epochs = 4,
                               .accumulate = 1,
                               .seed = 3,
                               .metrics = 2,
                               .metric = METRIC};

static void probabilities(const Weights *weights, const float *x, float *p) {
  float sum = 0;
  for (int c = 0; c < NET_CLASSES; c++) {
    p[c] = weights->bias[c];
    for (int i = 0; i < NET_PIXELS; i++) p[c] += weights->weight[c][i] * weights->scale[0] * x[i];
    sum += p[c] = expf(p[c]);
  }
  for (int c = 0; c < NET_CLASSES; c++) p[c] /= sum;
}

static void init(float *flat, uint64_t seed) {
  Weights *weights = (Weights *)(void *)flat;
  cnn_random random = cnn_random_keys(seed, 0);
  memset(weights, 0, sizeof *weights);
  for (int i = 0; i < NET_CLASSES * NET_PIXELS; i++) {
    weights->weight[i / NET_PIXELS][i % NET_PIXELS] = 0.2f * (cnn_random_uniform(random, (uint32_t)i) - 0.5f);
  }
  weights->scale[0] = 1;
}

static void pack(void *model, const float *weights) { memcpy(model, weights, sizeof(Weights)); }

static void infer_timed(const void *model, const void *const *input, float *const *output, void *workspace,
                        void (*mark)(void *, int32_t), void *context) {
  const Weights *weights = model;
  const uint8_t *image = input[0];
  float *x = workspace;
  for (int i = 0; i < NET_PIXELS; i++) x[i] = (float)image[i] / 255 - weights->mean[0];
  if (mark) mark(context, 0);
  probabilities(weights, x, output[0]);
  if (mark) mark(context, 1);
}

static void infer(const void *model, const void *const *input, float *const *output, void *workspace) {
  infer_timed(model, input, output, workspace, NULL, NULL);
}

static float gradients(const float *flat, const void *const *input, const void *const *target, int32_t count,
                       uint64_t seed, uint64_t step, float *flat_gradients, float *const *output,
                       void *workspace) {
  const Weights *weights = (const Weights *)(const void *)flat;
  Weights *gradient = (Weights *)(void *)flat_gradients;
  Training *training = workspace;
  const uint8_t *image = input[0];
  const int32_t *label = target[0];
  double mean = 0, loss = 0;
  memset(gradient, 0, sizeof *gradient);
  for (int32_t n = 0; n < count; n++) {
    cnn_random random = cnn_random_keys(seed, step * NET_TRAIN_BATCH + (uint64_t)n);
    float p[NET_CLASSES], *x = training->x[n];
    for (int i = 0; i < NET_PIXELS; i++) {
      float pixel = (float)image[n * NET_PIXELS + i] / 255;
      mean += (double)pixel / (NET_PIXELS * count);
      x[i] = cnn_random_below(random, (uint32_t)i, 8) == 0 ? 0 : pixel - weights->mean[0];
    }
    probabilities(weights, x, p);
    loss -= log((double)p[label[n]]);
    for (int c = 0; c < NET_CLASSES; c++) {
      float d = (p[c] - (c == label[n] ? 1 : 0)) / (float)count;
      for (int i = 0; i < NET_PIXELS; i++) gradient->weight[c][i] += d * x[i];
      gradient->bias[c] += d;
      if (output) output[0][n * NET_CLASSES + c] = p[c];
    }
  }
  gradient->mean[0] = 0.9f * weights->mean[0] + 0.1f * (float)mean;
  return (float)(loss / count);
}

cnn_network net_make(const cnn_recipe *recipe) {
  cnn_network network = {.version = CNN_NETWORK_VERSION,
                         .name = "compass",
                         .target = "generic",
                         .inputs = 1,
                         .outputs = 1,
                         .weights = 4,
                         .layers = 1,
                         .steps = 2,
                         .labels = NET_CLASSES,
                         .input = &INPUT,
                         .output = &OUTPUT,
                         .weight = WEIGHT,
                         .layer = LAYER,
                         .timed = STEP,
                         .label = LABEL,
                         .summary = "compass: dense1",
                         .parameters = NET_PARAMETERS,
                         .macs = 144,
                         .batch = 1,
                         .model_bytes = sizeof(Weights),
                         .workspace_bytes = NET_PIXELS * sizeof(float),
                         .recipe = recipe,
                         .init = init,
                         .pack = pack,
                         .infer = infer,
                         .infer_timed = infer_timed};
  if (recipe) {
    network.train_batch = NET_TRAIN_BATCH;
    network.training_bytes = sizeof(Training);
    network.gradients = gradients;
  }
  return network;
}
