/* runtime_data.c: Data sets in IDX, CIFAR, image folders and .npz files: samples and targets. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "cnn_data.h"
#include "cnn_image.h"
#include "runtime_scratch.h"
#include "runtime_sets.h"

/* ---- IDX ---- */

enum { SAMPLES = 30, SIDE = 4 };

static size_t idx_images(unsigned char *out, int n) {
  memcpy(out, "\0\0\10\3\0\0\0\0\0\0\0\4\0\0\0\4", 16);
  out[7] = (unsigned char)n;
  for (int i = 0; i < n * SIDE * SIDE; i++) out[16 + i] = (unsigned char)(i * 3);
  return 16 + (size_t)n * SIDE * SIDE;
}

static size_t idx_labels(unsigned char *out, int n) {
  memcpy(out, "\0\0\10\1\0\0\0\0", 8);
  out[7] = (unsigned char)n;
  for (int i = 0; i < n; i++) out[8 + i] = (unsigned char)(i % 3);
  return 8 + (size_t)n;
}

static void gz_write(const char *path, const void *bytes, size_t n) {
  gzFile file = gzopen(path, "wb");
  CU_ASSERT_FATAL(file && gzwrite(file, bytes, (unsigned)n) == (int)n && gzclose(file) == Z_OK);
}

static void idx_files_are_read(void) {
  unsigned char bytes[1000];
  Net net;
  net_make_one(&net, port_of("image", CNN_U8, SIDE, SIDE, 1), classes_of("output", 3));
  scratch_bytes("idx/train-images-idx3-ubyte", bytes, idx_images(bytes, SAMPLES));
  scratch_bytes("idx/train-labels.idx1-ubyte", bytes, idx_labels(bytes, SAMPLES));
  cnn_data *data = open_set(&net, scratch("idx"), 0.1, 0);
  CU_ASSERT_STRING_EQUAL(cnn_data_describe(data),
                         "IDX files: 27 training, 3 validation and 0 test samples, 3 classes");
  CU_ASSERT_FALSE(cnn_data_has_test(data));
  CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TEST),
                  SAMPLES); /* without a test part eval reads the whole set */
  bool seen[SAMPLES] = {false};
  for (int p = 0; p < 2; p++)
    for (int64_t i = 0; i < cnn_data_count(data, (cnn_part)p); i++) {
      uint8_t pixel[SIDE * SIDE];
      int32_t label;
      CU_ASSERT_EQUAL_FATAL(cnn_data_sample(data, (cnn_part)p, i, (void *[]){pixel}, (void *[]){&label}).code,
                            CNN_OK);
      CU_ASSERT_EQUAL(label, label_of(data, (cnn_part)p, i));
      for (int s = 0; s < SAMPLES; s++) /* s: index of the sample in the file; each sample must occur once */
        if (pixel[0] == (unsigned char)(s * SIDE * SIDE * 3) &&
            pixel[1] == (unsigned char)(s * SIDE * SIDE * 3 + 3) && label == s % 3)
          seen[s] = !seen[s];
    }
  int found = 0;
  for (int s = 0; s < SAMPLES; s++) found += seen[s];
  CU_ASSERT_EQUAL(found, SAMPLES);
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_VAL, 3, NULL, NULL).code, CNN_BAD_ARGUMENT);
  cnn_data_close(data);
  data = open_set(&net, scratch("idx"), 0, 5);
  CU_ASSERT(cnn_data_count(data, CNN_PART_TRAIN) == 5 && cnn_data_count(data, CNN_PART_VAL) == 0);
  for (int i = 0; i < 5; i++)
    CU_ASSERT_EQUAL(label_of(data, CNN_PART_TRAIN, i), i % 3); /* the first samples, in their order */
  cnn_data_close(data);
}

