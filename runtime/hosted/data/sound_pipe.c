/* sound_pipe.c: Sound from standard input: a WAV stream is recognized by its header, and converted frame by
 * frame to the same samples as those of a file. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/sound_pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cnn_data.h"

static const char path[] = "-";

/* The first bytes of sound files; '?' matches any byte. */
static const struct {
  const char *bytes, *name;
} header[] = {{"RIFF????WAVE", "WAV"},  {"RF64????WAVE", "RF64"},
              {"RIFX????WAVE", "RIFX"}, {"fLaC", "FLAC"},
              {"OggS", "Ogg"},          {"FORM????AIF", "AIFF"},
              {".snd", "AU"},           {"Creative Voice File", "VOC"},
              {"caff", "CAF"}};
enum { HEADERS = sizeof header / sizeof *header };

/* ---- The header */

/* Whether the bytes are the beginning of header h, or the whole header. */
static bool begins(const cnn_sound_pipe *pipe, int h) {
  for (size_t i = 0; i < pipe->held && header[h].bytes[i]; i++)
    if (header[h].bytes[i] != '?' && (unsigned char)header[h].bytes[i] != pipe->begun[i]) return false;
  return true;
}

/* The header that the pipe begins with, or -1. Reads one byte at a time, and no further than a header can
 * still follow, so a step of a few raw samples does not wait for samples after it. */
static int header_find(cnn_sound_pipe *pipe) {
  while (pipe->held < sizeof pipe->begun) {
    bool possible = false;
    for (int h = 0; h < HEADERS; h++) {
      if (!begins(pipe, h)) continue;
      if (strlen(header[h].bytes) <= pipe->held) return h;
      possible = true;
    }
    const int byte = possible ? getc(pipe->file) : EOF;
    if (byte == EOF) break;
    pipe->begun[pipe->held++] = (unsigned char)byte;
  }
  return -1;
}

static cnn_status ended(const cnn_sound_pipe *pipe, const char *where) {
  if (ferror(pipe->file)) return cnn_failure(CNN_BAD_FILE, "cannot read standard input: %s", strerror(errno));
  return cnn_failure(CNN_BAD_FORMAT, "%s: the WAV stream ends %s", path, where);
}

static uint32_t size_of(const unsigned char *chunk) {
  return (uint32_t)chunk[4] | (uint32_t)chunk[5] << 8 | (uint32_t)chunk[6] << 16 | (uint32_t)chunk[7] << 24;
}

/* Reads the chunks before the samples. */
static cnn_status chunks_read(cnn_sound_pipe *pipe) {
  unsigned char chunk[8], body[64];
  for (;;) {
    if (fread(chunk, 1, sizeof chunk, pipe->file) < sizeof chunk) return ended(pipe, "before its samples");
    pipe->size = size_of(chunk);
    if (memcmp(chunk, "data", 4) == 0) break;
    size_t kept = 0;
    for (uint64_t i = 0; i < (uint64_t)pipe->size + pipe->size % 2; i++) {
      const int byte = getc(pipe->file);
      if (byte == EOF) return ended(pipe, "before its samples");
      if (i < pipe->size && kept < sizeof body) body[kept++] = (unsigned char)byte;
    }
    if (memcmp(chunk, "fmt ", 4) != 0) continue;
    const cnn_status status = cnn_sound_format_read(&pipe->format, path, body, kept);
    if (status.code != CNN_OK) return status;
  }
  pipe->left = cnn_sound_size_unknown(pipe->size) ? UINT64_MAX : pipe->size;
  if (pipe->format.channels) return cnn_success();
  return cnn_failure(CNN_BAD_FORMAT, "%s: the samples (data chunk) come before their format (fmt chunk)",
                     path);
}

cnn_status cnn_sound_pipe_open(cnn_sound_pipe *pipe, FILE *file, const cnn_port *port) {
  *pipe = (cnn_sound_pipe){.file = file, .port = port, .rate = port->rate};
  const int found = header_find(pipe);
  if (found < 0) return cnn_success();
  if (found > 0)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: begins with the header of a file in the format %s; standard input must be a WAV "
                       "stream, or raw samples of the type of the input \"%s\"",
                       path, header[found].name, port->name);
  pipe->wav = true;
  cnn_status status = chunks_read(pipe);
  if (status.code == CNN_OK) status = cnn_sound_channels_fit(path, port, pipe->format.channels);
  if (status.code != CNN_OK) return status;
  if (pipe->rate <= 0) pipe->rate = pipe->format.rate;
  pipe->ratio = cnn_resampling_of(pipe->format.rate, (int32_t)pipe->rate);
  return status;
}

/* ---- Frames of a WAV stream */

