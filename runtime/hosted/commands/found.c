/* found.c: Boxes, masks and segments in the output of `predict`. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/found.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/commands/program.h"
#include "hosted/commands/viewer.h"
#include "hosted/base/color.h"
#include "hosted/display/overlay.h"

static bool finds_boxes(const cnn_network *network) {
  return cnn_output_first(network, CNN_OUTPUT_DETECTIONS) >= 0;
}
static bool finds_segments(const cnn_network *network) {
  return cnn_output_first(network, CNN_OUTPUT_PANOPTIC) >= 0;
}

bool cnn_net_finds(const cnn_network *network) {
  const cnn_port *input = cnn_picture_input(network);
  return input && cnn_port_is_picture(input) && (finds_boxes(network) || finds_segments(network));
}

/* ---- classes: in panoptic outputs, background classes precede object classes */

static const cnn_port *segments_port(const cnn_network *network) {
  const int32_t o = cnn_output_first(network, CNN_OUTPUT_PANOPTIC);
  return o < 0 ? NULL : &network->output[o];
}

static int32_t stuff_of(const cnn_network *network) {
  const cnn_port *port = segments_port(network);
  return port ? port->stuff : 0;
}

const char *cnn_class_name(const cnn_network *network, const cnn_data *data, int32_t class, char room[24]) {
  const cnn_port *port = segments_port(network);
  const int32_t stuff = port ? port->stuff : data ? data->stuff : 0;
  const int32_t classes = port ? port->stuff + port->things : data ? data->classes : 0;
  const bool objects_alone = stuff > 0 && network->labels > 0 && network->labels < classes;
  if (!objects_alone) return cnn_program_label(network, data, class, room);
  if (class >= stuff) return cnn_program_label(network, data, class - stuff, room);
  const char *name = data ? cnn_data_class(data, class) : NULL;
  if (name) return name;
  snprintf(room, 24, "%d", (int)class);
  return room;
}

static const char *name_of(const cnn_network *network, int32_t class, char room[24]) {
  return cnn_class_name(network, NULL, class, room);
}

/* ---- Segments */

typedef struct Extent {
  const cnn_segment *segment;
  int32_t number;
  int64_t area;
  int32_t left, top, right, bottom; /* right and bottom are exclusive */
} Extent;

static int larger_first(const void *a, const void *b) {
  const Extent *x = a, *y = b;
  if (x->area != y->area) return x->area > y->area ? -1 : 1;
  return (x->number > y->number) - (x->number < y->number);
}

/* Segment extents, the largest segment first; from calloc. NULL: out of memory. */
static Extent *extents_of(const cnn_segments *segments, int32_t width) {
  Extent *extent = calloc((size_t)segments->count + 1, sizeof *extent);
  if (!extent) return NULL;
  for (int32_t k = 0; k < segments->count; k++)
    extent[k] = (Extent){.segment = &segments->segment[k], .number = k, .left = width, .top = INT32_MAX};
  for (int64_t i = 0; i < segments->pixels; i++) {
    if (segments->of[i] < 0) continue;
    Extent *e = &extent[segments->of[i]];
    const int32_t x = (int32_t)(i % width), y = (int32_t)(i / width);
    e->area++;
    if (x < e->left) e->left = x;
    if (x >= e->right) e->right = x + 1;
    if (y < e->top) e->top = y;
    e->bottom = y + 1;
  }
  qsort(extent, (size_t)segments->count, sizeof *extent, larger_first);
  return extent;
}

/* Score of an instance; -1: no score. If the net has an output with detections, segment->instance is a row
 * number in that output, counted from 1. The score is in this row. */
static double score_of(const cnn_network *network, float *const output[], int64_t slot,
                       const cnn_segment *segment) {
  enum { ROW = 6, SCORE = 4, LABEL = 5 };
  const int32_t o = cnn_output_first(network, CNN_OUTPUT_DETECTIONS);
  if (o < 0 || segment->instance < 1 || segment->instance > network->output[o].dim[0]) return -1;
  const float *row = output[o] + slot * network->output[o].size + (int64_t)(segment->instance - 1) * ROW;
  return row[LABEL] == (float)(segment->label - stuff_of(network)) ? (double)row[SCORE] : -1;
}

static bool findings_of(const cnn_shown *shown, float *const output[], int64_t slot, cnn_findings *findings) {
  if (cnn_findings_read(findings, shown->network, output, slot, &shown->view, 0)) return true;
  cnn_findings_free(findings);
  return false;
}

static bool segments_of(const cnn_shown *shown, float *const output[], int64_t slot, cnn_segments *segments) {
  if (cnn_segments_read(segments, shown->network, output, slot, &shown->view, stuff_of(shown->network)))
    return true;
  cnn_segments_free(segments);
  return false;
}

