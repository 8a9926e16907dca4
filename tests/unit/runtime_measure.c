/* runtime_measure.c: Losses, metrics and augmented batches, tested without the training loop. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/data/batch.h"
#include "hosted/training/loss.h"
#include "hosted/training/measure.h"
#include "runtime_net.h"

static void losses_are_those_of_pytorch(void) {
  static const float probability[] = {0.1f, 0.7f, 0.2f}, logit[] = {1, 2, -0.5f}, score[] = {0.3f, 0.8f};
  static const float goal[] = {1, 0}, far[] = {3, 0.5f};
  static const int32_t label[] = {2};
  static const float class_weight[] = {1, 2, 4};
  cnn_port port = {.rank = 1,
                   .dim = {3},
                   .size = 3,
                   .target = CNN_TARGET_CLASS,
                   .target_size = 1,
                   .scores = CNN_SCORES_PROBABILITY,
                   .loss = "cross_entropy"};
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, probability, label).sum, -log(0.2), 1e-6);
  port.scores = CNN_SCORES_LOGIT;
  double all = log(exp(1) + exp(2) + exp(-0.5)), nll[] = {all - 1, all - 2, all + 0.5};
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, logit, label).sum, nll[2], 1e-9);
  cnn_loss numbers = {
      .weight = 1, .smoothing = 0.1, .parameter = 1, .ignore = -1, .class_weight = class_weight};
  port.criterion = &numbers;
  cnn_loss_sum smooth = cnn_loss_sample(&port, logit, label);
  CU_ASSERT_DOUBLE_EQUAL(smooth.sum, 0.9 * 4 * nll[2] + 0.1 / 3 * (nll[0] + 2 * nll[1] + 4 * nll[2]), 1e-9);
  CU_ASSERT_EQUAL(smooth.weight, 4);
  numbers.ignore = 2;
  CU_ASSERT_EQUAL(cnn_loss_sample(&port, logit, label).weight, 0);
  port.loss = "hinge";
  port.criterion = NULL;
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, logit, label).sum, (1 + 0.5 + 1 + 1 + 0.5 + 2) / 3, 1e-6);

  port = (cnn_port){.rank = 1,
                    .dim = {2},
                    .size = 2,
                    .target = CNN_TARGET_VALUES,
                    .target_size = 2,
                    .scores = CNN_SCORES_BINARY,
                    .loss = "binary_cross_entropy"};
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, score, goal).sum, -log((double)0.3f) - log(1 - (double)0.8f),
                         1e-9);
  CU_ASSERT_EQUAL(cnn_loss_sample(&port, score, goal).weight, 2);
  port.scores = CNN_SCORES_BINARY_LOGIT;
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, score, goal).sum,
                         log(1 + exp(-(double)0.3f)) + log(1 + exp((double)0.8f)), 1e-9);
  port.scores = CNN_SCORES_NONE;
  port.loss = "mse";
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, score, far).sum, 2.7 * 2.7 + 0.09, 1e-6);
  port.loss = "mae";
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, score, far).sum, 3, 1e-6);
  port.loss = "huber";
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, score, far).sum, 2.7 - 0.5 + 0.045, 1e-6);
  port.loss = "linear";
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, score, far).sum,
                         (double)score[0] * (double)far[0] + (double)score[1] * (double)far[1], 1e-6);
  port.loss = "yolo";
  CU_ASSERT_FALSE(cnn_loss_known(&port));
}

/* The dice loss of one image is the mean over the classes that appear. Pixels of class -1 do not count. */
static void dice_is_the_overlap(void) {
  static const float two[] = {0.75f, 0.25f, 0, 0.5f, 0.5f, 0, 0.25f, 0.75f, 0, 0, 0, 1};
  static const int32_t labels[] = {0, 1, 1, -1}, none[] = {-1, -1, -1, -1}, yes[] = {1, 0, 1, -1};
  static const float one[] = {2, -1, 0.5f, 3};
  cnn_port port = {.rank = 3,
                   .dim = {2, 2, 3},
                   .size = 12,
                   .target = CNN_TARGET_CLASS,
                   .target_size = 4,
                   .scores = CNN_SCORES_PROBABILITY,
                   .loss = "dice"};
  const double first = 1 - (2 * 0.75 + 1) / (1.5 + 1 + 1), second = 1 - (2 * 1.25 + 1) / (1.5 + 2 + 1);
  CU_ASSERT_TRUE(cnn_loss_known(&port));
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, two, labels).sum, (first + second) / 2, 1e-9);
  CU_ASSERT_EQUAL(cnn_loss_sample(&port, two, labels).weight, 1);
  CU_ASSERT_EQUAL(cnn_loss_sample(&port, two, none).sum, 0);
  port.dim[2] = 1;
  port.size = 4;
  port.scores = CNN_SCORES_BINARY_LOGIT;
  const double p[] = {1 / (1 + exp(-2)), 1 / (1 + exp(1)), 1 / (1 + exp(-0.5))};
  CU_ASSERT_DOUBLE_EQUAL(cnn_loss_sample(&port, one, yes).sum,
                         1 - (2 * (p[0] + p[2]) + 1) / (p[0] + p[1] + p[2] + 2 + 1), 1e-7);
}

