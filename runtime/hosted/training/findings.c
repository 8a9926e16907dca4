/* findings.c: Detections, masks and segments from the outputs of a net. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BOX = 4, SCORE = 4, LABEL = 5, ROW = 6 };
static const float CLASSES_MOST = 1 << 20;

int32_t cnn_output_first(const cnn_network *network, cnn_output_kind kind) {
  for (int32_t o = 0; o < network->outputs; o++)
    if (network->output[o].kind == kind) return o;
  return -1;
}

static int32_t masks_of(const cnn_network *network) {
  const int32_t o = cnn_output_first(network, CNN_OUTPUT_MASKS);
  return o >= 0 ? o : cnn_output_first(network, CNN_OUTPUT_MASK_LOGITS);
}

const cnn_port *cnn_picture_input(const cnn_network *network) {
  for (int32_t i = 0; i < network->inputs; i++)
    if (network->input[i].rank == 3) return &network->input[i];
  return NULL;
}

cnn_fit cnn_fit_usual(const cnn_network *network) {
  return cnn_output_first(network, CNN_OUTPUT_DETECTIONS) >= 0 ? CNN_FIT_LETTERBOX : CNN_FIT_STRETCH;
}

/* ---- conversion between coordinates of the input and of the image */

cnn_view cnn_view_make(const cnn_port *input, int32_t height, int32_t width, cnn_fit fit) {
  const int32_t h = input->dim[0], w = input->dim[1];
  return (cnn_view){height, width, h, w, cnn_frame_make(height, width, h, w, fit)};
}

static double back(double at, int32_t start, int32_t size, double source, double extent, int32_t end) {
  return fmin(fmax(source + (at - start) * extent / size, 0), end);
}

static void box_back(const cnn_view *view, const float *row, double box[BOX]) {
  const cnn_frame *f = &view->frame;
  for (int k = 0; k < BOX; k += 2) {
    box[k] = back((double)row[k], f->left, f->width, f->source.x, f->source.width, view->width);
    box[k + 1] = back((double)row[k + 1], f->top, f->height, f->source.y, f->source.height, view->height);
  }
}

void cnn_view_box(const cnn_view *view, const double box[BOX], double there[BOX]) {
  const cnn_frame *f = &view->frame;
  for (int k = 0; k < BOX; k += 2) {
    there[k] = f->left + (box[k] - f->source.x) * f->width / f->source.width;
    there[k + 1] = f->top + (box[k + 1] - f->source.y) * f->height / f->source.height;
  }
}

int64_t cnn_view_place(const cnn_view *view, int32_t y, int32_t x, int32_t out_height, int32_t out_width) {
  const cnn_frame *f = &view->frame;
  const double v = f->top + (y + 0.5 - f->source.y) * f->height / f->source.height;
  const double u = f->left + (x + 0.5 - f->source.x) * f->width / f->source.width;
  const int64_t row = (int64_t)floor(v * out_height / view->input_height);
  const int64_t column = (int64_t)floor(u * out_width / view->input_width);
  if (row < 0 || row >= out_height || column < 0 || column >= out_width) return -1;
  return row * out_width + column;
}

/* ---- Masks */

/* Finds the pixels for linear interpolation at the coordinate `at`, and the weight of the second pixel,
 * *part. Beyond the outermost pixel centers, the value is constant. */
static void between(double at, int32_t n, int32_t *low, int32_t *high, double *part) {
  at = fmin(fmax(at, 0), n - 1);
  *low = (int32_t)at;
  *high = *low + 1 < n ? *low + 1 : *low;
  *part = at - *low;
}

/* Resizes the mask scores of a region, one channel of m x n, to the image. Sets the pixels whose score is
 * above the threshold. `box` is the region, which may extend beyond the image; `cut` is the visible part of
 * the region. */
static void mask_draw(const cnn_port *port, const float *score, const cnn_view *view, const double cut[BOX],
                      const double box[BOX], uint8_t *pixel) {
  const int32_t rows = port->dim[0], columns = port->dim[1], step = port->dim[2];
  const double half = port->kind == CNN_OUTPUT_MASKS ? 0.5 : 0;
  const int32_t y_end = (int32_t)ceil(cut[3] - 0.5), x_end = (int32_t)ceil(cut[2] - 0.5);
  for (int32_t y = (int32_t)ceil(cut[1] - 0.5); y < y_end; y++)
    for (int32_t x = (int32_t)ceil(cut[0] - 0.5); x < x_end; x++) {
      int32_t y0, y1, x0, x1;
      double down, right;
      between((y + 0.5 - box[1]) / (box[3] - box[1]) * rows - 0.5, rows, &y0, &y1, &down);
      between((x + 0.5 - box[0]) / (box[2] - box[0]) * columns - 0.5, columns, &x0, &x1, &right);
      const double top = (double)score[(y0 * columns + x0) * step] * (1 - right) +
                         (double)score[(y0 * columns + x1) * step] * right;
      const double bottom = (double)score[(y1 * columns + x0) * step] * (1 - right) +
                            (double)score[(y1 * columns + x1) * step] * right;
      if (top * (1 - down) + bottom * down > half) pixel[(int64_t)y * view->width + x] = 1;
    }
}