/* ---- Lines */

static void print_findings(const cnn_shown *shown, const cnn_findings *findings) {
  char room[24];
  for (int32_t i = 0; i < findings->count; i++) {
    const cnn_found *f = &findings->found[i];
    printf("%s%s %s (", i ? ", " : "", name_of(shown->network, stuff_of(shown->network) + f->label, room),
           cnn_number_fixed(f->score, 4).text);
    for (int k = 0; k < 4; k++) printf("%s%s", k ? " " : "", cnn_number_fixed(f->box[k], 1).text);
    printf(")");
  }
  if (!findings->count) printf("nothing found");
}

/* Prints "background 0.8123, disc 0.0841 score 0.9134". The number after the class is the share of the image
 * that the segment covers. The score is only printed for an object. */
static bool print_segments(const cnn_shown *shown, float *const output[], int64_t slot,
                           const cnn_segments *segments) {
  Extent *extent = extents_of(segments, shown->view.width);
  char room[24];
  for (int32_t k = 0; extent && k < segments->count; k++) {
    const cnn_segment *segment = extent[k].segment;
    const double score = score_of(shown->network, output, slot, segment);
    printf("%s%s %s", k ? ", " : "", name_of(shown->network, segment->label, room),
           cnn_number_fixed((double)extent[k].area / (double)segments->pixels, 4).text);
    if (score >= 0) printf(" score %s", cnn_number_fixed(score, 4).text);
  }
  if (!segments->count) printf("nothing found");
  free(extent);
  return extent != NULL;
}

bool cnn_found_print(const cnn_shown *shown, float *const output[], int64_t slot) {
  bool fine = true;
  if (finds_boxes(shown->network)) {
    cnn_findings findings;
    if (!findings_of(shown, output, slot, &findings)) return false;
    print_findings(shown, &findings);
    cnn_findings_free(&findings);
  }
  if (finds_segments(shown->network)) {
    cnn_segments segments;
    if (!segments_of(shown, output, slot, &segments)) return false;
    if (finds_boxes(shown->network)) printf("; ");
    fine = print_segments(shown, output, slot, &segments);
    cnn_segments_free(&segments);
  }
  return fine;
}

/* ---- COCO's results */

/* The image's id: its index in an array, the number in a COCO file name (000000000139.jpg), or its file name
 * without the extension. */
static json_t *image_id(const cnn_shown *shown) {
  if (shown->index >= 0) return json_integer(shown->index);
  const char *slash = strrchr(shown->path, '/'), *name = slash ? slash + 1 : shown->path;
  const char *dot = strrchr(name, '.');
  const size_t n = dot && dot > name ? (size_t)(dot - name) : strlen(name);
  if (n > 0 && n <= 18 && strspn(name, "0123456789") == n) return json_integer(strtoll(name, NULL, 10));
  json_t *id = json_stringn(name, n);
  return id ? id : json_null(); /* null if the name is not UTF-8 */
}

static json_t *name_json(const cnn_shown *shown, int32_t class) {
  char room[24];
  json_t *name = json_string(name_of(shown->network, class, room));
  return name ? name : json_null(); /* null if the name is not UTF-8 */
}

/* COCO categories are numbered from 1. */
static json_t *result_of(const cnn_shown *shown, int32_t class) {
  return json_pack("{s:o, s:i, s:o}", "image_id", image_id(shown), "category_id", (int)class + 1, "label",
                   name_json(shown, class));
}

static bool add_found(const cnn_shown *shown, const cnn_found *f, bool masks, json_t *results) {
  json_t *result = result_of(shown, stuff_of(shown->network) + f->label);
  json_t *box = json_pack("[f, f, f, f]", f->box[0], f->box[1], f->box[2] - f->box[0], f->box[3] - f->box[1]);
  bool fine = json_object_set_new(result, "bbox", box) == 0;
  fine = json_object_set_new(result, "score", json_real(f->score)) == 0 && fine;
  if (masks) { fine = json_object_set_new(result, "segmentation", cnn_runs_json(&f->mask)) == 0 && fine; }
  return json_array_append_new(results, result) == 0 && fine;
}

/* The pixels of a segment as run lengths. NULL: out of memory. */
static json_t *pixels_json(const cnn_shown *shown, const cnn_segments *segments, int32_t number) {
  uint8_t *map = malloc((size_t)segments->pixels + 1);
  cnn_runs runs;
  json_t *json = NULL;
  for (int64_t i = 0; map && i < segments->pixels; i++) map[i] = segments->of[i] == number;
  if (map && cnn_runs_make(&runs, map, 1, shown->view.height, shown->view.width)) {
    json = cnn_runs_json(&runs);
    cnn_runs_free(&runs);
  }
  free(map);
  return json;
}

