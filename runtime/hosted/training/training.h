/* training.h: state of a training run. Private to train.c and its helper files. */
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
  cnn_sums *sums; /* of one sample */
  int32_t *order;
  char *last, *checkpoint; /* paths */
  int32_t threads;
  cnn_pace pace;     /* of the steps */
  int64_t validated; /* samples of the validation part; 0: none */
  double began, reported, validation_seconds;
  int64_t began_at; /* samples seen when this process took the epoch up */
  bool unread;      /* samples could not be read */
  Exchange exchange;
  int stop;        /* with other processes: the signal that one of them got, once all know it */
  cnn_tally fresh; /* with other processes: of the batch under way */
  cnn_sums *each;  /* with other processes: of each sample of it */
} Training;

/* Processes fail together, and stop at the same step. */
cnn_status cnn_training_agree(Training *, cnn_status);
bool cnn_training_stopped(const Training *);

cnn_status cnn_training_validate(Training *, cnn_measures *);
void cnn_training_count(Training *, const cnn_batch *, float loss); /* a batch that has been computed */
void cnn_training_send(const Training *, cnn_event);
__attribute__((format(printf, 2, 3))) void cnn_training_note(const Training *, const char *format, ...);
void cnn_training_tell(void *training, const char *note); /* as others call it back */

cnn_status cnn_training_first_weights(Training *); /* the net's own, or those of options->init */
void cnn_training_note_memory(const Training *);
void cnn_training_note_idle(const Training *);   /* processes that have no part of a batch */
void cnn_training_note_labels(const Training *); /* how many samples each class has */
/* A hint where raw bytes go into the first weights and nothing scales them. */
cnn_status cnn_training_note_scale(const Training *);
#endif