static void metrics_count_what_they_say(void) {
  static const cnn_port ports[] = {{.name = "map",
                                    .rank = 3,
                                    .dim = {1, 4, 3},
                                    .size = 12,
                                    .target = CNN_TARGET_CLASS,
                                    .target_size = 4,
                                    .scores = CNN_SCORES_PROBABILITY,
                                    .loss = "cross_entropy"},
                                   {.name = "yes",
                                    .rank = 1,
                                    .dim = {1},
                                    .size = 1,
                                    .target = CNN_TARGET_VALUES,
                                    .target_size = 1,
                                    .scores = CNN_SCORES_BINARY,
                                    .loss = "binary_cross_entropy"},
                                   {.name = "size",
                                    .rank = 1,
                                    .dim = {2},
                                    .size = 2,
                                    .target = CNN_TARGET_VALUES,
                                    .target_size = 2,
                                    .loss = "mse"}};
  static float map[] = {0.5f, 0.4f, 0.1f, 0.1f, 0.1f, 0.8f, 0.1f, 0.8f, 0.1f, 1, 0, 0}, yes[] = {0.6f},
               size[] = {1, 2};
  static int32_t pixels[] = {0, 2, 0, -1};
  static float is[] = {1}, sizes[] = {2, 4};
  cnn_network network = {.outputs = 3, .output = ports};
  cnn_tally tally;
  CU_ASSERT_FATAL(cnn_tally_open(&tally, &network, false));
  float *const output[] = {map, yes, size};
  void *const target[] = {pixels, is, sizes};
  cnn_sums sums[3];
  cnn_measures measures;
  cnn_tally_sample(&tally, output, target, 0, sums);
  cnn_tally_measures(&tally, 1, sums, &measures);
  CU_ASSERT_EQUAL(measures.metrics, 3);
  CU_ASSERT_STRING_EQUAL(measures.metric[0].name, "map_iou");
  /* the IoU of class 0 is 1/2; class 1 is only predicted; class 2 is right */
  CU_ASSERT_DOUBLE_EQUAL(measures.metric[0].value, (1.0 / 2 + 0 + 1) / 3, 1e-12);
  CU_ASSERT_STRING_EQUAL(measures.metric[1].name, "yes_accuracy");
  CU_ASSERT_EQUAL(measures.metric[1].value, 1);
  CU_ASSERT_STRING_EQUAL(measures.metric[2].name, "size_mae");
  CU_ASSERT_DOUBLE_EQUAL(measures.metric[2].value, 1.5, 1e-12);
  double expected = -(log(0.5) + log(0.8) + log(0.1)) / 3 - log(0.6) + (1 + 4) / 2.0;
  CU_ASSERT_DOUBLE_EQUAL(measures.loss, expected, 1e-6);
  cnn_tally_close(&tally);
  cnn_class_counts counts = {.samples = 4, .predicted = 6, .correct = 3};
  CU_ASSERT_DOUBLE_EQUAL(cnn_class_precision(&counts), 0.5, 1e-12);
  CU_ASSERT_DOUBLE_EQUAL(cnn_class_recall(&counts), 0.75, 1e-12);
  CU_ASSERT_DOUBLE_EQUAL(cnn_class_f1(&counts), 0.6, 1e-12);
  CU_ASSERT_DOUBLE_EQUAL(cnn_class_iou(&counts), 3.0 / 7, 1e-12);
}

/* Training prints only the first metric; eval prints all three metrics. */
static void pixels_have_three_metrics(void) {
  static const char *const name[] = {"iou", "accuracy", "dice"};
  static const double value[] = {(1.0 / 2 + 0 + 1) / 3, 2.0 / 3, (2.0 / 3 + 0 + 1) / 3};
  static const cnn_port port = {.name = "map",
                                .rank = 3,
                                .dim = {1, 4, 3},
                                .size = 12,
                                .target = CNN_TARGET_CLASS,
                                .target_size = 4,
                                .scores = CNN_SCORES_PROBABILITY};
  static float map[] = {0.5f, 0.4f, 0.1f, 0.1f, 0.1f, 0.8f, 0.1f, 0.8f, 0.1f, 1, 0, 0};
  static int32_t pixels[] = {0, 2, 0, -1};
  const cnn_network network = {.outputs = 1, .output = &port};
  float *const output[] = {map};
  void *const target[] = {pixels};
  cnn_tally tally;
  cnn_sums sums;
  cnn_measures measures;
  CU_ASSERT_FATAL(cnn_tally_open(&tally, &network, false));
  cnn_tally_sample(&tally, output, target, 0, &sums);
  cnn_tally_measures(&tally, 1, &sums, &measures);
  CU_ASSERT_EQUAL(measures.metrics, 1);
  tally.all = true;
  cnn_tally_measures(&tally, 1, &sums, &measures);
  CU_ASSERT_EQUAL_FATAL(measures.metrics, 3);
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_STRING_EQUAL(measures.metric[i].name, name[i]);
    CU_ASSERT_DOUBLE_EQUAL(measures.metric[i].value, value[i], 1e-12);
  }
  cnn_tally_close(&tally);
}

