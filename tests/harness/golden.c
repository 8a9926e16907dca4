/* golden.c: Compares training with PyTorch. The nets of tests/golden/nets are compiled, and trained with the
 * runtime's core; the results are compared with the numbers in NETS.TXT.
 *
 *     golden NETS.TXT FOLDER [OPTION]
 *
 * FOLDER has the nets, OPTION is an option of cnnc. The environment variables CNNC and CC name the compilers.
 * Prints one TAP line per comparison.
 *
 * After one step, losses must agree within 1e-5, weights within 1e-5 of the tensor's largest weight, and
 * gradients within 1e-4 of the tensor's largest gradient. After a hundred steps, losses and weights must
 * agree within 1e-3. Gradients are summed in program order (--threads=openmp). A run with another order is
 * just as correct. But a sum near 0 may then have the other sign before a relu, and from there on the two
 * runs diverge. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cnn_core.h"
#include "hosted/data/truth.h"

enum {
  BATCHES = 4,
  PORTS = 8,
  SAMPLES = 8, /* maximum per batch */
  OBJECTS = 8,
  LINE = 4096,
  WEIGHTS = 11,
  INPUTS,
  TARGETS /* WEIGHTS to TARGETS: streams of random numbers, as in nets.py */
};

typedef struct Run {
  const cnn_network *network;
  cnn_trainer trainer;
  int32_t samples; /* samples of a batch */
  void *input[BATCHES];
  float *values[BATCHES];
  int32_t *classes[BATCHES];
  cnn_object object[SAMPLES][OBJECTS]; /* the same objects in every batch */
  int objects[SAMPLES];
  char *truth; /* one record per sample */
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

static void *draw_input(const cnn_port *port, int64_t count, cnn_random random) {
  void *input = malloc((size_t)count * sizeof(float));
  for (int64_t i = 0; i < count && input; i++) {
    const double u = (double)cnn_random_uniform(random, (uint32_t)i);
    if (port->type == CNN_U8) ((uint8_t *)input)[i] = (uint8_t)(256 * u);
    else ((float *)input)[i] = (float)(2 * u - 1);
  }
  return input;
}

static bool set_batches(Run *run) {
  const cnn_port *in = &run->network->input[0], *out = &run->network->output[0];
  const int64_t count = run->samples * out->size;
  const float classes = (float)out->dim[out->rank - 1];
  for (int k = 0; k < BATCHES; k++) {
    const cnn_random random = cnn_random_keys(TARGETS, (uint64_t)k);
    run->input[k] = draw_input(in, run->samples * in->size, cnn_random_keys(INPUTS, (uint64_t)k));
    run->values[k] = malloc((size_t)count * sizeof(float));
    run->classes[k] = malloc((size_t)count * sizeof(int32_t));
    if (!run->input[k] || !run->values[k] || !run->classes[k]) return false;
    for (int64_t i = 0; i < count; i++) {
      run->values[k][i] = cnn_random_uniform(random, (uint32_t)i);
      run->classes[k][i] = (int32_t)(run->values[k][i] * classes);
    }
  }
  return true;
}

/* ---- objects ---- */
/* An object's mask is its box without the lower right quarter. */
static void paint(cnn_truth *truth, int k) {
  const float *box = truth->object[k].box;
  for (int y = 0; y < truth->height; y++)
    for (int x = 0; x < truth->width; x++) {
      const float right = (float)x + 0.5f, down = (float)y + 0.5f;
      const bool inside = right >= box[0] && right < box[2] && down >= box[1] && down < box[3],
                 missing = 2 * right >= box[0] + box[2] && 2 * down >= box[1] + box[3];
      if (inside && !missing) truth->instance[y * truth->width + x] = (uint8_t)(k + 1);
    }
}

/* Reads "object SAMPLE CLASS X1 Y1 X2 Y2". */
static bool add_object(Run *run, const char *line) {
  const cnn_network *n = run->network;
  cnn_object object = {0};
  int sample;
  float *box = object.box;
  if (sscanf(line, "object %d %d %f %f %f %f", &sample, &object.label, box, box + 1, box + 2, box + 3) != 6 ||
      sample < 0 || sample >= run->samples || run->objects[sample] == OBJECTS)
    return false;
  run->object[sample][run->objects[sample]++] = object;
  cnn_truth truth = {.width = n->truth_width,
                     .height = n->truth_height,
                     .count = run->objects[sample],
                     .object = run->object[sample],
                     .instance = calloc((size_t)n->truth_height + 1, (size_t)n->truth_width + 1)};
  if (!truth.instance) return false;
  for (int k = 0; k < truth.count; k++) paint(&truth, k);
  cnn_truth_record(&truth, n->truth_objects, n->truth_height, n->truth_width,
                   run->truth + (size_t)sample * n->truth_bytes);
  free(truth.instance);
  return true;
}

/* ---- a case ---- */
static const cnn_network *compile(const char *folder, const char *name, const char *option) {
  const char *cnnc = getenv("CNNC"), *work = getenv("TMPDIR");
  char command[3000], library[1000];
  snprintf(library, sizeof library, "%s/golden-%ld-%s.so", work ? work : "/tmp", (long)getpid(), name);
  snprintf(command, sizeof command,
           "'%s' '%s/%s.cnn' --train --emit=shared -o '%s' --target=native --threads=openmp %s",
           cnnc ? cnnc : "cnnc", folder, name, library, option);
  const bool built = system(command) == 0;
  void *handle = built ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (built && !handle) fprintf(stderr, "%s\n", dlerror());
  remove(library);
  memcpy(strrchr(library, '.'), ".h", 3);
  remove(library);
  return handle ? dlsym(handle, "n_network") : NULL;
}

static bool begin(Run *run, const char *folder, const char *name, const char *option) {
  *run = (Run){.network = compile(folder, name, option)};
  if (!run->network || run->network->train_batch > SAMPLES) return false;
  const cnn_recipe *recipe = run->network->recipe;
  run->samples = run->network->train_batch;
  run->truth = calloc((size_t)run->samples, run->network->truth_bytes + 1);
  void *memory =
      aligned_alloc(64, (cnn_trainer_bytes(run->network, recipe, recipe->accumulate > 1) + 63) / 64 * 64);
  if (!memory || !run->truth || !set_batches(run)) return false;
  cnn_trainer_place(&run->trainer, run->network, recipe, recipe->accumulate > 1, memory);
  set_weights(run->network, run->trainer.weights);
  return true;
}

/* Sets the targets of the outputs and of the values that only losses read, then the record of objects. */
static void set_targets(const Run *run, int k, const void *target[PORTS]) {
  const cnn_network *network = run->network;
  const int ports = network->outputs + network->values;
  for (int i = 0; i < ports; i++)
    target[i] = network->output[i].target == CNN_TARGET_CLASS    ? (const void *)run->classes[k]
                : network->output[i].target == CNN_TARGET_VALUES ? (const void *)run->values[k]
                                                                 : NULL;
  target[ports] = run->truth;
}

static void train_to(Run *run, int64_t step) {
  const int32_t parts = run->trainer.recipe.accumulate > 1 ? run->trainer.recipe.accumulate : 1;
  for (; run->steps < step; run->steps++) {
    const int64_t first = run->steps * parts;
    run->loss = 0;
    for (int64_t part = first; part < first + parts; part++) {
      const int k = (int)(part % BATCHES);
      const void *input[] = {run->input[k]}, *target[PORTS];
      float *output[PORTS] = {NULL};
      set_targets(run, k, target);
      run->loss += cnn_trainer_batch(&run->trainer, input, target, run->samples, output) / (float)parts;
    }
    cnn_trainer_update(&run->trainer, cnn_schedule_rate(&run->trainer.schedule, &run->trainer.recipe,
                                                        (double)first / (double)BATCHES));
  }
}

static bool is_gradient(const char *line) { return !strncmp(line, "gradient ", 9); }

static const cnn_weight *find(const cnn_network *network, const char *name) {
  for (int32_t i = 0; i < network->weights; i++)
    if (!strcmp(network->weight[i].name, name)) return &network->weight[i];
  return NULL;
}

/* Reads "weight NAME SIZE LARGEST NORM INDEX:VALUE ...", or "gradient ..." with the same fields. Returns the
 * largest difference between the tensor and these numbers, relative to LARGEST. The difference of the norms
 * is relative to NORM. Infinite if the tensor has another size. */
static double compare(const Run *run, const char *line) {
  char name[200];
  int at = 0;
  long long size;
  double largest, norm, worst = 0, square = 0;
  if (sscanf(line, "%*s %199s %lld %lf %lf%n", name, &size, &largest, &norm, &at) < 4) return HUGE_VAL;
  const cnn_weight *weight = find(run->network, name);
  if (!weight || weight->size != size) return HUGE_VAL;
  const float *values =
      (is_gradient(line) ? run->trainer.gradients : cnn_trainer_result(&run->trainer)) + weight->offset;
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

/* Trains to step N, and compares the results with "step N LOSS" and the lines of weights and gradients after
 * this line. False: there are no more lines. */
static bool check_step(Run *run, const char *name, int64_t step, double loss, char *line, FILE *file) {
  const double limit = step == 1 ? 1e-5 : 1e-3;
  double weights = 0, gradients = 0;
  int close = 0;
  bool more;
  if (run->network) train_to(run, step);
  while ((more = next_line(line, file)) && (is_gradient(line) || !strncmp(line, "weight ", 7))) {
    const double error = run->network ? compare(run, line) : 0, most = is_gradient(line) ? 10 * limit : limit;
    double *worst = is_gradient(line) ? &gradients : &weights;
    if (error > *worst) *worst = error;
    if (error <= most) close++;
    else printf("# %.60s: error %.2g\n", line, error);
  }
  if (!run->network) return more;
  const double loss_error = fabs((double)run->loss - loss) / (step == 1 || loss > 1 ? loss : 1);
  char what[200];
  snprintf(what, sizeof what,
           "after %lld steps: loss within %.1e, weights within %.1e, gradients within %.1e, %d of %d agree",
           (long long)step, loss_error, weights, gradients, close, run->network->weights);
  report(loss_error <= limit && close == run->network->weights, name, what);
  return more;
}

int main(int argc, char **argv) {
  FILE *file = argc == 3 || argc == 4 ? fopen(argv[1], "r") : NULL;
  if (!file) return fprintf(stderr, "usage: golden NETS.TXT FOLDER [OPTION]\n"), 2;
  static char line[LINE], name[100];
  static Run run;
  bool more = next_line(line, file);
  while (more) {
    long long step;
    double loss;
    if (sscanf(line, "case %99s", name) == 1) {
      if (!begin(&run, argv[2], name, argc == 4 ? argv[3] : "")) {
        report(false, name, "does not compile");
        run.network = NULL;
      }
      more = next_line(line, file);
    } else if (!strncmp(line, "object ", 7)) {
      if (run.network && !add_object(&run, line)) break;
      more = next_line(line, file);
    } else if (sscanf(line, "step %lld %lf", &step, &loss) == 2)
      more = check_step(&run, name, step, loss, line, file);
    else break;
  }
  fclose(file);
  if (more) return fprintf(stderr, "%s: not understood: %s", argv[1], line), 2;
  printf("1..%d\n", cases);
  return 0;
}
