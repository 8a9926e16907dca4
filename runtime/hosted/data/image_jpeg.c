/* image_jpeg.c: JPEG decoder to gray or RGB bytes. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h> /* must precede jpeglib.h */

#include <jerror.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/data/image.h"

enum { EXIF_MARKER = JPEG_APP0 + 1 };

typedef struct JpegReader {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr manager;
  jmp_buf leave;
  uint8_t *line;   /* one row of CMYK */
  int orientation; /* orientation in the EXIF */
  char reason[JMSG_LENGTH_MAX];
} JpegReader;

static void jpeg_fail(j_common_ptr jpeg) {
  JpegReader *reader = jpeg->client_data;
  jpeg->err->format_message(jpeg, reader->reason);
  longjmp(reader->leave, 1);
}

/* Warnings are not printed, because real collections cause many; but an incomplete image is an error. */
static void jpeg_warn(j_common_ptr jpeg, int level) {
  if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) jpeg_fail(jpeg);
}

/* The orientation in the first marker that contains EXIF; other markers with the same number may contain
 * XMP. */
static int jpeg_orientation(jpeg_saved_marker_ptr marker) {
  for (; marker; marker = marker->next)
    if (marker->marker == EXIF_MARKER && marker->data_length >= 6 && memcmp(marker->data, "Exif\0", 6) == 0)
      return cnn_exif_orientation(marker->data, marker->data_length);
  return 1;
}

/* Decodes an image. If `image` is NULL, reads only the header. */
static void jpeg_read_whole(JpegReader *reader, cnn_image *image, cnn_status *status, const char *path,
                            const unsigned char *bytes, size_t n) {
  struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  jpeg_create_decompress(jpeg);
  jpeg_mem_src(jpeg, bytes, (unsigned long)n);
  jpeg_save_markers(jpeg, EXIF_MARKER, 0xFFFF);
  jpeg_read_header(jpeg, TRUE);
  if (!image) return;
  reader->orientation = jpeg_orientation(jpeg->marker_list);
  bool inks = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
  jpeg->out_color_space = inks ? JCS_CMYK : jpeg->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  *status = cnn_image_allocate(image, path, jpeg->image_height, jpeg->image_width,
                               jpeg->out_color_space == JCS_GRAYSCALE ? 1 : 3);
  if (status->code != CNN_OK) return;
  jpeg_start_decompress(jpeg);
  if (inks && !(reader->line = malloc((size_t)image->width * 4))) {
    *status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
    return;
  }
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t *out =
        image->pixel + (size_t)jpeg->output_scanline * (size_t)image->width * (size_t)image->channels;
    JSAMPROW row = inks ? reader->line : out;
    jpeg_read_scanlines(jpeg, &row, 1);
    for (int32_t x = 0; inks && x < image->width; x++) /* Adobe's CMYK is inverted: 255 is no ink */
      for (int c = 0; c < 3; c++) {
        int ink = reader->line[4 * x + c], black = reader->line[4 * x + 3];
        out[3 * x + c] = (uint8_t)(jpeg->saw_Adobe_marker ? (ink * black + 127) / 255
                                                          : ((255 - ink) * (255 - black) + 127) / 255);
      }
  }
  jpeg_finish_decompress(jpeg);
}

static bool jpeg_guarded(JpegReader *reader, cnn_image *image, cnn_status *status, const char *path,
                         const unsigned char *bytes, size_t n) {
  if (setjmp(reader->leave) != 0) return false;
  jpeg_read_whole(reader, image, status, path, bytes, n);
  return true;
}

static JpegReader *jpeg_open(void) {
  JpegReader *reader = calloc(1, sizeof *reader);
  if (!reader) return NULL;
  reader->orientation = 1;
  reader->jpeg.err = jpeg_std_error(&reader->manager);
  reader->jpeg.client_data = reader;
  reader->manager.error_exit = jpeg_fail;
  reader->manager.emit_message = jpeg_warn;
  return reader;
}

bool cnn_jpeg_whole(const unsigned char *bytes, size_t n) {
  cnn_status status = cnn_success();
  if (n < 4 || memcmp(bytes + n - 2, "\xff\xd9", 2) != 0) return false;
  JpegReader *reader = jpeg_open();
  const bool whole = reader && jpeg_guarded(reader, NULL, &status, "", bytes, n);
  if (reader) jpeg_destroy_decompress(&reader->jpeg);
  free(reader);
  return whole;
}

cnn_status cnn_jpeg_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                           int *orientation) {
  cnn_status status = cnn_success();
  JpegReader *reader = jpeg_open();
  if (!reader) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  if (!jpeg_guarded(reader, image, &status, path, bytes, n)) {
    size_t left = reader->jpeg.src ? reader->jpeg.src->bytes_in_buffer : 0;
    status = cnn_failure(CNN_BAD_FORMAT, "%s: the JPEG is damaged near byte %zu: %s", path,
                         left < n ? n - left : n, reader->reason);
  }
  *orientation = reader->orientation;
  jpeg_destroy_decompress(&reader->jpeg);
  free(reader->line);
  free(reader);
  return status;
}