/* A segment in the form of COCO's panoptic annotations; its pixels are run lengths, not an image. */
static json_t *segment_json(const cnn_shown *shown, float *const output[], int64_t slot,
                            const cnn_segments *segments, const Extent *extent, int32_t id) {
  const cnn_segment *segment = extent->segment;
  const double score = score_of(shown->network, output, slot, segment);
  json_t *row =
      json_pack("{s:i, s:i, s:o, s:i, s:I, s:[i, i, i, i], s:i, s:o}", "id", (int)id, "category_id",
                (int)segment->label + 1, "label", name_json(shown, segment->label), "isthing",
                segment->instance > 0 ? 1 : 0, "area", (json_int_t)extent->area, "bbox", (int)extent->left,
                (int)extent->top, (int)(extent->right - extent->left), (int)(extent->bottom - extent->top),
                "iscrowd", 0, "segmentation", pixels_json(shown, segments, extent->number));
  if (!row || score < 0 || json_object_set_new(row, "score", json_real(score)) == 0) return row;
  json_decref(row);
  return NULL;
}

static bool add_segments(const cnn_shown *shown, float *const output[], int64_t slot,
                         const cnn_segments *segments, json_t *results) {
  json_t *list = json_array(), *result = json_object();
  Extent *extent = extents_of(segments, shown->view.width);
  bool fine = extent != NULL;
  for (int32_t k = 0; fine && k < segments->count; k++) {
    json_t *row = segment_json(shown, output, slot, segments, &extent[k], k + 1);
    fine = json_array_append_new(list, row) == 0;
  }
  free(extent);
  fine = json_object_set_new(result, "image_id", image_id(shown)) == 0 && fine;
  fine = json_object_set_new(result, "segments_info", list) == 0 && fine;
  return json_array_append_new(results, result) == 0 && fine;
}

bool cnn_found_add(const cnn_shown *shown, float *const output[], int64_t slot, json_t *results) {
  bool fine = true;
  if (finds_boxes(shown->network)) {
    cnn_findings findings;
    if (!findings_of(shown, output, slot, &findings)) return false;
    for (int32_t i = 0; i < findings.count; i++)
      fine = add_found(shown, &findings.found[i], findings.masks, results) && fine;
    cnn_findings_free(&findings);
  }
  if (finds_segments(shown->network)) {
    cnn_segments segments;
    if (!segments_of(shown, output, slot, &segments)) return false;
    fine = add_segments(shown, output, slot, &segments, results) && fine;
    cnn_segments_free(&segments);
  }
  return fine;
}

/* ---- Images */

/* The factor by which cnn_overlay_enlarge enlarged the image: an integer. */
static int32_t factor_of(const cnn_shown *shown, const cnn_image *picture) {
  return picture->width / shown->view.width;
}

static bool draw_mask(const cnn_runs *mask, const cnn_image *picture, int32_t factor, const uint8_t rgb[3]) {
  uint8_t *pixel = calloc((size_t)picture->height * (size_t)picture->width, 1);
  if (!pixel) return false;
  int64_t at = 0;
  for (int64_t i = 0; i < mask->count; at += mask->run[i++])
    for (int64_t k = at; i % 2 && k < at + mask->run[i]; k++)
      for (int32_t y = 0; y < factor; y++)
        memset(pixel + (k % mask->height * factor + y) * picture->width + k / mask->height * factor, 1,
               (size_t)factor);
  cnn_overlay_mask(picture, pixel, rgb);
  free(pixel);
  return true;
}

static const double LEAST_DRAWN = 0.25;

/* Number of detections to draw. Detections are sorted by descending score. Unlikely detections are not drawn,
 * because they would hide other detections. */
static int32_t worth_drawing(const cnn_findings *findings) {
  int32_t n = 0;
  while (n < findings->count && findings->found[n].score >= LEAST_DRAWN) n++;
  return n;
}

static void box_drawn(const cnn_found *found, int32_t factor, double box[4]) {
  for (int k = 0; k < 4; k++) box[k] = factor * found->box[k];
}

static bool draw_labels(const cnn_shown *shown, const cnn_findings *findings, int32_t n,
                        const cnn_image *picture) {
  const int32_t stuff = stuff_of(shown->network);
  cnn_label *label = calloc((size_t)n + 1, sizeof *label);
  for (int32_t i = 0; label && i < n; i++) {
    const cnn_found *f = &findings->found[i];
    char room[24];
    cnn_class_color(stuff + f->label, label[i].rgb);
    snprintf(label[i].text, sizeof label->text, "%.60s %.40s",
             name_of(shown->network, stuff + f->label, room), cnn_number_fixed(f->score, 2).text);
    box_drawn(f, factor_of(shown, picture), label[i].box);
  }
  const bool drawn = label && cnn_overlay_labels(picture, label, n);
  free(label);
  return drawn;
}

