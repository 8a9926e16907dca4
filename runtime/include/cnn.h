/* cnn.h: Runtime of nets compiled by cnnc: training, evaluation, data, weights, and the command line of
 * executables.
 *
 * cnn_core.h     freestanding: random numbers, schedules, optimizers, the training step, augmentation
 * cnn_data.h     data sets; the inputs and outputs of predictions
 * cnn_weights.h  weights from and to files
 * cnn_image.h    images
 *
 * This header adds evaluation and training of a net. Functions that can fail return a cnn_status, whose
 * message states the cause. For an error in a file, the message also states the file's name and the position
 * of the error. Only cnn_main, cnn_main_launched and cnn_main_mpi, which are whole programs, print text or
 * end the process. There is one exception: if memory runs out, or if an MPI message would be too long,
 * training on several processes prints an error and ends all processes. The caller must not free a net while
 * these functions use it. */
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

/* Number of threads that a net and the runtime's loops use: `wanted`. If `wanted` is 0: OMP_NUM_THREADS, or
 * if that is not set, the number of processors. A net compiled with --threads=none uses one thread, but
 * evaluation still distributes the samples over all threads. Results never depend on the number of
 * threads. */
int32_t cnn_threads(int32_t wanted);

/* ---- Evaluation */

enum { CNN_METRICS = 16 }; /* maximum number of metrics of a net */

typedef struct cnn_metric {
  char name[64]; /* such as "accuracy" or "top5"; with several measured outputs "OUTPUT_accuracy" */
  double value;
} cnn_metric;

typedef struct cnn_measures { /* measured on a set of samples */
  int64_t samples;
  double loss; /* NaN: the net has no loss, or the outputs of inference do not suffice to compute it */
  int32_t metrics;
  cnn_metric metric[CNN_METRICS];
} cnn_measures;

typedef struct cnn_class_counts {
  int64_t samples, predicted, correct;
} cnn_class_counts;
double cnn_class_precision(const cnn_class_counts *counts); /* correct / predicted; 0 if never predicted */
double cnn_class_recall(const cnn_class_counts *counts);    /* correct / samples */
double cnn_class_f1(const cnn_class_counts *counts);
/* Intersection over union; 0 for a class that does not appear. */
double cnn_class_iou(const cnn_class_counts *counts);

enum { CNN_RECALL_POINTS = 101 };

/* Average precision as COCO defines it: means over the classes that have annotations; -1: no class has
 * annotations. */
typedef struct cnn_precision {
  double ap, ap50, ap75, small, medium, large;
} cnn_precision;

typedef struct cnn_precision_class {
  int64_t truths;                  /* annotations that are not ignored; 0: the class's AP is -1 */
  double ap, ap50;                 /* the mean over IoU thresholds from 0.50 to 0.95, and the value at 0.50 */
  double curve[CNN_RECALL_POINTS]; /* precision at a recall of 0, 0.01, ... 1, at an IoU of 0.50 */
} cnn_precision_class;

/* Panoptic quality of a class, or the mean over classes. -1 in the mean: no segments were annotated or
 * detected. */
typedef struct cnn_quality {
  double pq, sq, rq; /* sq: mean IoU of matched segments; rq: F1 score of detection; pq of a class: sq * rq */
} cnn_quality;

/* Metrics of boxes, masks and segments. An array is NULL if no metrics were computed for it. */
typedef struct cnn_objects {
  int32_t classes;
  cnn_precision boxes, masks;
  cnn_precision_class *of_box, *of_mask; /* [classes] */
  int32_t segment_classes;
  cnn_quality segments, *of_segment; /* [segment_classes] */
} cnn_objects;

typedef struct cnn_evaluation {
  cnn_measures measures;
  int32_t classes; /* number of classes of the first output that has classes; 0: none */
  cnn_class_counts *counts;
  int64_t *confusion; /* [true class][predicted class] if requested, otherwise NULL */
  cnn_objects objects;
} cnn_evaluation;

/* Runs the net on a part of a data set and computes its metrics. `stop` may be NULL. When *stop becomes
 * non-zero, the function returns CNN_STOPPED. */
cnn_status cnn_evaluate(const cnn_network *network, const float *weights, const cnn_data *data, cnn_part part,
                        int32_t threads, bool confusion, const volatile sig_atomic_t *stop,
                        cnn_evaluation *evaluation);
void cnn_evaluation_free(cnn_evaluation *evaluation);

/* ---- Training */

typedef struct cnn_epoch { /* values of a row in the log */
  int32_t epoch;           /* from 1 */
  cnn_measures train;
  cnn_measures val; /* samples is 0 without validation */
  double rate;      /* mean learning rate over the steps of the epoch */
  double images_per_second, seconds;
  int64_t step; /* number of weight updates up to the end of this epoch */
  double time;  /* end of the epoch, in seconds since 1970 */
  /* whether this epoch is the best so far; then its weights are saved as the best. The criterion is the
   * validation loss. If that loss is unknown, or for nets with object losses, the criterion is the first
   * metric. Without validation, each epoch is the best so far */
  bool best;
} cnn_epoch;

