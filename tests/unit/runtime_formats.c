/* runtime_formats.c: Tests of data files of other programs: arrays with unexpected names, arrays of strings,
 * tables. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "cnn_data.h"
#include "hosted/weights/archive.h"
#include "hosted/weights/npz.h"
#include "runtime_scratch.h"

/* ---- arrays with unexpected names, arrays of strings ---- */

typedef struct Net {
  cnn_network network;
  cnn_port input[2], output[2];
  cnn_recipe recipe;
} Net;

static cnn_port vector_of(const char *name, int32_t n) {
  return (cnn_port){.name = name, .rank = 1, .dim = {n}, .size = n};
}

static cnn_port classes_of(const char *name, int32_t n) {
  return (cnn_port){.name = name,
                    .rank = 1,
                    .dim = {n},
                    .size = n,
                    .target = CNN_TARGET_CLASS,
                    .target_size = 1,
                    .scores = CNN_SCORES_PROBABILITY,
                    .loss = "cross_entropy"};
}

static cnn_port values_of(const char *name, int32_t n) {
  return (cnn_port){.name = name,
                    .rank = 1,
                    .dim = {n},
                    .size = n,
                    .target = CNN_TARGET_VALUES,
                    .target_size = n,
                    .loss = "mse"};
}

static void net_make_one(Net *net, cnn_port input, cnn_port output) {
  *net = (Net){.input = {input}, .output = {output}, .recipe = {.seed = 3}};
  net->network = (cnn_network){.name = "net",
                               .inputs = 1,
                               .outputs = 1,
                               .input = net->input,
                               .output = net->output,
                               .recipe = &net->recipe};
}

static void refuse_set(const Net *net, const char *path, const char *target, const char *says) {
  cnn_data *data = NULL;
  cnn_data_options options = CNN_DATA_DEFAULTS;
  options.target = target;
  cnn_status status = cnn_data_open(&data, path, &net->network, &options);
  if (!strstr(status.message, says)) printf("# %s\n", status.message);
  CU_ASSERT(status.code != CNN_OK && strstr(status.message, says));
  cnn_data_close(data);
}

static cnn_data *open_set(const Net *net, const char *path, const char *target, double val) {
  cnn_data *data = NULL;
  cnn_data_options options = CNN_DATA_DEFAULTS;
  options.target = target;
  options.val = val;
  cnn_status status = cnn_data_open(&data, path, &net->network, &options);
  if (status.code != CNN_OK) printf("# %s\n", status.message);
  CU_ASSERT_EQUAL_FATAL(status.code, CNN_OK);
  return data;
}

static cnn_tensor array_of(const char *name, cnn_dtype dtype, const void *numbers, int32_t rank, int64_t a,
                           int64_t b) {
  cnn_tensor tensor = {.name = name, .dtype = dtype, .rank = rank, .dim = {a, b}, .data = numbers};
  cnn_tensor_measure(&tensor);
  return tensor;
}

static const char *npz_of(const char *name, const cnn_tensor *tensor, int32_t count) {
  CU_ASSERT_EQUAL_FATAL(cnn_npz_write(scratch(name), tensor, count, NULL, 0).code, CNN_OK);
  return scratch(name);
}

static void arrays_have_names_that_are_said(void) {
  static const float x[6] = {1, 2, 3, 4, 5, 6};
  static const int32_t y[3] = {0, 1, 1};
  cnn_tensor set[3] = {array_of("x", CNN_DTYPE_F32, x, 2, 3, 2), array_of("y", CNN_DTYPE_I32, y, 1, 3, 0),
                       array_of("facts", CNN_DTYPE_F32, x, 2, 3, 2)};
  Net net;
  net_make_one(&net, vector_of("photo", 2), classes_of("class", 2));
  net.input[1] = vector_of("facts", 2);
  net.network.inputs = 2;
  refuse_set(&net, npz_of("n.npz", set, 2), NULL,
             "the net has 2 inputs, and each needs an array of its name: \"photo\" and \"facts\"; the "
             "file has x, y");
  refuse_set(&net, npz_of("n.npz", set, 3), NULL,
             "each needs an array of its name: \"photo\" and \"facts\"; the file has x, y, facts");
  net.network.inputs = 1;
  net.output[1] = values_of("size", 1);
  net.network.outputs = 2;
  refuse_set(&net, npz_of("n.npz", set, 2), NULL,
             "has no \"class_target\"; if several outputs have targets, each needs an array of its name; "
             "it has x, y");
  net.network.outputs = 1;
  static const char *const training[][2] = {
      {"photo_train", "class_target_train"}, {"x_train", "y_train"}, {"photo", "y_train"}};
  for (int i = 0; i < 3; i++) {
    set[0].name = training[i][0];
    set[1].name = training[i][1];
    cnn_data *data = open_set(&net, npz_of("n.npz", set, 2), NULL, 0);
    CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 3);
    cnn_data_close(data);
  }
}

