/* judge.c: Average precision and panoptic quality of a net on a data set, in pixels of the original images.
 */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/data/dataset.h"
#include "hosted/data/outline.h"

bool cnn_judge_can(const cnn_network *network, const cnn_data *data) {
  const bool finds = cnn_output_first(network, CNN_OUTPUT_DETECTIONS) >= 0 ||
                     cnn_output_first(network, CNN_OUTPUT_PANOPTIC) >= 0;
  return finds && cnn_picture_input(network) && data->kind->truth;
}

/* ---- One sample */

/* Reads an object's pixels from its outline, hidden parts included, or else from the instance map. */
static bool mask_read(cnn_runs *mask, const cnn_truth *truth, int32_t k) {
  const cnn_outline *outline = truth->object[k].outline;
  if (!outline) return cnn_runs_make(mask, truth->instance, (uint8_t)(k + 1), truth->height, truth->width);
  uint8_t *alone = calloc((size_t)truth->height * (size_t)truth->width, 1);
  const bool fine = alone && cnn_outline_paint(outline, truth->height, truth->width, 1, alone) &&
                    cnn_runs_make(mask, alone, 1, truth->height, truth->width);
  free(alone);
  return fine;
}

/* Reads an object. The area of the object is the area that the data set states; without such an area, the
 * number of pixels of the object's mask; without a mask, the area of the box. */
static bool object_read(cnn_sought *sought, const cnn_truth *truth, int32_t k, bool masks) {
  const cnn_object *object = &truth->object[k];
  cnn_runs mask = {0};
  for (int i = 0; i < 4; i++) sought->box[i] = (double)object->box[i];
  sought->area = (sought->box[2] - sought->box[0]) * (sought->box[3] - sought->box[1]);
  const bool read = truth->instance && (masks || object->area <= 0);
  if (read && !mask_read(&mask, truth, k)) return false;
  const int64_t pixels = cnn_runs_area(&mask);
  if (object->area > 0) sought->area = object->area;
  else if (pixels > 0) sought->area = (double)pixels;
  if (masks) sought->mask = mask;
  else cnn_runs_free(&mask);
  return true;
}

static bool objects_read(cnn_judged_sample *sample, const cnn_truth *truth, int32_t image) {
  sample->sought = calloc((size_t)truth->count + 1, sizeof *sample->sought);
  bool fine = sample->sought != NULL;
  sample->findings.masks = sample->findings.masks && truth->instance;
  for (int32_t k = 0; fine && k < truth->count; k++) {
    const cnn_object *object = &truth->object[k];
    cnn_sought *sought = &sample->sought[sample->soughts++];
    *sought = (cnn_sought){.image = image, .label = object->label, .ignored = object->ignored};
    fine = object_read(sought, truth, k, sample->findings.masks);
  }
  return fine;
}

/* Reads the segments of the annotations. The class of a pixel is from the class map, even if the pixel
 * belongs to an object. */
static bool truth_segments(cnn_segments *segments, const cnn_truth *truth) {
  const int64_t pixels = (int64_t)truth->height * truth->width;
  if (!cnn_segments_open(segments, pixels)) return false;
  for (int64_t i = 0; i < pixels; i++) {
    const int32_t k = truth->instance ? truth->instance[i] : 0;
    const int32_t label = truth->pixels[i];
    const bool ignored = k > 0 && k <= truth->count && truth->object[k - 1].ignored;
    if (label >= 0 && !cnn_segments_put(segments, i, label, k, ignored)) return false;
  }
  return true;
}

static int32_t classes_of(const cnn_segments *segments, int32_t classes) {
  for (int32_t k = 0; k < segments->count; k++)
    if (segments->segment[k].label >= classes) classes = segments->segment[k].label + 1;
  return classes;
}

static bool segments_judge(cnn_judged_sample *sample, const cnn_network *network, float *const output[],
                           int64_t slot, const cnn_view *view, const cnn_truth *truth, int32_t stuff) {
  cnn_segments wanted = {0}, found = {0};
  bool fine = truth_segments(&wanted, truth) && cnn_segments_read(&found, network, output, slot, view, stuff);
  if (fine) {
    sample->segments = classes_of(&wanted, classes_of(&found, 0));
    sample->quality = calloc((size_t)sample->segments + 1, sizeof *sample->quality);
    fine = sample->quality && cnn_quality_add(sample->quality, &wanted, &found);
  }
  cnn_segments_free(&wanted);
  cnn_segments_free(&found);
  return fine;
}

cnn_status cnn_judge_sample(cnn_judged_sample *sample, const cnn_network *network, float *const output[],
                            int64_t slot, const cnn_data *data, cnn_part part, int64_t index) {
  cnn_image image;
  cnn_truth truth;
  const cnn_status status = cnn_data_truth(data, part, index, &image, &truth);
  *sample = (cnn_judged_sample){0};
  if (status.code != CNN_OK) return status;
  const cnn_view view =
      cnn_view_make(cnn_picture_input(network), image.height, image.width, data->options.fit);
  bool fine = cnn_findings_read(&sample->findings, network, output, slot, &view, (int32_t)index) &&
              objects_read(sample, &truth, (int32_t)index);
  if (fine && truth.pixels && cnn_output_first(network, CNN_OUTPUT_PANOPTIC) >= 0)
    fine = segments_judge(sample, network, output, slot, &view, &truth, data->stuff);
  cnn_image_free(&image);
  cnn_truth_free(&truth);
  if (fine) return status;
  cnn_judge_free(sample);
  return cnn_failure(CNN_NO_MEMORY, "no memory to compare the detections with the data");
}

