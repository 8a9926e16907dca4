/* cnn.h: the runtime of nets compiled by cnnc: training, evaluation, data, weights, and the command line of
 * built programs.
 *
 *   cnn_core.h     random numbers, schedules, optimizers, the training step, augmentation: freestanding, for
 * any machine cnn_data.h     data sets; the inputs and outputs of predictions cnn_weights.h  weights from and
 * to files cnn_image.h    images
 *
 * and here, on top of them: evaluating and training a net. Functions return a cnn_status whose message names
 * file, offset and cause; nothing here prints or ends the process, cnn_main excepted, which is a whole
 * program. A net given to these functions must outlive them. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_H
#define CNN_H
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cnn_core.h"
#include "cnn_data.h"
#include "cnn_image.h"
#include "cnn_network.h"
#include "cnn_status.h"
#include "cnn_weights.h"
#ifdef __cplusplus
extern "C" {
#endif

/* ---- Threads */

/* How many threads a net and the loops here use: `wanted`, or the number of processors if it is 0. A
 * net that was compiled without OpenMP computes with one; evaluation still shares out its samples. Results
 * never depend on it. */
int32_t cnn_threads(int32_t wanted);

/* ---- Evaluation */

enum { CNN_METRICS = 16 }; /* most metrics of a net */

typedef struct cnn_metric {
  char
      name[64]; /* "accuracy", "top5", "mae", "iou", "map"; with several measured outputs "OUTPUT_accuracy" */
  double value;
} cnn_metric;

typedef struct cnn_measures { /* of a set of samples */
  int64_t samples;
  double loss; /* NaN where the net has no loss */
  int32_t metrics;
  cnn_metric metric[CNN_METRICS];
} cnn_measures;

typedef struct cnn_class_counts {
  int64_t samples, predicted, correct;
} cnn_class_counts;
double cnn_class_precision(const cnn_class_counts *counts); /* correct / predicted; 0 when never predicted */
double cnn_class_recall(const cnn_class_counts *counts);    /* correct / samples */
double cnn_class_f1(const cnn_class_counts *counts);
double
cnn_class_iou(const cnn_class_counts *counts); /* intersection over union; 0 for a class that is nowhere */

enum { CNN_RECALL_POINTS = 101 };

/* Average precision, as COCO counts it: means over the classes that have a truth; -1: there is none. */
typedef struct cnn_precision {
  double ap, ap50, ap75, small, medium, large;
} cnn_precision;

typedef struct cnn_precision_class {
  int64_t truths;                  /* those that are not ignored; 0: its AP is -1 */
  double ap, ap50;                 /* at an IoU from 0.50 to 0.95, and of 0.50 */
  double curve[CNN_RECALL_POINTS]; /* precision at a recall of 0, 0.01, ... 1, at an IoU of 0.50 */
} cnn_precision_class;

/* Panoptic quality; -1: there was nothing to find and nothing found. */
typedef struct cnn_quality {
  double pq, sq, rq; /* pq = sq * rq: the mean IoU of found segments, and the F1 score of finding them */
} cnn_quality;

/* What outputs with boxes, masks and segments find; arrays are NULL where no output does. */
typedef struct cnn_objects {
  int32_t classes;
  cnn_precision boxes, masks;
  cnn_precision_class *of_box, *of_mask; /* [classes] */
  int32_t segment_classes;
  cnn_quality segments, *of_segment; /* [segment_classes] */
} cnn_objects;

typedef struct cnn_evaluation {
  cnn_measures measures;
  int32_t classes; /* of the first output with classes; 0: there is none */
  cnn_class_counts *counts;
  int64_t *confusion; /* [true class][predicted class], where it was asked for, else NULL */
  cnn_objects objects;
} cnn_evaluation;

/* Runs the net on a part of a data set. `stop` may be NULL; when it becomes non-zero the result is
 * CNN_STOPPED. */
cnn_status cnn_evaluate(const cnn_network *network, const float *weights, const cnn_data *data, cnn_part part,
                        int32_t threads, bool confusion, const volatile sig_atomic_t *stop,
                        cnn_evaluation *evaluation);
void cnn_evaluation_free(cnn_evaluation *evaluation);

/* ---- Training */

