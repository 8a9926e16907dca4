/* runtime_formats.c: files of other people: pictures of all kinds with EXIF, arrays and tables that do not fit, weights of other frameworks. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include <CUnit/CUnit.h>
#include <stdio.h> /* before jpeglib.h */

#include <jpeglib.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>
#include <zlib.h>
#include "cnn_data.h"
#include "cnn_image.h"
#include "cnn_weights.h"
#include "hosted/archive.h"
#include "hosted/image.h"
#include "hosted/npz.h"
#include "hosted/safetensors.h"
#include "runtime_scratch.h"

/* ---- pictures with EXIF: 3 rows of 2 tiles, each tile 16 x 16 pixels of one grey, which JPEG and WebP keep well ---- */

enum { TILE = 16, ROWS = 3, COLUMNS = 2, HEIGHT = ROWS * TILE, WIDTH = COLUMNS * TILE };

/* What each orientation makes of the tiles 0 1 / 2 3 / 4 5. */
static const struct { int32_t rows, columns; int tile[6]; } turned[9] = {
  {3, 2, {0, 1, 2, 3, 4, 5}}, {3, 2, {0, 1, 2, 3, 4, 5}}, {3, 2, {1, 0, 3, 2, 5, 4}}, {3, 2, {5, 4, 3, 2, 1, 0}}, {3, 2, {4, 5, 2, 3, 0, 1}},
  {2, 3, {0, 2, 4, 1, 3, 5}}, {2, 3, {4, 2, 0, 5, 3, 1}}, {2, 3, {5, 3, 1, 4, 2, 0}}, {2, 3, {1, 3, 5, 0, 2, 4}},
};

static int grey_of(int tile) { return 20 + 40 * tile; }

static void draw(uint8_t *rgb) {
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) memset(rgb + 3 * (y * WIDTH + x), grey_of(y / TILE * COLUMNS + x / TILE), 3);
}

/* One entry: the orientation, in either byte order. */
static size_t exif_make(uint8_t exif[32], int orientation, bool big) {
  static const uint8_t little_text[] = "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0_\0\0\0\0\0\0";
  static const uint8_t big_text[] = "MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0_\0\0\0\0\0\0";
  memcpy(exif, big ? big_text : little_text, 26);
  exif[big ? 19 : 18] = (uint8_t)orientation;
  return 26;
}

static const char *jpeg_make(const uint8_t *rgb, const uint8_t *exif, size_t n) {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr manager;
  unsigned char *bytes = NULL, marker[64] = "Exif\0";
  unsigned long size = 0;
  memcpy(marker + 6, exif, n);
  jpeg.err = jpeg_std_error(&manager);
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = WIDTH;
  jpeg.image_height = HEIGHT;
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 95, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  if (n) jpeg_write_marker(&jpeg, JPEG_APP0 + 1, (const JOCTET *)"http://ns.adobe.com/xap/1.0/", 29); /* the same marker, but no EXIF */
  if (n) jpeg_write_marker(&jpeg, JPEG_APP0 + 1, marker, (unsigned)n + 6);
  for (int y = 0; y < HEIGHT; y++) jpeg_write_scanlines(&jpeg, (JSAMPROW[]){(uint8_t *)(uintptr_t)(rgb + 3 * WIDTH * y)}, 1);
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  const char *path = scratch_bytes("turned.jpg", bytes, size);
  free(bytes);
  return path;
}