void cnn_judge_free(cnn_judged_sample *sample) {
  cnn_findings_free(&sample->findings);
  for (int32_t i = 0; i < sample->soughts; i++) cnn_runs_free(&sample->sought[i].mask);
  free(sample->sought);
  free(sample->quality);
  *sample = (cnn_judged_sample){0};
}

/* ---- All samples */

typedef struct List {
  cnn_found *found;
  cnn_sought *sought;
  int64_t founds, soughts;
  int32_t classes;
  bool boxes, masks;
} List;

static bool list_make(List *list, const cnn_judged_sample *sample, int64_t samples) {
  *list = (List){.boxes = samples > 0, .masks = samples > 0};
  for (int64_t i = 0; i < samples; i++) {
    list->founds += sample[i].findings.count;
    list->soughts += sample[i].soughts;
    list->boxes = list->boxes && sample[i].findings.boxes;
    list->masks = list->masks && sample[i].findings.masks;
  }
  list->found = calloc((size_t)list->founds + 1, sizeof *list->found);
  list->sought = calloc((size_t)list->soughts + 1, sizeof *list->sought);
  if (!list->found || !list->sought) return false;
  int64_t f = 0, s = 0;
  for (int64_t i = 0; i < samples; i++) {
    for (int32_t k = 0; k < sample[i].findings.count; k++) list->found[f++] = sample[i].findings.found[k];
    for (int32_t k = 0; k < sample[i].soughts; k++) list->sought[s++] = sample[i].sought[k];
  }
  for (f = 0; f < list->founds; f++)
    if (list->found[f].label >= list->classes) list->classes = list->found[f].label + 1;
  for (s = 0; s < list->soughts; s++)
    if (list->sought[s].label >= list->classes) list->classes = list->sought[s].label + 1;
  return true;
}

static bool precision_of(cnn_objects *objects, const List *list) {
  if (!list->boxes) return true;
  objects->classes = list->classes;
  objects->of_box = calloc((size_t)list->classes + 1, sizeof *objects->of_box);
  if (!objects->of_box || !cnn_precision_measure(list->found, list->founds, list->sought, list->soughts,
                                                 list->classes, false, &objects->boxes, objects->of_box))
    return false;
  if (!list->masks) return true;
  objects->of_mask = calloc((size_t)list->classes + 1, sizeof *objects->of_mask);
  return objects->of_mask && cnn_precision_measure(list->found, list->founds, list->sought, list->soughts,
                                                   list->classes, true, &objects->masks, objects->of_mask);
}

/* Adds the counts in the order of the samples, so that the result does not depend on threads. */
static bool quality_of(cnn_objects *objects, const cnn_judged_sample *sample, int64_t samples) {
  int32_t classes = 0;
  bool any = false;
  for (int64_t i = 0; i < samples; i++) {
    any = any || sample[i].quality;
    if (sample[i].segments > classes) classes = sample[i].segments;
  }
  if (!any) return true;
  cnn_quality_counts *sum = calloc((size_t)classes + 1, sizeof *sum);
  objects->of_segment = calloc((size_t)classes + 1, sizeof *objects->of_segment);
  const bool fine = sum && objects->of_segment;
  for (int64_t i = 0; fine && i < samples; i++)
    for (int32_t c = 0; c < sample[i].segments; c++) {
      sum[c].iou += sample[i].quality[c].iou;
      sum[c].right += sample[i].quality[c].right;
      sum[c].wrong += sample[i].quality[c].wrong;
      sum[c].missed += sample[i].quality[c].missed;
    }
  for (int32_t c = 0; fine && c < classes; c++) objects->of_segment[c] = cnn_quality_of(&sum[c]);
  if (fine) objects->segments = cnn_quality_mean(sum, classes);
  objects->segment_classes = classes;
  free(sum);
  return fine;
}

cnn_status cnn_judge_all(cnn_objects *objects, const cnn_judged_sample *sample, int64_t samples) {
  List list;
  *objects = (cnn_objects){0};
  const bool fine = list_make(&list, sample, samples) && precision_of(objects, &list) &&
                    quality_of(objects, sample, samples);
  free(list.found);
  free(list.sought);
  if (fine) return cnn_success();
  cnn_objects_free(objects);
  return cnn_failure(CNN_NO_MEMORY, "no memory to compare the detections with the data");
}

void cnn_objects_free(cnn_objects *objects) {
  free(objects->of_box);
  free(objects->of_mask);
  free(objects->of_segment);
  *objects = (cnn_objects){0};
}

static void add(cnn_measures *measures, const char *name, double value) {
  if (measures->metrics == CNN_METRICS) return;
  cnn_metric *metric = &measures->metric[measures->metrics++];
  *metric = (cnn_metric){.value = value < 0 ? (double)NAN : value};
  memcpy(metric->name, name, strlen(name) + 1);
}

void cnn_objects_measures(const cnn_objects *objects, cnn_measures *measures) {
  if (objects->of_box) {
    add(measures, "map", objects->boxes.ap);
    add(measures, "map50", objects->boxes.ap50);
    add(measures, "map75", objects->boxes.ap75);
  }
  if (objects->of_mask) {
    add(measures, "mask_map", objects->masks.ap);
    add(measures, "mask_map50", objects->masks.ap50);
    add(measures, "mask_map75", objects->masks.ap75);
  }
  if (objects->of_segment) {
    add(measures, "pq", objects->segments.pq);
    add(measures, "sq", objects->segments.sq);
    add(measures, "rq", objects->segments.rq);
  }
}
