/* pixels.c: what interface says about `gradients` and `init`, tried from outside. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pixels.h"

enum { N = PIXELS_TRAIN_BATCH, AREA = PIXELS_PICTURE_HEIGHT * PIXELS_PICTURE_WIDTH };
#define FLOATS(member) (sizeof(member) / sizeof(float))
_Static_assert(PIXELS_PICTURE_SIZE == 60 && PIXELS_PICTURE_CHANNELS == 2 && PIXELS_SOUND_LENGTH == 8 &&
                   PIXELS_SOUND_CHANNELS == 3 && PIXELS_VECTOR_SIZE == 4,
               "inputs");
_Static_assert(PIXELS_MAP_HEIGHT == 6 && PIXELS_MAP_WIDTH == 5 && PIXELS_MAP_CHANNELS == 3 &&
                   PIXELS_VALUE_SIZE == 2 && PIXELS_SPARE_SIZE == 4,
               "outputs");

static uint8_t picture[N * PIXELS_PICTURE_SIZE];
static float sound[N * PIXELS_SOUND_SIZE], vector[N * PIXELS_VECTOR_SIZE], value[N * PIXELS_VALUE_SIZE];
static float out_map[N * PIXELS_MAP_SIZE + 1], out_value[N * PIXELS_VALUE_SIZE + 1],
    out_spare[N * PIXELS_SPARE_SIZE + 1], again_map[N * PIXELS_MAP_SIZE];
static int32_t class[N * AREA];
static pixels_weights weights, gradients, other;
static pixels_training training;
static int failures;

static void check(int good, const char *what) {
  if (!good) {
    printf("%s\n", what);
    failures++;
  }
}

static float run(int from, int count, uint64_t seed, uint64_t step, pixels_weights *to, float *map) {
  return pixels_gradients(&weights, picture + from * PIXELS_PICTURE_SIZE, sound + from * PIXELS_SOUND_SIZE,
                          vector + from * PIXELS_VECTOR_SIZE, class + from * AREA,
                          value + from * PIXELS_VALUE_SIZE, count, seed, step, to, map, NULL, NULL, NULL,
                          &training);
}

static double square(double x) { return x * x; }

static double variance(const float *w, size_t n) {
  double mean = 0, sum = 0;
  for (size_t i = 0; i < n; i++) mean += (double)w[i] / (double)n;
  for (size_t i = 0; i < n; i++) sum += square((double)w[i] - mean) / (double)n;
  return sum;
}

static int all(const float *w, size_t n, float wanted) {
  for (size_t i = 0; i < n; i++)
    if (memcmp(&w[i], &wanted, sizeof wanted)) return 0;
  return 1;
}

static int near(double a, double b, double share) { return a > b * (1 - share) && a < b * (1 + share); }

static void check_init(void) {
  double he = 0, glorot = 0, frozen = 0;
  const int seeds = 50;
  for (int seed = 0; seed < seeds; seed++) {
    pixels_init(&weights, (uint64_t)seed);
    he += variance(&weights.c_conv1_weight[0][0][0][0], FLOATS(weights.c_conv1_weight)) / seeds;
    glorot += variance(&weights.wave_weight[0][0][0], FLOATS(weights.wave_weight)) / seeds;
    frozen += variance(&weights.f_weight[0][0][0][0], FLOATS(weights.f_weight)) / seeds;
    const float *uniform = (const float *)(const void *)weights.value_weight;
    for (size_t i = 0; i < FLOATS(weights.value_weight); i++)
      check(uniform[i] >= -0.1f && uniform[i] <= 0.1f, "uniform");
  }
  check(near(he, 2.0 / 18, 0.1), "he");
  check(near(glorot, 2.0 / (9 + 18), 0.1), "glorot");
  check(near(frozen, 0.01, 0.1), "normal");
  pixels_init(&weights, 3);
  check(all(weights.c_conv1_bias, 4, 0) && all(weights.wave_bias, 6, 0) && all(weights.value_bias, 2, 0),
        "biases");
  check(all(weights.c_batchnorm1_weight, 4, 1) && all(weights.c_batchnorm1_bias, 4, 0), "batchnorm");
  check(all(weights.c_batchnorm1_running_mean, 4, 0) && all(weights.c_batchnorm1_running_var, 4, 1),
        "statistics");
}

static void check_counts(void) { /* batches of 1 to N samples */
  for (int count = 1; count <= N; count++) {
    memset(&gradients, 0xff, sizeof gradients);
    memset(&training, 0xff, sizeof training);
    out_map[count * PIXELS_MAP_SIZE] = out_value[count * PIXELS_VALUE_SIZE] =
        out_spare[count * PIXELS_SPARE_SIZE] = 123;
    const float loss = pixels_gradients(&weights, picture, sound, vector, class, value, count, 1, 2,
                                        &gradients, out_map, out_value, out_spare, NULL, &training);
    check(loss > 0 && loss < 100, "loss");
    check(out_map[count * PIXELS_MAP_SIZE] == 123 && out_value[count * PIXELS_VALUE_SIZE] == 123 &&
              out_spare[count * PIXELS_SPARE_SIZE] == 123,
          "outputs of more than count samples");
    check(all(&gradients.f_weight[0][0][0][0], FLOATS(gradients.f_weight), 0) &&
              all(gradients.f_bias, FLOATS(gradients.f_bias), 0),
          "frozen: zeros");
    for (int k = 0; k < 4; k++)
      check(gradients.c_batchnorm1_running_mean[k] != 0 && gradients.c_batchnorm1_running_var[k] > 0.89f,
            "new statistics");
    memset(&training, 0, sizeof training);
    const float same = run(0, count, 1, 2, &other, NULL);
    check(!memcmp(&same, &loss, sizeof same) && !memcmp(&other, &gradients, sizeof other),
          "without outputs: the same bits");
  }
}