static void idx_may_be_packed_and_fit_other_inputs(void) {
  unsigned char bytes[1000];
  Net net;
  net_make_one(&net, port_of("image", CNN_F32, 2 * SIDE, 2 * SIDE, 3), classes_of("output", 3));
  gz_write(scratch("gz/train-images-idx3-ubyte.gz"), bytes, idx_images(bytes, SAMPLES));
  gz_write(scratch("gz/train-labels-idx1-ubyte.gz"), bytes, idx_labels(bytes, SAMPLES));
  gz_write(scratch("gz/t10k-images-idx3-ubyte.gz"), bytes, idx_images(bytes, 7));
  gz_write(scratch("gz/t10k-labels-idx1-ubyte.gz"), bytes, idx_labels(bytes, 7));
  cnn_data *data = open_set(&net, scratch("gz"), 0.5, 0);
  CU_ASSERT_STRING_EQUAL(cnn_data_describe(data),
                         "IDX files: 15 training, 15 validation and 7 test samples, 3 classes");
  float pixel[4 * SIDE * SIDE * 3];
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TEST, 1, (void *[]){pixel}, NULL).code, CNN_OK);
  CU_ASSERT(pixel[0] == 48 && pixel[1] == 48 && pixel[2] == 48); /* the pixel in the corner keeps its gray */
  cnn_data_close(data);
  size_t n = idx_images(bytes, 7);
  gz_write(scratch("gz/t10k-images-idx3-ubyte.gz"), bytes, n - 1);
  refuse_set(
      &net, scratch("gz"), CNN_BAD_FORMAT,
      "t10k-images-idx3-ubyte.gz: is cut off: [7, 4, 4] needs 112 bytes after the header, but there are 111");
  gz_write(scratch("gz/t10k-images-idx3-ubyte.gz"), bytes, n + 1);
  refuse_set(&net, scratch("gz"), CNN_BAD_FORMAT, "contains additional bytes at the end");
  bytes[2] = 7;
  gz_write(scratch("gz/t10k-images-idx3-ubyte.gz"), bytes, n);
  refuse_set(&net, scratch("gz"), CNN_BAD_FORMAT, "unknown type 0x07 at byte 2");
  gz_write(scratch("gz/t10k-images-idx3-ubyte.gz"), bytes, 3);
  refuse_set(&net, scratch("gz"), CNN_BAD_FORMAT, "is cut off in the IDX header, at byte 3");
}

static void labels_are_checked_when_opening(void) {
  unsigned char bytes[1000];
  Net net;
  net_make_one(&net, port_of("image", CNN_U8, SIDE, SIDE, 1), classes_of("output", 2));
  scratch_bytes("labels/train-images-idx3-ubyte", bytes, idx_images(bytes, 9));
  refuse_set(&net, scratch("labels"), CNN_BAD_FILE, "no label file");
  scratch_bytes("labels/train-labels-idx1-ubyte", bytes, idx_labels(bytes, 9));
  refuse_set(&net, scratch("labels"), CNN_MISMATCH, "label 2 is 2, but the output \"output\" has 2 classes");
  cnn_loss ignore = {.weight = 1, .ignore = 2};
  net.output[0].criterion = &ignore;
  cnn_data *data = open_set(&net, scratch("labels"), 0.1, 0);
  cnn_data_close(data);
  scratch_bytes("labels/train-labels-idx1-ubyte", bytes, idx_labels(bytes, 8));
  refuse_set(&net, scratch("labels"), CNN_MISMATCH, "has the shape [8], but the data set has 9 images");
}

/* ---- CIFAR ---- */