static const char *png_make(const uint8_t *rgb, const uint8_t *exif, size_t n) {
  const char *path = scratch("turned.png");
  FILE *file = fopen(path, "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, file);
  png_set_IHDR(png, info, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  uint8_t copy[32];
  memcpy(copy, exif, n);
  if (n) png_set_eXIf_1(png, info, (png_uint_32)n, copy);
  png_write_info(png, info);
  for (int y = 0; y < HEIGHT; y++) png_write_row(png, rgb + 3 * WIDTH * y);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  fclose(file);
  return path;
}

static void put_number(uint8_t *at, size_t value, int bytes) {
  for (int b = 0; b < bytes; b++) at[b] = (uint8_t)(value >> (8 * b));
}

/* The chunk of pixels that libwebp wrote, in a file of the extended kind with a chunk of EXIF behind it. */
static const char *webp_make(const uint8_t *rgb, const uint8_t *exif, size_t n) {
  uint8_t *simple = NULL, bytes[4096] = "RIFF____WEBPVP8X\12\0\0\0\10\0\0\0";
  size_t size = WebPEncodeLosslessRGB(rgb, WIDTH, HEIGHT, 3 * WIDTH, &simple), at = 30;
  CU_ASSERT_FATAL(size > 12 && size + n + 64 < sizeof bytes);
  put_number(bytes + 24, WIDTH - 1, 3);
  put_number(bytes + 27, HEIGHT - 1, 3);
  memcpy(bytes + at, simple + 12, size - 12);
  at += size - 12;
  memcpy(bytes + at, "EXIF", 4);
  put_number(bytes + at + 4, n, 4);
  if (n) memcpy(bytes + at + 8, exif, n);
  at += 8 + n;
  put_number(bytes + 4, at - 8, 4);
  const char *path = n ? scratch_bytes("turned.webp", bytes, at) : scratch_bytes("turned.webp", simple, size);
  WebPFree(simple);
  return path;
}

static const char *(*const makers[])(const uint8_t *, const uint8_t *, size_t) = {jpeg_make, png_make, webp_make};

static void expect_turned(const char *path, int orientation) {
  cnn_image image;
  cnn_status status = cnn_image_read(&image, path);
  if (status.code != CNN_OK) printf("# %s\n", status.message);
  CU_ASSERT_EQUAL_FATAL(status.code, CNN_OK);
  int32_t rows = turned[orientation].rows, columns = turned[orientation].columns;
  CU_ASSERT_FATAL(image.height == rows * TILE && image.width == columns * TILE && image.channels == 3);
  int worst = 0;
  for (int32_t i = 0; i < image.height * image.width * 3; i++) {
    int32_t y = i / 3 / image.width, x = i / 3 % image.width;
    int difference = abs(image.pixel[i] - grey_of(turned[orientation].tile[y / TILE * columns + x / TILE]));
    if (difference > worst) worst = difference;
  }
  if (worst > 3) printf("# %s, orientation %d: %d\n", path, orientation, worst);
  CU_ASSERT(worst <= 3);
  cnn_image_free(&image);
}

static void pictures_are_turned_upright(void) {
  uint8_t rgb[HEIGHT * WIDTH * 3], exif[32];
  draw(rgb);
  for (size_t kind = 0; kind < sizeof makers / sizeof *makers; kind++) {
    expect_turned(makers[kind](rgb, exif, 0), 0);
    for (int orientation = 1; orientation <= 8; orientation++)
      for (int big = 0; big < 2; big++) expect_turned(makers[kind](rgb, exif, exif_make(exif, orientation, big)), orientation);
    expect_turned(makers[kind](rgb, exif, exif_make(exif, 9, false)), 0); /* no such orientation */
    memset(exif, 0xFF, sizeof exif);
    expect_turned(makers[kind](rgb, exif, 26), 0);
  }
}

static void damaged_exif_does_no_harm(void) {
  uint8_t exif[32];
  size_t n = exif_make(exif, 6, false);
  CU_ASSERT_EQUAL(cnn_exif_orientation(exif, n), 6);
  for (size_t i = 0; i < n; i++)
    for (int bit = 0; bit < 8; bit++) {
      exif[i] ^= (uint8_t)(1 << bit);
      int orientation = cnn_exif_orientation(exif, n);
      CU_ASSERT(orientation >= 1 && orientation <= 8);
      exif[i] ^= (uint8_t)(1 << bit);
    }
  for (size_t i = 0; i < n; i++) {
    int orientation = cnn_exif_orientation(exif, i);
    CU_ASSERT(orientation >= 1 && orientation <= 8);
  }
}

static void webp_is_read(void) {
  uint8_t rgba[4 * 4] = {10, 20, 30, 255, 40, 50, 60, 128, 70, 80, 90, 0, 100, 110, 120, 255}, *bytes = NULL;
  size_t n = WebPEncodeLosslessRGBA(rgba, 2, 2, 8, &bytes);
  cnn_image image;
  CU_ASSERT_EQUAL_FATAL(cnn_image_decode(&image, "a.webp", bytes, n).code, CNN_OK);
  CU_ASSERT(image.height == 2 && image.width == 2 && image.channels == 3);
  static const uint8_t wanted[12] = {10, 20, 30, 20, 25, 30, 0, 0, 0, 100, 110, 120}; /* over black */
  CU_ASSERT_EQUAL(memcmp(image.pixel, wanted, 12), 0);
  cnn_image_free(&image);
  for (size_t i = 0; i < n; i++) {
    CU_ASSERT_NOT_EQUAL(cnn_image_decode(&image, "a.webp", bytes, i).code, CNN_OK);
    bytes[i] ^= 0x11;
    cnn_image_decode(&image, "a.webp", bytes, n);
    cnn_image_free(&image);
    bytes[i] ^= 0x11;
  }
  WebPFree(bytes);
}

static void pictures_of_other_kinds_are_named(void) {
  static const struct { const char *kind, *bytes; size_t n; } cases[] = {
    {"BMP", "BM\x46\0\0\0\0\0\0\0\x36\0\0\0", 14}, {"GIF", "GIF89a\1\0\1\0", 10}, {"TIFF", "II*\0\10\0\0\0", 8}, {"TIFF", "MM\0*\0\0\0\10", 8},
    {"HEIC", "\0\0\0\x18" "ftypheic\0\0\0\0", 16}, {"AVIF", "\0\0\0\x18" "ftypavif\0\0\0\0", 16},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char wanted[80];
    cnn_image image;
    snprintf(wanted, sizeof wanted, "a.b: is a %s picture; PNG, JPEG and WebP are read: convert it", cases[i].kind);
    cnn_status status = cnn_image_decode(&image, "a.b", (const unsigned char *)cases[i].bytes, cases[i].n);
    CU_ASSERT(status.code == CNN_BAD_FORMAT && strstr(status.message, wanted));
  }
  cnn_image image;
  cnn_status status = cnn_image_decode(&image, "a.b", (const unsigned char *)"BMW is no picture", 17);
  CU_ASSERT(status.code == CNN_BAD_FORMAT && strstr(status.message, "is no picture: neither PNG, JPEG nor WebP"));
  CU_ASSERT(cnn_image_named("a.PNG") && cnn_image_named("b.jpeg") && cnn_image_named("c.jpg") && cnn_image_named("d.webp"));
  CU_ASSERT_FALSE(cnn_image_named(".png") || cnn_image_named("a.bmp") || cnn_image_named("png") || cnn_image_named("a.png.txt"));
}

/* ---- arrays under other names, and of texts ---- */

typedef struct Net { cnn_network network; cnn_port input[2], output[2]; cnn_recipe recipe; } Net;

static cnn_port vector_of(const char *name, int32_t n) { return (cnn_port){.name = name, .rank = 1, .dim = {n}, .size = n}; }

static cnn_port classes_of(const char *name, int32_t n) {
  return (cnn_port){.name = name, .rank = 1, .dim = {n}, .size = n, .target = CNN_TARGET_CLASS, .target_size = 1, .scores = CNN_SCORES_PROBABILITY,
                    .loss = "cross_entropy"};
}

static cnn_port values_of(const char *name, int32_t n) {
  return (cnn_port){.name = name, .rank = 1, .dim = {n}, .size = n, .target = CNN_TARGET_VALUES, .target_size = n, .loss = "mse"};
}

static void net_make_one(Net *net, cnn_port input, cnn_port output) {
  *net = (Net){.input = {input}, .output = {output}, .recipe = {.seed = 3}};
  net->network = (cnn_network){.name = "net", .inputs = 1, .outputs = 1, .input = net->input, .output = net->output, .recipe = &net->recipe};
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

static cnn_tensor array_of(const char *name, cnn_dtype dtype, const void *numbers, int32_t rank, int64_t a, int64_t b) {
  cnn_tensor tensor = {.name = name, .dtype = dtype, .rank = rank, .dim = {a, b}, .data = numbers};
  cnn_tensor_measure(&tensor);
  return tensor;
}

static const char *npz_of(const char *name, const cnn_tensor *tensor, int32_t count) {
  CU_ASSERT_EQUAL_FATAL(cnn_npz_write(scratch(name), tensor, count).code, CNN_OK);
  return scratch(name);
}

static void arrays_have_names_that_are_said(void) {
  static const float x[6] = {1, 2, 3, 4, 5, 6};
  static const int32_t y[3] = {0, 1, 1};
  cnn_tensor set[3] = {array_of("x", CNN_DTYPE_F32, x, 2, 3, 2), array_of("y", CNN_DTYPE_I32, y, 1, 3, 0), array_of("facts", CNN_DTYPE_F32, x, 2, 3, 2)};
  Net net;
  net_make_one(&net, vector_of("picture", 2), classes_of("class", 2));
  net.input[1] = vector_of("facts", 2);
  net.network.inputs = 2;
  refuse_set(&net, npz_of("n.npz", set, 2), NULL, "the net has 2 inputs, and each wants the array of its name: \"picture\" and \"facts\"; the file has x, y");
  refuse_set(&net, npz_of("n.npz", set, 3), NULL, "each wants the array of its name: \"picture\" and \"facts\"; the file has x, y, facts");
  net.network.inputs = 1;
  net.output[1] = values_of("size", 1);
  net.network.outputs = 2;
  refuse_set(&net, npz_of("n.npz", set, 2), NULL, "has no \"class_target\"; where several outputs have targets, each wants the array of its name; it has x, y");
  net.network.outputs = 1;
  static const char *const training[][2] = {{"picture_train", "class_target_train"}, {"x_train", "y_train"}, {"picture", "y_train"}};
  for (int i = 0; i < 3; i++) {
    set[0].name = training[i][0];
    set[1].name = training[i][1];
    cnn_data *data = open_set(&net, npz_of("n.npz", set, 2), NULL, 0);
    CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 3);
    cnn_data_close(data);
  }
}

/* A file as NumPy makes it of texts: cnn_npz_write writes numbers alone, so they are renamed in it: of 12 bytes each, as U3. */
static void texts_are_no_labels(void) {
  static const float x[6] = {1, 2, 3, 4, 5, 6};
  static const uint32_t text[3] = {'a', 'b', 'a'};
  cnn_tensor set[2] = {array_of("x_train", CNN_DTYPE_F32, x, 2, 3, 2), array_of("y_train", CNN_DTYPE_U32, text, 1, 3, 0)};
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
    if (memcmp(copy + i, "'<u4'", 5) == 0) copy[i + 2] = 'U', copy[i + 3] = '1', member = i;
  CU_ASSERT_FATAL(member > 0);
  while (memcmp(copy + member, "\x93NUMPY", 6) != 0) member--;
  uint32_t crc = (uint32_t)crc32(0, copy + member, 128 + 12);
  for (size_t i = 0; i + 20 < n; i++) /* in the member's header and in the directory */
    if (memcmp(copy + i, "PK\3\4", 4) == 0 && i + 30 + 11 + 20 == member) put_number(copy + i + 14, crc, 4);
    else if (memcmp(copy + i, "PK\1\2", 4) == 0 && memcmp(copy + i + 46, "y_train", 7) == 0) put_number(copy + i + 16, crc, 4);
  scratch_bytes("t.npz", copy, n);
  free(copy);
  refuse_set(&net, scratch("t.npz"), NULL, "\"y_train\": holds no numbers, but texts or objects; numpy.unique(y, return_inverse=True)[1] numbers texts");
}

/* ---- weights of other frameworks ---- */

static void files_of_other_frameworks_are_named(void) {
  static const char torch_zip[] = "PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0archive/data.pkl";
  static const char keras_zip[] = "PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0model.weights.h5";
  static const struct { const char *bytes; size_t n; const char *says; } cases[] = {
    {torch_zip, sizeof torch_zip - 1, "is a file of PyTorch"},
    {keras_zip, sizeof keras_zip - 1, "is a model of Keras"},
    {"\x89HDF\r\n\x1a\n\0\0\0\0\0\0\0\0", 16, "is an HDF5 file"},
    {"\x1c\0\0\0TFL3\x14\0\x20\0\0\0\0\0", 16, "is a model of TensorFlow Lite"},
    {"\x08\x07\x12\x07pytorch\x1a\x05" "2.1.0:\xc5\1", 20, "is a model of ONNX"},
    {"\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.", 21, "is a file of PyTorch"},
    {"\x80\4\x95\x10\0\0\0\0\0\0\0}\x94.", 14, "is a file of PyTorch"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned char bytes[200] = "PK\3\4 the members come first ... ";
    size_t before = cases[i].bytes[0] == 'P' ? 40 : 0;
    memcpy(bytes + before, cases[i].bytes, cases[i].n);
    cnn_archive archive;
    cnn_status status = cnn_archive_parse(&archive, "some/w.x", bytes, before + cases[i].n);
    if (!strstr(status.message, cases[i].says)) printf("# %zu: %s\n", i, status.message);
    CU_ASSERT(status.code == CNN_BAD_FORMAT && strncmp(status.message, "some/w.x: ", 10) == 0 && strstr(status.message, cases[i].says));
    CU_ASSERT(strlen(status.message) < sizeof status.message - 4);
  }
}

/* A net of two layers, the second behind a flatten of 2x2x3. */
static const cnn_weight net_weights[] = {
  {.name = "conv1.weight", .rank = 4, .dim = {3, 2, 1, 5}, .offset = 0, .size = 30},
  {.name = "conv1.bias", .rank = 1, .dim = {3}, .offset = 30, .size = 3},
  {.name = "dense1.weight", .rank = 2, .dim = {7, 12}, .offset = 33, .size = 84, .flattened = {2, 2, 3}},
};
static const cnn_network weights_net = {.name = "n", .weights = 3, .weight = net_weights, .parameters = 117};

static const float zeros[200];

static cnn_tensor floats_of(const char *name, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
  cnn_tensor tensor = {.name = name, .dtype = CNN_DTYPE_F32, .rank = rank, .dim = {a, b, c, d}, .data = (const unsigned char *)zeros};
  cnn_tensor_measure(&tensor);
  return tensor;
}

static cnn_status load_of(const cnn_tensor *tensor, int32_t count, const cnn_note *note, const char *prefix, cnn_weights_report *report) {
  float out[117];
  CU_ASSERT_EQUAL_FATAL(cnn_safetensors_write(scratch("theirs.safetensors"), tensor, count, note, note ? 1 : 0).code, CNN_OK);
  return cnn_weights_load(&weights_net, scratch("theirs.safetensors"), prefix, out, report);
}

static void expect_refused(const cnn_tensor *tensor, int32_t count, const char *says) {
  cnn_weights_report report;
  cnn_status status = load_of(tensor, count, NULL, NULL, &report);
  if (!strstr(status.message, says)) printf("# %s\n", status.message);
  CU_ASSERT(status.code == CNN_MISMATCH && strstr(status.message, says));
  free(report.text);
}

static void a_common_prefix_is_told_and_left_out(void) {
  cnn_tensor set[4] = {floats_of("module.conv1.weight", 4, 3, 2, 1, 5), floats_of("module.conv1.bias", 1, 3, 0, 0, 0),
                       floats_of("module.dense1.weight", 2, 7, 12, 0, 0), floats_of("other.bias", 1, 9, 0, 0, 0)};
  cnn_weights_report report;
  cnn_status status = load_of(set, 3, NULL, NULL, &report);
  CU_ASSERT_EQUAL(status.code, CNN_MISMATCH);
  const char *line = strchr(status.message, ':');
  CU_ASSERT_STRING_EQUAL(line ? line : "", ": has 3 of the net's 3 weights, with 'module.' before their names; --weights-prefix=module. leaves that out");
  free(report.text);
  CU_ASSERT_EQUAL(load_of(set, 4, NULL, "module.", &report).code, CNN_OK); /* what is not behind it does not count */
  CU_ASSERT(report.matched == 3 && report.extra == 0 && !report.text);
  set[2].name = "module.head.weight";
  expect_refused(set, 3, "has 2 of the net's 3 weights, with 'module.' before their names; --weights-prefix=module. leaves that out. What differs besides:");
  expect_refused(set, 3, "missing: dense1.weight [7, 12]; did you mean the file's module.head.weight [7, 12]");
  status = load_of(set, 3, NULL, "modul.", &report);
  CU_ASSERT(status.code == CNN_MISMATCH && report.missing == 3);
  free(report.text);
}

static void names_and_layouts_of_others_are_recognised(void) {
  cnn_tensor set[3] = {floats_of("conv1.weight", 4, 3, 2, 1, 5), floats_of("conv1.bias", 1, 3, 0, 0, 0), floats_of("dense1.weight", 2, 7, 12, 0, 0)};
  set[0] = floats_of("conv1.weight", 4, 1, 5, 2, 3);
  expect_refused(set, 3, "conv1.weight is [1, 5, 2, 3] in the file, [3, 2, 1, 5] in the net: its kernel lies height, width, in, out");
  set[0] = floats_of("conv1/kernel:0", 4, 1, 5, 2, 3);
  expect_refused(set, 3, "missing: conv1.weight [3, 2, 1, 5]; did you mean the file's conv1/kernel:0 [1, 5, 2, 3]: its kernel lies height");
  set[0] = floats_of("conv1.weight", 4, 3, 2, 1, 5);
  set[2] = floats_of("dense1.weight", 2, 12, 7, 0, 0);
  expect_refused(set, 3, "dense1.weight is [12, 7] in the file, [7, 12] in the net: it is transposed; w.T");
  set[2] = floats_of("dense1.weight", 4, 7, 12, 1, 1);
  expect_refused(set, 3, "it differs by dimensions of 1");
  set[2] = floats_of("dense_1.weigth", 2, 7, 12, 0, 0);
  expect_refused(set, 3, "did you mean the file's dense_1.weigth [7, 12]");
  set[2] = floats_of("dense1.weight", 2, 7, 12, 0, 0);
  set[0] = floats_of("features.0.kern", 4, 3, 2, 1, 5); /* no name like it, but the only one of its shape */
  expect_refused(set, 3, "missing: conv1.weight [3, 2, 1, 5]; did you mean the file's features.0.kern [3, 2, 1, 5]");
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
  free(report.text);
}

static void the_order_of_a_flatten_is_warned_of(void) {
  static const cnn_note formats[] = {{"format", "pt"}, {"format", "keras"}, {"generator", "cnnc"}, {"net", "n"}};
  cnn_tensor set[3] = {floats_of("conv1.weight", 4, 3, 2, 1, 5), floats_of("conv1.bias", 1, 3, 0, 0, 0), floats_of("dense1.weight", 2, 7, 12, 0, 0)};
  cnn_weights_report report;
  for (int i = -1; i < 4; i++) {
    CU_ASSERT_EQUAL(load_of(set, 3, i < 0 ? NULL : &formats[i], NULL, &report).code, CNN_OK);
    CU_ASSERT_EQUAL(strstr(report.warning, "dense1.weight belongs to a flattened 2x2x3, here") != NULL, i <= 0);
  }
  float out[117] = {0};
  CU_ASSERT_EQUAL(cnn_weights_save(&weights_net, scratch("own.safetensors"), out).code, CNN_OK);
  CU_ASSERT_EQUAL(cnn_weights_load(&weights_net, scratch("own.safetensors"), NULL, out, &report).code, CNN_OK);
  CU_ASSERT_STRING_EQUAL(report.warning, "");
  CU_ASSERT_EQUAL(cnn_npz_write(scratch("theirs.npz"), set, 3).code, CNN_OK);
  CU_ASSERT_EQUAL(cnn_weights_load(&weights_net, scratch("theirs.npz"), NULL, out, &report).code, CNN_OK);
  CU_ASSERT(strstr(report.warning, "flatten(order=chw)") != NULL);
}

CU_TestInfo suite_formats[] = {
  {"pictures are turned upright", pictures_are_turned_upright},
  {"damaged EXIF does no harm", damaged_exif_does_no_harm},
  {"WebP is read", webp_is_read},
  {"pictures of other kinds are named", pictures_of_other_kinds_are_named},
  {"arrays have names that are said", arrays_have_names_that_are_said},
  {"texts are no labels", texts_are_no_labels},
  {"files of other frameworks are named", files_of_other_frameworks_are_named},
  {"a common prefix is told and left out", a_common_prefix_is_told_and_left_out},
  {"names and layouts of others are recognised", names_and_layouts_of_others_are_recognised},
  {"long lists end with whole lines", long_lists_end_with_whole_lines},
  {"the order of a flatten is warned of", the_order_of_a_flatten_is_warned_of},
  CU_TEST_INFO_NULL,
};
