/* image.c: PNG and JPEG files to bytes of grey or RGB, PNG files from them, and pictures as inputs of a net. */
// SPDX-License-Identifier: MIT-0
#include "cnn_image.h"

#include <stdio.h> /* before jpeglib.h */

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "file.h"
#include "image.h"

enum { PIXELS_MOST = 1 << 27 }; /* a small file can claim to be a picture of any size */

static cnn_status image_allocate(cnn_image *image, const char *path, uint32_t height, uint32_t width, int32_t channels) {
  if (height == 0 || width == 0) return cnn_failure(CNN_BAD_FORMAT, "%s: is a picture of no pixels", path);
  if ((uint64_t)height * width > PIXELS_MOST || height > INT32_MAX / 8 || width > INT32_MAX / 8)
    return cnn_failure(CNN_BAD_FORMAT, "%s: claims %u x %u pixels; at most %d are read", path, width, height, PIXELS_MOST);
  *image = (cnn_image){(int32_t)height, (int32_t)width, channels, malloc((size_t)height * width * (size_t)channels)};
  return image->pixel ? cnn_success() : cnn_failure(CNN_NO_MEMORY, "%s: no memory for %u x %u pixels", path, width, height);
}

void cnn_image_free(cnn_image *image) {
  free(image->pixel);
  *image = (cnn_image){0};
}

bool cnn_image_named(const char *name) {
  static const char *const suffixes[] = {".png", ".jpg", ".jpeg"};
  size_t n = strlen(name);
  for (size_t s = 0; s < sizeof suffixes / sizeof *suffixes; s++) {
    size_t m = strlen(suffixes[s]);
    if (n > m && strcasecmp(name + n - m, suffixes[s]) == 0) return true;
  }
  return false;
}

/* ---- PNG. libpng leaves by longjmp, so what must survive lives in a struct of the caller of the function that calls setjmp. */

typedef struct PngReader {
  png_structp png;
  png_infop info;
  const unsigned char *at;
  size_t left;
  uint8_t **row;
  uint8_t *mixed;    /* pixels with alpha, before it is laid over black */
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

static void png_hush(png_structp png, png_const_charp warning) { (void)png, (void)warning; }

/* Any kind of PNG to 8 bits a channel, with or without alpha. */
static void png_read_whole(PngReader *reader, cnn_image *image, cnn_status *status, const char *path, bool *alpha) {
  png_structp png = reader->png;
  png_set_read_fn(png, reader, png_fetch);
  png_set_user_limits(png, PIXELS_MOST, PIXELS_MOST);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
  png_read_info(png, reader->info);
  png_set_expand(png);   /* palettes, fewer bits, transparent colours */
  png_set_scale_16(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);
  uint32_t height = png_get_image_height(png, reader->info), width = png_get_image_width(png, reader->info);
  int32_t depth = png_get_channels(png, reader->info), channels = depth < 3 ? 1 : 3;
  *status = image_allocate(image, path, height, width, channels);
  if (status->code != CNN_OK) return;
  *alpha = depth != channels;
  uint8_t *pixel = image->pixel;
  if (*alpha) pixel = reader->mixed = malloc((size_t)height * width * (size_t)depth);
  reader->row = malloc(sizeof *reader->row * height);
  if (!pixel || !reader->row) png_error(png, "out of memory");
  for (uint32_t y = 0; y < height; y++) reader->row[y] = pixel + (size_t)y * width * (size_t)depth;
  png_read_image(png, reader->row);
  png_read_end(png, NULL);
}

/* False: libpng gave up, and left the reason. Nothing that setjmp's function owns is needed afterwards. */
static bool png_guarded(PngReader *reader, cnn_image *image, cnn_status *status, const char *path, bool *alpha) {
  if (setjmp(png_jmpbuf(reader->png)) != 0) return false;
  png_read_whole(reader, image, status, path, alpha);
  return true;
}

static void over_black(const uint8_t *mixed, cnn_image *image) {
  size_t pixels = (size_t)image->height * (size_t)image->width, channels = (size_t)image->channels;
  for (size_t i = 0; i < pixels; i++, mixed += channels + 1)
    for (size_t c = 0; c < channels; c++) image->pixel[i * channels + c] = (uint8_t)((mixed[c] * mixed[channels] + 127) / 255);
}

static cnn_status png_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n) {
  PngReader reader = {.at = bytes, .left = n};
  bool alpha = false;
  cnn_status status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, png_fail, png_hush);
  if (reader.png) reader.info = png_create_info_struct(reader.png);
  if (reader.info && !png_guarded(&reader, image, &status, path, &alpha))
    status = cnn_failure(CNN_BAD_FORMAT, "%s: the PNG is damaged at byte %zu: %s", path, n - reader.left, reader.reason);
  else if (status.code == CNN_OK && alpha)
    over_black(reader.mixed, image);
  png_destroy_read_struct(&reader.png, &reader.info, NULL);
  free(reader.row);
  free(reader.mixed);
  return status;
}

/* ---- JPEG */

typedef struct JpegReader {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr manager;
  jmp_buf leave;
  uint8_t *line;     /* a row of CMYK */
  char reason[JMSG_LENGTH_MAX];
} JpegReader;