typedef struct cnn_epoch { /* text of a log line */
  int32_t epoch;           /* from 1 */
  cnn_measures train;
  cnn_measures val; /* samples 0: no validation */
  double rate;      /* the mean over its steps */
  double images_per_second, seconds;
  int64_t step; /* updates of the weights until its end, in all */
  double time;  /* when it ended, in seconds since 1970 */
  bool best;    /* the best so far, by validation loss, and therefore saved as such */
} cnn_epoch;

typedef enum cnn_event_kind {
  CNN_EVENT_NOTE,       /* `note`: a line worth printing at any verbosity */
  CNN_EVENT_STEP,       /* a step has been made; at most ten times a second */
  CNN_EVENT_VALIDATION, /* validation begins */
  CNN_EVENT_EPOCH,      /* an epoch has ended */
  CNN_EVENT_END /* success; `done` is the epoch with the best weights, also if it was before a resumption */
} cnn_event_kind;

typedef struct cnn_event {
  cnn_event_kind kind;
  const char *note;
  int32_t epoch, epochs;                        /* the current one, from 1, and how many there will be */
  int64_t step, steps;                          /* in this epoch */
  double images_per_second, seconds_left, rate; /* seconds_left: until the end of training */
  const cnn_measures *measures;                 /* STEP: of this epoch so far */
  const cnn_epoch *done;                        /* EPOCH, END */
} cnn_event;

typedef struct cnn_train_options {
  cnn_recipe recipe; /* the program's, with any changes */
  int32_t threads;   /* 0: all */
  bool shuffle;      /* false: samples come in the order of the set */
  /* recipe.epochs counts for `overfit`, too; else that makes some hundreds of steps */
  bool epochs_given;
  bool resume;     /* from out's checkpoint, as if never stopped */
  bool dry_run;    /* one step and one validation batch; nothing is written */
  int64_t overfit; /* train on the first `overfit` samples, unaugmented and without validation: can the net
                      learn at all? 0: off */
  double val;      /* how the data set was opened: kept with the checkpoint, for cnn_train_settings */
  int64_t limit;
  cnn_fit fit;
  char target[256]; /* empty: the last column */
  const char *init; /* start from these weights, where names and shapes match; or NULL */
  cnn_weights_names init_names;
  /* best weights, as .npz if it ends so; next to it the last ones and a checkpoint, see cnn_sibling */
  const char *out;
  const char *log;               /* .jsonl or .csv, one row per epoch; or NULL */
  const char *plot;              /* .svg; or NULL */
  const char *tensorboard;       /* a directory for TensorBoard's events; or NULL */
  const struct cnn_ranks *ranks; /* processes that train together, see cnn_ranks.h; NULL: one alone */
  const volatile sig_atomic_t
      *stop; /* may be NULL; non-zero: save after the current step and return CNN_STOPPED */
  void (*report)(void *context, const cnn_event *event); /* may be NULL */
  void *context;
} cnn_train_options;

cnn_train_options
cnn_train_defaults(const cnn_network *network); /* the program's recipe; out is NULL and must be set */
/* For resuming: takes what was chosen for the run that left a checkpoint beside options->out (seed, batch,
 * epochs, rate, shuffle, overfit, val, limit, fit, target) into the options, where it can be changed again.
 * Before the data set is opened. */
cnn_status cnn_train_settings(const cnn_network *network, cnn_train_options *options);
cnn_status cnn_train(const cnn_network *network, const cnn_data *data, const cnn_train_options *options);

/* The files of a run, from the name of its best weights: "a.safetensors" gives "a.last.safetensors", "a.npz"
 * gives "a.last.npz"; the
 * checkpoint ("checkpoint") is always .safetensors. To be freed; NULL: no memory. */
char *cnn_sibling(const char *path, const char *kind);

/* ---- Pictures of numbers */

cnn_status cnn_plot_write(const char *path, const char *title, const cnn_epoch *epoch, int32_t epochs);
cnn_status cnn_confusion_write(const char *path, const cnn_network *network, const cnn_data *data,
                               const cnn_evaluation *evaluation);

/* ---- A whole program around a net: train, eval, predict, bench, info. Returns the exit status. */

int cnn_main(int argc, char **argv, const cnn_network *network);

#ifdef __cplusplus
}
#endif
#endif
