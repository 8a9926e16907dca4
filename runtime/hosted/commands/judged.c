/* judged.c: Output of `eval` for boxes, masks and segments. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/judged.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "hosted/base/number.h"
#include "hosted/commands/found.h"
#include "hosted/data/dataset.h"
#include "hosted/display/curves.h"
#include "hosted/display/width.h"

static const char *object_name(const cnn_network *network, const cnn_data *data, int32_t label,
                               char room[24]) {
  return cnn_class_name(network, data, data->stuff + label, room);
}

static json_t *share(double value) { return value >= 0 ? json_real(value) : json_null(); }
static const char *text_of(double value, cnn_text *room) {
  *room = cnn_number_fixed(value, 4);
  return value >= 0 ? room->text : "-";
}

/* ---- Tables */

static int name_width(const cnn_network *network, const cnn_data *data, int32_t classes) {
  int width = 5;
  char room[24];
  for (int32_t c = 0; c < classes; c++) {
    const int own = cnn_text_columns(object_name(network, data, c, room));
    if (own > width) width = own;
  }
  return width;
}

static void print_sizes(const char *what, const cnn_precision *p) {
  cnn_text room[3];
  printf("%s: AP of small objects (area up to 32x32) %s, medium (to 96x96) %s, large %s\n", what,
         text_of(p->small, &room[0]), text_of(p->medium, &room[1]), text_of(p->large, &room[2]));
}

static void print_objects(const cnn_network *network, const cnn_data *data, const cnn_objects *objects) {
  const int width = name_width(network, data, objects->classes);
  const cnn_precision_class *box = objects->of_box, *mask = objects->of_mask;
  print_sizes("boxes", &objects->boxes);
  if (mask) print_sizes("masks", &objects->masks);
  printf("\n%-*s %10s %10s %10s", width, "class", "objects", "AP", "AP50");
  if (mask) printf(" %10s %10s", "mask AP", "mask AP50");
  printf("\n");
  for (int32_t c = 0; c < objects->classes; c++) {
    char name[24];
    cnn_text room;
    const char *label = object_name(network, data, c, name);
    printf("%s%*s %10s", label, width - cnn_text_columns(label), "", cnn_number_grouped(box[c].truths).text);
    printf(" %10s", text_of(box[c].ap, &room));
    printf(" %10s", text_of(box[c].ap50, &room));
    if (mask) printf(" %10s", text_of(mask[c].ap, &room));
    if (mask) printf(" %10s", text_of(mask[c].ap50, &room));
    printf("\n");
  }
}

static void print_segments(const cnn_network *network, const cnn_data *data, const cnn_objects *objects) {
  int width = 5;
  char name[24];
  for (int32_t c = 0; c < objects->segment_classes; c++) {
    const int own = cnn_text_columns(cnn_class_name(network, data, c, name));
    if (own > width) width = own;
  }
  printf("\n%-*s %10s %10s %10s\n", width, "class", "PQ", "SQ", "RQ");
  for (int32_t c = 0; c < objects->segment_classes; c++) {
    const cnn_quality *q = &objects->of_segment[c];
    const char *label = cnn_class_name(network, data, c, name);
    printf("%s%*s %10s %10s %10s\n", label, width - cnn_text_columns(label), "",
           cnn_number_fixed(q->pq, 4).text, cnn_number_fixed(q->sq, 4).text, cnn_number_fixed(q->rq, 4).text);
  }
}

void cnn_objects_print(const cnn_network *network, const cnn_data *data, const cnn_objects *objects) {
  if (objects->of_box && objects->classes) print_objects(network, data, objects);
  if (objects->of_segment) print_segments(network, data, objects);
}

/* ---- JSON */

static json_t *name_json(const char *name) {
  json_t *label = json_string(name);
  return label ? label : json_null(); /* null if the label is not UTF-8 */
}

static json_t *precision_json(const cnn_network *network, const cnn_data *data, const cnn_precision *p,
                              const cnn_precision_class *of, int32_t classes) {
  json_t *rows = json_array();
  bool fine = true;
  for (int32_t c = 0; c < classes; c++) {
    char room[24];
    json_t *row =
        json_pack("{s:o, s:I, s:o, s:o}", "label", name_json(object_name(network, data, c, room)), "samples",
                  (json_int_t)of[c].truths, "ap", share(of[c].ap), "ap50", share(of[c].ap50));
    fine = json_array_append_new(rows, row) == 0 && fine;
  }
  json_t *result = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "ap", share(p->ap), "ap50",
                             share(p->ap50), "ap75", share(p->ap75), "small", share(p->small), "medium",
                             share(p->medium), "large", share(p->large), "classes", rows);
  if (fine) return result;
  json_decref(result);
  return NULL;
}

static json_t *quality_json(const cnn_network *network, const cnn_data *data, const cnn_objects *objects) {
  json_t *rows = json_array();
  bool fine = true;
  for (int32_t c = 0; c < objects->segment_classes; c++) {
    char room[24];
    const cnn_quality *q = &objects->of_segment[c];
    json_t *row =
        json_pack("{s:o, s:f, s:f, s:f}", "label", name_json(cnn_class_name(network, data, c, room)), "pq",
                  q->pq, "sq", q->sq, "rq", q->rq);
    fine = json_array_append_new(rows, row) == 0 && fine;
  }
  const cnn_quality *mean = &objects->segments;
  json_t *result = json_pack("{s:o, s:o, s:o, s:o}", "pq", share(mean->pq), "sq", share(mean->sq), "rq",
                             share(mean->rq), "classes", rows);
  if (fine) return result;
  json_decref(result);
  return NULL;
}

bool cnn_objects_json(const cnn_network *network, const cnn_data *data, const cnn_evaluation *evaluation,
                      json_t *result) {
  const cnn_objects *o = &evaluation->objects;
  bool fine = true;
  if (o->of_box) {
    json_t *boxes = precision_json(network, data, &o->boxes, o->of_box, o->classes);
    fine = json_object_set_new(result, "boxes", boxes) == 0;
    if (!evaluation->classes)
      fine = json_object_set(result, "classes", json_object_get(boxes, "classes")) == 0 && fine;
  }
  if (o->of_mask) {
    json_t *masks = precision_json(network, data, &o->masks, o->of_mask, o->classes);
    fine = json_object_set_new(result, "masks", masks) == 0 && fine;
  }
  if (o->of_segment)
    fine = json_object_set_new(result, "segments", quality_json(network, data, o)) == 0 && fine;
  return fine;
}

/* ---- Curves */

cnn_status cnn_objects_curves(const char *path, const cnn_network *network, const cnn_data *data,
                              const cnn_objects *objects) {
  if (!objects->of_box)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: no output of the net has boxes to compare with the data", path);
  const size_t n = (size_t)objects->classes + 1;
  const char **name = calloc(n, sizeof *name);
  char (*room)[24] = calloc(n, sizeof *room);
  cnn_status status = cnn_failure(CNN_NO_MEMORY, "%s: no memory for the curves", path);
  for (int32_t c = 0; name && room && c < objects->classes; c++)
    name[c] = object_name(network, data, c, room[c]);
  if (name && room)
    status = cnn_curves_write(path, network->name, objects->of_mask ? &objects->masks : &objects->boxes,
                              objects->of_mask ? objects->of_mask : objects->of_box, objects->classes, name);
  free(name);
  free(room);
  return status;
}
