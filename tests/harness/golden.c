/* golden.c: training is PyTorch's: the nets of tests/golden/nets, compiled and trained by the runtime's core,
 * against the numbers in tests/golden/nets.txt.
 *
 *     golden NETS.TXT FOLDER     (CNNC and CC say what compiles; a line a comparison, in TAP)
 *
 * After one step losses and weights agree within 1e-5 of the largest weight of a tensor, after a hundred
 * within 1e-3. Gradients are added up in the order of programs (--threads=openmp). In another order the same
 * run is as right, but a sum near 0 may take the other side of a relu, and from there on the two runs part.
 */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cnn_core.h"

enum {
  BATCHES = 4,
  SAMPLES = 8,
  CLASSES = 5,
  LINE = 4096,
  WEIGHTS = 11,
  INPUTS,
  TARGETS /* streams of random numbers, as in nets.py */
};

typedef struct Run {
  const cnn_network *network;
  cnn_trainer trainer;
  float *input[BATCHES], *values[BATCHES];
  int32_t *classes[BATCHES];
  int64_t steps;
  float loss;
} Run;

static int cases;
static void report(bool ok, const char *name, const char *what) {
  printf("%sok %d - %s %s\n", ok ? "" : "not ", ++cases, name, what);
  fflush(stdout);
}

/* ---- the same weights and batches as nets.py makes ---- */
static void set_weights(const cnn_network *network, float *weights) {
  for (int32_t k = 0; k < network->weights; k++) {
    const cnn_weight *w = &network->weight[k];
    const cnn_random random = cnn_random_keys(WEIGHTS, (uint64_t)k);
    const char *member = strrchr(w->name, '.') + 1;
    double fan_in = 1;
    for (int32_t d = 1; d < w->rank; d++) fan_in *= w->dim[d];
    for (int64_t i = 0; i < w->size; i++) {
      const double u = (double)cnn_random_uniform(random, (uint32_t)i), even = 2 * u - 1;
      const double value = w->rank > 1                      ? even * sqrt(3 / fan_in)
                           : !strcmp(member, "running_var") ? 1 + 0.5 * u
                           : !strcmp(member, "weight")      ? 1 + 0.2 * even
                                                            : 0.1 * even;
      weights[w->offset + i] = (float)value;
    }
  }
}

static bool set_batches(Run *run) {
  const int64_t size = run->network->input[0].size * SAMPLES;
  for (int k = 0; k < BATCHES; k++) {
    run->input[k] = malloc((size_t)size * sizeof(float));
    run->values[k] = malloc(SAMPLES * CLASSES * sizeof(float));
    run->classes[k] = malloc(SAMPLES * sizeof(int32_t));
    if (!run->input[k] || !run->values[k] || !run->classes[k]) return false;
    const cnn_random x = cnn_random_keys(INPUTS, (uint64_t)k), t = cnn_random_keys(TARGETS, (uint64_t)k);
    for (int64_t i = 0; i < size; i++)
      run->input[k][i] = (float)(2 * (double)cnn_random_uniform(x, (uint32_t)i) - 1);
    for (int i = 0; i < SAMPLES * CLASSES; i++) run->values[k][i] = cnn_random_uniform(t, (uint32_t)i);
    for (int i = 0; i < SAMPLES; i++) run->classes[k][i] = (int32_t)(run->values[k][i] * (float)CLASSES);
  }
  return true;
}

/* ---- a case ---- */
static const cnn_network *compile(const char *folder, const char *name) {
  const char *cnnc = getenv("CNNC"), *work = getenv("TMPDIR");
  char command[3000], library[1000];
  snprintf(library, sizeof library, "%s/golden-%ld-%s.so", work ? work : "/tmp", (long)getpid(), name);
  snprintf(command, sizeof command,
           "'%s' '%s/%s.cnn' --train --emit=shared -o '%s' --target=native --threads=openmp",
           cnnc ? cnnc : "cnnc", folder, name, library);
  const bool built = system(command) == 0;
  void *handle = built ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (built && !handle) fprintf(stderr, "%s\n", dlerror());
  remove(library);
  memcpy(strrchr(library, '.'), ".h", 3);
  remove(library);
  return handle ? dlsym(handle, "n_network") : NULL;
}

