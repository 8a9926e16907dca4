/* runtime_sets.h: small nets and arrays for tests of data sets. */
// SPDX-License-Identifier: Apache-2.0
#ifndef RUNTIME_SETS_H
#define RUNTIME_SETS_H
#include "cnn_data.h"
#include "hosted/weights/npz.h"

/* A net with one input and one output, which tests modify. */
typedef struct Net {
  cnn_network network;
  cnn_port input[2], output[2];
  cnn_recipe recipe;
} Net;

cnn_port port_of(const char *name, cnn_type type, int32_t h, int32_t w, int32_t c);
cnn_port classes_of(const char *name, int32_t n);
cnn_port values_of(const char *name, int32_t n, cnn_scores scores);
void net_make_one(Net *net, cnn_port input, cnn_port output);

cnn_data *open_set(const Net *net, const char *path, double val, int64_t limit);
void refuse_set(const Net *net, const char *path, cnn_code code, const char *says);
int32_t label_of(const cnn_data *data, cnn_part part, int64_t i);

cnn_tensor tensor_of(const char *name, cnn_dtype dtype, const void *data, int32_t rank, int64_t a, int64_t b,
                     int64_t c, int64_t d);
const char *npz_write(const char *name, const cnn_tensor *tensor,
                      int32_t count); /* returns the file's path */
#endif
