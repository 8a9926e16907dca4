/* image_png.c: PNG decoder to gray or RGB bytes, and encoder. */
// SPDX-License-Identifier: MIT-0
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/file.h"
#include "hosted/data/image.h"

/* libpng reports errors by longjmp. So variables that are used after an error are in a struct that belongs to
 * the caller of the function with setjmp. */

typedef struct PngReader {
  png_structp png;
  png_infop info;
  const unsigned char *at;
  size_t left;
  uint8_t **row;
  uint8_t *mixed;  /* pixels with alpha, before compositing over black */
  int orientation; /* EXIF orientation, 1 to 8 */
  bool classes;    /* a mask of class indices: pixel values are kept as they are */
  char reason[200];
} PngReader;

static void png_fetch(png_structp png, png_bytep out, size_t n) {
  PngReader *reader = png_get_io_ptr(png);
  if (n > reader->left) png_error(png, "the file is cut off");
  memcpy(out, reader->at, n);
  reader->at += n;
  reader->left -= n;
}

static void png_fail(png_structp png, png_const_charp reason) {
  PngReader *reader = png_get_error_ptr(png);
  snprintf(reader->reason, sizeof reader->reason, "%s", reason);
  longjmp(png_jmpbuf(png), 1);
}

static void png_hush(png_structp png, png_const_charp warning) {
  (void)png;
  (void)warning;
}

static int png_orientation(png_structp png, png_infop info) {
#ifdef PNG_eXIf_SUPPORTED
  png_bytep exif;
  png_uint_32 n;
  if (png_get_eXIf_1(png, info, &n, &exif) != 0) return cnn_exif_orientation(exif, n);
#else
  (void)png;
  (void)info;
#endif
  return 1;
}

/* Keeps palette indices and gray values unchanged, one byte each. */
static void png_keep_classes(png_structp png, png_infop info) {
  const png_byte type = png_get_color_type(png, info);
  if (type != PNG_COLOR_TYPE_GRAY && type != PNG_COLOR_TYPE_PALETTE)
    png_error(png, "a class mask must be grayscale or have a palette; this image has colors or alpha");
  if (png_get_bit_depth(png, info) == 16) png_error(png, "a class mask has at most 8 bits per pixel, not 16");
  png_set_packing(png);
}

static void png_expand_pixels(png_structp png) {
  png_set_expand(png); /* expands palettes, low bit depths and transparent colors */
  png_set_scale_16(png);
}

/* Reads any kind of PNG, with or without alpha, as one byte per channel. */
static void png_read_whole(PngReader *reader, cnn_image *image, cnn_status *status, const char *path,
                           bool *alpha) {
  png_structp png = reader->png;
  png_set_read_fn(png, reader, png_fetch);
  png_set_user_limits(png, CNN_PIXELS_MOST, CNN_PIXELS_MOST);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
  png_read_info(png, reader->info);
  if (reader->classes) png_keep_classes(png, reader->info);
  else png_expand_pixels(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);
  uint32_t height = png_get_image_height(png, reader->info), width = png_get_image_width(png, reader->info);
  int32_t depth = png_get_channels(png, reader->info), channels = depth < 3 ? 1 : 3;
  *status = cnn_image_allocate(image, path, height, width, channels);
  if (status->code != CNN_OK) return;
  *alpha = depth != channels;
  uint8_t *pixel = image->pixel;
  if (*alpha) pixel = reader->mixed = malloc((size_t)height * width * (size_t)depth);
  reader->row = malloc(sizeof *reader->row * height);
  if (!pixel || !reader->row) png_error(png, "out of memory");
  for (uint32_t y = 0; y < height; y++) reader->row[y] = pixel + (size_t)y * width * (size_t)depth;
  png_read_image(png, reader->row);
  png_read_end(png, reader->info);
  reader->orientation = png_orientation(png, reader->info);
}

/* False: libpng failed and left a message. No local state of the function with setjmp is used afterwards. */
static bool png_guarded(PngReader *reader, cnn_image *image, cnn_status *status, const char *path,
                        bool *alpha) {
  if (setjmp(png_jmpbuf(reader->png)) != 0) return false;
  png_read_whole(reader, image, status, path, alpha);
  return true;
}