/* A file with an array of strings, as NumPy writes it: cnn_npz_write writes only numbers, so the type of the
 * 4-byte elements is changed from u4 to U1. */
static void texts_are_no_labels(void) {
  static const float x[6] = {1, 2, 3, 4, 5, 6};
  static const uint32_t text[3] = {'a', 'b', 'a'};
  cnn_tensor set[2] = {array_of("x_train", CNN_DTYPE_F32, x, 2, 3, 2),
                       array_of("y_train", CNN_DTYPE_U32, text, 1, 3, 0)};
  Net net;
  net_make_one(&net, vector_of("x", 2), classes_of("class", 2));
  cnn_file file;
  CU_ASSERT_EQUAL_FATAL(cnn_file_open(&file, npz_of("t.npz", set, 2)).code, CNN_OK);
  unsigned char *copy = malloc(file.size);
  CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
  memcpy(copy, file.data, file.size);
  size_t n = file.size, member = 0;
  cnn_file_close(&file);
  for (size_t i = 0; i + 5 < n; i++)
    if (memcmp(copy + i, "'<u4'", 5) == 0) {
      copy[i + 2] = 'U';
      copy[i + 3] = '1';
      member = i;
    }
  CU_ASSERT_FATAL(member > 0);
  while (memcmp(copy + member, "\x93NUMPY", 6) != 0) member--;
  uint32_t crc = (uint32_t)crc32(0, copy + member, 128 + 12);
  for (size_t i = 0; i + 20 < n; i++) /* corrects the checksum in the member's header and in the directory */
    if (memcmp(copy + i, "PK\3\4", 4) == 0 && i + 30 + 11 + 20 == member)
      scratch_put_number(copy + i + 14, crc, 4);
    else if (memcmp(copy + i, "PK\1\2", 4) == 0 && memcmp(copy + i + 46, "y_train", 7) == 0)
      scratch_put_number(copy + i + 16, crc, 4);
  scratch_bytes("t.npz", copy, n);
  free(copy);
  refuse_set(&net, scratch("t.npz"), NULL,
             "\"y_train\": contains strings or objects, not numbers; numpy.unique(y, return_inverse=True)[1] "
             "converts strings to class numbers");
}

/* ---- tables ---- */

static const char *csv_of(const char *name, const char *text) {
  return scratch_bytes(name, text, strlen(text));
}

static void expect_row(const cnn_data *data, int64_t row, float a, float b, int32_t class) {
  float x[2];
  int32_t label = -9;
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, row, (void *[]){x}, (void *[]){&label}).code, CNN_OK);
  if (x[0] != a || x[1] != b || label != class)
    printf("# row %d: %g %g %d\n", (int)row, (double)x[0], (double)x[1], label);
  CU_ASSERT(x[0] == a && x[1] == b && label == class);
}

