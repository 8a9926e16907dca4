/* count.c: Loss of a batch, and the counts for its metrics. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/training.h"

/* Each process counts its own samples; the results of all processes are added in the order of the samples. */
static void count_shared(Training *training, const cnn_batch *batch) {
  cnn_run *run = &training->run;
  Exchange *exchange = &training->exchange;
  const int32_t outputs = training->network->outputs;
  int64_t from, to;
  cnn_exchange_share(exchange, batch->count, &from, &to);
  cnn_tally_clear(&training->fresh);
  for (int64_t i = from; i < to; i++)
    cnn_tally_sample(&training->fresh, training->output, batch->target, i, training->each + i * outputs);
  cnn_exchange_add_counts(exchange, training->fresh.count, training->fresh.counts);
  cnn_exchange_gather(exchange, training->each, outputs * (int64_t)sizeof *training->each);
  cnn_tally_add(&run->tally, &training->fresh);
  for (int32_t i = 0; i < batch->count; i++) cnn_sums_add(run->sums, training->each + i * outputs, outputs);
}

void cnn_training_count(Training *training, const cnn_batch *batch, float loss) {
  cnn_run *run = &training->run;
  int32_t outputs = training->network->outputs;
  if (training->output && !cnn_exchange_alone(&training->exchange)) count_shared(training, batch);
  else if (training->output) {
    for (int32_t i = 0; i < batch->count; i++) {
      cnn_tally_sample(&run->tally, training->output, batch->target, i, training->sums);
      cnn_sums_add(run->sums, training->sums, outputs);
    }
  }
  run->loss += (double)loss * batch->count;
  run->at += batch->count;
}
