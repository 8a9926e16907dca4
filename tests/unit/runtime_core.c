/* runtime_core.c: the freestanding part of the runtime: random numbers, schedules, optimizers, the training
 * step. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn_core.h"
#include "core/scalar.h"

/* ---- functions */

static bool close_to(double a, double b, double relative) {
  return fabs(a - b) <= relative * fmax(fabs(a), fabs(b));
}

static void functions_are_those_of_libm(void) {
  bool good = true;
  for (double x = -745; x < 709; x += 0.37)
    good = good && close_to(cnn_exp(x), exp(x), x < -700 ? 1e-2 : 2e-15);
  for (double x = 1e-310; x < 1e300; x *= 3.7) good = good && close_to(cnn_log(x), log(x), 2e-15);
  for (double x = 0.9; x < 1.1; x += 1e-4) good = good && fabs(cnn_log(x) - log(x)) < 1e-16;
  for (double x = 1e-320; x < 1e300; x *= 7.3) good = good && close_to(cnn_sqrt(x), sqrt(x), 3e-16);
  for (double p = 0; p <= 1; p += 1.0 / 512)
    good = good && fabs(cnn_cos_turn(p) - cos(3.14159265358979323846 * p)) < 5e-16;
  for (double x = 0.01; x < 1; x += 0.013) good = good && close_to(cnn_power(x, 0.9), pow(x, 0.9), 1e-15);
  for (int n = 0; n < 4000; n += 17) good = good && close_to(cnn_power_whole(0.999, n), pow(0.999, n), 1e-13);
  CU_ASSERT(good);
  CU_ASSERT_EQUAL(cnn_power(0, 0.9), 0);
  CU_ASSERT_EQUAL(cnn_power(0.3, 0), 1);
  CU_ASSERT_EQUAL(cnn_sqrt(0), 0);
  CU_ASSERT(isinf(cnn_exp(1000)) && cnn_exp(-1000) == 0);
}

static void the_root_of_a_float_is_exact(void) {
  int64_t wrong = 0;
  for (uint32_t bits = 0; bits < 0x7F800000u; bits += 3331) {
    float x;
    memcpy(&x, &bits, sizeof x);
    wrong += cnn_sqrt_float(x) != sqrtf(x);
  }
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT(isinf(cnn_sqrt_float(INFINITY)));
  CU_ASSERT(isnan(cnn_sqrt_float(NAN)));
}

/* ---- random numbers */

static void numbers_are_those_of_the_definition(void) {
  cnn_random random = {{1, 2}};
  CU_ASSERT_EQUAL(cnn_random_bits(random, 0), 0xBB9343B4);
  CU_ASSERT_EQUAL(cnn_random_bits(random, 1), 0x7D90FB94);
  CU_ASSERT_EQUAL(cnn_random_bits(random, 0xFFFFFFFF), 0x4007BB77);
  CU_ASSERT_EQUAL(cnn_random_uniform(random, 0), (float)(0xBB9343B4 >> 8) / 16777216);
  random = cnn_random_keys(0, 0); /* the first number of splitmix64 */
  CU_ASSERT_EQUAL((uint64_t)random.key[1] << 32 | random.key[0], 0xE220A8397B1DCDAF);
}

static void numbers_are_spread_evenly(void) {
  enum { BINS = 64, DRAWS = 1 << 18 };
  for (uint64_t seed = 0; seed < 4; seed++) {
    static int32_t bin[BINS], pair[BINS];
    memset(bin, 0, sizeof bin);
    memset(pair, 0, sizeof pair);
    cnn_random random = cnn_random_keys(seed, 1);
    for (uint32_t i = 0; i < DRAWS; i++) {
      uint32_t a = cnn_random_below(random, i, BINS), b = cnn_random_below(random, i + 1, BINS);
      bin[a]++;
      pair[(a + 8 * b) % BINS]++;
    }
    double chi = 0, chi_pair = 0, expected = DRAWS / BINS;
    for (int i = 0; i < BINS; i++) {
      chi += (bin[i] - expected) * (bin[i] - expected) / expected;
      chi_pair += (pair[i] - expected) * (pair[i] - expected) / expected;
    }
    /* with 63 degrees of freedom, the probability of a larger chi-squared is one in a million */
    CU_ASSERT(chi < 130);
    CU_ASSERT(chi_pair < 130);
  }
}