static void cifar_is_read(void) {
  static unsigned char records[3 * 3073];
  for (int r = 0; r < 3; r++) {
    records[r * 3073] = (unsigned char)(7 + r);
    for (int i = 0; i < 3072; i++) records[r * 3073 + 1 + i] = (unsigned char)(i / 1024 * 50 + i % 32);
  }
  Net net;
  net_make_one(&net, port_of("image", CNN_I8, 32, 32, 3), classes_of("output", 10));
  scratch_bytes("cifar/cifar-10-batches-bin/data_batch_1.bin", records, sizeof records);
  scratch_bytes("cifar/cifar-10-batches-bin/data_batch_2.bin", records, 3073);
  scratch_bytes("cifar/cifar-10-batches-bin/test_batch.bin", records + 3073, 3073);
  scratch_text("cifar/cifar-10-batches-bin/batches.meta.txt", "airplane\r\nautomobile\nbird");
  cnn_data *data = open_set(&net, scratch("cifar"), 0, 0);
  CU_ASSERT(cnn_data_count(data, CNN_PART_TRAIN) == 4 && cnn_data_count(data, CNN_PART_TEST) == 1 &&
            cnn_data_classes(data) == 10);
  CU_ASSERT_STRING_EQUAL(cnn_data_class(data, 0), "airplane");
  CU_ASSERT_PTR_NULL(cnn_data_class(data, 9));
  CU_ASSERT(label_of(data, CNN_PART_TRAIN, 2) == 9 && label_of(data, CNN_PART_TRAIN, 3) == 7 &&
            label_of(data, CNN_PART_TEST, 0) == 8);
  int8_t pixel[3072];
  int32_t label;
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, 3, (void *[]){pixel}, (void *[]){&label}).code,
                  CNN_OK);
  CU_ASSERT_EQUAL(label, 7);
  for (int i = 0; i < 3072; i++) CU_ASSERT_EQUAL(pixel[i], i % 3 * 50 + i / 3 % 32 - 128);
  cnn_data_close(data);
  scratch_bytes("cifar/cifar-10-batches-bin/test_batch.bin", records, 3072);
  refuse_set(&net, scratch("cifar"), CNN_BAD_FORMAT, "not one or more records of");
  net.output[0] = classes_of("output", 4);
  refuse_set(&net, scratch("cifar"), CNN_MISMATCH, "has 10 classes");
  memset(records, 0, 2);
  records[1] = 99;
  scratch_bytes("cifar100/train.bin", records, 3074);
  net.output[0] = classes_of("output", 100);
  data = open_set(&net, scratch("cifar100"), 0.1, 0);
  CU_ASSERT_EQUAL(label_of(data, CNN_PART_TRAIN, 0), 99);
  cnn_data_close(data);
}

/* ---- folders ---- */

static void picture_write(const char *name, int32_t side, uint8_t value) {
  uint8_t pixel[64 * 3];
  memset(pixel, value, sizeof pixel);
  CU_ASSERT_EQUAL_FATAL(cnn_image_write(scratch(name), &(cnn_image){side, side, 3, pixel}).code, CNN_OK);
}

/* Cached images are not decoded again. Other images are decoded again, and an error in them is found. */
static void damaged_pictures_are_found(const Net *net) {
  cnn_data *kept = NULL;
  cnn_data_options two = {.keep = 40}; /* 40 bytes: memory for two images of 16 bytes */
  CU_ASSERT_EQUAL_FATAL(cnn_data_open(&kept, scratch("folders"), &net->network, &two).code, CNN_OK);
  uint8_t pixel[16];
  for (int i = 0; i < 4; i++)
    CU_ASSERT_EQUAL(cnn_data_sample(kept, CNN_PART_TRAIN, i, (void *[]){pixel}, NULL).code, CNN_OK);
  scratch_text("folders/train/dog/a.png", "\x89PNG\r\n\x1a\n and no more");
  scratch_text("folders/train/owl/d.png", "\x89PNG\r\n\x1a\n and no more");
  CU_ASSERT_EQUAL(cnn_data_sample(kept, CNN_PART_TRAIN, 1, (void *[]){pixel}, NULL).code,
                  CNN_OK); /* not read again */
  CU_ASSERT(pixel[0] == 10 && pixel[15] == 10);
  CU_ASSERT_EQUAL(cnn_data_sample(kept, CNN_PART_TRAIN, 2, (void *[]){pixel}, NULL).code, CNN_BAD_FORMAT);
  CU_ASSERT_EQUAL(cnn_data_sample(kept, CNN_PART_TRAIN, 3, (void *[]){pixel}, NULL).code, CNN_OK);
  CU_ASSERT_EQUAL(pixel[0], 20);
  cnn_data_close(kept);
  cnn_data *data = open_set(net, scratch("folders"), 0, 0);
  cnn_status status = cnn_data_sample(data, CNN_PART_TRAIN, 1, (void *[]){pixel}, NULL);
  CU_ASSERT(status.code == CNN_BAD_FORMAT && strstr(status.message, "train/dog/a.png"));
  cnn_inspection all = {.samples = {4, 1, 1}, .threads = 3};
  status = cnn_data_inspect(data, &all); /* decodes only images whose beginning or end is not valid */
  CU_ASSERT(status.code == CNN_BAD_FORMAT && strstr(status.message, "folders: 2 of 6 images cannot be read"));
  all.samples[CNN_PART_TRAIN] = 1;
  CU_ASSERT_EQUAL(cnn_data_inspect(data, &all).code, CNN_OK);
  cnn_data_close(data);
}

