/* runtime_matching.c: Weights of other frameworks: unsupported files, prefixes, names, layouts, the order
 * of a flatten. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cnn_weights.h"
#include "hosted/weights/archive.h"
#include "hosted/weights/npz.h"
#include "hosted/weights/safetensors.h"
#include "runtime_scratch.h"

static void files_of_other_frameworks_are_named(void) {
  static const char keras_zip[] = "PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0\0\0\0\0\0"
                                  "\0\0\0\0\0\0\0\0\0\0model.weights.h5"
                                  "PK\5\6\0\0\0\0\1\0\1\0\76\0\0\0\50\0\0\0\0\0";
  static const struct {
    const char *bytes;
    size_t n;
    const char *says;
  } cases[] = {
      {keras_zip, sizeof keras_zip - 1, "is a Keras model"},
      {"\x89HDF\r\n\x1a\n\0\0\0\0\0\0\0\0", 16, "is an HDF5 file"},
      {"\x1c\0\0\0TFL3\x14\0\x20\0\0\0\0\0", 16, "is a TensorFlow Lite model"},
      {"\x08\x07\x12\x07pytorch\x1a\x05"
       "2.1.0:\xc5\1",
       20, "is an ONNX model"},
      {"\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.", 21,
       "is a PyTorch file from before 1.6"},
      {"\x80\4\x95\x10\0\0\0\0\0\0\0}\x94.", 14, "is a pickle"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned char bytes[200] = "PK\3\4 the members come first ... ";
    size_t before = cases[i].bytes[0] == 'P' ? 40 : 0;
    memcpy(bytes + before, cases[i].bytes, cases[i].n);
    cnn_archive archive;
    cnn_status status = cnn_archive_parse(&archive, "some/w.x", bytes, before + cases[i].n);
    if (!strstr(status.message, cases[i].says)) printf("# %zu: %s\n", i, status.message);
    CU_ASSERT(status.code == CNN_BAD_FORMAT && strncmp(status.message, "some/w.x: ", 10) == 0 &&
              strstr(status.message, cases[i].says));
    CU_ASSERT(strlen(status.message) < sizeof status.message - 4);
  }
}

/* A net of two layers. Before the second layer there is a flatten of 2x2x3. */
static const cnn_weight net_weights[] = {
    {.name = "conv1.weight", .rank = 4, .dim = {3, 2, 1, 5}, .offset = 0, .size = 30},
    {.name = "conv1.bias", .rank = 1, .dim = {3}, .offset = 30, .size = 3},
    {.name = "dense1.weight", .rank = 2, .dim = {7, 12}, .offset = 33, .size = 84, .flattened = {2, 2, 3}},
};
static const cnn_network weights_net = {.name = "n", .weights = 3, .weight = net_weights, .parameters = 117};

static const float zeros[200];

static cnn_tensor floats_of(const char *name, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
  cnn_tensor tensor = {.name = name,
                       .dtype = CNN_DTYPE_F32,
                       .rank = rank,
                       .dim = {a, b, c, d},
                       .data = (const unsigned char *)zeros};
  cnn_tensor_measure(&tensor);
  return tensor;
}

static cnn_status load_of(const cnn_tensor *tensor, int32_t count, const cnn_note *note, const char *prefix,
                          cnn_weights_report *report) {
  float out[117];
  CU_ASSERT_EQUAL_FATAL(
      cnn_safetensors_write(scratch("theirs.safetensors"), tensor, count, note, note ? 1 : 0).code, CNN_OK);
  const cnn_weights_names names = {.prefix = prefix};
  return cnn_weights_load_named(&weights_net, scratch("theirs.safetensors"), &names, false, out, report);
}

static void expect_refused(const cnn_tensor *tensor, int32_t count, const char *says) {
  cnn_weights_report report;
  cnn_status status = load_of(tensor, count, NULL, NULL, &report);
  if (!strstr(status.message, says)) printf("# %s\n", status.message);
  CU_ASSERT(status.code == CNN_MISMATCH && strstr(status.message, says));
  cnn_weights_report_free(&report);
}

