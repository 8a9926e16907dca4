/* runtime_objects.h: Helpers for the tests of images with objects. */
// SPDX-License-Identifier: Apache-2.0
#ifndef RUNTIME_OBJECTS_H
#define RUNTIME_OBJECTS_H
#include "hosted/data/dataset.h"
#include "runtime_sets.h"

enum { H = 20, W = 40 }; /* size of the images in these tests */

void net_of_boxes(Net *net);         /* makes a net whose output is compared with boxes */
void picture_make(const char *name); /* writes an image into the scratch directory */
cnn_truth truth_of(const cnn_data *data, cnn_part part, int64_t index);
bool object_is(const cnn_truth *truth, int k, int32_t label, double x1, double y1, double x2, double y2);
/* Opens an invalid data set twice: first it is rejected with the message `says`; then, with errors skipped,
 * the notes of the data set contain `note`. */
cnn_data *set_skipped(const Net *net, const char *path, const char *says, const char *note);
#endif
