/* runtime_sounds.c: Recordings in training: each augmentation, and parts of long recordings. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include <CUnit/CUnit.h>
#include <math.h>
#include <string.h>
#include "cnn_core.h"
#include "hosted/data/batch.h"
#include "runtime_scratch.h"
#include "runtime_sets.h"

enum { LENGTH = 600, RATE = 1000, DRAWS = 400 };
static const cnn_plane plane = {1, LENGTH, 1};

static void augment(const cnn_option *option, const cnn_noise *noise, uint32_t index, const float *in,
                    float *out) {
  static float scratch[2 * LENGTH];
  const cnn_recipe recipe = {.augments = 1, .augment = option};
  cnn_augmentation augmentation = cnn_augment_draw(&recipe, plane, 5, 1, index);
  augmentation.rate = RATE;
  augmentation.noise = noise;
  cnn_augment_input(&augmentation, plane, CNN_F32, 1, in, out, scratch);
}

static void tone(float *sample, double cycles) {
  for (int t = 0; t < LENGTH; t++) sample[t] = (float)sin(2 * 3.14159265358979 * cycles * t / (double)LENGTH);
}

static double level(const float *sample) {
  double sum = 0;
  for (int t = 0; t < LENGTH; t++) sum += (double)sample[t] * (double)sample[t];
  return 10 * log10(sum / (double)LENGTH);
}

/* Here 20 ms are 20 samples. Every shift from -20 to 20 occurs and is exact; zeros fill the gaps. */
static void time_shift_moves_whole_samples(void) {
  static const cnn_option option[] = {{"time_shift", {20}, 1}};
  float in[LENGTH], out[LENGTH];
  int seen[41] = {0}, kinds = 0;
  for (int t = 0; t < LENGTH; t++) in[t] = (float)(t + 1);
  for (uint32_t i = 0; i < DRAWS; i++) {
    augment(option, NULL, i, in, out);
    const int later = (int)in[LENGTH / 2] - (int)out[LENGTH / 2];
    CU_ASSERT_FATAL(later >= -20 && later <= 20);
    bool right = true;
    for (int t = 0; t < LENGTH; t++)
      right = right && out[t] == (t < later || t - later >= LENGTH ? 0.0f : in[t - later]);
    CU_ASSERT(right);
    kinds += seen[later + 20]++ == 0;
  }
  CU_ASSERT_EQUAL(kinds, 41);
}

static void gain_is_in_decibels(void) {
  static const cnn_option option[] = {{"gain", {-6, 12}, 2}};
  float in[LENGTH], out[LENGTH];
  double low = 99, high = -99;
  tone(in, 20);
  for (uint32_t i = 0; i < DRAWS; i++) {
    augment(option, NULL, i, in, out);
    const double change = level(out) - level(in);
    low = fmin(low, change), high = fmax(high, change);
  }
  CU_ASSERT(low >= -6.0001 && low < -5.5 && high <= 12.0001 && high > 11.5);
}

/* Adds noise from two recordings, one of which is shorter than the sample. The signal-to-noise ratio and the
 * share of samples with noise are as configured. */
static void background_has_the_ratio_and_the_share(void) {
  static const cnn_option option[] = {{"background", {3, 9, 0.75}, 3}};
  static float first[LENGTH + 50], second[LENGTH / 3];
  for (int t = 0; t < LENGTH + 50; t++) first[t] = (float)((t * 37) % 11 - 5);
  for (int t = 0; t < LENGTH / 3; t++) second[t] = 0.001f * (float)((t * 53) % 13 - 6);
  const cnn_noise noise = {(const float *const[]){first, second}, (const int64_t[]){LENGTH + 50, LENGTH / 3},
                           2};
  float in[LENGTH], out[LENGTH];
  int mixed = 0;
  tone(in, 20);
  for (uint32_t i = 0; i < DRAWS; i++) {
    augment(option, &noise, i, in, out);
    if (memcmp(in, out, sizeof in) == 0) continue;
    mixed++;
    for (int t = 0; t < LENGTH; t++) out[t] -= in[t];
    const double ratio = level(in) - level(out);
    CU_ASSERT(ratio > 2.999 && ratio < 9.001);
  }
  CU_ASSERT(20 * mixed > 13 * DRAWS && 20 * mixed < 17 * DRAWS);
  augment(option, NULL, 0, in, out);
  CU_ASSERT_EQUAL(memcmp(in, out, sizeof in), 0);
  memset(in, 0, sizeof in);
  augment(option, &noise, 1, in, out);
  CU_ASSERT_EQUAL(memcmp(in, out, sizeof in), 0); /* silence has no signal-to-noise ratio */
}

