/* cnn_data.h: Data sets for training and evaluation, and the inputs and outputs of a prediction.
 *
 * The path and the files at the path determine the kind of the set:
 *
 *   IDX files            MNIST, Fashion-MNIST; plain or .gz
 *   CIFAR-10/100         the binary files
 *   image folders        train/CLASS, val/CLASS, test/CLASS, or CLASS alone
 *   WAV files            in the same folders
 *   an .npz file         x, y, x_val, y_val, x_test, y_test
 *   a table              .csv or .tsv; or train.csv, val.csv and test.csv in a directory
 *   class masks          images/ and masks/, one mask per image; Pascal VOC's folders; COCO's panoptic
 *                        annotations
 *   boxes                YOLO's images/ and labels/; COCO's annotations/ or one of its JSON files; Pascal
 *                        VOC's Annotations/
 *   "synthetic"          a small learnable set, generated for any net
 *   "synthetic:shapes"   images of shapes with boxes, masks or a class per pixel
 *
 * If the net has labels (cnn_network.label), the class of a folder is the label with the folder's name. A
 * folder of sounds whose name is not a label gets the label "unknown", if the net has this label. If the net
 * has no labels, or if the name of a folder is not a label, the names of all folders may be class numbers. If
 * a net has no labels and the names are not class numbers, the folders are numbered in the order of their
 * names.
 *
 * Samples come in the order of the file. Samples of folders alternate between the classes, so that the
 * first samples of a part are of different classes.
 *
 * Samples are raw: the elements of images are 0..255 for any input type (i8: minus 128); arrays are as in the
 * file. Samples are always laid out height, width, channels; cnn_port_arrange converts to the caller's layout
 * of an input with layout=chw, after augmentation. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_DATA_H
#define CNN_DATA_H
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cnn_network.h"
#include "cnn_status.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef enum cnn_part {
  CNN_PART_TRAIN, /* without the validation samples */
  CNN_PART_VAL,   /* the set's validation part; if there is none, training samples selected with the program's
                     seed */
  CNN_PART_TEST   /* for `eval`: the set's test part; if there is none, the whole set */
} cnn_part;

typedef enum cnn_fit {                   /* how an image of another size is resized */
                       CNN_FIT_STRETCH,  /* each axis by its own factor */
                       CNN_FIT_CROP,     /* scaled to cover the input, centered; the parts outside are cut
                                            off */
                       CNN_FIT_LETTERBOX /* the whole image, centered on black */
} cnn_fit;

typedef struct cnn_data_options {
  double val;    /* share of the training samples for validation, if the set has no validation part; 0: no
                    validation */
  int64_t limit; /* only the first `limit` samples of each part; 0: all */
  cnn_fit fit;
  int64_t keep; /* maximum number of bytes of decoded images of folders that are kept in memory. Other images
                   are decoded each time they are read */
  const char *target; /* CSV: name of the first target column, or its number, counted from 1; NULL: the
                         targets are the last columns */
  bool skip_bad;      /* images, sounds, masks and boxes that cannot be read are counted and dropped */
  bool any_target;    /* for inspection or export: the set may lack the net's targets */
} cnn_data_options;
#define CNN_DATA_DEFAULTS {0.1, 0, CNN_FIT_STRETCH, 0, NULL, false, false}

typedef struct cnn_data cnn_data;

/* The net must outlive the set. cnn_data_open checks the classes of all samples, except the classes in masks,
 * so that a wrong class is found before training begins. */
cnn_status cnn_data_open(cnn_data **data, const char *path, const cnn_network *network,
                         const cnn_data_options *options);
void cnn_data_close(cnn_data *data); /* may be NULL */

/* A description, such as "IDX files: 54,000 training, 6,000 validation and 10,000 test samples". */
const char *cnn_data_describe(const cnn_data *data);
const char *cnn_data_notes(const cnn_data *data); /* notes, one per line, for example on skipped files */
int64_t cnn_data_count(const cnn_data *data, cnn_part part);
bool cnn_data_has_test(const cnn_data *data); /* whether the set has a separate test part */
/* Number of samples of CNN_PART_TEST that are also used for training. */
int64_t cnn_data_shared(const cnn_data *data);
int32_t cnn_data_classes(const cnn_data *data);              /* 0: the samples have no class */
const char *cnn_data_class(const cnn_data *data, int32_t c); /* the set's name for a class, or NULL */
/* The names of all classes; NULL if a name is missing or not UTF-8. */
const char *const *cnn_data_class_names(const cnn_data *data);

