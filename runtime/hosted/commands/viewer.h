/* viewer.h: A net with one sample and access to all of its values: common code of the commands that inspect a
 * net, such as features and saliency. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_VIEWER_H
#define CNN_VIEWER_H
#include "cnn.h"
#include "hosted/display/figure.h"
#include "hosted/training/findings.h"
#include "hosted/commands/program.h"

typedef struct cnn_viewer {
  const cnn_program *program;
  const cnn_network *network;
  float *weights;
  void *memory;        /* its size is network->look->bytes */
  float **value;       /* per input, [h][w][c]: the inspected sample; callers may change it */
  void **raw, **input; /* the sample in the input's type; raw: channels last; input: in the net's layout */
  float **seed;        /* per output: weights of its scores in the sum whose gradient is computed */
  cnn_view view;       /* position of the image in the first image input */
} cnn_viewer;

/* A unit of an output: a class or a channel, at one position of the output or averaged over all positions. */
typedef struct cnn_unit {
  int32_t output;
  int32_t channel;
  int64_t position; /* CNN_EVERYWHERE: all positions */
} cnn_unit;
enum { CNN_EVERYWHERE = -1 };

cnn_status cnn_viewer_open(cnn_viewer *viewer, const cnn_program *program, const char *weights,
                           const cnn_weights_names *names);
void cnn_viewer_close(cnn_viewer *viewer); /* also valid after an open that failed */
/* Reads sample `index` of a file, as predict reads it. */
cnn_status cnn_viewer_read(cnn_viewer *viewer, const char *path, int64_t index, cnn_fit fit);
/* Converts `value` to the inputs' types (integers: rounded and saturated), and computes the forward pass. */
void cnn_viewer_forward(cnn_viewer *viewer);
void cnn_viewer_backward(cnn_viewer *viewer, cnn_unit unit); /* computes the gradient of the unit's score */
const float *cnn_viewer_layer(const cnn_viewer *viewer, int32_t layer);
/* False for layers that return their input unchanged (dropout in inference, flatten). */
bool cnn_layer_is_new(const cnn_network *network, int32_t layer);
/* Warns of NaN and infinity, which figures do not show well. */
void cnn_viewer_warn(const cnn_viewer *viewer);
/* Gradient of the score with respect to an input; NULL: the score does not depend on this input. */
const float *cnn_viewer_gradient(const cnn_viewer *viewer, int32_t input);

double cnn_viewer_score(const cnn_viewer *viewer, cnn_unit unit);       /* score before softmax or sigmoid */
double cnn_viewer_probability(const cnn_viewer *viewer, cnn_unit unit); /* NaN if the output has no classes */
int32_t cnn_unit_output(const cnn_network *network); /* the first output with classes, or output 0 */
/* Returns `unit` with the channel that has the best score at the unit's position. */
cnn_unit cnn_viewer_best(const cnn_viewer *viewer, cnn_unit unit);
/* Parses "3" or "Sandal" as a class from 0 to classes - 1. False: not a class. */
bool cnn_class_parse(const cnn_network *network, int32_t classes, const char *text, int32_t *class);
/* Parses "3", "Sandal", "OUTPUT:3" or "OUTPUT:Sandal". Without OUTPUT, the output in `unit` stays
 * unchanged. */
cnn_status cnn_unit_parse(const cnn_network *network, const char *text, cnn_unit *unit);
/* Writes the unit's name to `room`, in the form of cnn_unit_parse, and returns `room`. */
const char *cnn_unit_name(const cnn_network *network, cnn_unit unit, char room[120]);

/* Finds the layer with this name; the command `info` lists the names. If no layer has this name, the error
 * suggests a similar name, if there is one. */
cnn_status cnn_layer_find(const cnn_network *network, const char *name, int32_t *layer);

/* Converts all elements of an input to float. */
void cnn_port_floats(const cnn_port *port, const void *raw, float *value);
bool cnn_port_is_picture(const cnn_port *port); /* whether it has rank 3, and 1 or 3 channels */
/* Converts an image input to RGB: maps the range of its type to 0..255. For f32, this range is 0..255; but if
 * a value is negative or above 255, or all values are at most 2, maps the range of the values. */
void cnn_port_pixels(const cnn_port *port, const float *value, uint8_t *rgb);
/* Range of the port's values: the range of its type. For f32, it is 0 to 255 for images, and infinite for
 * other inputs. */
void cnn_port_range(const cnn_port *port, double *low, double *high);
/* Layout of a value in panels: the number of panels, and their rows and columns. down, right: distance in
 * memory, in elements, from one row or column to the next. */
typedef struct cnn_sheet {
  int32_t maps, height, width;
  int64_t down, right;
  int64_t first; /* the value at the top left */
} cnn_sheet;
/* Images: one map per channel; sequences: channels by time, channel 0 at the bottom, as low frequencies in
 * spectrograms; vectors: wrapped into lines. */
cnn_sheet cnn_sheet_of(int32_t rank, const int32_t dim[3]);
/* Draws channel c of a sequence as a curve over time. All channels have the same scale. */
void cnn_figure_wave(cnn_figure *figure, const float *value, int64_t length, int32_t channels, int32_t c,
                     const char *caption);
bool cnn_port_is_wave(const cnn_port *port); /* sound, or another sequence of one channel */
/* Draws an input in its own colors, as a wave if it is sound, or else with a color scale. `value` is
 * [h][w][c]. */
void cnn_figure_input(cnn_figure *figure, const cnn_port *port, const float *value, const char *caption);

/* Whether the output file `path` is an .npy array. All other output files are figures. */
bool cnn_out_is_array(const char *path);
cnn_status cnn_out_array(const char *path, cnn_type type, const void *value, int32_t rank,
                         const int64_t *dim);
/* Checks the command line of a command that inspects a net. Returns CNN_GO_ON if the command can run. Prints
 * an error and returns an exit status if there are no weights, if -o is missing or has a wrong suffix, or if
 * the output would overwrite the program, the weights or `input`. `input`: NULL, or the input file.
 * `array`: whether -o may be an .npy array. */
int cnn_viewer_usage(const cnn_usage *usage, const cnn_program *program, const char *weights,
                     const char *input, const char *out, bool array);
#endif
