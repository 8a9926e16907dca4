/* findings.h: Detections, masks and segments, in pixels of the original image. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FINDINGS_H
#define CNN_FINDINGS_H
#include "cnn_network.h"
#include "hosted/data/image.h"
#include "hosted/training/panoptic.h"
#include "hosted/training/precision.h"

int32_t cnn_output_first(const cnn_network *network, cnn_output_kind kind); /* -1: there is none */
const cnn_port *cnn_picture_input(const cnn_network *network); /* the first image input; NULL: none */
/* The default fit: letterbox for nets with an output of boxes, otherwise stretch. */
cnn_fit cnn_fit_usual(const cnn_network *network);

/* Position of an image of height x width in the input of the net. */
typedef struct cnn_view {
  int32_t height, width; /* size of the image */
  int32_t input_height, input_width;
  cnn_frame frame;
} cnn_view;
cnn_view cnn_view_make(const cnn_port *input, int32_t height, int32_t width, cnn_fit fit);
/* Index of an image's pixel in a map of out_height x out_width that covers the input; -1: the pixel is
 * outside the map. */
int64_t cnn_view_place(const cnn_view *view, int32_t y, int32_t x, int32_t out_height, int32_t out_width);

/* Converts a box of the image to pixels of the input. */
void cnn_view_box(const cnn_view *view, const double box[4], double there[4]);

typedef struct cnn_findings {
  int32_t count;
  cnn_found *found;  /* the best first */
  bool boxes, masks; /* boxes: the net has an output of boxes; masks: found[].mask is used */
} cnn_findings;

/* Reads the detections of image `slot` from the outputs, and clips their boxes to the image. Boxes outside
 * the image, and boxes with NaN, are dropped. If the output of the masks is NULL, masks are not read. `image`
 * is stored in each detection. False: out of memory. */
bool cnn_findings_read(cnn_findings *findings, const cnn_network *network, float *const output[],
                       int64_t slot, const cnn_view *view, int32_t image);
void cnn_findings_free(cnn_findings *findings);

/* Reads the segment of each pixel of the image from a panoptic output. The first `stuff` classes
 * are background classes, the others are object classes. A pixel of an object class whose instance
 * is 0 belongs to no segment, as in COCO's panoptic task. stuff = 0: it is unknown which classes are
 * objects, so pixels with instance 0 belong to segments, too. False: out of memory. */
bool cnn_segments_read(cnn_segments *segments, const cnn_network *network, float *const output[],
                       int64_t slot, const cnn_view *view, int32_t stuff);
bool cnn_segments_open(cnn_segments *segments, int64_t pixels); /* initially no pixel belongs to a segment */
/* Adds a pixel to a segment; `instance` distinguishes the segments of a class. False: out of memory. */
bool cnn_segments_put(cnn_segments *segments, int64_t pixel, int32_t label, int32_t instance, bool ignored);
void cnn_segments_free(cnn_segments *segments);
#endif
