/* runtime_images.c: Tests of image files: EXIF, WebP, damaged, truncated and unsupported files. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include <CUnit/CUnit.h>
#include <stdio.h> /* must be included before jpeglib.h */

#include <jpeglib.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>
#include <zlib.h>
#include "cnn_image.h"
#include "hosted/data/image.h"
#include "hosted/weights/archive.h"
#include "runtime_scratch.h"

/* ---- images with EXIF: 3 rows of 2 tiles, each tile 16 x 16 pixels of one gray, which JPEG and WebP
 * preserve well ---- */

enum { TILE = 16, ROWS = 3, COLUMNS = 2, HEIGHT = ROWS * TILE, WIDTH = COLUMNS * TILE };

/* Positions of the tiles 0 1 / 2 3 / 4 5 in each EXIF orientation. */
static const struct {
  int32_t rows, columns;
  int tile[6];
} turned[9] = {
    {3, 2, {0, 1, 2, 3, 4, 5}}, {3, 2, {0, 1, 2, 3, 4, 5}}, {3, 2, {1, 0, 3, 2, 5, 4}},
    {3, 2, {5, 4, 3, 2, 1, 0}}, {3, 2, {4, 5, 2, 3, 0, 1}}, {2, 3, {0, 2, 4, 1, 3, 5}},
    {2, 3, {4, 2, 0, 5, 3, 1}}, {2, 3, {5, 3, 1, 4, 2, 0}}, {2, 3, {1, 3, 5, 0, 2, 4}},
};

static int gray_of(int tile) { return 20 + 40 * tile; }

static void draw(uint8_t *rgb) {
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++)
      memset(rgb + 3 * (y * WIDTH + x), gray_of(y / TILE * COLUMNS + x / TILE), 3);
}

/* Writes EXIF with one entry, the orientation, in either byte order. */
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
  if (n)
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, (const JOCTET *)"http://ns.adobe.com/xap/1.0/",
                      29); /* a segment with the same marker that is not EXIF */
  if (n) jpeg_write_marker(&jpeg, JPEG_APP0 + 1, marker, (unsigned)n + 6);
  for (int y = 0; y < HEIGHT; y++)
    jpeg_write_scanlines(&jpeg, (JSAMPROW[]){(uint8_t *)(uintptr_t)(rgb + 3 * WIDTH * y)}, 1);
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
  png_set_IHDR(png, info, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
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

/* Writes an extended WebP file: the pixel chunk of a file from libwebp, then an EXIF chunk. */
static const char *webp_make(const uint8_t *rgb, const uint8_t *exif, size_t n) {
  uint8_t *simple = NULL, bytes[4096] = "RIFF____WEBPVP8X\12\0\0\0\10\0\0\0";
  size_t size = WebPEncodeLosslessRGB(rgb, WIDTH, HEIGHT, 3 * WIDTH, &simple), at = 30;
  CU_ASSERT_FATAL(size > 12 && size + n + 64 < sizeof bytes);
  scratch_put_number(bytes + 24, WIDTH - 1, 3);
  scratch_put_number(bytes + 27, HEIGHT - 1, 3);
  memcpy(bytes + at, simple + 12, size - 12);
  at += size - 12;
  memcpy(bytes + at, "EXIF", 4);
  scratch_put_number(bytes + at + 4, n, 4);
  if (n) memcpy(bytes + at + 8, exif, n);
  at += 8 + n;
  scratch_put_number(bytes + 4, at - 8, 4);
  const char *path = n ? scratch_bytes("turned.webp", bytes, at) : scratch_bytes("turned.webp", simple, size);
  WebPFree(simple);
  return path;
}

static const char *(*const makers[])(const uint8_t *, const uint8_t *, size_t) = {jpeg_make, png_make,
                                                                                  webp_make};

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
    int difference = abs(image.pixel[i] - gray_of(turned[orientation].tile[y / TILE * columns + x / TILE]));
    if (difference > worst) worst = difference;
  }
  if (worst > 3) printf("# %s, orientation %d: %d\n", path, orientation, worst);
  CU_ASSERT(worst <= 3);
  cnn_image_free(&image);
}

