/* evaluate.h: Evaluation of a net on a part of a data set, on several threads. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_EVALUATE_H
#define CNN_EVALUATE_H
#include "cnn.h"
#include "hosted/data/batch.h"
#include "hosted/training/exchange.h"
#include "hosted/training/measure.h"

typedef struct cnn_evaluator cnn_evaluator; /* keeps its memory between calls of cnn_evaluator_run */

cnn_status cnn_evaluator_open(cnn_evaluator **evaluator, const cnn_network *network, int32_t threads,
                              bool confusion);
/* Each process evaluates a part of the samples from now on; all processes get the same results. */
void cnn_evaluator_share(cnn_evaluator *evaluator, Exchange *exchange);
void cnn_evaluator_close(cnn_evaluator *evaluator);
/* Evaluates at most `limit` samples; negative: all. */
cnn_status cnn_evaluator_run(cnn_evaluator *evaluator, const float *weights, const cnn_data *data,
                             cnn_part part, int64_t limit, const volatile sig_atomic_t *stop,
                             cnn_measures *measures);
const cnn_tally *cnn_evaluator_tally(const cnn_evaluator *evaluator);

/* Memory for a model and for infer's buffers, also used by `predict` and `bench`. */
void *cnn_aligned(size_t bytes); /* zeroed; the caller frees it; NULL: out of memory */
/* One call of infer, or of step, which continues from `state`. */
void cnn_call(const cnn_network *network, const void *model, const cnn_batch *batch, float **output,
              void *state, void *workspace);
float **cnn_outputs_alloc(const cnn_network *network, int32_t count);
void cnn_outputs_free(const cnn_network *network, float **output);
#endif
