/* viewer.h: A net with one sample and access to all of its values: common code of features, dream, occlude
 * and saliency. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_VIEWER_H
#define CNN_VIEWER_H
#include "cnn.h"
#include "hosted/display/figure.h"
#include "hosted/training/findings.h"
#include "hosted/commands/program.h"

typedef struct cnn_viewer {
  const cnn_network *network;
  float *weights;
  void *memory;        /* network->look->bytes */
  float **value;       /* by input, [h][w][c]: the inspected sample; may be changed */
  void **raw, **input; /* the same in the input's type, and as the net takes it */
  float **seed;        /* by output: weights of its scores */
  cnn_view view;       /* position of the image in the first image input */
} cnn_viewer;

/* A unit of an output: a class, or a channel, at one of the output's positions, or the mean over all. */
typedef struct cnn_unit {
  int32_t output;
  int32_t channel;
  int64_t position; /* CNN_EVERYWHERE: all */
} cnn_unit;
enum { CNN_EVERYWHERE = -1 };

cnn_status cnn_viewer_open(cnn_viewer *viewer, const cnn_program *program, const char *weights,
                           const cnn_weights_names *names);
void cnn_viewer_close(cnn_viewer *viewer); /* also after an open that failed */
/* Sample `index` of a file that predict would take. */
cnn_status cnn_viewer_read(cnn_viewer *viewer, const char *path, int64_t index, cnn_fit fit);
void cnn_viewer_forward(
    cnn_viewer *viewer); /* of `value`, rounded and cut off as the types of the inputs are */
void cnn_viewer_backward(cnn_viewer *viewer, cnn_unit unit); /* after it: the gradient of the unit's score */
const float *cnn_viewer_layer(const cnn_viewer *viewer, int32_t layer);
const float *cnn_viewer_gradient(const cnn_viewer *viewer,
                                 int32_t input); /* NULL: nothing of the score passes back to it */

double cnn_viewer_noise(cnn_random random, uint32_t counter); /* a number from the normal distribution */

double cnn_viewer_score(const cnn_viewer *viewer, cnn_unit unit); /* before softmax or sigmoid */
double cnn_viewer_probability(const cnn_viewer *viewer,
                              cnn_unit unit);        /* NaN where the output has no classes */
int32_t cnn_unit_output(const cnn_network *network); /* the first with classes, else the first */
cnn_unit cnn_viewer_best(const cnn_viewer *viewer, cnn_unit unit); /* of the channels of its output, there */
/* "3" or "Sandal", of 0 to classes - 1. False: it is none. */
bool cnn_class_parse(const cnn_network *network, int32_t classes, const char *text, int32_t *class);
/* "3", "Sandal", and with several outputs "OUTPUT:3", "OUTPUT:Sandal"; else it is of the output that `unit`
 * has. */
cnn_status cnn_unit_parse(const cnn_network *network, const char *text, cnn_unit *unit);
const char *cnn_unit_name(const cnn_network *network, cnn_unit unit, char room[120]); /* as it is printed */

/* The layer of that name, as in the summary; otherwise suggests a similar one. */
cnn_status cnn_layer_find(const cnn_network *network, const char *name, int32_t *layer);

void cnn_port_floats(const cnn_port *port, const void *raw, float *value); /* of an input */
bool cnn_port_is_picture(const cnn_port *port);                            /* 1 or 3 channels */
/* Such an input in RGB. Images are 0..255 for every type, i8 minus 128; arrays of other numbers are
 * stretched to the visible range. */
void cnn_port_pixels(const cnn_port *port, const float *value, uint8_t *rgb);
void cnn_port_range(const cnn_port *port, double *low,
                    double *high); /* of its values; infinite where there is none */
/* How a value of some shape is laid out in panels: rows and columns, and how far apart their numbers are. */
typedef struct cnn_sheet {
  int32_t maps, height, width;
  int64_t down, right;
} cnn_sheet;
cnn_sheet cnn_sheet_of(
    int32_t rank,
    const int32_t dim[3]); /* images: a map per channel; sequences: channels by time; vectors: in lines */
/* An input in its own colors, or, if it is not an image, with a color scale. `value` as viewer->value. */
void cnn_figure_input(cnn_figure *figure, const cnn_port *port, const float *value, const char *caption);

/* -o: a page, or its numbers as .npy. */
bool cnn_out_is_array(const char *path);
cnn_status cnn_out_array(const char *path, cnn_type type, const void *value, int32_t rank,
                         const int64_t *dim);
/* Common setup of the commands: CNN_GO_ON, or the exit status of a command line that lacks something or
 * would overwrite its input.
 * `input`: NULL, or the file that is read. */
int cnn_viewer_usage(const cnn_usage *usage, const cnn_program *program, const char *weights,
                     const char *input, const char *out, bool array);
#endif