static void folders_are_read(void) {
  Net net;
  net_make_one(&net, port_of("image", CNN_U8, 4, 4, 1), classes_of("output", 3));
  picture_write("folders/train/dog/a.png", 4, 10);
  picture_write("folders/train/dog/b.PNG", 8, 20);
  picture_write("folders/train/cat/deep/c.png", 4, 30);
  picture_write("folders/train/owl/d.png", 2, 40);
  picture_write("folders/val/owl/e.png", 2, 50);
  picture_write("folders/test/cat/f.png", 2, 60);
  scratch_text("folders/train/dog/notes.txt", "not an image");
  cnn_data *data = open_set(&net, scratch("folders"), 0.5, 0);
  CU_ASSERT_PTR_NOT_NULL(strstr(cnn_data_notes(data), "the validation part contains no image of cat, dog\n"));
  CU_ASSERT_PTR_NOT_NULL(strstr(cnn_data_notes(data), "skipped 1 file that is not an image (first: "));
  CU_ASSERT_EQUAL(cnn_data_shared(data), 0);
  CU_ASSERT_STRING_EQUAL(cnn_data_describe(data),
                         "folders of images: 4 training, 1 validation and 1 test samples, 3 classes");
  CU_ASSERT_STRING_EQUAL(cnn_data_class(data, 1), "dog");
  static const int32_t labels[] = {0, 1, 2, 1}, values[] = {30, 10, 40, 20}; /* classes alternate */
  for (int i = 0; i < 4; i++) {
    uint8_t pixel[16];
    int32_t label;
    CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, i, (void *[]){pixel}, (void *[]){&label}).code,
                    CNN_OK);
    CU_ASSERT(label == labels[i] && pixel[0] == values[i] && pixel[15] == values[i]);
  }
  cnn_data_close(data);
  static const char *const names[] = {"owl", "cat", "dog", "eel"}; /* the net's order of classes */
  net.output[0] = classes_of("output", 4);
  net.network.labels = 4;
  net.network.label = names;
  data = open_set(&net, scratch("folders"), 0, 0);
  CU_ASSERT(label_of(data, CNN_PART_TRAIN, 0) == 1 && label_of(data, CNN_PART_TRAIN, 1) == 2 &&
            cnn_data_classes(data) == 4);
  cnn_data_close(data);
  net.network.labels = 0;
  data = open_set(&net, scratch("folders/train"), 0, 0); /* the folder has a folder per class, but no parts */
  CU_ASSERT(cnn_data_count(data, CNN_PART_TRAIN) == 4 && !cnn_data_has_test(data));
  cnn_data_close(data);
  damaged_pictures_are_found(&net);
}

static void folders_have_the_names_of_labels(void) {
  static const char *const names[] = {"owl", "cat", "dog"};
  Net net;
  net_make_one(&net, port_of("image", CNN_U8, 4, 4, 1), classes_of("output", 3));
  picture_write("named/Dog/a.png", 4, 10);
  picture_write("named/cat/a.png", 4, 10);
  cnn_data *data = open_set(&net, scratch("named"), 0.5, 0);
  CU_ASSERT_STRING_EQUAL(cnn_data_class_names(data)[0], "Dog");
  CU_ASSERT_PTR_NOT_NULL(strstr(cnn_data_notes(data), "2 folders of images for 3 classes"));
  CU_ASSERT(cnn_data_count(data, CNN_PART_TEST) == 2 && cnn_data_shared(data) == 1);
  cnn_data_close(data);
  net.network.labels = 3;
  net.network.label = names;
  refuse_set(&net, scratch("named"), CNN_MISMATCH,
             "the folder 'Dog' is not one of the labels owl, cat, dog; did you mean 'dog'?");
  picture_write("bin/1/a.png", 4, 10);
  picture_write("bin/02/a.png", 4, 10);
  data = open_set(&net, scratch("bin"), 0, 0);
  CU_ASSERT_EQUAL(label_of(data, CNN_PART_TRAIN, 0), 2); /* 02 is listed before 1 */
  CU_ASSERT_EQUAL(label_of(data, CNN_PART_TRAIN, 1), 1);
  CU_ASSERT_STRING_EQUAL(cnn_data_class(data, 2), "dog");
  cnn_data_close(data);
  picture_write("bin/2/a.png", 4, 10);
  refuse_set(&net, scratch("bin"), CNN_MISMATCH, "the folder '02' is not one of the labels");
  picture_write("alone/cat/a.png", 4, 10);
  data = open_set(&net, scratch("alone"), 0, 0);
  CU_ASSERT_EQUAL(label_of(data, CNN_PART_TRAIN, 0), 1);
  cnn_data_close(data);
  net.network.labels = 0;
  refuse_set(&net, scratch("alone"), CNN_MISMATCH,
             "has one folder of images, 'cat', but the net has 3 classes");
  scratch_text("named/empty/notes.txt", "no image");
  refuse_set(&net, scratch("named"), CNN_MISMATCH, "named/empty: this class folder has no readable image");
}