enum { H = 4, W = 6, C = 3, SIZE = H * W * C, AT = 7 };

/* A net with an image input in channels-first layout, and sample AT before and after augmentation. */
typedef struct Moved {
  cnn_port input, output;
  cnn_recipe recipe;
  cnn_network network;
  cnn_course course;
  cnn_augmentation augmentation;
  uint8_t pixel[H][W][C], moved[H][W][C];
  int32_t label[H][W];
} Moved;

static void moved_make(Moved *m, cnn_port output) {
  static const cnn_option augment[] = {{"hflip", {0}, 0}, {"shift", {2}, 1}};
  *m =
      (Moved){.input = {.name = "image", .type = CNN_U8, .rank = 3, .dim = {H, W, C}, .chw = 1, .size = SIZE},
              .output = output,
              .recipe = net_recipe};
  m->recipe.augments = 2;
  m->recipe.augment = augment;
  m->network = (cnn_network){.name = "map",
                             .inputs = 1,
                             .outputs = 1,
                             .input = &m->input,
                             .output = &m->output,
                             .recipe = &m->recipe};
  m->course =
      (cnn_course){.recipe = &m->recipe, .samples = 20, .epoch = 3, .batch = 2, .part = 2, .augment = true};
  m->augmentation = cnn_augment_draw(&m->recipe, (cnn_plane){H, W, C}, m->recipe.seed, 3, AT);
}

/* Stores sample AT at index `at` of a batch of n samples, and computes the expected image. */
static void moved_take(Moved *m, cnn_batch *batch, int32_t n, int32_t at) {
  static float scratch[2 * SIZE];
  cnn_data_options options = CNN_DATA_DEFAULTS;
  cnn_data *data;
  cnn_reader reader;
  CU_ASSERT_EQUAL_FATAL(cnn_data_open(&data, "synthetic", &m->network, &options).code, CNN_OK);
  CU_ASSERT_FATAL(cnn_batch_open(batch, &m->network, n, true) && cnn_reader_open(&reader, &m->network));
  m->course.data = data;
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, AT, (void *[]){m->pixel}, (void *[]){m->label}).code,
                  CNN_OK);
  cnn_augment_input(&m->augmentation, (cnn_plane){H, W, C}, CNN_U8, 255, m->pixel, m->moved, scratch);
  CU_ASSERT_EQUAL(cnn_batch_take(batch, &reader, at, &m->course, AT).code, CNN_OK);
  cnn_reader_close(&reader);
  cnn_data_close(data);
}

/* An image and its pixel classes are moved in the same way. Afterwards the image is converted to
 * channels-first layout. */
static void batches_are_augmented_and_arranged(void) {
  static Moved m;
  static int32_t moved_label[H][W];
  cnn_batch batch;
  moved_make(&m, (cnn_port){.name = "output",
                            .rank = 3,
                            .dim = {H, W, 5},
                            .size = H * W * 5,
                            .target = CNN_TARGET_CLASS,
                            .target_size = H * W,
                            .scores = CNN_SCORES_PROBABILITY,
                            .loss = "cross_entropy"});
  moved_take(&m, &batch, 2, 1);
  cnn_augment_target(&m.augmentation, (cnn_plane){H, W, 1}, true, m.label, moved_label);
  CU_ASSERT(memcmp(m.pixel, m.moved, sizeof m.pixel) != 0 &&
            memcmp(m.label, moved_label, sizeof m.label) != 0);
  const uint8_t *got = (const uint8_t *)batch.input[0] + SIZE;
  bool right = memcmp((const int32_t *)batch.target[0] + H * W, moved_label, sizeof moved_label) == 0;
  for (int i = 0; i < SIZE; i++)
    right = right && got[(i % C * H + i / C / W) * W + i / C % W] == (&m.moved[0][0][0])[i];
  CU_ASSERT(right);
  cnn_batch_close(&batch);
}