bool cnn_png_whole(const unsigned char *bytes, size_t n) {
  static const char first[] = "\0\0\0\x0dIHDR", last[] = "\0\0\0\0IEND\xae\x42\x60\x82";
  enum { SIGNATURE = 8, FIRST = sizeof first - 1, HEADER = 25, LAST = sizeof last - 1 };
  return n >= SIGNATURE + HEADER + LAST && memcmp(bytes + SIGNATURE, first, FIRST) == 0 &&
         memcmp(bytes + n - LAST, last, LAST) == 0;
}

static cnn_status decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                         bool classes, int *orientation) {
  PngReader reader = {.at = bytes, .left = n, .orientation = 1, .classes = classes};
  bool alpha = false;
  cnn_status status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, png_fail, png_hush);
  if (reader.png) reader.info = png_create_info_struct(reader.png);
  if (reader.info && !png_guarded(&reader, image, &status, path, &alpha))
    status = cnn_failure(CNN_BAD_FORMAT, "%s: the PNG is damaged at byte %zu: %s", path, n - reader.left,
                         reader.reason);
  else if (status.code == CNN_OK && alpha) cnn_image_over_black(reader.mixed, image);
  *orientation = reader.orientation;
  png_destroy_read_struct(&reader.png, &reader.info, NULL);
  free(reader.row);
  free(reader.mixed);
  return status;
}

cnn_status cnn_png_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                          int *orientation) {
  return decode(image, path, bytes, n, false, orientation);
}

cnn_status cnn_image_read_classes(cnn_image *mask, const char *path) {
  cnn_file file;
  int orientation;
  *mask = (cnn_image){0};
  cnn_status status = cnn_file_open(&file, path);
  if (status.code == CNN_OK && !cnn_png_whole(file.data, file.size))
    status = cnn_failure(CNN_BAD_FORMAT,
                         "%s: a class mask must be a PNG, but this file is not, or is cut off", path);
  if (status.code == CNN_OK) status = decode(mask, path, file.data, file.size, true, &orientation);
  cnn_file_close(&file);
  if (status.code != CNN_OK) cnn_image_free(mask);
  return status;
}

/* ---- Writing */

typedef struct PngWriter {
  cnn_writer file;
  png_structp png;
  png_infop info;
  char reason[200];
} PngWriter;

static void png_store(png_structp png, png_bytep bytes, size_t n) {
  PngWriter *writer = png_get_io_ptr(png);
  cnn_writer_put(&writer->file, bytes, n);
}

static void png_flush_nothing(png_structp png) { (void)png; }

static void png_write_fail(png_structp png, png_const_charp reason) {
  PngWriter *writer = png_get_error_ptr(png);
  snprintf(writer->reason, sizeof writer->reason, "%s", reason);
  longjmp(png_jmpbuf(png), 1);
}

static void png_write_whole(PngWriter *writer, const cnn_image *image) {
  png_structp png = writer->png;
  png_set_write_fn(png, writer, png_store, png_flush_nothing);
  png_set_IHDR(png, writer->info, (uint32_t)image->width, (uint32_t)image->height, 8,
               image->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, writer->info);
  for (int32_t y = 0; y < image->height; y++)
    png_write_row(png, image->pixel + (size_t)y * (size_t)image->width * (size_t)image->channels);
  png_write_end(png, writer->info);
}

static bool png_write_guarded(PngWriter *writer, const cnn_image *image) {
  if (setjmp(png_jmpbuf(writer->png)) != 0) return false;
  png_write_whole(writer, image);
  return true;
}

cnn_status cnn_image_write(const char *path, const cnn_image *image) {
  if (image->height < 1 || image->width < 1 || (image->channels != 1 && image->channels != 3))
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: an image of %d x %d x %d cannot be written as PNG", path,
                       image->height, image->width, image->channels);
  PngWriter writer = {0};
  cnn_status status = cnn_writer_open(&writer.file, path);
  if (status.code != CNN_OK) return status;
  status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, png_write_fail, png_hush);
  if (writer.png) writer.info = png_create_info_struct(writer.png);
  if (writer.info)
    status = png_write_guarded(&writer, image)
                 ? cnn_success()
                 : cnn_failure(CNN_BAD_FILE, "%s: cannot be written: %s", path, writer.reason);
  png_destroy_write_struct(&writer.png, &writer.info);
  if (status.code == CNN_OK) return cnn_writer_commit(&writer.file);
  cnn_writer_abandon(&writer.file);
  return status;
}