/* At twice the speed a tone has twice the frequency, and half the duration. */
static void speed_changes_the_pitch(void) {
  static const cnn_option twice[] = {{"speed", {2, 2}, 2}}, half[] = {{"speed", {0.5, 0.5}, 2}};
  float in[LENGTH], out[LENGTH], expected;
  const double pi = 3.14159265358979, middle = (LENGTH - 1) / 2.0;
  tone(in, 20);
  for (int k = 0; k < 2; k++) {
    const double factor = k ? 0.5 : 2;
    augment(k ? half : twice, NULL, 0, in, out);
    double worst = 0;
    for (int t = LENGTH / 2 - 100; t < LENGTH / 2 + 100; t++) {
      expected = (float)sin(2 * pi * 20 * (middle + (t - middle) * factor) / (double)LENGTH);
      worst = fmax(worst, fabs((double)out[t] - (double)expected));
    }
    CU_ASSERT(worst < 0.01);
    CU_ASSERT((fabsf(out[10]) < 1e-6f) == (k == 0));
  }
}

static void images_keep_their_values(void) {
  static const cnn_option option[] = {{"gain", {6, 6}, 2}};
  const cnn_recipe recipe = {.augments = 1, .augment = option};
  const cnn_plane image = {4, 4, 1};
  float in[16], out[16], scratch[32];
  for (int i = 0; i < 16; i++) in[i] = (float)i;
  const cnn_augmentation augmentation = cnn_augment_draw(&recipe, image, 5, 1, 0);
  cnn_augment_input(&augmentation, image, CNN_F32, 1, in, out, scratch);
  CU_ASSERT_EQUAL(memcmp(in, out, sizeof in), 0);
}

/* ---- Parts of long recordings */

enum { WINDOW = 20, FRAMES = 120 };

static void recording_write(const char *name, int frames) {
  unsigned char bytes[44 + 2 * FRAMES] = "RIFF    WAVEfmt \20\0\0\0\1\0\1\0";
  bytes[24] = 0xE8, bytes[25] = 3; /* 1000 samples per second */
  bytes[32] = 2, bytes[34] = 16;
  memcpy(bytes + 36, "data", 4);
  bytes[40] = (unsigned char)(2 * frames);
  for (int i = 0; i < frames; i++) bytes[44 + 2 * i] = (unsigned char)i;
  scratch_bytes(name, bytes, 44 + 2 * (size_t)frames);
}

/* Returns the first number of the window that a batch reads from recording `at`. The numbers after it must be
 * those that follow in the recording; a short recording (odd `at`) is read from its beginning, and zeros
 * follow it. */
static int first_read(const Net *net, const cnn_course *course, int64_t at) {
  cnn_batch batch;
  cnn_reader reader;
  CU_ASSERT_FATAL(cnn_batch_open(&batch, &net->network, 1, true) && cnn_reader_open(&reader, &net->network));
  CU_ASSERT_EQUAL_FATAL(cnn_batch_take(&batch, &reader, 0, course, at).code, CNN_OK);
  const int16_t *sample = batch.input[0];
  const int first = sample[0];
  for (int i = 0; i < WINDOW; i++) CU_ASSERT_EQUAL(sample[i], at % 2 ? (i < 7 ? i : 0) : first + i);
  cnn_batch_close(&batch);
  cnn_reader_close(&reader);
  return first;
}

static void long_recordings_are_cut_at_random(void) {
  Net net;
  net_make_one(&net, port_of("samples", CNN_I16, WINDOW, 1, 1), classes_of("output", 2));
  net.input[0].rank = 2;
  recording_write("cuts/a/0.wav", FRAMES);
  recording_write("cuts/b/0.wav", 7);
  for (int kept = 0; kept < 2; kept++) {
    cnn_data *data;
    const cnn_data_options options = {.keep = kept ? 1 << 20 : 0};
    CU_ASSERT_EQUAL_FATAL(cnn_data_open(&data, scratch("cuts"), &net.network, &options).code, CNN_OK);
    cnn_course course = {
        .data = data, .recipe = &net.recipe, .samples = 2, .batch = 1, .part = 1, .cuts = true};
    int seen[FRAMES] = {0}, kinds = 0, first = FRAMES, last = 0;
    for (course.epoch = 0; course.epoch < 300; course.epoch++) {
      const int at = first_read(&net, &course, 0);
      CU_ASSERT_EQUAL(at, first_read(&net, &course, 0));
      kinds += seen[at]++ == 0;
      first = at < first ? at : first, last = at > last ? at : last;
      CU_ASSERT_EQUAL(first_read(&net, &course, 1), 0);
    }
    CU_ASSERT(kinds > 60 && first >= 0 && first < 5 && last > FRAMES - WINDOW - 5 && last <= FRAMES - WINDOW);
    course.cuts = false;
    CU_ASSERT_EQUAL(first_read(&net, &course, 0), (FRAMES - WINDOW) / 2);
    cnn_data_close(data);
  }
}

CU_TestInfo suite_sounds[] = {
    {"time_shift moves whole samples", time_shift_moves_whole_samples},
    {"gain is in decibels", gain_is_in_decibels},
    {"background noise has the given ratio and share", background_has_the_ratio_and_the_share},
    {"speed changes the pitch", speed_changes_the_pitch},
    {"images are not changed by sound augmentation", images_keep_their_values},
    {"long recordings are cut at random", long_recordings_are_cut_at_random},
    CU_TEST_INFO_NULL,
};