static void tables_are_read(void) {
  static const char *const same[] = {
      "a,b,class\n1,2.5,0\n-3e1,+4,1\n.5,6.,1\n",
      "\xEF\xBB\xBF\x61;b;class\r\n1;2.5;0\r\n-3e1;+4;1\r\n\r\n.5;6.;1",
      "a\tb\tclass\n1\t2.5\t0\n-3e1\t+4\t1\n  \n.5\t6.\t1\n\n",
      "\"a\",\"b \"\"x\"\"\",\"cla\nss\"\n\"1\", 2.5 ,0\r-3e1,\"+4\" , \"1\"\r.5,6.,1\r",
      "1,2.5,0\n-3e1,+4,1\n.5,6.,1\n",
  };
  Net net;
  net_make_one(&net, vector_of("x", 2), classes_of("class", 2));
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    cnn_data *data = open_set(&net, csv_of("t.csv", same[i]), NULL, 0);
    CU_ASSERT_STRING_EQUAL(cnn_data_describe(data), i < 4 ? "CSV with a header: 3 training, 0 validation and "
                                                            "0 test samples, 2 classes"
                                                          : "CSV without a header: 3 training, 0 validation "
                                                            "and 0 test samples, 2 classes");
    expect_row(data, 0, 1, 2.5f, 0);
    expect_row(data, 1, -30, 4, 1);
    expect_row(data, 2, 0.5f, 6, 1);
    CU_ASSERT_EQUAL(cnn_data_scale(data, 0), 1);
    cnn_data_close(data);
  }
  cnn_data *data = open_set(&net, csv_of("t.csv", "class,a,b\n1,7,8\n0,9,10\n"), "class", 0);
  expect_row(data, 0, 7, 8, 1);
  expect_row(data, 1, 9, 10, 0);
  CU_ASSERT_EQUAL(cnn_data_scale(data, 0), 255); /* integers may be pixels, so they have a scale */
  cnn_data_close(data);
  data = open_set(&net, csv_of("t.csv", "7,1,8\n9,0,10\n"), "2", 0);
  expect_row(data, 1, 9, 10, 0);
  cnn_data_close(data);
  net.input[0] = vector_of("x", 3);
  data = open_set(&net, csv_of("t.csv", "0,1,2,class\n5,6,7,1\n5,6,7,0\n"), NULL,
                  0); /* pandas writes numbers as the names of unnamed columns: this is a header */
  CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 2);
  cnn_data_close(data);
}

static void tables_have_parts(void) {
  char text[2000] = "";
  for (int i = 0; i < 100; i++) snprintf(text + strlen(text), 20, "%d,%d,%d\n", i, i, i % 2);
  Net net;
  net_make_one(&net, vector_of("x", 2), classes_of("class", 2));
  cnn_data *data = open_set(&net, csv_of("parts/train.csv", text), NULL, 0.1);
  CU_ASSERT_STRING_EQUAL(cnn_data_describe(data), "CSV without a header: 90 training, 10 validation and 0 "
                                                  "test samples, 2 classes");
  cnn_data_close(data);
  csv_of("parts/test.csv", "1,2,1\n");
  data = open_set(&net, scratch("parts"), NULL, 0.1);
  CU_ASSERT_STRING_EQUAL(cnn_data_describe(data), "CSV without a header: 90 training, 10 validation and 1 "
                                                  "test samples, 2 classes");
  cnn_data_close(data);
  csv_of("parts/val.csv", "1,2,1\n3,4,0\n");
  data = open_set(&net, scratch("parts"), NULL, 0.1);
  CU_ASSERT_STRING_EQUAL(cnn_data_describe(data), "CSV without a header: 100 training, 2 validation and 1 "
                                                  "test samples, 2 classes");
  cnn_data_close(data);
  csv_of("parts/val.csv", "1,2,3,1\n");
  refuse_set(&net, scratch("parts"), NULL, "val.csv:1: has 4 cells, but the first row has 3");
}

static void classes_of_tables_go_by_name(void) {
  static const char *const labels[] = {"versicolor", "setosa"};
  const char *text = "a,b,species\n1,2,setosa\n3,4,versicolor\n5,6,setosa\n";
  Net net;
  net_make_one(&net, vector_of("x", 2), classes_of("class", 2));
  cnn_data *data = open_set(&net, csv_of("t.csv", text), NULL, 0);
  expect_row(data, 0, 1, 2, 0); /* in alphabetical order */
  expect_row(data, 1, 3, 4, 1);
  CU_ASSERT(cnn_data_classes(data) == 2 && strcmp(cnn_data_class(data, 1), "versicolor") == 0);
  cnn_data_close(data);
  net.network.label = labels;
  net.network.labels = 2;
  data = open_set(&net, csv_of("t.csv", text), NULL, 0);
  expect_row(data, 0, 1, 2, 1);
  CU_ASSERT(cnn_data_classes(data) == 2 && strcmp(cnn_data_class(data, 0), "versicolor") == 0);
  cnn_data_close(data);
  /* class names that are numbers are sorted by value */
  data = open_set(&net, csv_of("t.csv", "a,b,species\n1,2,0\n3,4,1\n"), NULL, 0);
  expect_row(data, 1, 3, 4, 1);
  cnn_data_close(data);
  refuse_set(&net, csv_of("t.csv", "a,b,species\n1,2,setosa\n3,4,Setosa\n"), NULL,
             "t.csv:3: column 3 (species): 'Setosa' is not one of the net's labels; did you mean 'setosa'?");
  refuse_set(&net, csv_of("t.csv", "a,b,species\n1,2,setosa\n3,4,1\n"), NULL,
             "t.csv:3: column 3 (species): '1' is not one of the net's labels");
  net.network.label = NULL;
  net.network.labels = 0;
  refuse_set(&net, csv_of("t.csv", "a,b,s\n1,2,x\n3,4,y\n5,6,z\n"), NULL,
             "t.csv:4: column 3 (s): with 'z' there are more classes than the 2 of the output");
  refuse_set(&net, csv_of("t.csv", "a,b,s\n1,2,x\n"), NULL,
             "has 1 named classes, but the output has 2; without labels [...] in the program it is unknown "
             "which classes are missing");
  refuse_set(&net, csv_of("t.csv", "a,b,s\n1,2,0\n1,2,2\n"), NULL,
             "t.csv:3: column 3 (s): label 1 is 2, but the output \"class\" has 2 classes");
}

