/* runtime_objects.c: Helpers for the tests of images with objects. */
// SPDX-License-Identifier: Apache-2.0
#include "runtime_objects.h"
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include "runtime_scratch.h"

void net_of_boxes(Net *net) {
  cnn_port output = values_of("found", 60, CNN_SCORES_NONE);
  output.target = CNN_TARGET_NONE;
  net_make_one(net, port_of("image", CNN_U8, H, W, 3), output);
  net->network.truth_objects = 64;
}

void picture_make(const char *name) {
  uint8_t pixel[H * W * 3];
  for (int i = 0; i < H * W * 3; i++) pixel[i] = (uint8_t)(i * 7);
  CU_ASSERT_EQUAL_FATAL(cnn_image_write(scratch(name), &(cnn_image){H, W, 3, pixel}).code, CNN_OK);
}

cnn_truth truth_of(const cnn_data *data, cnn_part part, int64_t index) {
  cnn_image image;
  cnn_truth truth;
  const cnn_status status = cnn_data_truth(data, part, index, &image, &truth);
  if (status.code != CNN_OK) printf("# %s\n", status.message);
  CU_ASSERT_EQUAL_FATAL(status.code, CNN_OK);
  CU_ASSERT(truth.width == image.width && truth.height == image.height);
  cnn_image_free(&image);
  return truth;
}

bool object_is(const cnn_truth *truth, int k, int32_t label, double x1, double y1, double x2, double y2) {
  const double want[4] = {x1, y1, x2, y2};
  if (k >= truth->count || truth->object[k].label != label) return false;
  for (int side = 0; side < 4; side++) {
    const double away = (double)truth->object[k].box[side] - want[side];
    if (away > 1e-4 || away < -1e-4) return false;
  }
  return true;
}

cnn_data *set_skipped(const Net *net, const char *path, const char *says, const char *note) {
  cnn_data *data = NULL;
  cnn_data_options options = CNN_DATA_DEFAULTS;
  options.val = 0;
  cnn_status status = cnn_data_open(&data, path, &net->network, &options);
  CU_ASSERT_NOT_EQUAL(status.code, CNN_OK);
  if (!strstr(status.message, says)) printf("# %s\n", status.message);
  CU_ASSERT_PTR_NOT_NULL(strstr(status.message, says));
  cnn_data_close(data);
  options.skip_bad = true;
  status = cnn_data_open(&data, path, &net->network, &options);
  if (status.code != CNN_OK) printf("# %s\n", status.message);
  CU_ASSERT_EQUAL_FATAL(status.code, CNN_OK);
  if (!strstr(cnn_data_notes(data), note)) printf("# %s", cnn_data_notes(data));
  CU_ASSERT_PTR_NOT_NULL(strstr(cnn_data_notes(data), note));
  return data;
}