static void names_in_another_order_are_refused(void) {
  static unsigned char record[3073];
  static const char *const names[] = {"bird", "plane", "car",   "cat",  "deer",
                                      "dog",  "frog",  "horse", "ship", "truck"};
  Net net;
  net_make_one(&net, port_of("image", CNN_U8, 32, 32, 3), classes_of("output", 10));
  net.network.labels = 10;
  net.network.label = names;
  scratch_bytes("order/data_batch_1.bin", record, sizeof record);
  scratch_text("order/batches.meta.txt", "airplane\ncar\nbird\n");
  refuse_set(&net, scratch("order"), CNN_MISMATCH,
             "class 0 is 'airplane' in the data set, but the net's label for it is 'bird'");
}

static void what_is_no_set_is_said(void) {
  Net net;
  net_make_one(&net, port_of("image", CNN_U8, 4, 4, 1), classes_of("output", 3));
  refuse_set(&net, scratch("nowhere/at/all"), CNN_BAD_FILE, "cannot be opened");
  scratch_text("nothing/readme", "");
  refuse_set(&net, scratch("nothing"), CNN_BAD_FORMAT, "no data set is recognized");
  refuse_set(&net, scratch_text("some.txt", "hello"), CNN_BAD_FORMAT, "is not a data set");
  refuse_set(&net, "sythetic", CNN_BAD_FILE, "; did you mean 'synthetic'?");
  refuse_set(&net, scratch_text("segments/images/a.png", ""), CNN_BAD_FORMAT, "is not a data set");
  scratch_text("segments/masks/a.png", "");
  refuse_set(&net, scratch("segments"), CNN_MISMATCH, "has a class for each pixel, but the output");
  scratch_text("boxes/images/a.png", "");
  scratch_text("boxes/labels/a.txt", "");
  refuse_set(&net, scratch("boxes"), CNN_MISMATCH, "has boxes, but no output of the net uses boxes");
  net.network.truth_objects = 8;
  refuse_set(&net, "synthetic", CNN_MISMATCH, "have no boxes, but a loss or metric of the net needs them");
}

/* ---- arrays ---- */