static void tables_have_other_targets(void) {
  Net net;
  float x[2], y[3];
  net_make_one(&net, vector_of("x", 2), values_of("price", 1));
  cnn_data *data = open_set(&net, csv_of("t.csv", "a,b,price\n1,2,-3.5\n"), NULL, 0);
  CU_ASSERT(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){x}, (void *[]){y}).code == CNN_OK &&
            y[0] == -3.5f && cnn_data_classes(data) == 0);
  cnn_data_close(data);
  net_make_one(&net, vector_of("x", 2), values_of("place", 3));
  data = open_set(&net, csv_of("t.csv", "a,b,p,q,r\n1,2,3,4,5\n"), NULL, 0);
  CU_ASSERT(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){x}, (void *[]){y}).code == CNN_OK &&
            x[1] == 2 && y[0] == 3 && y[2] == 5);
  cnn_data_close(data);
  data = open_set(&net, csv_of("t.csv", "a,p,q,r,b\n1,3,4,5,2\n"), "p", 0);
  CU_ASSERT(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){x}, (void *[]){y}).code == CNN_OK &&
            x[1] == 2 && y[0] == 3 && y[2] == 5);
  cnn_data_close(data);
  refuse_set(&net, csv_of("t.csv", "a,p,q,r,b\n1,3,4,5,2\n"), "r",
             "the target has 3 columns, but the file has only 2 from the first target column on");
  net.recipe.target_is_input = 1;
  data = open_set(&net, csv_of("t.csv", "1,2\n3,4\n"), NULL, 0);
  CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 2);
  cnn_data_close(data);
  data = open_set(&net, csv_of("t.csv", "a,what,b\n1,,2\n3,text,4\n"), "what", 0); /* an ignored column */
  CU_ASSERT(cnn_data_sample(data, CNN_PART_TRAIN, 1, (void *[]){x}, NULL).code == CNN_OK && x[0] == 3 &&
            x[1] == 4);
  cnn_data_close(data);
  cnn_port pixels = {.name = "image", .type = CNN_U8, .rank = 3, .dim = {1, 2, 1}, .size = 2};
  net_make_one(&net, pixels, classes_of("class", 2));
  data = open_set(&net, csv_of("t.csv", "255,0,1\n"), NULL, 0);
  uint8_t pixel[2];
  CU_ASSERT(cnn_data_sample(data, CNN_PART_TRAIN, 0, (void *[]){pixel}, NULL).code == CNN_OK &&
            pixel[0] == 255 && pixel[1] == 0);
  cnn_data_close(data);
  refuse_set(&net, csv_of("t.csv", "255,0.5,1\n"), NULL,
             "t.csv:1: column 2: 0.5 does not fit the u8 input \"image\"");
  refuse_set(&net, csv_of("t.csv", "256,0,1\n"), NULL,
             "t.csv:1: column 1: 256 does not fit the u8 input \"image\"");
}

