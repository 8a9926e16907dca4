/* judge.h: Comparison of detected boxes, masks and segments with those of a data set. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_JUDGE_H
#define CNN_JUDGE_H
#include "cnn.h"
#include "hosted/training/findings.h"

/* Detections and annotations of one sample. */
typedef struct cnn_judged_sample {
  cnn_findings findings;
  cnn_sought *sought;
  int32_t soughts;
  cnn_quality_counts *quality; /* [segments]; NULL: no output has segments */
  int32_t segments;            /* classes */
} cnn_judged_sample;

/* Whether an output of the net finds something, and the data say what there is. */
bool cnn_judge_can(const cnn_network *network, const cnn_data *data);
/* Sample `index`, whose outputs are those of image `slot`. */
cnn_status cnn_judge_sample(cnn_judged_sample *sample, const cnn_network *network, float *const output[],
                            int64_t slot, const cnn_data *data, cnn_part part, int64_t index);
void cnn_judge_free(cnn_judged_sample *sample);

/* All samples. To be freed by cnn_objects_free. */
cnn_status cnn_judge_all(cnn_objects *objects, const cnn_judged_sample *sample, int64_t samples);
void cnn_objects_free(cnn_objects *objects);
/* The metrics map and pq of them. */
void cnn_objects_measures(const cnn_objects *objects, cnn_measures *measures);
#endif
