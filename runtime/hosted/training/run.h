/* run.h: A training run that can be saved to a file and resumed. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_RUN_H
#define CNN_RUN_H
#include "cnn.h"
#include "hosted/training/measure.h"

typedef struct cnn_run {
  cnn_trainer trainer;
  void *memory;           /* memory of the trainer */
  int64_t samples;        /* number of training samples in one epoch */
  int32_t finished;       /* number of finished epochs */
  int64_t at;             /* number of samples of the current epoch that were used */
  double loss;            /* sum of the losses of the used samples */
  double seconds;         /* time spent on the used samples */
  double rate;            /* learning rate of the last step */
  double mean_rate;       /* mean learning rate of the current epoch's steps */
  int64_t rates;          /* number of steps in mean_rate */
  cnn_tally tally;        /* counts for the metrics, over the used samples of the current epoch */
  cnn_sums *sums;         /* [outputs]: sums for the metrics, over the used samples */
  double best;            /* the loss or metric that selects the best epoch: its value in the best of the
                             last `rated` epochs; negated if larger values are better */
  int32_t rated, waiting; /* waiting: epochs since the best epoch */
  char saved[17];         /* hash of the best weights, which are in the output file; "": not known */
  cnn_epoch *history;     /* [finished] */
  int32_t room;
} cnn_run;

cnn_status cnn_run_open(cnn_run *run, const cnn_network *network, const cnn_recipe *recipe, int64_t samples);
void cnn_run_close(cnn_run *run);
bool cnn_run_append(cnn_run *run, const cnn_epoch *epoch); /* false: no memory */
/* Writes the hash of the weights, as they are saved, to `text`. */
void cnn_run_hash(const cnn_network *network, const float *weights, char text[17]);
typedef enum cnn_best {
  CNN_BEST_SAVED,
  CNN_BEST_AHEAD, /* of the next epoch: the run was killed before it wrote the checkpoint of that epoch */
  CNN_BEST_LOST
} cnn_best;
/* After cnn_run_load: whether the file `path` contains the best weights of the run. If they are lost, sets
 * `why`, such as "is missing". Errors: only out of memory. */
cnn_status cnn_run_find_best(const cnn_run *run, const char *path, cnn_best *best, const char **why);
/* Text for error messages of training: which weights have been saved. --overfit saves only after its last
 * epoch. */
const char *cnn_run_kept(const cnn_run *run, const cnn_train_options *options);

/* Saves the checkpoint: weights, average and optimizer state as tensors, the rest as one JSON text in the
 * metadata. */
cnn_status cnn_run_save(const cnn_run *run, const cnn_train_options *options, const char *path);
/* Loads a checkpoint. The callback receives a line for each setting of the run that has changed since the
 * checkpoint, or that differs from the program. Changes that are not permitted are errors. */
cnn_status cnn_run_load(cnn_run *run, const char *path, void (*tell)(void *context, const char *line),
                        void *context);
/* Sets `unfinished` if the file exists and is the checkpoint of an unfinished run; `progress` is then a text
 * such as "in epoch 3 of 10". */
cnn_status cnn_run_look(const char *path, bool *unfinished, char progress[80]);
#endif