static void bad_tables_are_refused_with_the_place(void) {
  static const struct {
    const char *text, *target, *says;
  } cases[] = {
      {"a,b,c\n1,2,0\n1,,0\n", NULL, "t.csv:3: column 2 (b): the cell is empty"},
      {"a,b,c\n1,2,0\n1,NaN,0\n", NULL, "t.csv:3: column 2 (b): the value is missing: 'NaN'"},
      {"a,b,c\n1,2,0\n1,2,\n", NULL, "t.csv:3: column 3 (c): the cell is empty"},
      {"a,b,c\n1,2,0\n1,2,NA\n", NULL, "t.csv:3: column 3 (c): the value is missing: 'NA'"},
      {"a,b,c\n1,inf,0\n", NULL, "t.csv:2: column 2 (b): 'inf' is not a finite number"},
      {"a,b,c\n1,1e999,0\n", NULL, "t.csv:2: column 2 (b): '1e999' is not a finite number"},
      {"a,b,c\n1,1e39,0\n", NULL, "t.csv:2: column 2 (b): 1e39 is too large for a float"},
      {"a,b,c\n1,0x10,0\n", NULL, "'0x10' is not a number"},
      {"a,b,c\n1,two,0\n", NULL, "'two' is not a number"},
      {"a;b;c\n1;2,5;0\n", NULL, "'2,5' is not a number; fractions are written with a point"},
      {"a,b,c\n1,2\n", NULL, "t.csv:2: has 2 cells, but the first row has 3"},
      {"a,b,c\n\"1\n\",2\n1,2,\"0\n", NULL, "t.csv:2: has 2 cells, but the first row has 3"},
      {"a,b,c\n1,2,0\n1,2,\"0\n", NULL, "t.csv:3: the quote that opens here is not closed"},
      {"a,b,c\n1,\"2\"3,0\n", NULL, "t.csv:2: there is text after the closing quote of cell 2"},
      {"a,b,c,d\n1,2,3,0\n", NULL,
       "has 3 columns besides the target (column 4, d), but the input \"x\" has 2 values"},
      {",a,b,c\n0,1,2,0\n", NULL, "the first column seems to be row numbers: remove it"},
      {"a,b,c\n1,2,0\n", "d", "has no column 'd'; its 3 columns are 'a' to 'c'"},
      {"first,second,class\n1,2,0\n", "classes", "has no column 'classes'; did you mean 'class'?"},
      {"1,2,0\n", "class",
       "has no header, so its columns have no names; --target takes a number from 1 to 3, not 'class'"},
      {"1,2,0\n", "4", "takes a number from 1 to 3, not '4'"},
      {"", NULL, "is empty"},
      {"a,b,c\n", NULL, "has no rows"},
  };
  Net net;
  net_make_one(&net, vector_of("x", 2), classes_of("class", 2));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    refuse_set(&net, csv_of("t.csv", cases[i].text), cases[i].target, cases[i].says);
  refuse_set(&net,
             scratch_bytes("t.csv",
                           "\xFF\xFE"
                           "1\0,\0",
                           6),
             NULL, "is UTF-16; save it as UTF-8");
  refuse_set(&net, scratch_bytes("t.csv", "1,2\0,0", 6), NULL, "is not a text file: it contains NUL bytes");
  refuse_set(&net, "synthetic", "a", "only tables (.csv) have a target column");
  char *large = malloc((1 << 21) + 2);
  CU_ASSERT_PTR_NOT_NULL_FATAL(large);
  memset(large, ',', 1 << 21);
  refuse_set(&net, scratch_bytes("t.csv", large, 1 << 21), NULL, "t.csv:1: has more than 1048576 cells");
  memset(large, 'x', 1 << 21);
  refuse_set(&net, scratch_bytes("t.csv", large, 1 << 21), NULL, "cell 1 has more than 65536 bytes");
  large[0] = '"';
  refuse_set(&net, scratch_bytes("t.csv", large, 1 << 21), NULL,
             "cell 1 has more than 65536 bytes; a quote may be missing");
  free(large);
  net.network.inputs = 2;
  refuse_set(&net, csv_of("t.csv", "1,2,0\n"), NULL, "a row is a single input, but the net has 2");
}

CU_TestInfo suite_formats[] = {
    {"errors list the names of arrays", arrays_have_names_that_are_said},
    {"text arrays are not labels", texts_are_no_labels},
    {"tables are read", tables_are_read},
    {"directories of tables have parts", tables_have_parts},
    {"classes of tables are matched by name", classes_of_tables_go_by_name},
    {"tables with other target columns", tables_have_other_targets},
    {"invalid tables are rejected with the position", bad_tables_are_refused_with_the_place},
    CU_TEST_INFO_NULL,
};
