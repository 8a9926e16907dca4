/* training.h: State of a training run. Private to train.c and its helper files. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_TRAINING_H
#define CNN_TRAINING_H
#include "cnn.h"
#include "hosted/data/batch.h"
#include "hosted/training/journal.h"
#include "hosted/training/evaluate.h"
#include "hosted/training/exchange.h"
#include "hosted/training/pace.h"
#include "hosted/training/run.h"

typedef struct Training {
  const cnn_network *network;
  const cnn_data *data;
  const cnn_train_options *options;
  cnn_run run;
  cnn_course course;
  cnn_loader *loader;
  cnn_evaluator *evaluator;
  cnn_journal log, events;
  float **output;
  cnn_sums *sums; /* sums of one sample */
  int32_t *order;
  char *last, *checkpoint; /* paths of files */
  int32_t threads;
  cnn_pace pace;     /* selects the number of threads for each batch */
  int64_t validated; /* samples in the validation part; 0: none */
  double began, reported, validation_seconds;
  int64_t began_at; /* samples of this epoch that were used before the run was resumed, or 0 */
  bool lost;        /* a resumed run: the output file does not contain the best weights */
  bool ahead;       /* a resumed run: the output file contains the weights of the next epoch already */
  bool unread;      /* the run ends because a sample could not be read or evaluated */
  Exchange exchange;
  int stop; /* with several processes: the signal that one process received, set when all processes know it */
  cnn_tally fresh; /* with several processes: tally of the current batch */
  cnn_sums *each;  /* with several processes: the metric sums of each sample of the batch */
} Training;

/* Lets the processes agree on a status: they fail together, and stop at the same step. */
cnn_status cnn_training_agree(Training *, cnn_status);
bool cnn_training_stopped(const Training *);

cnn_status cnn_training_validate(Training *, cnn_measures *);
void cnn_training_count(Training *, const cnn_batch *, float loss); /* adds the results of a computed batch */
void cnn_training_send(const Training *, cnn_event);
__attribute__((format(printf, 2, 3))) void cnn_training_note(const Training *, const char *format, ...);
void cnn_training_tell(void *training, const char *note); /* a callback for notes */

/* Sets the first weights: the net's initial weights, or the weights of options->init. */
cnn_status cnn_training_first_weights(Training *);
void cnn_training_note_memory(const Training *);
void cnn_training_note_idle(const Training *);   /* reports processes that get no part of a batch */
void cnn_training_note_labels(const Training *); /* reports the number of samples per class */
/* Reports an input whose numbers are still large when they reach the first layer with weights (see
 * unscaled.h). */
cnn_status cnn_training_note_scale(const Training *);
#endif
