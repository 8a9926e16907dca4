/* runtime_synthetic.c: Split of a data set, synthetic data, files read and written by `predict`. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <string.h>
#include "cnn_data.h"
#include "cnn_image.h"
#include "hosted/data/drawn.h"
#include "hosted/data/outputs.h"
#include "runtime_scratch.h"
#include "runtime_sets.h"

/* ---- drawn samples ---- */

typedef struct Moments {
  double mean, deviation, low, high;
} Moments;

static Moments moments_of(cnn_port port, cnn_contents contents, int64_t indices, int32_t rate) {
  enum { COUNT = 4096 };
  static double room[COUNT];
  Moments m = {0, 0, INFINITY, -INFINITY};
  port.contents = contents;
  port.indices = indices;
  port.rate = rate;
  const int64_t n = 4 * port.size;
  CU_ASSERT_FATAL(n <= COUNT);
  cnn_drawn_input(&port, 0, 4, room);
  for (int64_t i = 0; i < n; i++) {
    const double x = cnn_port_number(&port, room, i);
    m.mean += x / (double)n;
    m.low = fmin(m.low, x);
    m.high = fmax(m.high, x);
  }
  for (int64_t i = 0; i < n; i++) {
    const double x = cnn_port_number(&port, room, i) - m.mean;
    m.deviation += x * x / (double)n;
  }
  m.deviation = sqrt(m.deviation);
  return m;
}

static bool near(double x, double wanted, double by) { return fabs(x - wanted) <= by; }

static void drawn_inputs_have_the_contents_of_the_port(void) {
  const cnn_port f32 = port_of("x", CNN_F32, 32, 32, 1), u8 = port_of("x", CNN_U8, 32, 32, 1),
                 i8 = port_of("x", CNN_I8, 32, 32, 1), i16 = port_of("x", CNN_I16, 32, 32, 1),
                 i32 = port_of("x", CNN_I32, 32, 32, 1);
  Moments m = moments_of(f32, CNN_NORMAL, 0, 0);
  CU_ASSERT(near(m.mean, 0, 0.06) && near(m.deviation, 1, 0.05) && m.high > 2.5 && m.high < 6);
  m = moments_of(i16, CNN_NORMAL, 0, 0);
  CU_ASSERT(near(m.mean, 0, 300) && near(m.deviation, 4096, 200));
  m = moments_of(f32, CNN_BYTES, 0, 0);
  CU_ASSERT(near(m.mean, 127.5, 5) && near(m.deviation, 73.9, 2) && m.low == 0 && m.high == 255);
  m = moments_of(u8, CNN_BYTES, 0, 0);
  CU_ASSERT(near(m.mean, 127.5, 5) && near(m.deviation, 73.9, 2) && m.low == 0 && m.high == 255);
  m = moments_of(i8, CNN_BYTES, 0, 0);
  CU_ASSERT(near(m.mean, -0.5, 5) && m.low == -128 && m.high == 127);
  m = moments_of(f32, CNN_SOUND, 0, 16000); /* a sine of amplitude 0.25 has a deviation of 0.177 */
  CU_ASSERT(near(m.mean, 0, 0.03) && near(m.deviation, 0.177, 0.02) && m.high < 0.3 && m.low > -0.3);
  m = moments_of(i16, CNN_SOUND, 0, 16000);
  CU_ASSERT(near(m.deviation, 0.177 * 32768, 700) && m.high < 0.3 * 32768);
  m = moments_of(i32, CNN_INDICES, 50, 0);
  CU_ASSERT(m.low == 0 && m.high == 49 && near(m.mean, 24.5, 1));
  m = moments_of(i32, CNN_MASK, 0, 0);
  CU_ASSERT(m.low == 1 && m.high == 1);
}

/* ---- parts ---- */