static bool mask_read(cnn_found *found, const cnn_port *port, const float *region, const cnn_view *view,
                      const double whole[BOX]) {
  const size_t pixels = (size_t)view->height * (size_t)view->width;
  uint8_t *pixel = calloc(pixels, 1);
  if (!pixel) return false;
  if (found->label < port->dim[2]) mask_draw(port, region + found->label, view, found->box, whole, pixel);
  const bool fine = cnn_runs_make(&found->mask, pixel, 1, view->height, view->width);
  free(pixel);
  return fine;
}

/* ---- Boxes */

/* The detected box before clipping. The mask of an object covers this box, even where the box extends past
 * the image. */
static void box_whole(const cnn_view *view, const float *row, double box[BOX]) {
  const cnn_frame *f = &view->frame;
  for (int k = 0; k < BOX; k += 2) {
    box[k] = f->source.x + ((double)row[k] - f->left) * f->source.width / f->width;
    box[k + 1] = f->source.y + ((double)row[k + 1] - f->top) * f->source.height / f->height;
  }
}

/* Whether a row has a class, and no NaN among the coordinates of its box. */
static bool is_detection(const float *row) {
  bool numbers = true;
  for (int k = 0; k < BOX; k++) numbers = numbers && !isnan(row[k]);
  return numbers && row[LABEL] >= 0 && row[LABEL] < CLASSES_MOST;
}

bool cnn_findings_read(cnn_findings *findings, const cnn_network *network, float *const output[],
                       int64_t slot, const cnn_view *view, int32_t image) {
  const int32_t o = cnn_output_first(network, CNN_OUTPUT_DETECTIONS);
  int32_t m = masks_of(network);
  if (m >= 0 && !output[m]) m = -1;
  *findings = (cnn_findings){.boxes = o >= 0, .masks = o >= 0 && m >= 0};
  if (o < 0) return true;
  const cnn_port *port = &network->output[o], *masks = m >= 0 ? &network->output[m] : NULL;
  const int32_t rows = port->dim[0];
  findings->found = calloc((size_t)rows + 1, sizeof *findings->found);
  if (!findings->found) return false;
  for (int32_t i = 0; i < rows; i++) {
    const float *row = output[o] + slot * port->size + i * ROW;
    cnn_found *found = &findings->found[findings->count];
    if (!is_detection(row)) continue;
    *found = (cnn_found){.image = image, .label = (int32_t)row[LABEL], .score = (double)row[SCORE]};
    box_back(view, row, found->box);
    if (!(found->box[2] > found->box[0] && found->box[3] > found->box[1])) continue;
    findings->count++;
    double whole[BOX];
    box_whole(view, row, whole);
    if (!masks) continue;
    const float *region = output[m] + slot * masks->size + i * (masks->size / masks->regions);
    if (!mask_read(found, masks, region, view, whole)) return false;
  }
  return true;
}

void cnn_findings_free(cnn_findings *findings) {
  for (int32_t i = 0; i < findings->count; i++) cnn_runs_free(&findings->found[i].mask);
  free(findings->found);
  *findings = (cnn_findings){0};
}

/* ---- Segments */

bool cnn_segments_put(cnn_segments *segments, int64_t pixel, int32_t label, int32_t instance, bool ignored) {
  int32_t k = 0; /* linear search, from the segment of the previous pixel */
  if (pixel > 0 && segments->of[pixel - 1] >= 0) k = segments->of[pixel - 1];
  for (int32_t seen = 0; seen < segments->count; seen++, k = (k + 1) % segments->count) {
    const cnn_segment *s = &segments->segment[k];
    if (s->label != label || s->instance != instance) continue;
    segments->of[pixel] = k;
    return true;
  }
  if (segments->count % 64 == 0) {
    const size_t room = (size_t)segments->count + 64;
    cnn_segment *larger = realloc(segments->segment, room * sizeof *larger);
    if (!larger) return false;
    segments->segment = larger;
  }
  segments->segment[segments->count] = (cnn_segment){label, instance, ignored};
  segments->of[pixel] = segments->count++;
  return true;
}

bool cnn_segments_open(cnn_segments *segments, int64_t pixels) {
  *segments = (cnn_segments){.pixels = pixels, .of = malloc((size_t)pixels * sizeof(int32_t) + 1)};
  for (int64_t i = 0; segments->of && i < pixels; i++) segments->of[i] = -1;
  return segments->of != NULL;
}

bool cnn_segments_read(cnn_segments *segments, const cnn_network *network, float *const output[],
                       int64_t slot, const cnn_view *view, int32_t stuff) {
  const int32_t o = cnn_output_first(network, CNN_OUTPUT_PANOPTIC);
  const cnn_port *port = &network->output[o];
  const float *value = output[o] + slot * port->size;
  if (!cnn_segments_open(segments, (int64_t)view->height * view->width)) return false;
  for (int32_t y = 0; y < view->height; y++)
    for (int32_t x = 0; x < view->width; x++) {
      const int64_t at = cnn_view_place(view, y, x, port->dim[0], port->dim[1]);
      if (at < 0 || !(value[2 * at] >= 0 && value[2 * at] < CLASSES_MOST)) continue;
      const int32_t label = (int32_t)value[2 * at],
                    instance = (int32_t)fmax(0, fmin((double)value[2 * at + 1], (double)CLASSES_MOST));
      if (!instance && stuff > 0 && label >= stuff) continue;
      if (!cnn_segments_put(segments, (int64_t)y * view->width + x, label + (instance ? stuff : 0), instance,
                            false))
        return false;
    }
  return true;
}

void cnn_segments_free(cnn_segments *segments) {
  free(segments->of);
  free(segments->segment);
  *segments = (cnn_segments){0};
}