/* Draws the best mask after the other masks, and the best box after the other boxes, so that they stay
 * visible. */
static bool draw_findings(const cnn_shown *shown, const cnn_findings *findings, const cnn_image *picture) {
  uint8_t rgb[3];
  double box[4];
  bool fine = true;
  const int32_t n = worth_drawing(findings), factor = factor_of(shown, picture),
                stuff = stuff_of(shown->network);
  for (int32_t i = n; findings->masks && i-- > 0;) {
    cnn_class_color(stuff + findings->found[i].label, rgb);
    fine = draw_mask(&findings->found[i].mask, picture, factor, rgb) && fine;
  }
  for (int32_t i = n; i-- > 0;) {
    cnn_class_color(stuff + findings->found[i].label, rgb);
    box_drawn(&findings->found[i], factor, box);
    cnn_overlay_box(picture, box, rgb);
  }
  return draw_labels(shown, findings, n, picture) && fine;
}

static bool draw_segments(const cnn_shown *shown, const cnn_segments *segments, const cnn_image *picture) {
  const int32_t factor = factor_of(shown, picture);
  const int64_t pixels = (int64_t)picture->height * picture->width;
  int32_t *label = malloc((size_t)pixels * sizeof *label + 1),
          *segment = malloc((size_t)pixels * sizeof *segment + 1);
  const bool fine = label && segment;
  for (int64_t i = 0; fine && i < pixels; i++) {
    const int64_t y = i / picture->width / factor, x = i % picture->width / factor;
    segment[i] = segments->of[y * shown->view.width + x];
    label[i] = segment[i] < 0 ? -1 : segments->segment[segment[i]].label;
  }
  if (fine) cnn_overlay_classes(picture, label, segment, cnn_class_color);
  free(label);
  free(segment);
  return fine;
}

/* The legend lists each class with its share of the image. If a class has several objects, the legend also
 * gives their number. */
static bool draw_legend(const cnn_shown *shown, const cnn_segments *segments, cnn_image *picture) {
  Extent *extent = extents_of(segments, shown->view.width);
  cnn_key *key = calloc((size_t)segments->count + 1, sizeof *key);
  int32_t keys = 0;
  for (int32_t k = 0; extent && key && k < segments->count; k++) {
    const cnn_segment *first = extent[k].segment;
    int32_t objects = 0;
    int64_t area = 0;
    bool known = false;
    char room[24], many[24] = "";
    for (int32_t i = 0; i < segments->count; i++) {
      if (extent[i].segment->label != first->label) continue;
      known = known || i < k;
      objects += extent[i].segment->instance > 0;
      area += extent[i].area;
    }
    if (known) continue;
    if (objects > 1) snprintf(many, sizeof many, "%d ", (int)objects);
    cnn_class_color(first->label, key[keys].rgb);
    snprintf(key[keys++].text, sizeof key->text, "%s%.50s %.0f%%", many,
             name_of(shown->network, first->label, room), 100 * (double)area / (double)segments->pixels);
  }
  const bool fine = extent && key && (keys == 0 || cnn_overlay_legend(picture, key, keys));
  free(extent);
  free(key);
  return fine;
}

/* Reports that no box is drawn, so that an image without boxes is not taken for a failure. */
static void tell_none(const cnn_shown *shown, const cnn_findings *findings) {
  if (worth_drawing(findings) > 0) return;
  fprintf(stderr, "%s: no objects above %s", shown->path, cnn_number(LEAST_DRAWN, 2).text);
  if (findings->count > 0)
    fprintf(stderr, "; %d with lower scores, up to %s", (int)findings->count,
            cnn_number_fixed(findings->found[0].score, 4).text);
  fprintf(stderr, "\n");
}

bool cnn_found_draw(const cnn_shown *shown, float *const output[], cnn_image *picture) {
  cnn_segments segments = {0};
  if (!cnn_overlay_enlarge(picture)) return false;
  bool fine = true;
  if (finds_segments(shown->network)) {
    if (!segments_of(shown, output, 0, &segments)) return false;
    fine = draw_segments(shown, &segments, picture);
  }
  if (finds_boxes(shown->network)) {
    cnn_findings findings;
    if (!findings_of(shown, output, 0, &findings)) {
      cnn_segments_free(&segments);
      return false;
    }
    fine = draw_findings(shown, &findings, picture) && fine;
    tell_none(shown, &findings);
    cnn_findings_free(&findings);
  }
  if (segments.count > 0) fine = draw_legend(shown, &segments, picture) && fine;
  cnn_segments_free(&segments);
  return fine;
}