static void permutations_have_everything_once(void) {
  enum { N = 5000 };
  static int32_t order[N], again[N], seen[N];
  cnn_random random = cnn_random_stream(7, CNN_STREAM_ORDER, 3);
  cnn_random_permutation(random, order, N);
  cnn_random_permutation(random, again, N);
  memset(seen, 0, sizeof seen);
  int fixed = 0;
  for (int i = 0; i < N; i++) {
    seen[order[i]]++;
    fixed += order[i] == i;
  }
  bool once = true;
  for (int i = 0; i < N; i++) once = once && seen[i] == 1;
  CU_ASSERT(once);
  CU_ASSERT(fixed < 20);
  CU_ASSERT_EQUAL(memcmp(order, again, sizeof order), 0);
  cnn_random_permutation(cnn_random_stream(7, CNN_STREAM_ORDER, 4), again, N);
  CU_ASSERT_NOT_EQUAL(memcmp(order, again, sizeof order), 0);
  cnn_random_permutation(random, order, 1);
  CU_ASSERT_EQUAL(order[0], 0);
}

/* ---- schedules */

static double rate_at(const cnn_recipe *recipe, double t) {
  cnn_schedule schedule;
  cnn_schedule_begin(&schedule);
  return cnn_schedule_rate(&schedule, recipe, t);
}

static void rates_follow_their_formulas(void) {
  static const double milestone[] = {3, 6};
  cnn_recipe recipe = {.rate = 0.4, .epochs = 10, .factor = 0.5};
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 7.3), 0.4, 1e-15);
  recipe.schedule = CNN_STEP;
  recipe.every = 3;
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 2.99), 0.4, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 3), 0.2, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 9), 0.05, 1e-15);
  recipe.every = 0.5;
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 0.49), 0.4, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 1.5), 0.05, 1e-15);
  recipe.every = 0.1; /* in floating point, 0.3 / 0.1 is less than 3 */
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 0.3), 0.05, 1e-15);
  recipe.every = 0;
  recipe.milestones = 2;
  recipe.milestone = milestone;
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 5.9), 0.2, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 6), 0.1, 1e-15);
  recipe.schedule = CNN_EXPONENTIAL;
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 1.5), 0.4 * pow(0.5, 1.5), 1e-15);
  recipe.schedule = CNN_POLY;
  recipe.power = 0.9;
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 4), 0.4 * pow(0.6, 0.9), 1e-15);
  CU_ASSERT_EQUAL(rate_at(&recipe, 10), 0);
  recipe.schedule = CNN_COSINE;
  recipe.floor = 0.1;
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 0), 0.4, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 2.5), 0.1 + 0.15 * (1 + cos(acos(-1) / 4)), 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 10), 0.1, 1e-15);
  recipe.warmup = 2;
  CU_ASSERT_EQUAL(rate_at(&recipe, 0), 0);
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 0.5), 0.1, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 2), 0.4, 1e-15);
  CU_ASSERT_DOUBLE_EQUAL(rate_at(&recipe, 6), 0.25, 1e-15);
}

static void a_plateau_lowers_the_rate(void) {
  cnn_recipe recipe = {.rate = 1, .epochs = 20, .schedule = CNN_PLATEAU, .patience = 2, .factor = 0.1};
  static const double loss[] = {5, 4, 4, 4.5, 3.9, 4, 3.95, 6, 6};
  static const double expected[] = {1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001};
  cnn_schedule schedule;
  cnn_schedule_begin(&schedule);
  for (int i = 0; i < 9; i++) {
    cnn_schedule_epoch(&schedule, &recipe, loss[i]);
    CU_ASSERT_DOUBLE_EQUAL(cnn_schedule_rate(&schedule, &recipe, i + 1), expected[i], 1e-12);
  }
  for (recipe.patience = 0; recipe.patience < 2; recipe.patience++) { /* patience 0 or 1: the first epoch
                                                                         without progress lowers the rate */
    cnn_schedule_begin(&schedule);
    for (int i = 0; i < 3; i++) cnn_schedule_epoch(&schedule, &recipe, loss[i]);
    CU_ASSERT_DOUBLE_EQUAL(cnn_schedule_rate(&schedule, &recipe, 3), 0.1, 1e-12);
  }
}