static void the_split_is_seeded_and_exact(void) {
  Net net, other;
  net_make_one(&net, port_of("x", CNN_U8, 2, 2, 1), classes_of("output", 10));
  net_make_one(&other, port_of("x", CNN_U8, 2, 2, 1), classes_of("output", 10));
  other.recipe.seed = 4;
  cnn_data *a = open_set(&net, "synthetic", 0.1, 0), *b = open_set(&net, "synthetic", 0.1, 0),
           *c = open_set(&other, "synthetic", 0.1, 0);
  CU_ASSERT(cnn_data_count(a, CNN_PART_TRAIN) == 900 && cnn_data_count(a, CNN_PART_VAL) == 100 &&
            cnn_data_count(a, CNN_PART_TEST) == 200);
  int same = 0, differing = 0;
  for (int64_t i = 0; i < 100; i++) {
    uint8_t one[4], two[4], three[4];
    cnn_data_sample(a, CNN_PART_VAL, i, (void *[]){one}, NULL);
    cnn_data_sample(b, CNN_PART_VAL, i, (void *[]){two}, NULL);
    cnn_data_sample(c, CNN_PART_VAL, i, (void *[]){three}, NULL);
    same += memcmp(one, two, 4) == 0;
    differing += memcmp(one, three, 4) != 0;
  }
  CU_ASSERT(same == 100 && differing > 50);
  cnn_data_close(a);
  cnn_data_close(b);
  cnn_data_close(c);
  cnn_data_options wrong = {1, 0, CNN_FIT_STRETCH, 0, NULL, false, false},
                   negative = {0.1, -1, CNN_FIT_STRETCH, 0, NULL, false, false};
  CU_ASSERT_EQUAL(cnn_data_open(&a, "synthetic", &net.network, &wrong).code, CNN_BAD_ARGUMENT);
  CU_ASSERT_EQUAL(cnn_data_open(&a, "synthetic", &net.network, &negative).code, CNN_BAD_ARGUMENT);
  a = open_set(&net, "synthetic", 0.9999, 0); /* at least one training sample remains */
  CU_ASSERT_EQUAL(cnn_data_count(a, CNN_PART_TRAIN), 1);
  cnn_data_close(a);
}

/* ---- synthetic ---- */

enum { CLASSES = 7, PLACES = 12 * 12 * 2 };

/* Classifies each test sample by the nearest mean of the training samples of a class. If most test samples
 * are classified correctly, a net can learn the classes. */
static double nearest_mean(const cnn_data *data) {
  static double mean[CLASSES][PLACES];
  double number[CLASSES] = {0};
  uint8_t pixel[PLACES];
  int32_t label;
  int right = 0;
  memset(mean, 0, sizeof mean);
  for (int64_t i = 0; i < cnn_data_count(data, CNN_PART_TRAIN); i++) {
    CU_ASSERT_EQUAL_FATAL(
        cnn_data_sample(data, CNN_PART_TRAIN, i, (void *[]){pixel}, (void *[]){&label}).code, CNN_OK);
    number[label]++;
    for (int p = 0; p < PLACES; p++) mean[label][p] += pixel[p];
  }
  for (int64_t i = 0; i < cnn_data_count(data, CNN_PART_TEST); i++) {
    int best = 0;
    double least = 1e300;
    cnn_data_sample(data, CNN_PART_TEST, i, (void *[]){pixel}, (void *[]){&label});
    for (int c = 0; c < CLASSES; c++) {
      double sum = 0;
      for (int p = 0; p < PLACES; p++)
        sum += (pixel[p] - mean[c][p] / number[c]) * (pixel[p] - mean[c][p] / number[c]);
      if (sum < least) {
        least = sum;
        best = c;
      }
    }
    right += best == label;
  }
  return (double)right / (double)cnn_data_count(data, CNN_PART_TEST);
}

static void synthetic_classes_can_be_learnt(void) {
  Net net;
  net_make_one(&net, port_of("x", CNN_U8, 12, 12, 2), classes_of("output", CLASSES));
  cnn_data *data = open_set(&net, "synthetic", 0.1, 0);
  CU_ASSERT_EQUAL(cnn_data_classes(data), CLASSES);
  CU_ASSERT(nearest_mean(data) > 0.95);
  cnn_data_close(data);
}

