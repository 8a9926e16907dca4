/* measure.c: Counts for metrics of outputs. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/data/calls.h"
#include "hosted/training/loss.h"

enum {
  COUNTED,
  CORRECT,
  TOP,
  TOPS = 4,
  HEAD = TOP + TOPS
}; /* the first counts of an output; the counts per class follow */
enum { CLASS_COUNTS = 3 }; /* number of fields of cnn_class_counts */
_Static_assert(sizeof(cnn_class_counts) == CLASS_COUNTS * sizeof(int64_t),
               "class counts fill the array of counts");

/* Metrics of an output: the metrics of the program that apply to it; if there are none, the default
 * metric. */
typedef enum Kind { KIND_ACCURACY, KIND_TOP, KIND_IOU, KIND_DICE, KIND_MAE, KINDS } Kind;
static const char *const NAMES[] = {[KIND_ACCURACY] = "accuracy",
                                    [KIND_TOP] = "top",
                                    [KIND_IOU] = "iou",
                                    [KIND_DICE] = "dice",
                                    [KIND_MAE] = "mae"};

typedef struct Metric {
  Kind kind;
  double best; /* for top(k): k */
} Metric;

static Kind kind_of(const char *name) { /* KINDS: an unknown metric. */
  int kind = 0;
  while (kind < KINDS && strcmp(NAMES[kind], name) != 0) kind++;
  return (Kind)kind;
}

static bool kind_fits(Kind kind, const cnn_judged *judged) {
  if (!judged->has_target || kind == KINDS) return false;
  if (kind == KIND_MAE) return judged->classes == 0;
  return judged->classes > 0 && !(kind == KIND_TOP && judged->binary);
}

static int32_t metrics_add(Metric metric[CNN_METRICS], int32_t n, Kind kind) {
  for (int32_t i = 0; i < n; i++)
    if (metric[i].kind == kind) return n;
  if (n < CNN_METRICS) metric[n++].kind = kind;
  return n;
}

static int32_t metrics_of(const cnn_tally *tally, const cnn_judged *judged, Metric metric[CNN_METRICS]) {
  const cnn_recipe *recipe = tally->network->recipe;
  int32_t n = 0;
  for (int32_t i = 0; recipe && i < recipe->metrics && n < CNN_METRICS; i++) {
    const Kind kind = kind_of(recipe->metric[i].name);
    if (kind_fits(kind, judged)) metric[n++] = (Metric){kind, recipe->metric[i].value[0]};
  }
  const bool pixels = judged->has_target && judged->classes > 0 && judged->positions > 1;
  if (n == 0 && judged->has_target)
    metric[n++].kind = judged->classes == 0 ? KIND_MAE : pixels ? KIND_IOU : KIND_ACCURACY;
  static const Kind of_pixels[] = {KIND_IOU, KIND_ACCURACY, KIND_DICE};
  for (int32_t i = 0; tally->all && pixels && i < 3; i++) n = metrics_add(metric, n, of_pixels[i]);
  return n;
}

/* Index of the first count of an output. If `output` is the number of outputs, index of the confusion matrix.
 */
static int64_t counts_at(const cnn_network *network, int32_t output) {
  int64_t at = 0;
  for (int32_t o = 0; o < output; o++) at += HEAD + CLASS_COUNTS * cnn_judge(network, o).classes;
  return at;
}

int32_t cnn_tally_first(const cnn_network *network) {
  for (int32_t o = 0; o < network->outputs; o++) {
    if (cnn_judge(network, o).classes > 0) return o;
  }
  return -1;
}

/* Number of rows of the confusion matrix; 0: there is none, because no output has classes, or a position may
 * have several classes. */
static int64_t confusion_side(const cnn_network *network) {
  int32_t first = cnn_tally_first(network);
  if (first < 0) return 0;
  cnn_judged judged = cnn_judge(network, first);
  return judged.binary && judged.channels > 1 ? 0 : judged.classes;
}

bool cnn_tally_open(cnn_tally *tally, const cnn_network *network, bool confusion) {
  int64_t side = confusion ? confusion_side(network) : 0;
  *tally = (cnn_tally){.network = network, .confusion = side > 0};
  tally->counts = counts_at(network, network->outputs) + side * side;
  tally->count = calloc((size_t)tally->counts + 1, sizeof *tally->count);
  return tally->count != NULL;
}

void cnn_tally_close(cnn_tally *tally) {
  free(tally->count);
  *tally = (cnn_tally){0};
}

void cnn_tally_clear(cnn_tally *tally) {
  memset(tally->count, 0, (size_t)tally->counts * sizeof *tally->count);
}

void cnn_tally_add(cnn_tally *tally, const cnn_tally *other) {
  for (int64_t i = 0; i < tally->counts; i++) tally->count[i] += other->count[i];
}

static int64_t largest(const float *score, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++) {
    if (score[i] > score[best]) best = i;
  }
  return best;
}

