/* runtime_sets.c: small nets and arrays for tests of data sets. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include "runtime_scratch.h"
#include "runtime_sets.h"

cnn_port port_of(const char *name, cnn_type type, int32_t h, int32_t w, int32_t c) {
  cnn_port port = {.name = name, .type = type, .rank = 3, .dim = {h, w, c}, .size = (int64_t)h * w * c};
  return port;
}

cnn_port classes_of(const char *name, int32_t n) {
  cnn_port port = {.name = name,
                   .rank = 1,
                   .dim = {n},
                   .size = n,
                   .target = CNN_TARGET_CLASS,
                   .target_size = 1,
                   .scores = CNN_SCORES_PROBABILITY,
                   .loss = "cross_entropy"};
  return port;
}

cnn_port values_of(const char *name, int32_t n, cnn_scores scores) {
  cnn_port port = {.name = name,
                   .rank = 1,
                   .dim = {n},
                   .size = n,
                   .target = CNN_TARGET_VALUES,
                   .target_size = n,
                   .scores = scores,
                   .loss = "mse"};
  return port;
}

void net_make_one(Net *net, cnn_port input, cnn_port output) {
  *net = (Net){.input = {input}, .output = {output}, .recipe = {.seed = 3}};
  net->network = (cnn_network){.name = "net",
                               .inputs = 1,
                               .outputs = 1,
                               .input = net->input,
                               .output = net->output,
                               .recipe = &net->recipe};
}

cnn_data *open_set(const Net *net, const char *path, double val, int64_t limit) {
  cnn_data *data = NULL;
  cnn_data_options options = {val, limit, CNN_FIT_STRETCH, 0, NULL, false, false};
  cnn_status status = cnn_data_open(&data, path, &net->network, &options);
  if (status.code != CNN_OK) printf("# %s\n", status.message);
  CU_ASSERT_EQUAL_FATAL(status.code, CNN_OK);
  return data;
}

void refuse_set(const Net *net, const char *path, cnn_code code, const char *says) {
  cnn_data *data = NULL;
  cnn_status status = cnn_data_open(&data, path, &net->network, NULL);
  CU_ASSERT_EQUAL(status.code, code);
  CU_ASSERT_PTR_NULL(data);
  if (!strstr(status.message, says)) printf("# %s\n", status.message);
  CU_ASSERT_PTR_NOT_NULL(strstr(status.message, says));
}

int32_t label_of(const cnn_data *data, cnn_part part, int64_t i) {
  int32_t label = -9;
  CU_ASSERT(cnn_data_label(data, part, i, &label));
  return label;
}
cnn_tensor tensor_of(const char *name, cnn_dtype dtype, const void *data, int32_t rank, int64_t a, int64_t b,
                     int64_t c, int64_t d) {
  cnn_tensor tensor = {.name = name, .dtype = dtype, .rank = rank, .dim = {a, b, c, d}, .data = data};
  cnn_tensor_measure(&tensor);
  return tensor;
}

const char *npz_write(const char *name, const cnn_tensor *tensor, int32_t count) {
  const char *path = scratch(name);
  CU_ASSERT_EQUAL_FATAL(cnn_npz_write(path, tensor, count, NULL, 0).code, CNN_OK);
  return path;
}