static void synthetic_serves_every_kind_of_target(void) {
  Net net;
  float x[16], values[6];
  int32_t pixels[16], label;
  net_make_one(&net, port_of("x", CNN_F32, 4, 4, 1), values_of("output", 6, CNN_SCORES_NONE));
  cnn_data *data = open_set(&net, "synthetic", 0.1, 0);
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){x}, (void *[]){values}).code, CNN_OK);
  for (int i = 0; i < 6; i++) CU_ASSERT(values[i] >= 0 && values[i] < 1);
  for (int i = 0; i < 16; i++) CU_ASSERT(x[i] >= -1 && x[i] <= 1);
  CU_ASSERT_FALSE(cnn_data_label(data, CNN_PART_TRAIN, 0, &label));
  cnn_data_close(data);
  net.output[0] = (cnn_port){.name = "output",
                             .rank = 3,
                             .dim = {4, 4, 5},
                             .size = 80,
                             .target = CNN_TARGET_CLASS,
                             .target_size = 16,
                             .scores = CNN_SCORES_LOGIT};
  data = open_set(&net, "synthetic", 0.1, 0);
  int seen[5] = {0};
  for (int64_t s = 0; s < 50; s++) {
    CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, s, (void *[]){x}, (void *[]){pixels}).code, CNN_OK);
    for (int i = 0; i < 16; i++) {
      CU_ASSERT_FATAL(pixels[i] >= 0 && pixels[i] < 5);
      seen[pixels[i]]++;
    }
  }
  for (int c = 0; c < 5; c++) CU_ASSERT(seen[c] > 50);
  cnn_data_close(data);
  net.output[0] = values_of("output", 1, CNN_SCORES_BINARY);
  data = open_set(&net, "synthetic", 0.1, 0);
  int ones = 0;
  for (int64_t s = 0; s < 100; s++) {
    CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TEST, s, (void *[]){x}, (void *[]){values}).code, CNN_OK);
    ones += values[0] == 1;
    CU_ASSERT(values[0] == (float)label_of(data, CNN_PART_TEST, s));
  }
  CU_ASSERT_EQUAL(ones, 50);
  cnn_data_close(data);
  cnn_layer normalize = {.name = "normalize1",
                         .op = "normalize"}; /* a program that scales its input expects images */
  net.network.layers = 1;
  net.network.layer = &normalize;
  net.recipe.target_is_input = 1;
  data = open_set(&net, "synthetic", 0.1, 0);
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){x}, (void *[]){NULL}).code, CNN_OK);
  float largest = 0;
  for (int i = 0; i < 16; i++) largest = x[i] > largest ? x[i] : largest;
  CU_ASSERT(largest > 20 && largest <= 255);
  cnn_data_close(data);
}

/* ---- predict ---- */

static void inputs_are_images_or_arrays(void) {
  static const uint8_t x[24] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
  Net net;
  net_make_one(&net, port_of("image", CNN_U8, 2, 2, 3), classes_of("output", 3));
  uint8_t pixel[12];
  cnn_inputs *inputs;
  const char *path = scratch("p.png");
  cnn_image_write(path, &(cnn_image){2, 2, 3, (uint8_t *)(uintptr_t)x});
  CU_ASSERT_EQUAL_FATAL(cnn_inputs_open(&inputs, path, &net.network, CNN_FIT_STRETCH).code, CNN_OK);
  CU_ASSERT(cnn_inputs_count(inputs) == 1 && !cnn_inputs_batched(inputs));
  CU_ASSERT(cnn_inputs_sample(inputs, 0, (void *[]){pixel}).code == CNN_OK && memcmp(pixel, x, 12) == 0);
  CU_ASSERT_EQUAL(cnn_inputs_sample(inputs, 1, (void *[]){pixel}).code, CNN_BAD_ARGUMENT);
  cnn_inputs_close(inputs);
  for (int batch = 0; batch < 2; batch++) {
    cnn_tensor tensor =
        batch ? tensor_of("", CNN_DTYPE_U8, x, 4, 2, 2, 2, 3) : tensor_of("", CNN_DTYPE_U8, x, 3, 2, 2, 3, 0);
    CU_ASSERT_EQUAL(cnn_npy_write(scratch("p.npy"), &tensor).code, CNN_OK);
    CU_ASSERT_EQUAL_FATAL(cnn_inputs_open(&inputs, scratch("p.npy"), &net.network, CNN_FIT_STRETCH).code,
                          CNN_OK);
    CU_ASSERT(cnn_inputs_count(inputs) == 1 + batch && cnn_inputs_batched(inputs) == (batch == 1));
    CU_ASSERT(cnn_inputs_sample(inputs, batch, (void *[]){pixel}).code == CNN_OK &&
              memcmp(pixel, x + 12 * batch, 12) == 0);
    cnn_inputs_close(inputs);
  }
  net.input[0].chw = 1; /* a net with layout=chw may receive channel planes */
  cnn_tensor planes = tensor_of("image", CNN_DTYPE_U8, x, 4, 2, 3, 2, 2);
  CU_ASSERT_EQUAL_FATAL(
      cnn_inputs_open(&inputs, npz_write("p.npz", &planes, 1), &net.network, CNN_FIT_STRETCH).code, CNN_OK);
  CU_ASSERT(cnn_inputs_sample(inputs, 1, (void *[]){pixel}).code == CNN_OK && pixel[0] == 13 &&
            pixel[1] == 17 && pixel[2] == 21 && pixel[3] == 14);
  uint8_t arranged[12];
  cnn_port_arrange(&net.input[0], pixel, arranged);
  CU_ASSERT_EQUAL(memcmp(arranged, x + 12, 12), 0);
  cnn_inputs_close(inputs);
  net.input[0].chw = 0;
  cnn_status status = cnn_inputs_open(&inputs, scratch("p.npz"), &net.network, CNN_FIT_STRETCH);
  CU_ASSERT(status.code == CNN_MISMATCH && strstr(status.message, "[2, 3, 2, 2]"));
  CU_ASSERT_EQUAL(cnn_inputs_open(&inputs, scratch_text("p.txt", "no"), &net.network, CNN_FIT_STRETCH).code,
                  CNN_BAD_FORMAT);
  CU_ASSERT_EQUAL(cnn_inputs_open(&inputs, scratch("p.none"), &net.network, CNN_FIT_STRETCH).code,
                  CNN_BAD_FILE);
}