/* Number of scores that are better than the score of `label`; of equal scores, the first one is better. */
static int64_t rank_of(const float *score, int64_t n, int64_t label) {
  int64_t rank = 0;
  for (int64_t i = 0; i < n; i++)
    rank += score[i] > score[label] || (i < label && !(score[i] < score[label]));
  return rank;
}

static void count_class(cnn_class_counts *counts, int64_t truth, int64_t answer) {
  counts[truth].samples++;
  counts[answer].predicted++;
  counts[truth].correct += truth == answer;
}

/* Counts binary decisions. One channel decides between two classes. With several channels, each channel is
 * one class, whose "yes" answers are counted. */
static void judge_binary(const cnn_port *port, const cnn_judged *judged, int64_t *count,
                         cnn_class_counts *counts, int64_t *confusion, const float *score,
                         const void *target) {
  const int32_t *label = target;
  const float *value = target;
  float half = port->scores == CNN_SCORES_BINARY ? 0.5f : 0;
  for (int64_t i = 0; i < judged->positions; i++) {
    if (judged->class_target && label[i] < 0) continue;
    for (int64_t c = 0; c < judged->channels; c++) {
      int64_t at = i * judged->channels + c;
      bool answer = score[at] > half, truth;
      if (!judged->class_target) {
        truth = value[at] > 0.5f;
      } else {
        truth = judged->channels == 1 ? label[i] == 1 : label[i] == c;
      }
      count[COUNTED]++;
      count[CORRECT] += answer == truth;
      if (judged->channels == 1) {
        count_class(counts, truth, answer);
        if (confusion) confusion[2 * truth + answer]++;
      } else {
        counts[c].samples += truth;
        counts[c].predicted += answer;
        counts[c].correct += truth && answer;
      }
    }
  }
}

static void judge_classes(const cnn_port *port, const cnn_judged *judged, int64_t *count,
                          cnn_class_counts *counts, int64_t *confusion, int32_t metrics, const Metric *metric,
                          const float *score, const void *target) {
  const int32_t *label = target;
  const float *value = target;
  int64_t n = judged->channels;
  for (int64_t i = 0; i < judged->positions; i++, score += n) {
    int64_t truth = judged->class_target ? label[i] : largest(value + i * n, n);
    if (truth < 0 || truth >= n || (port->criterion && truth == port->criterion->ignore)) continue;
    int64_t answer = largest(score, n);
    count[COUNTED]++;
    count[CORRECT] += truth == answer;
    count_class(counts, truth, answer);
    if (confusion) confusion[truth * n + answer]++;
    for (int32_t m = 0, top = 0; m < metrics && top < TOPS; m++) {
      if (metric[m].kind == KIND_TOP) count[TOP + top++] += (double)rank_of(score, n, truth) < metric[m].best;
    }
  }
}

/* Counts the results of one call of a sample for one output. */
static cnn_sums judge_call(const cnn_tally *tally, const cnn_port *port, const cnn_judged *judged,
                           int64_t *count, int64_t *confusion, const float *score, const void *wanted) {
  cnn_class_counts *counts = (cnn_class_counts *)(void *)(count + HEAD);
  cnn_sums sums = {0};
  Metric metric[CNN_METRICS];
  int32_t metrics = metrics_of(tally, judged, metric);
  if (judged->binary) {
    judge_binary(port, judged, count, counts, confusion, score, wanted);
  } else if (judged->classes > 0) {
    judge_classes(port, judged, count, counts, confusion, metrics, metric, score, wanted);
  } else {
    const float *value = wanted;
    for (int64_t i = 0; i < port->size; i++) sums.absolute += fabs((double)score[i] - (double)value[i]);
  }
  cnn_loss_sum loss = cnn_loss_sample(port, score, wanted);
  sums.loss = loss.sum;
  sums.loss_weight = loss.weight;
  return sums;
}

/* Index of the first call whose results are counted. */
static int64_t first_call(const cnn_network *network, const cnn_port *port) {
  return network->recipe && port->calls > 1 ? network->recipe->loss_from : 0;
}

void cnn_tally_sample(cnn_tally *tally, float *const output[], void *const target[], int64_t slot,
                      cnn_sums sums[]) {
  const cnn_network *network = tally->network;
  int32_t first = cnn_tally_first(network);
  int64_t *count = tally->count;
  for (int32_t o = 0; o < network->outputs; o++) {
    const cnn_port *all = &network->output[o], port = cnn_port_call(all);
    const int64_t calls = cnn_port_calls(all);
    cnn_judged judged = cnn_judge(network, o);
    judged.positions /= calls;
    int64_t *confusion =
        tally->confusion && o == first ? tally->count + counts_at(network, network->outputs) : NULL;
    const int64_t targets = judged.class_target ? judged.positions : port.size;
    sums[o] = (cnn_sums){0};
    for (int64_t call = first_call(network, all); call < calls && target[o]; call++) {
      const cnn_sums of_call =
          judge_call(tally, &port, &judged, count, confusion, output[o] + (slot * calls + call) * port.size,
                     (const char *)target[o] + (slot * calls + call) * targets * 4); /* int32_t or float */
      cnn_sums_add(&sums[o], &of_call, 1);
    }
    count += HEAD + CLASS_COUNTS * judged.classes;
  }
}