static void jpeg_fail(j_common_ptr jpeg) {
  JpegReader *reader = jpeg->client_data;
  jpeg->err->format_message(jpeg, reader->reason);
  longjmp(reader->leave, 1);
}

/* Warnings are not printed, real collections are full of them; but half a picture is no sample. */
static void jpeg_warn(j_common_ptr jpeg, int level) {
  if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) jpeg_fail(jpeg);
}

static void jpeg_read_whole(JpegReader *reader, cnn_image *image, cnn_status *status, const char *path, const unsigned char *bytes, size_t n) {
  struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  jpeg_create_decompress(jpeg);
  jpeg_mem_src(jpeg, bytes, (unsigned long)n);
  jpeg_read_header(jpeg, TRUE);
  bool inks = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
  jpeg->out_color_space = inks ? JCS_CMYK : jpeg->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  *status = image_allocate(image, path, jpeg->image_height, jpeg->image_width, jpeg->out_color_space == JCS_GRAYSCALE ? 1 : 3);
  if (status->code != CNN_OK) return;
  jpeg_start_decompress(jpeg);
  if (inks && !(reader->line = malloc((size_t)image->width * 4))) {
    *status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
    return;
  }
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t *out = image->pixel + (size_t)jpeg->output_scanline * (size_t)image->width * (size_t)image->channels;
    JSAMPROW row = inks ? reader->line : out;
    jpeg_read_scanlines(jpeg, &row, 1);
    for (int32_t x = 0; inks && x < image->width; x++) /* Adobe's inks are inverted: 255 is none */
      for (int c = 0; c < 3; c++) {
        int ink = reader->line[4 * x + c], black = reader->line[4 * x + 3];
        out[3 * x + c] = (uint8_t)(jpeg->saw_Adobe_marker ? (ink * black + 127) / 255 : ((255 - ink) * (255 - black) + 127) / 255);
      }
  }
  jpeg_finish_decompress(jpeg);
}

static bool jpeg_guarded(JpegReader *reader, cnn_image *image, cnn_status *status, const char *path, const unsigned char *bytes, size_t n) {
  if (setjmp(reader->leave) != 0) return false;
  jpeg_read_whole(reader, image, status, path, bytes, n);
  return true;
}

static cnn_status jpeg_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n) {
  cnn_status status = cnn_success();
  JpegReader *reader = calloc(1, sizeof *reader);
  if (!reader) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  reader->jpeg.err = jpeg_std_error(&reader->manager);
  reader->jpeg.client_data = reader;
  reader->manager.error_exit = jpeg_fail;
  reader->manager.emit_message = jpeg_warn;
  if (!jpeg_guarded(reader, image, &status, path, bytes, n)) {
    size_t left = reader->jpeg.src ? reader->jpeg.src->bytes_in_buffer : 0;
    status = cnn_failure(CNN_BAD_FORMAT, "%s: the JPEG is damaged near byte %zu: %s", path, left < n ? n - left : n, reader->reason);
  }
  jpeg_destroy_decompress(&reader->jpeg);
  free(reader->line);
  free(reader);
  return status;
}

/* ---- Either */

bool cnn_image_known(const unsigned char *bytes, size_t n) {
  return (n >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) || (n >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0);
}

cnn_status cnn_image_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n) {
  *image = (cnn_image){0};
  cnn_status status;
  if (!cnn_image_known(bytes, n)) status = cnn_failure(CNN_BAD_FORMAT, "%s: is neither PNG nor JPEG", path);
  else status = bytes[0] == 0x89 ? png_decode(image, path, bytes, n) : jpeg_decode(image, path, bytes, n);
  if (status.code != CNN_OK) cnn_image_free(image);
  return status;
}

cnn_status cnn_image_read(cnn_image *image, const char *path) {
  *image = (cnn_image){0};
  cnn_file file;
  cnn_status status = cnn_file_open(&file, path);
  if (status.code == CNN_OK) status = cnn_image_decode(image, path, file.data, file.size);
  cnn_file_close(&file);
  return status;
}

/* ---- Writing */

typedef struct PngWriter { cnn_writer file; png_structp png; png_infop info; char reason[200]; } PngWriter;

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
  png_set_IHDR(png, writer->info, (uint32_t)image->width, (uint32_t)image->height, 8, image->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
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
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: a picture of %d x %d x %d cannot be written as PNG", path, image->height, image->width, image->channels);
  PngWriter writer = {0};
  cnn_status status = cnn_writer_open(&writer.file, path);
  if (status.code != CNN_OK) return status;
  status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, png_write_fail, png_hush);
  if (writer.png) writer.info = png_create_info_struct(writer.png);
  if (writer.info)
    status = png_write_guarded(&writer, image) ? cnn_success() : cnn_failure(CNN_BAD_FILE, "%s: cannot be written: %s", path, writer.reason);
  png_destroy_write_struct(&writer.png, &writer.info);
  if (status.code == CNN_OK) return cnn_writer_commit(&writer.file);
  cnn_writer_abandon(&writer.file);
  return status;
}