/* ---- optimizers: tests/golden/optimizers.txt has the results of PyTorch for the same gradients, and of the
 * papers' formulas for LARS and LAMB */

enum { GOLDEN = 6 };

static cnn_recipe read_case(const char *line) {
  cnn_recipe recipe = {0};
  char name[16];
  int used = 0;
  sscanf(line, "case %15s%n", name, &used);
  recipe.optimizer = !strcmp(name, "sgd")     ? CNN_SGD
                     : !strcmp(name, "adam")  ? CNN_ADAM
                     : !strcmp(name, "adamw") ? CNN_ADAMW
                     : !strcmp(name, "lars")  ? CNN_LARS
                     : !strcmp(name, "lamb")  ? CNN_LAMB
                                              : CNN_RMSPROP;
  char key[24];
  double value;
  int more;
  while (sscanf(line + used, " %23[^=]=%lf%n", key, &value, &more) == 2) {
    used += more;
    if (!strcmp(key, "rate")) recipe.rate = value;
    if (!strcmp(key, "momentum")) recipe.momentum = value;
    if (!strcmp(key, "nesterov")) recipe.nesterov = 1;
    if (!strcmp(key, "weight_decay")) recipe.weight_decay = value;
    if (!strcmp(key, "beta1")) recipe.beta1 = value;
    if (!strcmp(key, "beta2")) recipe.beta2 = value;
    if (!strcmp(key, "epsilon")) recipe.epsilon = value;
    if (!strcmp(key, "alpha")) recipe.alpha = value;
    if (!strcmp(key, "trust")) recipe.trust = value;
  }
  return recipe;
}

static void read_numbers(const char *line, float *value) {
  const char *at = line + 1;
  for (int i = 0; i < GOLDEN; i++) value[i] = strtof(at, (char **)&at);
}

static void optimizers_do_what_pytorch_does(void) {
  const char *top = getenv("top_srcdir");
  char path[1024], line[1024];
  snprintf(path, sizeof path, "%s/tests/golden/optimizers.txt", top ? top : ".");
  FILE *file = fopen(path, "r");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  cnn_recipe recipe = {0};
  float weights[GOLDEN] = {0}, gradients[GOLDEN], expected[GOLDEN], slot[2][GOLDEN];
  int cases = 0, compared = 0;
  int64_t step = 0;
  double worst = 0,
         largest[GOLDEN] = {0}; /* by weight: its largest value so far, to which errors are relative */
  while (fgets(line, sizeof line, file)) {
    if (line[0] == 'c') {
      recipe = read_case(line);
      cases++;
      step = 0;
      memset(slot, 0, sizeof slot);
      memset(largest, 0, sizeof largest);
    } else if (line[0] == 'g') {
      read_numbers(line, gradients);
      int32_t slots = cnn_optimizer_slots(&recipe);
      cnn_optimizer_step(&recipe, weights, gradients, slots > 0 ? slot[0] : NULL, slots > 1 ? slot[1] : NULL,
                         GOLDEN, ++step, recipe.rate, true);
    } else if (step == 0) {
      read_numbers(line, weights);
    } else {
      read_numbers(line, expected);
      for (int i = 0; i < GOLDEN; i++) {
        largest[i] = fmax(largest[i], fabs((double)expected[i]));
        worst = fmax(worst, fabs((double)weights[i] - (double)expected[i]) / largest[i]);
      }
      compared++;
    }
  }
  fclose(file);
  CU_ASSERT_EQUAL(cases, 13);
  CU_ASSERT_EQUAL(compared, 13 * 12);
  CU_ASSERT(worst < 1e-6); /* the error of a few roundings in twelve steps */
}