static void arrays_are_read(void) {
  static const float x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  static const int32_t y[3] = {2, 0, 1};
  cnn_tensor set[6] = {tensor_of("x", CNN_DTYPE_F32, x, 3, 3, 2, 2, 0),
                       tensor_of("y", CNN_DTYPE_I32, y, 1, 3, 0, 0, 0),
                       tensor_of("x_val", CNN_DTYPE_F32, x, 4, 1, 2, 2, 1),
                       tensor_of("y_val", CNN_DTYPE_I32, y, 2, 1, 1, 0, 0),
                       tensor_of("x_test", CNN_DTYPE_F32, x, 2, 2, 4, 0, 0),
                       tensor_of("y_test", CNN_DTYPE_I32, y, 1, 2, 0, 0, 0)};
  static const cnn_type types[] = {CNN_F32, CNN_U8, CNN_I8};
  for (int t = 0; t < 3; t++) {
    Net net;
    net_make_one(&net, port_of("image", types[t], 2, 2, 1), classes_of("output", 3));
    cnn_data *data = open_set(&net, npz_write("a.npz", set, 6), 0.1, 0);
    CU_ASSERT_STRING_EQUAL(cnn_data_describe(data),
                           "arrays: 3 training, 1 validation and 2 test samples, 3 classes");
    for (int i = 0; i < 3; i++) {
      float f[4];
      uint8_t b[4];
      int32_t label;
      CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, i,
                                      (void *[]){types[t] == CNN_F32 ? (void *)f : b}, (void *[]){&label})
                          .code,
                      CNN_OK);
      CU_ASSERT_EQUAL(label, y[i]);
      for (int k = 0; k < 4; k++) CU_ASSERT_EQUAL(types[t] == CNN_F32 ? f[k] : (float)b[k], x[4 * i + k]);
    }
    cnn_data_close(data);
    static const float outside[4] = {0, 1, 300, 3};
    cnn_tensor bad[2] = {tensor_of("x", CNN_DTYPE_F32, outside, 3, 1, 2, 2, 0),
                         tensor_of("y", CNN_DTYPE_I32, y + 1, 1, 1, 0, 0, 0)};
    data = open_set(&net, npz_write("bad.npz", bad, 2), 0, 0);
    float room[4];
    CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){room}, NULL).code,
                    types[t] == CNN_F32 ? CNN_OK : CNN_MISMATCH);
    cnn_data_close(data);
  }
  Net net;
  net_make_one(&net, port_of("image", CNN_F32, 2, 3, 1), classes_of("output", 3));
  refuse_set(&net, npz_write("a.npz", set, 6), CNN_MISMATCH,
             "\"x\": has the shape [3, 2, 2], but samples of \"image\" have [2, 3, 1]");
  net_make_one(&net, port_of("image", CNN_F32, 2, 2, 1), classes_of("output", 3));
  refuse_set(&net, npz_write("b.npz", set, 1), CNN_MISMATCH,
             "has no targets \"y\" or \"output_target\"; it has x");
  refuse_set(&net, npz_write("b.npz", set + 1, 1), CNN_MISMATCH,
             "has no inputs: neither \"x\" nor \"image\"; it has y");
  net.recipe.target_is_input = 1;
  cnn_data *data = open_set(&net, npz_write("b.npz", set, 1), 0, 0); /* no targets are needed */
  cnn_data_close(data);
}

static void several_inputs_and_targets_go_by_name(void) {
  static const float left[4] = {1, 2, 3, 4}, values[6] = {0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f};
  static const uint8_t right[6] = {9, 8, 7, 6, 5, 4};
  static const int8_t mask[8] = {0, 1, -1, 1, 1, 1, 0, 0};
  Net net;
  net_make_one(&net, port_of("left", CNN_F32, 2, 1, 1), values_of("size", 3, CNN_SCORES_NONE));
  net.input[1] = port_of("right", CNN_U8, 1, 1, 3);
  net.output[1] = (cnn_port){.name = "pixels",
                             .rank = 3,
                             .dim = {2, 2, 2},
                             .size = 8,
                             .target = CNN_TARGET_CLASS,
                             .target_size = 4,
                             .scores = CNN_SCORES_LOGIT};
  net.network.inputs = net.network.outputs = 2;
  cnn_tensor set[4] = {tensor_of("left", CNN_DTYPE_F32, left, 2, 2, 2, 0, 0),
                       tensor_of("right", CNN_DTYPE_U8, right, 2, 2, 3, 0, 0),
                       tensor_of("size_target", CNN_DTYPE_F32, values, 2, 2, 3, 0, 0),
                       tensor_of("pixels_target", CNN_DTYPE_I8, mask, 3, 2, 2, 2, 0)};
  cnn_data *data = open_set(&net, npz_write("several.npz", set, 4), 0, 0);
  float l[2], size[3];
  uint8_t r[3];
  int32_t pixels[4], label;
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, 1, (void *[]){l, r}, (void *[]){size, pixels}).code,
                  CNN_OK);
  CU_ASSERT(l[0] == 3 && l[1] == 4 && r[0] == 6 && r[2] == 4 && size[0] == 3.5f && size[2] == 5.5f &&
            pixels[0] == 1 && pixels[3] == 0);
  CU_ASSERT_FALSE(cnn_data_label(data, CNN_PART_TRAIN, 0, &label));
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){l, r}, (void *[]){NULL, pixels}).code,
                  CNN_OK);
  CU_ASSERT_EQUAL(pixels[2], -1);
  cnn_data_close(data);
  refuse_set(&net, npz_write("several.npz", set, 3), CNN_MISMATCH, "pixels_target");
  refuse_set(&net, npz_write("several.npz", set + 1, 3), CNN_MISMATCH,
             "each needs an array of its name: \"left\" and \"right\"");
}