static void a_common_prefix_is_reported_and_dropped(void) {
  cnn_tensor set[4] = {
      floats_of("module.conv1.weight", 4, 3, 2, 1, 5), floats_of("module.conv1.bias", 1, 3, 0, 0, 0),
      floats_of("module.dense1.weight", 2, 7, 12, 0, 0), floats_of("other.bias", 1, 9, 0, 0, 0)};
  cnn_weights_report report;
  CU_ASSERT_EQUAL(load_of(set, 3, NULL, NULL, &report).code, CNN_OK); /* all names have the same prefix */
  CU_ASSERT(report.matched == 3 && report.extra == 0 && !report.text);
  cnn_status status = load_of(set, 4, NULL, NULL, &report);
  CU_ASSERT_EQUAL(status.code, CNN_MISMATCH);
  const char *line = strchr(status.message, ':');
  CU_ASSERT_STRING_EQUAL(line ? line : "", ": has 3 of the net's 3 weights, with 'module.' before their "
                                           "names; --weights-prefix=module. removes that prefix");
  cnn_weights_report_free(&report);
  /* names without the prefix are ignored */
  CU_ASSERT_EQUAL(load_of(set, 4, NULL, "module.", &report).code, CNN_OK);
  CU_ASSERT(report.matched == 3 && report.extra == 0 && !report.text);
  set[2].name = "module.head.weight";
  expect_refused(set, 4,
                 "has 2 of the net's 3 weights, with 'module.' before their names; --weights-prefix=module. "
                 "removes that prefix. Other differences:");
  expect_refused(set, 4,
                 "missing: dense1.weight [7, 12]; did you mean the file's module.head.weight [7, 12]");
  expect_refused(
      set, 3,
      "the weights do not match this net:\nmissing: dense1.weight [7, 12]; did you mean the file's "
      "module.head.weight [7, 12]");
  status = load_of(set, 3, NULL, "modul.", &report);
  CU_ASSERT(status.code == CNN_MISMATCH && report.missing == 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(status.message, "'module.' before their names; did you mean "
                                                "'--weights-prefix=module.'? Other differences:"));
  cnn_weights_report_free(&report);
}

static void names_and_layouts_of_others_are_recognized(void) {
  cnn_tensor set[3] = {floats_of("conv1.weight", 4, 3, 2, 1, 5), floats_of("conv1.bias", 1, 3, 0, 0, 0),
                       floats_of("dense1.weight", 2, 7, 12, 0, 0)};
  set[0] = floats_of("conv1.weight", 4, 1, 5, 2, 3);
  expect_refused(set, 3,
                 "conv1.weight is [1, 5, 2, 3] in the file, [3, 2, 1, 5] in the net: its kernel is height, "
                 "width, in, out");
  set[0] = floats_of("conv1/kernel:0", 4, 1, 5, 2, 3);
  expect_refused(set, 3,
                 "missing: conv1.weight [3, 2, 1, 5]; did you mean the file's conv1/kernel:0 [1, 5, 2, 3]: "
                 "its kernel is height");
  set[0] = floats_of("conv1.weight", 4, 3, 2, 1, 5);
  set[2] = floats_of("dense1.weight", 2, 12, 7, 0, 0);
  expect_refused(set, 3, "dense1.weight is [12, 7] in the file, [7, 12] in the net: it is transposed; w.T");
  set[2] = floats_of("dense1.weight", 3, 7, 1, 12, 0);
  expect_refused(set, 3, "it differs by dimensions of 1");
  set[2] = floats_of("dense1.weight", 4, 7, 3, 2, 2);
  expect_refused(
      set, 3, "its columns are in the order channels, height, width, as in PyTorch; w.reshape(len(w), -1)");
  set[2] = floats_of("dense1.weight", 4, 7, 2, 2, 3);
  expect_refused(set, 3, "its columns are in the order height, width, channels; w.reshape(len(w), -1)");
  set[2] = floats_of("dense_1.weigth", 2, 7, 12, 0, 0);
  expect_refused(set, 3, "did you mean the file's dense_1.weigth [7, 12]");
  set[2] = floats_of("dense1.weight", 2, 7, 12, 0, 0);
  /* the name is not similar, but no other tensor has this shape */
  set[0] = floats_of("features.0.kern", 4, 3, 2, 1, 5);
  expect_refused(set, 3,
                 "missing: conv1.weight [3, 2, 1, 5]; did you mean the file's features.0.kern [3, 2, 1, 5]");
}