/* ---- the trainer, on a net whose loss is the mean of (w - x)^2 / 2 over samples x ----
 * Two trained weights, one frozen, one statistic. */

static const cnn_weight PARTS[] = {{"a", 1, {1}, 0, 1, CNN_TRAINED, 1, {0}},
                                   {"b", 1, {1}, 1, 1, CNN_TRAINED, 0, {0}},
                                   {"c", 1, {1}, 2, 1, CNN_FROZEN, 1, {0}},
                                   {"d", 1, {1}, 3, 1, CNN_STATISTIC, 0, {0}}};

static float parabola(const float *weights, const void *const *input, const void *const *target,
                      int32_t count, uint64_t seed, uint64_t step, float *gradients, float *const *output,
                      void *training) {
  (void)target;
  (void)seed;
  (void)step;
  (void)output;
  (void)training;
  const float *x = input[0];
  float loss = 0;
  memset(gradients, 0, 4 * sizeof *gradients);
  for (int32_t n = 0; n < count; n++) {
    for (int i = 0; i < 2; i++) {
      gradients[i] += (weights[i] - x[n]) / (float)count;
      loss += 0.5f * (weights[i] - x[n]) * (weights[i] - x[n]) / (float)count;
    }
  }
  gradients[3] = weights[3] + 1; /* the statistic counts batches */
  return loss;
}

static cnn_network parabola_net(void) {
  return (cnn_network){.name = "parabola",
                       .weights = 4,
                       .weight = PARTS,
                       .parameters = 4,
                       .train_batch = 8,
                       .gradients = parabola};
}

typedef struct Bench {
  cnn_trainer trainer;
  _Alignas(64) char memory[1024];
} Bench;

static void place(Bench *bench, const cnn_network *network, const cnn_recipe *recipe, bool accumulates) {
  CU_ASSERT_FATAL(cnn_trainer_bytes(network, recipe, accumulates) <= sizeof bench->memory);
  cnn_trainer_place(&bench->trainer, network, recipe, accumulates, bench->memory);
  for (int i = 0; i < 4; i++) bench->trainer.weights[i] = (float)i + 1;
}

static void feed(Bench *bench, const float *x, int32_t count) {
  const void *input[] = {x}, *target[] = {NULL};
  cnn_trainer_batch(&bench->trainer, input, target, count, NULL);
}

static void steps_touch_what_is_trained(void) {
  cnn_network network = parabola_net();
  cnn_recipe recipe = {.optimizer = CNN_SGD, .rate = 0.5, .weight_decay = 0.1, .epochs = 1};
  Bench bench;
  place(&bench, &network, &recipe, false);
  static const float x[] = {0, 2};
  const void *input[] = {x}, *target[] = {NULL};
  float loss = cnn_train_step(&bench.trainer, input, target, 2, NULL, 0);
  const float *w = bench.trainer.weights;
  CU_ASSERT_DOUBLE_EQUAL((double)loss, 0.5 * ((1 + 1) / 2.0 + (4 + 0) / 2.0), 1e-6);
  CU_ASSERT_DOUBLE_EQUAL((double)w[0], 1 - 0.5 * (0 + 0.1 * 1), 1e-6); /* only some weights have decay */
  CU_ASSERT_DOUBLE_EQUAL((double)w[1], 2 - 0.5 * 1, 1e-6);
  CU_ASSERT_EQUAL(w[2], 3);
  CU_ASSERT_EQUAL(w[3], 5);
  CU_ASSERT_EQUAL(bench.trainer.steps, 1);
  CU_ASSERT_EQUAL(bench.trainer.batches, 1);
}

