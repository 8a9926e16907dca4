/* judge.h: Comparison of detected boxes, masks and segments with a data set's annotations. */
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
  int32_t segments;            /* number of classes that segments can have */
} cnn_judged_sample;

/* Whether the net has detections, and the data have annotations for them. */
bool cnn_judge_can(const cnn_network *network, const cnn_data *data);
/* Compares sample `index` with image `slot` of the outputs. */
cnn_status cnn_judge_sample(cnn_judged_sample *sample, const cnn_network *network, float *const output[],
                            int64_t slot, const cnn_data *data, cnn_part part, int64_t index);
void cnn_judge_free(cnn_judged_sample *sample);

/* Metrics of all samples; free them with cnn_objects_free. */
cnn_status cnn_judge_all(cnn_objects *objects, const cnn_judged_sample *sample, int64_t samples);
void cnn_objects_free(cnn_objects *objects);
/* Adds the metrics map and pq. */
void cnn_objects_measures(const cnn_objects *objects, cnn_measures *measures);
#endif
