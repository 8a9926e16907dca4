/* found.c: boxes, masks and segments of `predict`. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/found.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/commands/program.h"
#include "hosted/commands/viewer.h"
#include "hosted/display/colour.h"
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

static bool findings_of(const cnn_shown *shown, float *const output[], int64_t slot, cnn_findings *findings) {
  if (cnn_findings_read(findings, shown->network, output, slot, &shown->view, 0)) return true;
  cnn_findings_free(findings);
  return false;
}

static bool segments_of(const cnn_shown *shown, float *const output[], int64_t slot, cnn_segments *segments) {
  if (cnn_segments_read(segments, shown->network, output, slot, &shown->view, 0)) return true;
  cnn_segments_free(segments);
  return false;
}

/* Pixels of each segment, the numbers of a segment: from calloc. */
static int64_t *areas_of(const cnn_segments *segments) {
  int64_t *area = calloc((size_t)segments->count + 1, sizeof *area);
  for (int64_t i = 0; area && i < segments->pixels; i++)
    if (segments->of[i] >= 0) area[segments->of[i]]++;
  return area;
}

/* ---- Lines */

static void print_findings(const cnn_shown *shown, const cnn_findings *findings) {
  char room[24];
  for (int32_t i = 0; i < findings->count; i++) {
    const cnn_found *f = &findings->found[i];
    printf("%s%s %s (", i ? ", " : "", cnn_program_label(shown->network, NULL, f->label, room),
           cnn_number_fixed(f->score, 4).text);
    for (int k = 0; k < 4; k++) printf("%s%s", k ? " " : "", cnn_number_fixed(f->box[k], 1).text);
    printf(")");
  }
  if (!findings->count) printf("nothing found");
}

static bool print_segments(const cnn_shown *shown, const cnn_segments *segments) {
  int64_t *area = areas_of(segments);
  char room[24];
  for (int32_t k = 0; area && k < segments->count; k++)
    printf("%s%s %s", k ? ", " : "",
           cnn_program_label(shown->network, NULL, segments->segment[k].label, room),
           cnn_number_fixed((double)area[k] / (double)segments->pixels, 4).text);
  free(area);
  return area != NULL;
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
    fine = print_segments(shown, &segments);
    cnn_segments_free(&segments);
  }
  return fine;
}

/* ---- COCO's results */

/* A picture of COCO is numbered by its name: 000000000139.jpg. */
static json_t *image_id(const cnn_shown *shown) {
  if (shown->index >= 0) return json_integer(shown->index);
  const char *slash = strrchr(shown->path, '/'), *name = slash ? slash + 1 : shown->path;
  const char *dot = strrchr(name, '.');
  const size_t n = dot && dot > name ? (size_t)(dot - name) : strlen(name);
  if (n > 0 && n <= 18 && strspn(name, "0123456789") == n) return json_integer(strtoll(name, NULL, 10));
  json_t *id = json_stringn(name, n);
  return id ? id : json_null(); /* it is no UTF-8 */
}

/* COCO numbers its categories from 1. */
static json_t *result_of(const cnn_shown *shown, int32_t label) {
  char room[24];
  json_t *name = json_string(cnn_program_label(shown->network, NULL, label, room));
  return json_pack("{s:o, s:i, s:o}", "image_id", image_id(shown), "category_id", (int)label + 1, "label",
                   name ? name : json_null());
}

static bool add_found(const cnn_shown *shown, const cnn_found *f, bool masks, json_t *results) {
  json_t *result = result_of(shown, f->label);
  json_t *box = json_pack("[f, f, f, f]", f->box[0], f->box[1], f->box[2] - f->box[0], f->box[3] - f->box[1]);
  bool fine = json_object_set_new(result, "bbox", box) == 0;
  fine = json_object_set_new(result, "score", json_real(f->score)) == 0 && fine;
  if (masks) {
    char *text = cnn_runs_text(&f->mask);
    json_t *mask =
        text ? json_pack("{s:[i, i], s:s}", "size", (int)f->mask.height, (int)f->mask.width, "counts", text)
             : NULL;
    free(text);
    fine = json_object_set_new(result, "segmentation", mask) == 0 && fine;
  }
  return json_array_append_new(results, result) == 0 && fine;
}