static void accumulated_batches_are_one_large_batch(void) {
  cnn_network network = parabola_net();
  cnn_recipe recipe = {
      .optimizer = CNN_ADAM, .rate = 0.1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .epochs = 1};
  static const float x[] = {0.5f, 2, -1, 4, 0.25f};
  Bench whole, parts;
  place(&whole, &network, &recipe, false);
  place(&parts, &network, &recipe, true);
  for (int i = 0; i < 3; i++) {
    feed(&whole, x, 5);
    cnn_trainer_update(&whole.trainer, 0.1);
    feed(&parts, x, 3); /* parts of unequal size are weighted by their number of samples */
    feed(&parts, x + 3, 2);
    cnn_trainer_update(&parts.trainer, 0.1);
  }
  for (int i = 0; i < 3; i++)
    CU_ASSERT_DOUBLE_EQUAL((double)whole.trainer.weights[i], (double)parts.trainer.weights[i], 1e-6);
  CU_ASSERT_EQUAL(parts.trainer.steps, 3);
  CU_ASSERT_EQUAL(parts.trainer.batches, 6);
  CU_ASSERT_EQUAL(parts.trainer.weights[3], 10);
  cnn_trainer_update(&parts.trainer, 0.1); /* no batch since the last update, so nothing changes */
  CU_ASSERT_EQUAL(parts.trainer.steps, 3);
}

static void gradients_are_clipped_as_one_vector(void) {
  cnn_network network = parabola_net();
  cnn_recipe recipe = {.optimizer = CNN_SGD, .rate = 1, .epochs = 1, .clip_norm = 1};
  Bench bench;
  place(&bench, &network, &recipe, false);
  static const float x[] = {-2};
  feed(&bench, x, 1); /* the gradients are 3 and 4, so their norm is 5 */
  cnn_trainer_update(&bench.trainer, 1);
  double scale = 1 / (5 + 1e-6);
  CU_ASSERT_DOUBLE_EQUAL((double)bench.trainer.weights[0], 1 - 3 * scale, 1e-6);
  CU_ASSERT_DOUBLE_EQUAL((double)bench.trainer.weights[1], 2 - 4 * scale, 1e-6);
  CU_ASSERT_EQUAL(bench.trainer.weights[3], 5);
  recipe.clip_norm = 100;
  place(&bench, &network, &recipe, false);
  feed(&bench, x, 1);
  cnn_trainer_update(&bench.trainer, 1);
  CU_ASSERT_EQUAL(bench.trainer.weights[0], -2);
}

static void averages_lag_behind(void) {
  cnn_network network = parabola_net();
  cnn_recipe recipe = {.optimizer = CNN_SGD, .rate = 0.5, .epochs = 1, .average = 0.75};
  Bench bench;
  place(&bench, &network, &recipe, false);
  static const float x[] = {0};
  CU_ASSERT_PTR_EQUAL(cnn_trainer_result(&bench.trainer), bench.trainer.weights);
  double average = 0;
  for (int i = 0; i < 4; i++) {
    feed(&bench, x, 1);
    cnn_trainer_update(&bench.trainer, 0.5);
    double now = (double)bench.trainer.weights[0];
    average = i == 0 ? now : 0.75 * average + 0.25 * now;
  }
  CU_ASSERT_PTR_EQUAL(cnn_trainer_result(&bench.trainer), bench.trainer.average);
  CU_ASSERT_DOUBLE_EQUAL((double)bench.trainer.average[0], average, 1e-6);
  CU_ASSERT_EQUAL(bench.trainer.average[2], 3);
  CU_ASSERT_EQUAL(bench.trainer.average[3], 8); /* statistics are copied */
}

CU_TestInfo suite_core[] = {
    {"functions agree with those of libm", functions_are_those_of_libm},
    {"the square root of a float is exact", the_root_of_a_float_is_exact},
    {"random numbers follow the definition", numbers_are_those_of_the_definition},
    {"random numbers are uniform", numbers_are_spread_evenly},
    {"permutations contain each index once", permutations_have_everything_once},
    {"rates follow their formulas", rates_follow_their_formulas},
    {"a plateau lowers the rate", a_plateau_lowers_the_rate},
    {"optimizers equal PyTorch's", optimizers_do_what_pytorch_does},
    {"steps only change trained weights", steps_touch_what_is_trained},
    {"accumulated batches equal one large batch", accumulated_batches_are_one_large_batch},
    {"gradients are clipped as one vector", gradients_are_clipped_as_one_vector},
    {"the moving average of weights", averages_lag_behind},
    CU_TEST_INFO_NULL};
