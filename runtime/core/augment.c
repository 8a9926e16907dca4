/* augment.c: flips and shifts of raw pictures. */
// SPDX-License-Identifier: MIT-0
#include "cnn_core.h"

#include <string.h>

static bool is_called(const cnn_option *option, const char *name) {
  const char *a = option->name;
  while (*a && *a == *name) a++, name++;
  return *a == *name;
}

enum { DRAWS = 8 }; /* random numbers reserved for a sample */

cnn_move cnn_augment_draw(const cnn_recipe *recipe, uint64_t seed, uint32_t epoch, uint32_t index) {
  cnn_random random = cnn_random_stream(seed, CNN_STREAM_AUGMENT, epoch);
  uint32_t at = index * DRAWS;
  cnn_move move = {0};
  for (int32_t i = 0; i < recipe->augments; i++) {
    const cnn_option *option = &recipe->augment[i];
    if (is_called(option, "hflip")) {
      move.mirror ^= cnn_random_bits(random, at) >> 31;
    } else if (is_called(option, "vflip")) {
      move.upend ^= cnn_random_bits(random, at + 1) >> 31;
    } else if (is_called(option, "shift")) {
      int32_t most = (int32_t)option->value[0];
      move.down += (int32_t)cnn_random_below(random, at + 2, (uint32_t)(2 * most + 1)) - most;
      move.right += (int32_t)cnn_random_below(random, at + 3, (uint32_t)(2 * most + 1)) - most;
    }
  }
  return move;
}

bool cnn_move_is_nothing(const cnn_move *move) { return move->down == 0 && move->right == 0 && !move->mirror && !move->upend; }

void cnn_move_picture(const cnn_move *move, const void *in, void *out, int32_t height, int32_t width, int32_t pixel_bytes, int border) {
  const char *from = in;
  char *to = out;
  size_t pixel = (size_t)pixel_bytes, row = pixel * (size_t)width;
  for (int32_t y = 0; y < height; y++, to += row) {
    int32_t source_y = y - move->down;
    if (source_y < 0 || source_y >= height) {
      memset(to, border, row);
      continue;
    }
    if (move->upend) source_y = height - 1 - source_y;
    const char *line = from + row * (size_t)source_y;
    int32_t first = move->right > 0 ? move->right : 0, end = move->right < 0 ? width + move->right : width; /* columns that come from inside */
    if (first >= end) {
      memset(to, border, row);
      continue;
    }
    memset(to, border, pixel * (size_t)first);
    memset(to + pixel * (size_t)end, border, row - pixel * (size_t)end);
    if (!move->mirror) {
      memcpy(to + pixel * (size_t)first, line + pixel * (size_t)(first - move->right), pixel * (size_t)(end - first));
      continue;
    }
    for (int32_t x = first; x < end; x++) memcpy(to + pixel * (size_t)x, line + pixel * (size_t)(width - 1 - (x - move->right)), pixel);
  }
}