static void outputs_are_written_as_arrays(void) {
  static const float one[6] = {1, 2, 3, 4, 5, 6}, two[4] = {7, 8, 9, 10};
  Net net;
  net_make_one(&net, port_of("image", CNN_U8, 2, 2, 3), classes_of("a", 3));
  net.output[1] = port_of("b", CNN_F32, 1, 2, 1);
  cnn_archive archive;
  char shape[40];
  CU_ASSERT_EQUAL(cnn_outputs_write(scratch("o.npy"), &net.network, 2, true, (const float *[]){one}).code,
                  CNN_OK);
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, scratch("o.npy")).code, CNN_OK);
  CU_ASSERT_STRING_EQUAL(cnn_tensor_shape(archive.tensor, shape, sizeof shape), "[2, 3]");
  CU_ASSERT_EQUAL(cnn_tensor_number(archive.tensor, 5), 6);
  cnn_archive_close(&archive);
  CU_ASSERT_EQUAL(cnn_outputs_write(scratch("o.npy"), &net.network, 1, false, (const float *[]){one}).code,
                  CNN_OK);
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, scratch("o.npy")).code, CNN_OK);
  CU_ASSERT_STRING_EQUAL(cnn_tensor_shape(archive.tensor, shape, sizeof shape), "[3]");
  cnn_archive_close(&archive);
  net.network.outputs = 2;
  CU_ASSERT_EQUAL(
      cnn_outputs_write(scratch("o.npz"), &net.network, 2, true, (const float *[]){one, two}).code, CNN_OK);
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, scratch("o.npz")).code, CNN_OK);
  CU_ASSERT_STRING_EQUAL(cnn_tensor_shape(cnn_archive_find(&archive, "b"), shape, sizeof shape),
                         "[2, 1, 2, 1]");
  CU_ASSERT_EQUAL(cnn_tensor_number(cnn_archive_find(&archive, "b"), 3), 10);
  cnn_archive_close(&archive);
}

CU_TestInfo suite_synthetic[] = {
    {"drawn inputs have the contents of the port", drawn_inputs_have_the_contents_of_the_port},
    {"the split depends on the seed and has exact sizes", the_split_is_seeded_and_exact},
    {"synthetic classes can be learned", synthetic_classes_can_be_learnt},
    {"synthetic data have every kind of target", synthetic_serves_every_kind_of_target},
    {"inputs are images or arrays", inputs_are_images_or_arrays},
    {"outputs are written as arrays", outputs_are_written_as_arrays},
    CU_TEST_INFO_NULL,
};
