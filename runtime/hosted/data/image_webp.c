/* image_webp.c: WebP decoder to RGB bytes. */
// SPDX-License-Identifier: MIT-0
#include <stdlib.h>
#include <webp/decode.h>
#include <webp/demux.h>
#include "hosted/data/image.h"

static int webp_orientation(const unsigned char *bytes, size_t n) {
  WebPData data = {bytes, n};
  WebPDemuxer *demuxer = WebPDemux(&data);
  WebPChunkIterator chunk;
  int orientation = 1;
  if (demuxer && WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
    orientation = cnn_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
  }
  WebPDemuxDelete(demuxer);
  return orientation;
}

static cnn_status webp_fill(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                            bool alpha) {
  int depth = alpha ? 4 : 3, stride = image->width * depth;
  size_t size = (size_t)image->height * (size_t)stride;
  uint8_t *pixel = alpha ? malloc(size) : image->pixel;
  if (!pixel) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  bool fine = (alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto)(bytes, n, pixel, size, stride) != NULL;
  if (alpha && fine) cnn_image_over_black(pixel, image);
  if (alpha) free(pixel);
  return fine ? cnn_success()
              : cnn_failure(CNN_BAD_FORMAT, "%s: the WebP is damaged or cut off: it has %zu bytes", path, n);
}

bool cnn_webp_whole(const unsigned char *bytes, size_t n) {
  WebPBitstreamFeatures features;
  if (n < 8 || WebPGetFeatures(bytes, n, &features) != VP8_STATUS_OK || features.has_animation) return false;
  uint64_t size = 0; /* size of the RIFF chunk, which begins the file */
  for (int b = 3; b >= 0; b--) size = size << 8 | bytes[4 + b];
  return size + 8 <= n;
}

cnn_status cnn_webp_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                           int *orientation) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes, n, &features) != VP8_STATUS_OK)
    return cnn_failure(CNN_BAD_FORMAT, "%s: the WebP is damaged or cut off: it has %zu bytes", path, n);
  if (features.has_animation)
    return cnn_failure(CNN_BAD_FORMAT, "%s: is an animation; only still images are supported", path);
  cnn_status status = cnn_image_allocate(image, path, (uint32_t)features.height, (uint32_t)features.width, 3);
  if (status.code == CNN_OK) status = webp_fill(image, path, bytes, n, features.has_alpha != 0);
  *orientation = status.code == CNN_OK ? webp_orientation(bytes, n) : 1;
  return status;
}