/* cnn_data_inspect checks that the files of a set are readable, before the samples are needed. Images of
 * class folders are decoded if all training and validation images will be kept in memory, or if the net's
 * input is not an image. Otherwise, the beginning and the end of each file are checked, and only files that
 * look damaged are decoded. Images with masks or boxes are always decoded. If one image is unreadable, the
 * result is its error. If several images are unreadable, the callback gets a line for each of the first ten.
 */
typedef struct cnn_inspection {
  int64_t samples[3]; /* number of samples to check in each part, from its first sample */
  int32_t threads;
  void (*tell)(void *context,
               const char *line); /* may be NULL; also receives progress if the check takes long */
  void *context;
  const volatile sig_atomic_t *stop; /* ends the check early when it is not 0; NULL: never */
} cnn_inspection;
cnn_status cnn_data_inspect(const cnn_data *data, const cnn_inspection *inspection);

/* Reads a sample; any number of threads may read concurrently. input[i] has network->input[i].size elements
 * of its type. target[o] has network->output[o].target_size elements: int32_t for classes, float for values;
 * a target that is NULL is not written. For an output with class scores but no loss, the target is one class
 * per position. Non-finite numbers are errors. If the target is the input (`target = input`), targets are not
 * written. */
cnn_status cnn_data_sample(const cnn_data *data, cnn_part part, int64_t index, void *const input[],
                           void *const target[]);
/* Whether the set has recordings for the augmentation `background`. */
bool cnn_data_has_noise(const cnn_data *data);
/* The full scale of the input's values: 255 for pixels, 32768 for i16 inputs, 1 for sounds and fractions in
 * f32 inputs. */
double cnn_data_scale(const cnn_data *data, int32_t input);
/* Returns the class of a sample without reading the sample's inputs. False: the samples do not have a single
 * class. */
bool cnn_data_label(const cnn_data *data, cnn_part part, int64_t index, int32_t *label);

size_t cnn_type_bytes(cnn_type type);
const char *cnn_type_name(cnn_type type); /* "f32" */
/* Read and write element i of an array of the port's type. cnn_port_takes: whether a number fits the type. */
double cnn_port_number(const cnn_port *port, const void *values, int64_t i);
void cnn_port_store(const cnn_port *port, void *values, int64_t i, double value);
bool cnn_port_takes(const cnn_port *port, double value);
/* Number of classes of the output's scores: 2 for one sigmoid unit. */
int64_t cnn_port_classes(const cnn_port *output);
/* Number of elements of the output's target, also for an output with scores and no loss. */
int64_t cnn_port_targets(const cnn_port *output);
/* Converts one sample to the input's layout; if this layout is hwc, only copies the sample. */
void cnn_port_arrange(const cnn_port *input, const void *hwc, void *out);

/* Inputs of `predict`: an image (PNG, JPEG, WebP), a WAV file, an .npy file with one input or a batch, an
 * .npz keyed by input name, or a table (.csv), with or without the target's columns. */
typedef struct cnn_inputs cnn_inputs;
cnn_status cnn_inputs_open(cnn_inputs **inputs, const char *path, const cnn_network *network, cnn_fit fit);
/* Like cnn_inputs_open, but `target` names the first target column of a table, as in cnn_data_options. The
 * target columns are ignored. Without a name (`target` is NULL, or in cnn_inputs_open), the last columns are
 * ignored if the table has all columns of the input and of the target. */
cnn_status cnn_inputs_open_table(cnn_inputs **inputs, const char *path, const cnn_network *network,
                                 cnn_fit fit, const char *target);
void cnn_inputs_close(cnn_inputs *inputs);
int64_t cnn_inputs_count(const cnn_inputs *inputs);
/* True for tables, and for arrays with a leading batch dimension, even of size 1. */
bool cnn_inputs_batched(const cnn_inputs *inputs);
cnn_status cnn_inputs_sample(const cnn_inputs *inputs, int64_t index, void *const input[]);

/* Writes the outputs of `count` samples; the layout of output[o] is [count][...]. Several outputs are written
 * as an .npz file, whose keys are the names of the outputs. A single output is written as .npy, or as .npz if
 * the path ends in .npz. batched: arrays have a leading batch dimension. The file is written atomically. */
cnn_status cnn_outputs_write(const char *path, const cnn_network *network, int64_t count, bool batched,
                             const float *const output[]);

#ifdef __cplusplus
}
#endif
#endif