/* The target is the image after augmentation, in the layout of the output. */
static void targets_that_are_inputs_are_augmented(void) {
  static Moved m;
  cnn_batch batch;
  moved_make(&m, (cnn_port){.name = "output",
                            .rank = 3,
                            .dim = {H, W, C},
                            .size = SIZE,
                            .target = CNN_TARGET_VALUES,
                            .target_size = SIZE,
                            .loss = "mse"});
  m.recipe.target_is_input = 1;
  moved_take(&m, &batch, 1, 0);
  CU_ASSERT(memcmp(m.pixel, m.moved, sizeof m.pixel) != 0);
  const float *value = batch.target[0];
  bool right = true;
  for (int i = 0; i < SIZE; i++) right = right && value[i] == (float)(&m.moved[0][0][0])[i] / 255.0f;
  CU_ASSERT(right);
  cnn_batch_close(&batch);
}

/* mixup: each pixel is the weighted mean of two samples; cutmix: each pixel is from one of two samples. The
 * label is the label of one of the two samples. */
static void samples_are_mixed_with_others(void) {
  enum { N = 8, CLASSES = 5, SAMPLES = 40 };
  static const cnn_option mixing[][1] = {{{"mixup", {1}, 1}}, {{"cutmix", {1}, 1}}};
  cnn_port input = {.name = "image", .type = CNN_F32, .rank = 3, .dim = {N, N, 1}, .size = N * N};
  cnn_port output = {.name = "output",
                     .rank = 1,
                     .dim = {CLASSES},
                     .size = CLASSES,
                     .target = CNN_TARGET_CLASS,
                     .target_size = 1,
                     .scores = CNN_SCORES_PROBABILITY,
                     .loss = "cross_entropy"};
  cnn_recipe recipe = net_recipe;
  cnn_network network = {
      .name = "net", .inputs = 1, .outputs = 1, .input = &input, .output = &output, .recipe = &recipe};
  cnn_data_options options = CNN_DATA_DEFAULTS;
  static float own[N * N], other[N * N];
  for (int kind = 0; kind < 2; kind++) {
    cnn_data *data;
    cnn_batch batch;
    cnn_reader reader;
    recipe.augments = 1;
    recipe.augment = mixing[kind];
    CU_ASSERT_EQUAL_FATAL(cnn_data_open(&data, "synthetic", &network, &options).code, CNN_OK);
    CU_ASSERT_FATAL(cnn_batch_open(&batch, &network, 1, true) && cnn_reader_open(&reader, &network));
    const cnn_course course = {
        .data = data, .recipe = &recipe, .samples = SAMPLES, .batch = 1, .part = 1, .augment = true};
    int others = 0;
    bool right = true;
    for (int64_t at = 0; at < SAMPLES; at++) {
      const cnn_augmentation augmentation =
          cnn_augment_draw(&recipe, (cnn_plane){N, N, 1}, recipe.seed, 0, (uint32_t)at);
      cnn_mix mix;
      int32_t own_label, other_label;
      CU_ASSERT_FATAL(cnn_mix_draw(&augmentation, 0, SAMPLES, &mix));
      CU_ASSERT_FATAL(mix.partner >= 0 && mix.partner < SAMPLES && mix.share >= 0 && mix.share <= 1);
      cnn_data_sample(data, CNN_PART_TRAIN, at, (void *[]){own}, (void *[]){&own_label});
      cnn_data_sample(data, CNN_PART_TRAIN, mix.partner, (void *[]){other}, (void *[]){&other_label});
      CU_ASSERT_EQUAL_FATAL(cnn_batch_take(&batch, &reader, 0, &course, at).code, CNN_OK);
      const float *got = batch.input[0];
      for (int i = 0; i < N * N; i++) {
        const bool inside = i / N >= mix.top && i / N < mix.bottom && i % N >= mix.left && i % N < mix.right;
        const double blend = mix.share * (double)own[i] + (1 - mix.share) * (double)other[i],
                     cut = (double)(inside ? other : own)[i];
        right = right && fabs((double)got[i] - (kind ? cut : blend)) < 1e-5;
      }
      right = right && *(int32_t *)batch.target[0] == (mix.label ? other_label : own_label);
      others += mix.label;
    }
    CU_ASSERT(right);
    CU_ASSERT(others > 5 && others < 35);
    cnn_batch_close(&batch);
    cnn_reader_close(&reader);
    cnn_data_close(data);
  }
}

CU_TestInfo suite_measure[] = {
    {"losses follow PyTorch's formulas", losses_are_those_of_pytorch},
    {"dice measures the overlap", dice_is_the_overlap},
    {"metrics count correctly", metrics_count_what_they_say},
    {"three metrics of pixel classes", pixels_have_three_metrics},
    {"batches are augmented and laid out", batches_are_augmented_and_arranged},
    {"with target = input, targets are augmented", targets_that_are_inputs_are_augmented},
    {"samples are mixed with others", samples_are_mixed_with_others},
    CU_TEST_INFO_NULL};