/* Makes room for another frame; drops frames that no later output frame reads. */
static cnn_status room_make(cnn_sound_pipe *pipe) {
  const int32_t channels = pipe->port->dim[1];
  const int64_t oldest = cnn_resampling_first(&pipe->ratio, pipe->given),
                drop = oldest - pipe->origin < pipe->end - pipe->origin ? oldest - pipe->origin
                                                                        : pipe->end - pipe->origin;
  const size_t frame = (size_t)channels * sizeof *pipe->sample;
  if (pipe->end - pipe->origin < pipe->room) return cnn_success();
  if (2 * drop > pipe->room) {
    memmove(pipe->sample, pipe->sample + drop * channels, (size_t)(pipe->end - pipe->origin - drop) * frame);
    pipe->origin += drop;
    return cnn_success();
  }
  const int64_t room = pipe->room ? 2 * pipe->room : 4096;
  float *grown = realloc(pipe->sample, (size_t)room * frame);
  if (!grown) return cnn_failure(CNN_NO_MEMORY, "%s: no memory for its samples", path);
  pipe->sample = grown;
  pipe->room = room;
  return cnn_success();
}

/* Reads the next frame. At the end of the samples, sets `ended`. */
static cnn_status frame_read(cnn_sound_pipe *pipe) {
  unsigned char bytes[64 * 8];
  float frame[64];
  const int32_t channels = pipe->format.channels, kept = pipe->port->dim[1];
  const size_t one = (size_t)(pipe->format.bits / 8), all = one * (size_t)channels;
  const size_t got = pipe->left < all ? 0 : fread(bytes, 1, all, pipe->file);
  if (got < all) {
    pipe->ended = true;
    if (pipe->left < all || (pipe->left == UINT64_MAX && !ferror(pipe->file))) return cnn_success();
    if (ferror(pipe->file)) return ended(pipe, "");
    return cnn_failure(CNN_BAD_FORMAT, "%s: is cut off: the data chunk has %u bytes, but only %llu came",
                       path, pipe->size, (unsigned long long)(pipe->size - pipe->left + got));
  }
  if (pipe->left != UINT64_MAX) pipe->left -= all;
  const cnn_status status = room_make(pipe);
  if (status.code != CNN_OK) return status;
  for (int32_t c = 0; c < channels; c++) frame[c] = cnn_sound_sample(&pipe->format, bytes + (size_t)c * one);
  if (kept != channels) frame[0] = cnn_sound_mean(frame, channels);
  memcpy(pipe->sample + (pipe->end - pipe->origin) * kept, frame, (size_t)kept * sizeof *frame);
  pipe->end++;
  return status;
}

/* Stores the next frame at the input's rate as row i. Sets *more to false if there is none. */
static cnn_status frame_store(cnn_sound_pipe *pipe, void *to, int64_t i, bool *more) {
  const cnn_resampling *ratio = &pipe->ratio;
  const bool same = ratio->from == ratio->to;
  const int64_t last = same ? pipe->given : cnn_resampling_last(ratio, pipe->given);
  const int32_t channels = pipe->port->dim[1];
  cnn_status status = cnn_success();
  while (pipe->end <= last && !pipe->ended && status.code == CNN_OK) status = frame_read(pipe);
  *more = status.code == CNN_OK && pipe->given < (pipe->end * ratio->to + ratio->from - 1) / ratio->from;
  for (int32_t c = 0; *more && c < channels; c++) {
    const float value =
        same ? pipe->sample[(pipe->given - pipe->origin) * channels + c]
             : cnn_resampled(ratio, pipe->sample, pipe->origin, pipe->end, channels, c, pipe->given);
    cnn_sound_store(pipe->port, to, i * channels + c, (double)value);
  }
  pipe->given += *more;
  return status;
}

/* ---- Rows of the input */

static cnn_status raw_read(cnn_sound_pipe *pipe, char *to, int64_t count, int64_t *got) {
  const size_t row = (size_t)(pipe->port->size / pipe->port->dim[0]) * cnn_type_bytes(pipe->port->type),
               all = row * (size_t)count;
  size_t bytes = pipe->held - pipe->used < all ? pipe->held - pipe->used : all;
  memcpy(to, pipe->begun + pipe->used, bytes);
  pipe->used += bytes;
  bytes += fread(to + bytes, 1, all - bytes, pipe->file);
  *got = (int64_t)(bytes / row);
  return cnn_success();
}

cnn_status cnn_sound_pipe_read(cnn_sound_pipe *pipe, void *to, int64_t count, int64_t *got) {
  cnn_status status = cnn_success();
  bool more = true;
  *got = 0;
  if (!pipe->wav) status = raw_read(pipe, to, count, got);
  while (pipe->wav && *got < count && more) {
    status = frame_store(pipe, to, *got, &more);
    *got += more;
  }
  if (status.code == CNN_OK && ferror(pipe->file))
    return cnn_failure(CNN_BAD_FILE, "cannot read standard input: %s", strerror(errno));
  return status;
}

void cnn_sound_pipe_close(cnn_sound_pipe *pipe) { free(pipe->sample); }