static void check_random(void) { /* random numbers: (seed, step, sample) only */
  run(0, N, 1, 2, &gradients, out_map);
  run(0, N, 1, 3, &other, again_map);
  check(memcmp(&gradients, &other, sizeof other), "the step changes dropout");
  run(0, N, 2, 2, &other, again_map);
  check(memcmp(&gradients, &other, sizeof other), "the seed changes dropout");

  float noise[N * PIXELS_NOISE_SIZE], less[N * PIXELS_NOISE_SIZE];
  pixels_gradients(&weights, picture, sound, vector, class, value, N, 1, 2, &gradients, NULL, NULL, NULL,
                   noise, &training);
  pixels_gradients(&weights, picture, sound, vector, class, value, N / 2, 1, 2, &gradients, NULL, NULL, NULL,
                   less, &training);
  check(!memcmp(noise, less, N / 2 * PIXELS_NOISE_SIZE * sizeof(float)),
        "of a sample the same in a shorter batch");
  for (int i = 0; i < N * PIXELS_NOISE_SIZE; i++)
    check(noise[i] == 0 || noise[i] == 2 * vector[i], "dropout scales what it keeps");
}

static void check_ignored(void) {
  /* all ignored: only the other loss is left */
  memset(class, 0xff, sizeof class);
  const float rest = run(0, N, 1, 2, &gradients, out_map);
  double wanted = 0;
  pixels_gradients(&weights, picture, sound, vector, class, value, N, 1, 2, &gradients, NULL, out_value, NULL,
                   NULL, &training);
  for (size_t i = 0; i < FLOATS(value); i++)
    wanted += square((double)out_value[i] - (double)value[i]) / (double)FLOATS(value);
  check(near((double)rest, wanted, 1e-5), "-1 is ignored");
  check(all(&gradients.c_conv1_weight[0][0][0][0], FLOATS(gradients.c_conv1_weight), 0),
        "and has no gradient");

  /* one pixel that counts: the mean over those that do */
  class[7] = 1;
  const float one = run(0, N, 1, 2, &gradients, out_map);
  const float *z = out_map + 7 * PIXELS_MAP_CHANNELS;
  check(one > rest && (z[0] < z[1] + 20), "one pixel");
  for (int i = 0; i < AREA; i++) class[i] = 1; /* of one sample all, of the others none */
  check(run(0, N, 1, 2, &gradients, out_map) > rest, "pixels of one sample");
}

int main(void) {
  for (size_t i = 0; i < sizeof picture; i++) picture[i] = (uint8_t)(i * 37 % 251);
  for (size_t i = 0; i < FLOATS(sound); i++) sound[i] = (float)(i * 29 % 23) / 23 - 0.5f;
  for (size_t i = 0; i < FLOATS(vector); i++) vector[i] = (float)(i * 5 % 7) / 7;
  for (size_t i = 0; i < FLOATS(value); i++) value[i] = (float)(i % 3);
  for (int i = 0; i < N * AREA; i++) class[i] = i * 7 % 4 - 1;
  check_init();
  check_counts();
  check_random();
  check_ignored();
  return failures > 0;
}