static void labels_become_the_targets_that_outputs_want(void) {
  static const float x[3] = {0};
  static const uint8_t y[3] = {1, 0, 1};
  cnn_tensor set[2] = {tensor_of("x", CNN_DTYPE_F32, x, 2, 3, 1, 0, 0),
                       tensor_of("y", CNN_DTYPE_U8, y, 1, 3, 0, 0, 0)};
  float input, target[4];
  Net net;
  net_make_one(&net, port_of("x", CNN_F32, 1, 1, 1),
               values_of("output", 1, CNN_SCORES_BINARY)); /* a single sigmoid: its target is 0 or 1 */
  cnn_data *data = open_set(&net, npz_write("l.npz", set, 2), 0, 0);
  CU_ASSERT(cnn_data_sample(data, CNN_PART_TRAIN, 2, (void *[]){&input}, (void *[]){target}).code == CNN_OK &&
            target[0] == 1);
  CU_ASSERT(cnn_data_classes(data) == 2 && label_of(data, CNN_PART_TRAIN, 1) == 0);
  cnn_data_close(data);
  /* several sigmoids: the target of one of them is 1 */
  net.output[0] = values_of("output", 4, CNN_SCORES_BINARY);
  data = open_set(&net, npz_write("l.npz", set, 2), 0, 0);
  CU_ASSERT(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){&input}, (void *[]){target}).code == CNN_OK);
  CU_ASSERT(target[0] == 0 && target[1] == 1 && target[2] == 0 && target[3] == 0);
  cnn_data_close(data);
  net.output[0] = values_of("output", 1, CNN_SCORES_NONE); /* a regression: the target is the number */
  static const int32_t large[3] = {70000, -5, 2};
  set[1] = tensor_of("y", CNN_DTYPE_I32, large, 1, 3, 0, 0, 0);
  data = open_set(&net, npz_write("l.npz", set, 2), 0, 0);
  CU_ASSERT(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){&input}, (void *[]){target}).code == CNN_OK &&
            target[0] == 70000);
  CU_ASSERT_EQUAL(cnn_data_classes(data), 0);
  cnn_data_close(data);
  net.output[0] = values_of("output", 1, CNN_SCORES_BINARY);
  refuse_set(&net, npz_write("l.npz", set, 2), CNN_MISMATCH, "label 0 is 70000");
  net.output[0] =
      classes_of("output", 3); /* a net without losses, but with scores: eval still needs classes */
  net.output[0].target = CNN_TARGET_NONE;
  net.network.recipe = NULL;
  set[1] = tensor_of("y", CNN_DTYPE_U8, y, 1, 3, 0, 0, 0);
  data = open_set(&net, npz_write("l.npz", set, 2), 0, 0);
  int32_t class;
  CU_ASSERT(cnn_data_sample(data, CNN_PART_TEST, 2, (void *[]){&input}, (void *[]){&class}).code == CNN_OK &&
            class == 1);
  cnn_data_close(data);
}

CU_TestInfo suite_data[] = {
    {"IDX files are read", idx_files_are_read},
    {"IDX files may be compressed, and fit other inputs", idx_may_be_packed_and_fit_other_inputs},
    {"labels are checked when opening", labels_are_checked_when_opening},
    {"CIFAR is read", cifar_is_read},
    {"folders are read", folders_are_read},
    {"folders are matched with labels", folders_have_the_names_of_labels},
    {"class names in another order are rejected", names_in_another_order_are_refused},
    {"paths that are not data sets are reported", what_is_no_set_is_said},
    {"arrays are read", arrays_are_read},
    {"several inputs and targets are matched by name", several_inputs_and_targets_go_by_name},
    {"labels are converted to the targets of outputs", labels_become_the_targets_that_outputs_want},
    CU_TEST_INFO_NULL,
};
