/* asked.c: Target of an inspection command: a class, a pixel, a box. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/asked.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/training/measure.h"

/* ---- Pixels */

static bool is_map(const cnn_port *port) {
  return port->kind == CNN_OUTPUT_VALUES && port->rank == 3 && !port->regions &&
         (int64_t)port->dim[0] * port->dim[1] > 1;
}

/* The first output with class scores for each pixel. If there is none, the first output with other values for
 * each pixel. If there is no such output either, -1. */
static int32_t map_of(const cnn_network *network) {
  int32_t first = -1;
  for (int32_t o = network->outputs; o-- > 0;)
    if (is_map(&network->output[o]) &&
        (first < 0 || cnn_judge(network, o).classes > 0 || cnn_judge(network, first).classes == 0))
      first = o;
  return first;
}

static cnn_status no_map(const cnn_network *network, const cnn_port *port) {
  const char *const hint = cnn_output_first(network, CNN_OUTPUT_DETECTIONS) < 0
                               ? ""
                               : "; the net detects boxes, and --box selects a box for 'occlude'";
  if (port)
    return cnn_failure(CNN_BAD_ARGUMENT, "--pixel: the output \"%s\" of %s has no scores per pixel%s",
                       port->name, network->name, hint);
  return cnn_failure(CNN_BAD_ARGUMENT, "--pixel: no output of %s has scores per pixel%s", network->name,
                     hint);
}

static cnn_status place_pixel(const cnn_viewer *viewer, const char *path, const cnn_asked *asked,
                              cnn_unit *unit) {
  const cnn_network *network = viewer->network;
  const cnn_port *port = &network->output[unit->output];
  const cnn_view *view = &viewer->view;
  const int64_t x = asked->pixel[0], y = asked->pixel[1];
  if (!is_map(port) || !cnn_picture_input(network)) return no_map(network, port);
  if (x >= view->width || y >= view->height)
    return cnn_failure(CNN_BAD_ARGUMENT, "--pixel %lld,%lld: %s has X from 0 to %d and Y from 0 to %d",
                       (long long)x, (long long)y, path, (int)view->width - 1, (int)view->height - 1);
  unit->position = cnn_view_place(view, (int32_t)y, (int32_t)x, port->dim[0], port->dim[1]);
  if (unit->position >= 0) return cnn_success();
  return cnn_failure(CNN_BAD_ARGUMENT,
                     "--pixel %lld,%lld: not in the input of %s, because the image is cropped (--fit)",
                     (long long)x, (long long)y, network->name);
}

bool cnn_asked_place(const cnn_viewer *viewer, const cnn_asked *asked, int32_t height, int32_t width,
                     double box[4]) {
  if (!asked->at_pixel) return false;
  const int64_t at =
      cnn_view_place(&viewer->view, (int32_t)asked->pixel[1], (int32_t)asked->pixel[0], height, width);
  if (at < 0) return false;
  box[0] = (double)(at % width);
  box[1] = (double)(at / width);
  box[2] = box[0] + 1;
  box[3] = box[1] + 1;
  return true;
}

/* ---- Units */

static cnn_status no_scores(const cnn_port *port) {
  if (port->kind == CNN_OUTPUT_DETECTIONS)
    return cnn_failure(CNN_BAD_ARGUMENT,
                       "the output \"%s\" has boxes, but class scores were requested; 'occlude' "
                       "shows the pixels on which the score of a box depends",
                       port->name);
  return cnn_failure(
      CNN_BAD_ARGUMENT, "the output \"%s\" has %s, but class scores were requested", port->name,
      port->kind == CNN_OUTPUT_PANOPTIC ? "a class and an instance for each pixel" : "a mask for each box");
}

cnn_status cnn_asked_unit(const cnn_viewer *viewer, const char *path, const cnn_asked *asked,
                          cnn_unit *unit) {
  const cnn_network *network = viewer->network;
  const int32_t map = map_of(network);
  if (asked->at_pixel && map < 0) return no_map(network, NULL);
  *unit = (cnn_unit){asked->at_pixel ? map : cnn_unit_output(network), 0, CNN_EVERYWHERE};
  cnn_status status = cnn_success();
  if (asked->class) status = cnn_unit_parse(network, asked->class, unit);
  const cnn_port *port = &network->output[unit->output];
  if (port->kind != CNN_OUTPUT_VALUES) return no_scores(port);
  if (status.code == CNN_OK && asked->at_pixel) status = place_pixel(viewer, path, asked, unit);
  if (!asked->class) *unit = cnn_viewer_best(viewer, *unit);
  return status;
}