static void a_matrix_fits_a_convolution_of_one_position(void) {
  static const cnn_weight weights[] = {
      {.name = "mlp.weight", .rank = 4, .dim = {3, 2, 1, 1}, .offset = 0, .size = 6},
      {.name = "along.weight", .rank = 3, .dim = {2, 3, 1}, .offset = 6, .size = 6}};
  static const cnn_network net = {.name = "n", .weights = 2, .weight = weights, .parameters = 12};
  static const float numbers[] = {1, 2, 3, 4, 5, 6};
  cnn_tensor set[2] = {floats_of("mlp.weight", 2, 3, 2, 0, 0), floats_of("along.weight", 2, 2, 3, 0, 0)};
  set[0].data = set[1].data = (const unsigned char *)numbers;
  for (int flaw = 0; flaw < 4; flaw++) {
    float out[12] = {0};
    cnn_weights_report report;
    if (flaw == 1) set[0] = floats_of("mlp.weight", 2, 2, 3, 0, 0);
    if (flaw == 2) set[0] = floats_of("mlp.weight", 3, 3, 2, 1, 0);
    if (flaw == 3) set[0] = floats_of("mlp.weight", 1, 6, 0, 0, 0);
    CU_ASSERT_EQUAL_FATAL(cnn_safetensors_write(scratch("matrix.safetensors"), set, 2, NULL, 0).code, CNN_OK);
    const cnn_weights_names names = {0};
    cnn_status status =
        cnn_weights_load_named(&net, scratch("matrix.safetensors"), &names, false, out, &report);
    CU_ASSERT_EQUAL(status.code, flaw ? CNN_MISMATCH : CNN_OK);
    CU_ASSERT(report.matched == (flaw ? 1 : 2));
    CU_ASSERT(flaw || (memcmp(out, numbers, 24) == 0 && memcmp(out + 6, numbers, 24) == 0));
    cnn_weights_report_free(&report);
  }
}

static void long_lists_end_with_whole_lines(void) {
  cnn_tensor set[60];
  static char name[60][40];
  for (int i = 0; i < 60; i++) {
    snprintf(name[i], sizeof name[i], "a.layer.of.another.net.number%d.weight", i);
    set[i] = floats_of(name[i], 1, 2, 0, 0, 0);
  }
  cnn_weights_report report;
  cnn_status status = load_of(set, 60, NULL, NULL, &report);
  const char *last = strrchr(status.message, '\n');
  int left = 0, lines = 0;
  CU_ASSERT_FATAL(status.code == CNN_MISMATCH && last && sscanf(last, "\n... and %d more", &left) == 1);
  for (const char *c = status.message; *c; c++) lines += *c == '\n';
  CU_ASSERT_EQUAL(lines - 1 + left, 63);
  lines = 1;
  for (const char *c = report.text; *c; c++) lines += *c == '\n';
  CU_ASSERT_EQUAL(lines, 63);
  cnn_weights_report_free(&report);
}

static void the_order_of_a_flatten_is_warned_of(void) {
  static const cnn_note formats[] = {{"format", "pt"}, {"format", "keras"}, {"net", "n"}};
  cnn_tensor set[3] = {floats_of("conv1.weight", 4, 3, 2, 1, 5), floats_of("conv1.bias", 1, 3, 0, 0, 0),
                       floats_of("dense1.weight", 2, 7, 12, 0, 0)};
  cnn_weights_report report;
  for (int i = -1; i < 3; i++) {
    CU_ASSERT_EQUAL(load_of(set, 3, i < 0 ? NULL : &formats[i], NULL, &report).code, CNN_OK);
    CU_ASSERT_EQUAL(strstr(report.warning, "dense1.weight expects a flattened 2x2x3 value") != NULL, i <= 0);
  }
  float out[117] = {0};
  CU_ASSERT_EQUAL(cnn_weights_save(&weights_net, scratch("own.safetensors"), out, NULL).code, CNN_OK);
  CU_ASSERT_EQUAL(cnn_weights_load(&weights_net, scratch("own.safetensors"), out, &report).code, CNN_OK);
  CU_ASSERT_STRING_EQUAL(report.warning, "");
  CU_ASSERT_EQUAL(cnn_npz_write(scratch("theirs.npz"), set, 3, NULL, 0).code, CNN_OK);
  CU_ASSERT_EQUAL(cnn_weights_load(&weights_net, scratch("theirs.npz"), out, &report).code, CNN_OK);
  CU_ASSERT(strstr(report.warning, "flatten(order=chw)") != NULL);
}

CU_TestInfo suite_matching[] = {
    {"messages name files of other frameworks", files_of_other_frameworks_are_named},
    {"a common prefix is reported and dropped", a_common_prefix_is_reported_and_dropped},
    {"names and layouts of other frameworks are recognized", names_and_layouts_of_others_are_recognized},
    {"a matrix fits a convolution of one position", a_matrix_fits_a_convolution_of_one_position},
    {"long lists end after a complete line", long_lists_end_with_whole_lines},
    {"the order of a flatten produces a warning", the_order_of_a_flatten_is_warned_of},
    CU_TEST_INFO_NULL,
};