static bool add_segments(const cnn_shown *shown, const cnn_segments *segments, json_t *results) {
  json_t *list = json_array(), *result = json_object();
  int64_t *area = areas_of(segments);
  bool fine = area != NULL;
  for (int32_t k = 0; fine && k < segments->count; k++) {
    const cnn_segment *s = &segments->segment[k];
    char room[24];
    json_t *name = json_string(cnn_program_label(shown->network, NULL, s->label, room));
    json_t *row = json_pack("{s:i, s:i, s:o, s:I}", "id", (int)k + 1, "category_id", (int)s->label + 1,
                            "label", name ? name : json_null(), "area", (json_int_t)area[k]);
    fine = json_array_append_new(list, row) == 0;
  }
  free(area);
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
    fine = add_segments(shown, &segments, results) && fine;
    cnn_segments_free(&segments);
  }
  return fine;
}

/* ---- Pictures */

static bool draw_mask(const cnn_runs *mask, const cnn_image *picture, const uint8_t rgb[3]) {
  uint8_t *pixel = calloc((size_t)picture->height * (size_t)picture->width, 1);
  if (!pixel) return false;
  int64_t at = 0;
  for (int64_t i = 0; i < mask->count; at += mask->run[i++])
    for (int64_t k = at; i % 2 && k < at + mask->run[i]; k++)
      pixel[k % mask->height * mask->width + k / mask->height] = 1;
  cnn_overlay_mask(picture, pixel, rgb);
  free(pixel);
  return true;
}

/* Findings come by descending score. What is unlikely is for judging a net, and would hide the rest. */
static int32_t worth_drawing(const cnn_findings *findings) {
  const double least = 0.25;
  int32_t n = 0;
  while (n < findings->count && findings->found[n].score >= least) n++;
  return n;
}

/* What has the best score lies on top. */
static bool draw_findings(const cnn_shown *shown, const cnn_findings *findings, const cnn_image *picture) {
  uint8_t rgb[3];
  bool fine = true;
  const int32_t n = worth_drawing(findings);
  for (int32_t i = n; findings->masks && i-- > 0;) {
    cnn_class_colour(findings->found[i].label, rgb);
    fine = draw_mask(&findings->found[i].mask, picture, rgb) && fine;
  }
  for (int32_t i = n; i-- > 0;) {
    cnn_class_colour(findings->found[i].label, rgb);
    cnn_overlay_box(picture, findings->found[i].box, rgb);
  }
  for (int32_t i = n; i-- > 0;) {
    const cnn_found *f = &findings->found[i];
    char room[24], text[120];
    cnn_class_colour(f->label, rgb);
    snprintf(text, sizeof text, "%.60s %.40s", cnn_program_label(shown->network, NULL, f->label, room),
             cnn_number_fixed(f->score, 2).text);
    cnn_overlay_label(picture, f->box, rgb, text);
  }
  return fine;
}

static bool draw_segments(const cnn_segments *segments, const cnn_image *picture) {
  int32_t *label = malloc((size_t)segments->pixels * sizeof *label + 1);
  if (!label) return false;
  for (int64_t i = 0; i < segments->pixels; i++)
    label[i] = segments->of[i] < 0 ? -1 : segments->segment[segments->of[i]].label;
  cnn_overlay_classes(picture, label, segments->of, cnn_class_colour);
  free(label);
  return true;
}

bool cnn_found_draw(const cnn_shown *shown, float *const output[], const cnn_image *picture) {
  bool fine = true;
  if (finds_segments(shown->network)) {
    cnn_segments segments;
    if (!segments_of(shown, output, 0, &segments)) return false;
    fine = draw_segments(&segments, picture);
    cnn_segments_free(&segments);
  }
  if (finds_boxes(shown->network)) {
    cnn_findings findings;
    if (!findings_of(shown, output, 0, &findings)) return false;
    fine = draw_findings(shown, &findings, picture) && fine;
    cnn_findings_free(&findings);
  }
  return fine;
}