static bool begin(Run *run, const char *folder, const char *name) {
  *run = (Run){.network = compile(folder, name)};
  if (!run->network) return false;
  const cnn_recipe *recipe = run->network->recipe;
  void *memory =
      aligned_alloc(64, (cnn_trainer_bytes(run->network, recipe, recipe->accumulate > 1) + 63) / 64 * 64);
  if (!memory || !set_batches(run)) return false;
  cnn_trainer_place(&run->trainer, run->network, recipe, recipe->accumulate > 1, memory);
  set_weights(run->network, run->trainer.weights);
  return true;
}

static void train_to(Run *run, int64_t step) {
  const int32_t parts = run->trainer.recipe.accumulate > 1 ? run->trainer.recipe.accumulate : 1;
  for (; run->steps < step; run->steps++) {
    const int64_t first = run->steps * parts;
    run->loss = 0;
    for (int64_t part = first; part < first + parts; part++) {
      const int k = (int)(part % BATCHES);
      const void *input[] = {run->input[k]},
                 *target[] = {run->network->output[0].target == CNN_TARGET_CLASS ? (void *)run->classes[k]
                                                                                 : (void *)run->values[k]};
      float *output[] = {NULL};
      run->loss += cnn_trainer_batch(&run->trainer, input, target, SAMPLES, output) / (float)parts;
    }
    cnn_trainer_update(&run->trainer, cnn_schedule_rate(&run->trainer.schedule, &run->trainer.recipe,
                                                        (double)first / (double)BATCHES));
  }
}

static const cnn_weight *find(const cnn_network *network, const char *name) {
  for (int32_t i = 0; i < network->weights; i++)
    if (!strcmp(network->weight[i].name, name)) return &network->weight[i];
  return NULL;
}

/* "weight NAME SIZE LARGEST NORM INDEX:VALUE ...": the worst difference relative to the largest; infinite
 * where the tensor is another. */
static double compare(const Run *run, const char *line) {
  char name[200];
  int at = 0;
  long long size;
  double largest, norm, worst = 0, square = 0;
  if (sscanf(line, "weight %199s %lld %lf %lf%n", name, &size, &largest, &norm, &at) < 4) return HUGE_VAL;
  const cnn_weight *weight = find(run->network, name);
  if (!weight || weight->size != size) return HUGE_VAL;
  const float *values = cnn_trainer_result(&run->trainer) + weight->offset;
  for (int64_t i = 0; i < size; i++) square += (double)values[i] * (double)values[i];
  long long index;
  double value;
  int step;
  while (sscanf(line + at, "%lld:%lf%n", &index, &value, &step) == 2) {
    const double error =
        index >= 0 && index < size ? fabs((double)values[index] - value) / largest : HUGE_VAL;
    if (!(error <= worst)) worst = error;
    at += step;
  }
  const double whole = fabs(sqrt(square) - norm) / norm;
  return whole <= worst ? worst : whole;
}

static bool next_line(char *line, FILE *file) { return fgets(line, LINE, file) != NULL; }

int main(int argc, char **argv) {
  FILE *file = argc == 3 ? fopen(argv[1], "r") : NULL;
  if (!file) return fprintf(stderr, "usage: golden NETS.TXT FOLDER\n"), 2;
  static char line[LINE], name[100];
  Run run = {0};
  bool more = next_line(line, file);
  while (more) {
    long long step;
    double loss, worst = 0;
    if (sscanf(line, "case %99s", name) == 1) {
      if (!begin(&run, argv[2], name)) {
        report(false, name, "does not compile");
        run.network = NULL;
      }
      more = next_line(line, file);
      continue;
    }
    if (sscanf(line, "step %lld %lf", &step, &loss) != 2)
      return fprintf(stderr, "%s: not understood: %s", argv[1], line), 2;
    if (run.network) train_to(&run, step);
    const double loss_error = fabs((double)run.loss - loss) / (loss > 1 ? loss : 1),
                 limit = step == 1 ? 1e-5 : 1e-3;
    while ((more = next_line(line, file)) && !strncmp(line, "weight", 6)) {
      const double error = run.network ? compare(&run, line) : 0;
      if (error > worst) worst = error;
      if (error > limit) printf("# %.60s: error %.2g\n", line, error);
    }
    char what[200];
    snprintf(what, sizeof what, "after %lld steps: loss within %.1e, weights within %.1e", step, loss_error,
             worst);
    if (run.network) report(worst <= limit && loss_error <= limit, name, what);
  }
  printf("1..%d\n", cases);
  fclose(file);
  return 0;
}