static void images_are_turned_upright(void) {
  uint8_t rgb[HEIGHT * WIDTH * 3], exif[32];
  draw(rgb);
  for (size_t kind = 0; kind < sizeof makers / sizeof *makers; kind++) {
    expect_turned(makers[kind](rgb, exif, 0), 0);
    for (int orientation = 1; orientation <= 8; orientation++)
      for (int big = 0; big < 2; big++)
        expect_turned(makers[kind](rgb, exif, exif_make(exif, orientation, big)), orientation);
    expect_turned(makers[kind](rgb, exif, exif_make(exif, 9, false)), 0); /* invalid orientation */
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

typedef struct ExifEntry {
  uint16_t tag, type;
  uint32_t count, value; /* value: in big-endian EXIF, a SHORT is in the upper half */
} ExifEntry;

static void exif_put(uint8_t *to, uint32_t number, int bytes, bool big) {
  for (int b = 0; b < bytes; b++) to[b] = (uint8_t)(number >> 8 * (big ? bytes - 1 - b : b));
}

/* Writes EXIF with a directory at offset 8 that links to the directory at `next`. */
static size_t exif_write(uint8_t *exif, bool big, const ExifEntry *entry, size_t n, uint32_t next) {
  uint8_t *at = exif + 10;
  memcpy(exif, big ? "MM" : "II", 2);
  exif_put(exif + 2, 42, 2, big);
  exif_put(exif + 4, 8, 4, big);
  exif_put(exif + 8, (uint32_t)n, 2, big);
  for (size_t i = 0; i < n; i++, at += 12) {
    exif_put(at, entry[i].tag, 2, big);
    exif_put(at + 2, entry[i].type, 2, big);
    exif_put(at + 4, entry[i].count, 4, big);
    exif_put(at + 8, entry[i].type == 3 && big ? entry[i].value << 16 : entry[i].value, 4, big);
  }
  exif_put(at, next, 4, big);
  return (size_t)(at + 4 - exif);
}

/* The bytes are copied to the end of an allocation, so that a sanitizer finds reads past it. */
static int exif_read_exactly(const uint8_t *exif, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  if (n) memcpy(copy, exif, n);
  const int orientation = cnn_exif_orientation(copy, n);
  free(copy);
  return orientation;
}

static void exif_directories_are_read(void) {
  enum { MAKER = 0x010F, ORIENTATION = 0x0112, LINK = 0x8769, ASCII = 2, SHORT = 3, LONG = 4 };
  static const struct {
    int orientation;
    uint32_t next;
    size_t n;
    ExifEntry entry[3];
  } cases[] = {
      {6, 0, 2, {{MAKER, ASCII, 200, 0xFFFFFFF0}, {ORIENTATION, SHORT, 1, 6}}}, /* the second entry is read */
      {3, 8, 2, {{LINK, LONG, 1, 8}, {ORIENTATION, SHORT, 1, 3}}},              /* circular links */
      {1, 8, 1, {{LINK, LONG, 1, 8}}},
      {8, 0, 2, {{ORIENTATION, SHORT, 1, 8}, {ORIENTATION, SHORT, 1, 2}}}, /* the first entry counts */
      {1, 0, 1, {{ORIENTATION, LONG, 1, 6}}},
      {1, 0, 1, {{ORIENTATION, SHORT, 0, 6}}},
      {1, 0, 1, {{ORIENTATION, SHORT, 0x80000001, 6}}},
      {1, 0, 1, {{ORIENTATION, SHORT, 1, 0}}},
      {1, 0, 1, {{ORIENTATION, SHORT, 1, 9}}},
      {1, 0, 1, {{ORIENTATION, SHORT, 1, 0xFF06}}},
  };
  uint8_t exif[64], marked[70] = "Exif\0";
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int big = 0; big < 2; big++) {
      const size_t n = exif_write(exif, big, cases[i].entry, cases[i].n, cases[i].next);
      memcpy(marked + 6, exif, n);
      CU_ASSERT_EQUAL(exif_read_exactly(exif, n), cases[i].orientation);
      CU_ASSERT_EQUAL(exif_read_exactly(marked, 6 + n), cases[i].orientation);
    }
}

/* The orientation is used if its entry is complete, even if the stated number of entries is too large. */
static void truncated_exif_is_upright(void) {
  static const ExifEntry entry[2] = {{0x010F, 2, 4, 0}, {0x0112, 3, 1, 5}};
  enum { WHOLE = 10 + 2 * 12 };
  uint8_t exif[64];
  for (int big = 0; big < 2; big++) {
    const size_t n = exif_write(exif, big, entry, 2, 0);
    for (size_t i = 0; i <= n; i++) CU_ASSERT_EQUAL(exif_read_exactly(exif, i), i < WHOLE ? 1 : 5);
    exif_put(exif + 8, 0xFFFF, 2, big);
    CU_ASSERT_EQUAL(exif_read_exactly(exif, n), 5);
    exif_put(exif + 22, 0x0111, 2, big); /* no orientation; the number of entries is too large */
    CU_ASSERT_EQUAL(exif_read_exactly(exif, n), 1);
    exif_put(exif + 4, 0xFFFFFFFF, 4, big);
    CU_ASSERT_EQUAL(exif_read_exactly(exif, n), 1);
    exif_put(exif + 4, (uint32_t)n, 4, big);
    CU_ASSERT_EQUAL(exif_read_exactly(exif, n), 1);
  }
}

static void webp_is_read(void) {
  uint8_t rgba[4 * 4] = {10, 20, 30, 255, 40, 50, 60, 128, 70, 80, 90, 0, 100, 110, 120, 255}, *bytes = NULL;
  size_t n = WebPEncodeLosslessRGBA(rgba, 2, 2, 8, &bytes);
  cnn_image image;
  CU_ASSERT_EQUAL_FATAL(cnn_image_decode(&image, "a.webp", bytes, n).code, CNN_OK);
  CU_ASSERT(image.height == 2 && image.width == 2 && image.channels == 3);
  static const uint8_t wanted[12] = {10, 20, 30, 20, 25, 30, 0, 0, 0, 100, 110, 120}; /* blended with black */
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

/* Inspecting finds the same errors as decoding, wherever a file is truncated. */
static void truncated_images_are_found(void) {
  uint8_t rgb[HEIGHT * WIDTH * 3], exif[32];
  draw(rgb);
  for (size_t kind = 0; kind < sizeof makers / sizeof *makers; kind++) {
    cnn_file file;
    cnn_image image;
    const char *path = makers[kind](rgb, exif, exif_make(exif, 6, false));
    CU_ASSERT_EQUAL(cnn_image_inspect(path).code, CNN_OK);
    CU_ASSERT_EQUAL_FATAL(cnn_file_open(&file, path).code, CNN_OK);
    for (size_t n = 0; n < file.size; n += n + 20 < file.size && n > 40 ? 7 : 1) {
      const cnn_code decoded = cnn_image_decode(&image, "cut", file.data, n).code;
      cnn_image_free(&image);
      CU_ASSERT_EQUAL(cnn_image_inspect(scratch_bytes("cut", file.data, n)).code, decoded);
      CU_ASSERT(decoded != CNN_OK || n + 40 > file.size);
    }
    cnn_file_close(&file);
  }
  CU_ASSERT_PTR_NOT_NULL(strstr(cnn_image_inspect(scratch_bytes("cut", "", 0)).message, "cut: is empty"));
  CU_ASSERT_EQUAL(cnn_image_inspect(scratch("none.png")).code, CNN_BAD_FILE);
  CU_ASSERT_PTR_NOT_NULL(
      strstr(cnn_image_inspect(scratch_text("a.png", "GIF89a and more")).message, "is a GIF image"));
}

static void images_of_other_formats_are_named(void) {
  static const struct {
    const char *kind, *bytes;
    size_t n;
  } cases[] = {
      {"BMP", "BM\x46\0\0\0\0\0\0\0\x36\0\0\0", 14},
      {"GIF", "GIF89a\1\0\1\0", 10},
      {"TIFF", "II*\0\10\0\0\0", 8},
      {"TIFF", "MM\0*\0\0\0\10", 8},
      {"HEIC",
       "\0\0\0\x18"
       "ftypheic\0\0\0\0",
       16},
      {"AVIF",
       "\0\0\0\x18"
       "ftypavif\0\0\0\0",
       16},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char wanted[80];
    cnn_image image;
    snprintf(wanted, sizeof wanted, "a.b: is a %s image; convert it to PNG, JPEG or WebP", cases[i].kind);
    cnn_status status = cnn_image_decode(&image, "a.b", (const unsigned char *)cases[i].bytes, cases[i].n);
    CU_ASSERT(status.code == CNN_BAD_FORMAT && strstr(status.message, wanted));
  }
  cnn_image image;
  cnn_status status = cnn_image_decode(&image, "a.b", (const unsigned char *)"BMW is not image", 16);
  CU_ASSERT(status.code == CNN_BAD_FORMAT && strstr(status.message, "is not an image: neither PNG, JPEG nor "
                                                                    "WebP"));
  CU_ASSERT(cnn_image_named("a.PNG") && cnn_image_named("b.jpeg") && cnn_image_named("c.jpg") &&
            cnn_image_named("d.webp"));
  CU_ASSERT_FALSE(cnn_image_named(".png") || cnn_image_named("a.bmp") || cnn_image_named("png") ||
                  cnn_image_named("a.png.txt"));
}

CU_TestInfo suite_images[] = {
    {"images are rotated by their EXIF orientation", images_are_turned_upright},
    {"damaged EXIF does no harm", damaged_exif_does_no_harm},
    {"EXIF directories are read", exif_directories_are_read},
    {"truncated EXIF: the image is not rotated", truncated_exif_is_upright},
    {"WebP is read", webp_is_read},
    {"truncated images are detected", truncated_images_are_found},
    {"messages name unsupported image formats", images_of_other_formats_are_named},
    CU_TEST_INFO_NULL,
};
