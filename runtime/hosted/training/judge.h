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
  cnn_quality_counts *quality; /* [segments], one for each class; NULL: net or sample lacks segments */
  int32_t segments;            /* number of classes: 1 + the largest class of a segment */
} cnn_judged_sample;

/* Whether the net detects boxes or segments in images, and the data set has annotations of images. */
bool cnn_judge_can(const cnn_network *network, const cnn_data *data);
/* Compares sample `index` with image `slot` of the outputs. */
cnn_status cnn_judge_sample(cnn_judged_sample *sample, const cnn_network *network, float *const output[],
                            int64_t slot, const cnn_data *data, cnn_part part, int64_t index);
void cnn_judge_free(cnn_judged_sample *sample);

/* Metrics of all samples; free them with cnn_objects_free. */
cnn_status cnn_judge_all(cnn_objects *objects, const cnn_judged_sample *sample, int64_t samples);
void cnn_objects_free(cnn_objects *objects);
/* Adds the metrics of boxes (map, map50, map75), masks (mask_map, ...) and segments (pq, sq, rq). */
void cnn_objects_measures(const cnn_objects *objects, cnn_measures *measures);
#endif