void cnn_sums_add(cnn_sums *total, const cnn_sums *sums, int32_t outputs) {
  for (int32_t o = 0; o < outputs; o++) {
    total[o].loss += sums[o].loss;
    total[o].loss_weight += sums[o].loss_weight;
    total[o].absolute += sums[o].absolute;
  }
}

static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/* Mean over the classes that appear in the annotations or in the predictions. */
static double mean_of_classes(const cnn_class_counts *counts, int64_t classes,
                              double (*of_class)(const cnn_class_counts *)) {
  double sum = 0, present = 0;
  for (int64_t c = 0; c < classes; c++) {
    if (counts[c].samples + counts[c].predicted == 0) continue;
    sum += of_class(&counts[c]);
    present++;
  }
  return ratio(sum, present);
}

static void add_metric(cnn_measures *measures, const cnn_port *port, const Metric *metric, double value,
                       bool several) {
  if (measures->metrics == CNN_METRICS) return;
  cnn_metric *to = &measures->metric[measures->metrics++];
  char number[16] = "";
  if (metric->kind == KIND_TOP) snprintf(number, sizeof number, "%d", (int)metric->best);
  snprintf(to->name, sizeof to->name, "%.40s%s%s%s", several ? port->name : "", several ? "_" : "",
           NAMES[metric->kind], number);
  to->value = value;
}

void cnn_tally_measures(const cnn_tally *tally, int64_t samples, const cnn_sums *total,
                        cnn_measures *measures) {
  const cnn_network *network = tally->network;
  int32_t judged_outputs = 0, losses = 0;
  for (int32_t o = 0; o < network->outputs; o++) judged_outputs += cnn_judge(network, o).has_target;
  *measures = (cnn_measures){.samples = samples};
  const int64_t *count = tally->count;
  for (int32_t o = 0; o < network->outputs; o++) {
    const cnn_port *port = &network->output[o];
    cnn_judged judged = cnn_judge(network, o);
    const cnn_class_counts *counts = (const cnn_class_counts *)(const void *)(count + HEAD);
    if (port->loss) {
      losses++;
      measures->loss +=
          cnn_loss_known(port) ? cnn_loss_weight(port) * ratio(total[o].loss, total[o].loss_weight) : NAN;
    }
    const int64_t calls = cnn_port_calls(port),
                  counted = port->size / calls * (calls - first_call(network, port));
    Metric metric[CNN_METRICS];
    judged.positions /= calls;
    int32_t metrics = metrics_of(tally, &judged, metric);
    for (int32_t m = 0, top = 0; m < metrics; m++) {
      double value = 0;
      switch (metric[m].kind) {
      case KIND_ACCURACY: value = ratio((double)count[CORRECT], (double)count[COUNTED]); break;
      case KIND_TOP:
        value = top < TOPS ? ratio((double)count[TOP + top], (double)count[COUNTED]) : NAN;
        top++;
        break;
      case KIND_IOU: value = mean_of_classes(counts, judged.classes, cnn_class_iou); break;
      case KIND_DICE: value = mean_of_classes(counts, judged.classes, cnn_class_f1); break;
      case KIND_MAE: value = ratio(total[o].absolute, (double)samples * (double)counted); break;
      case KINDS: break;
      }
      add_metric(measures, port, &metric[m], value, judged_outputs > 1);
    }
    count += HEAD + CLASS_COUNTS * judged.classes;
  }
  if (losses == 0 || network->truth_objects > 0) measures->loss = NAN; /* inference has no object losses */
}

const cnn_class_counts *cnn_tally_classes(const cnn_tally *tally, int32_t output) {
  return (const cnn_class_counts *)(const void *)(tally->count + counts_at(tally->network, output) + HEAD);
}

const int64_t *cnn_tally_confusion(const cnn_tally *tally) {
  return tally->confusion ? tally->count + counts_at(tally->network, tally->network->outputs) : NULL;
}

static bool ends_in(const char *name, const char *end) {
  const size_t n = strlen(name), m = strlen(end);
  return n >= m && strcmp(name + n - m, end) == 0;
}

bool cnn_metric_rises(const char *name) { return !ends_in(name, "mae") && !ends_in(name, "loss"); }

double cnn_class_precision(const cnn_class_counts *counts) {
  return ratio((double)counts->correct, (double)counts->predicted);
}
double cnn_class_recall(const cnn_class_counts *counts) {
  return ratio((double)counts->correct, (double)counts->samples);
}

double cnn_class_f1(const cnn_class_counts *counts) {
  return ratio(2 * (double)counts->correct, (double)counts->samples + (double)counts->predicted);
}

double cnn_class_iou(const cnn_class_counts *counts) {
  return ratio((double)counts->correct,
               (double)counts->samples + (double)counts->predicted - (double)counts->correct);
}
