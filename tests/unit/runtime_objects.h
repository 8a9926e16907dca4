/* runtime_objects.h: Helpers for the tests of images with objects. */
// SPDX-License-Identifier: Apache-2.0
#ifndef RUNTIME_OBJECTS_H
#define RUNTIME_OBJECTS_H
#include "hosted/data/dataset.h"
#include "runtime_sets.h"

enum { H = 20, W = 40 }; /* size of their images */

void net_of_boxes(Net *net);         /* its output is compared with boxes */
void picture_make(const char *name); /* in the scratch directory */
cnn_truth truth_of(const cnn_data *data, cnn_part part, int64_t index);
bool object_is(const cnn_truth *truth, int k, int32_t label, double x1, double y1, double x2, double y2);
/* Opens a data set with an error: rejected with that message; if errors are skipped, its notes contain it. */
cnn_data *set_skipped(const Net *net, const char *path, const char *says, const char *note);
#endif