const char *cnn_asked_name(const cnn_network *network, const cnn_asked *asked, cnn_unit unit,
                           char room[200]) {
  char name[120];
  cnn_unit_name(network, unit, name);
  if (asked->at_pixel)
    snprintf(room, 200, "%s at %lld,%lld", name, (long long)asked->pixel[0], (long long)asked->pixel[1]);
  else snprintf(room, 200, "%s", name);
  return room;
}

/* ---- Boxes */

/* Reads the detections, without masks. */
static cnn_status look_for(const cnn_viewer *viewer, cnn_findings *findings) {
  const cnn_network *network = viewer->network;
  const int32_t o = cnn_output_first(network, CNN_OUTPUT_DETECTIONS);
  float **output = calloc((size_t)network->outputs + 1, sizeof *output);
  bool fine = output != NULL;
  if (fine) {
    output[o] = (float *)viewer->memory + network->look->score[o];
    fine = cnn_findings_read(findings, network, output, 0, &viewer->view, 0);
    if (!fine) cnn_findings_free(findings);
  }
  free(output);
  return fine ? cnn_success()
              : cnn_failure(CNN_NO_MEMORY, "no memory for the detections of %s", network->name);
}

static cnn_status class_of(const cnn_network *network, const char *text, int32_t *class) {
  const int32_t classes = network->labels > 0 ? network->labels : INT32_MAX;
  if (cnn_class_parse(network, classes, text, class)) return cnn_success();
  if (!network->labels)
    return cnn_failure(CNN_BAD_ARGUMENT,
                       "--class %s: the net has no labels, so a class is given by its number, from 0", text);
  return cnn_failure(CNN_BAD_ARGUMENT,
                     "--class %s: the net has no such label; its classes are 0 to %d, or '%s'%s", text,
                     (int)network->labels - 1, network->label[0], network->labels > 1 ? " and so on" : "");
}

cnn_status cnn_asked_box(const cnn_viewer *viewer, const char *path, const cnn_asked *asked, cnn_found *box) {
  const cnn_network *network = viewer->network;
  cnn_findings findings;
  int32_t class = -1;
  cnn_status status = asked->class ? class_of(network, asked->class, &class) : cnn_success();
  if (status.code == CNN_OK) status = look_for(viewer, &findings);
  if (status.code != CNN_OK) return status;
  const int64_t wanted = asked->of_box ? asked->box : 1;
  int64_t seen = 0;
  for (int32_t i = 0; i < findings.count && seen < wanted; i++) {
    if (class >= 0 && findings.found[i].label != class) continue;
    *box = findings.found[i];
    seen++;
  }
  cnn_findings_free(&findings);
  if (seen == wanted) return status;
  const char *const of = class >= 0 ? " of class " : "", *const name = class >= 0 ? asked->class : "";
  if (seen == 0)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: %s finds no box%s%s", path, network->name, of, name);
  return cnn_failure(CNN_BAD_ARGUMENT, "--box %lld: %s detects %lld box%s%s%s in %s", (long long)wanted,
                     network->name, (long long)seen, seen == 1 ? "" : "es", of, name, path);
}

static double area_of(const double box[4]) { return (box[2] - box[0]) * (box[3] - box[1]); }

cnn_status cnn_asked_again(const cnn_viewer *viewer, const cnn_found *box, double *score) {
  const double least = 0.5;
  cnn_findings findings;
  const cnn_status status = look_for(viewer, &findings);
  *score = 0;
  if (status.code != CNN_OK) return status;
  for (int32_t i = 0; i < findings.count; i++) {
    const cnn_found *f = &findings.found[i];
    const double both = cnn_boxes_shared(f->box, box->box), all = area_of(f->box) + area_of(box->box) - both;
    if (f->label == box->label && both >= least * all) *score = fmax(*score, f->score);
  }
  cnn_findings_free(&findings);
  return status;
}