typedef enum cnn_event_kind {
  CNN_EVENT_NOTE,       /* `note`: one or more lines, which should be printed at any verbosity */
  CNN_EVENT_STEP,       /* a step is finished; sent at most every 0.1 seconds, but always for the last step of
                           an epoch */
  CNN_EVENT_VALIDATION, /* validation begins */
  CNN_EVENT_EPOCH,      /* an epoch has ended */
  CNN_EVENT_END         /* success; `done`: the epoch with the best weights; in a resumed run, this epoch may
                           have ended before the run was resumed */
} cnn_event_kind;

typedef struct cnn_event {
  cnn_event_kind kind;
  const char *note;
  int32_t epoch, epochs;                        /* the current epoch, from 1, and the total number */
  int64_t step, steps;                          /* finished steps of this epoch, and all its steps */
  double images_per_second, seconds_left, rate; /* seconds_left: until the end of training */
  const cnn_measures *measures;                 /* for STEP: over this epoch so far */
  const cnn_epoch *done;                        /* for EPOCH and END */
} cnn_event;

typedef struct cnn_train_options {
  cnn_recipe recipe; /* the program's recipe, which the caller may change */
  int32_t threads;   /* 0: all processors */
  bool shuffle;      /* false: samples come in the order of the data set */
  /* true: recipe.epochs is used for `overfit`, too; false: `overfit` trains for at least 300 steps */
  bool epochs_given;
  bool resume;     /* continues from the checkpoint of `out`, as if training had never stopped */
  bool dry_run;    /* one step and one validation batch; writes nothing */
  int64_t overfit; /* trains on the first `overfit` samples without augmentation and validation, to test
                      whether the net can learn at all; 0: off */
  double val; /* val, limit, fit and target: the options with which the data set was opened; the checkpoint
                 stores them for cnn_train_settings */
  int64_t limit;
  cnn_fit fit;
  char target[256]; /* empty: the last column */
  const char *init; /* file of initial weights, used where names and shapes match; or NULL */
  cnn_weights_names init_names;
  /* path of the best weights, an .npz file if it ends in .npz; the last weights and a checkpoint are written
   * next to it, see cnn_sibling */
  const char *out;
  const char *log;               /* .jsonl or .csv, one row per epoch; or NULL */
  const char *plot;              /* .svg; or NULL */
  const char *tensorboard;       /* a directory for TensorBoard events; or NULL */
  const struct cnn_ranks *ranks; /* processes that train together, see cnn_ranks.h; NULL: a single process */
  const volatile sig_atomic_t
      *stop; /* may be NULL; non-zero: save after the current step and return CNN_STOPPED */
  void (*report)(void *context, const cnn_event *event); /* may be NULL */
  void *context;
} cnn_train_options;

/* Default options, with the program's recipe. The field `out` is NULL and must be set. */
cnn_train_options cnn_train_defaults(const cnn_network *network);
/* For resuming a run from the checkpoint of options->out: copies the settings of that run into the options.
 * The caller may then change them. The settings are seed, batch, epochs, rate, shuffle, overfit,
 * epochs_given, val, limit, fit and target. If the program's batch, epochs or rate has changed since the
 * checkpoint was written, the program's value is kept. Call this function before the data set is opened. */
cnn_status cnn_train_settings(const cnn_network *network, cnn_train_options *options);
cnn_status cnn_train(const cnn_network *network, const cnn_data *data, const cnn_train_options *options);

/* The path of another file of a run, in the folder of `path`; `path` is the file of the run's best weights.
 * For the kind "last": "a.safetensors" gives "a.last.safetensors", and "a.npz" gives "a.last.npz". For the
 * kind "checkpoint", the file is always a .safetensors. The caller frees the path; NULL: out of memory. */
char *cnn_sibling(const char *path, const char *kind);

/* ---- plots */

cnn_status cnn_plot_write(const char *path, const char *title, const cnn_epoch *epoch, int32_t epochs);
cnn_status cnn_confusion_write(const char *path, const cnn_network *network, const cnn_data *data,
                               const cnn_evaluation *evaluation);

/* ---- Subnormal floats: below 1.2e-38, and slow on some CPUs */

/* The mode of this thread: whether the CPU treats subnormal floats as zeros. */
uint32_t cnn_denormals_mode(void);
/* Sets the mode, if the CPU has it, and returns the mode before. */
uint32_t cnn_denormals_set(bool flush);
/* cnn_train and cnn_evaluate begin and end with these functions. cnn_denormals_begin sets the mode if
 * network->flush_denormals is set, and returns the mode before. cnn_denormals_end restores it. */
uint32_t cnn_denormals_begin(const cnn_network *network);
void cnn_denormals_end(uint32_t before);

/* ---- A whole program for a net, with commands such as train, eval and predict. Returns the exit status. */

int cnn_main(int argc, char **argv, const cnn_network *network);

#ifdef __cplusplus
}
#endif
#endif
