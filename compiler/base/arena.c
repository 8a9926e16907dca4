/* arena.c: Arena allocator: objects in growing chunks, which are all freed in one call. */
// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Chunk {
  struct Chunk *next;
  size_t used, room;
  max_align_t bytes[];
} Chunk;

struct Arena {
  Chunk *chunk; /* the current chunk */
  size_t held;
  void (*clean)(void *context);
  void *context;
};

enum { ALIGNMENT = _Alignof(max_align_t), FIRST_CHUNK = 32 << 10, LARGEST_CHUNK = 4 << 20 };

static _Noreturn void out_of_memory(const Arena *arena) {
  fputs("cnnc: error: out of memory\n", stderr);
  if (arena && arena->clean) arena->clean(arena->context);
  exit(1);
}

Arena *arena_new(void) {
  Arena *arena = calloc(1, sizeof *arena);
  if (!arena) out_of_memory(NULL);
  arena->held = sizeof *arena;
  return arena;
}

void arena_at_failure(Arena *arena, void (*clean)(void *context), void *context) {
  arena->clean = clean;
  arena->context = context;
}

/* Chunks double in size, up to LARGEST_CHUNK, so that calls of calloc are rare. If an object is larger than
 * the next chunk would be, the chunk gets the size of the object. */
static Chunk *chunk_add(Arena *arena, size_t bytes) {
  size_t room = arena->chunk ? 2 * arena->chunk->room : FIRST_CHUNK;
  if (room > LARGEST_CHUNK) room = LARGEST_CHUNK;
  if (room < bytes) room = bytes;
  Chunk *chunk = calloc(1, sizeof *chunk + room);
  if (!chunk) out_of_memory(arena);
  *chunk = (Chunk){.next = arena->chunk, .room = room};
  arena->held += sizeof *chunk + room;
  return arena->chunk = chunk;
}

static size_t rounded_up(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

void *arena_alloc(Arena *arena, size_t bytes) {
  if (bytes > PTRDIFF_MAX - sizeof(Chunk) - ALIGNMENT) out_of_memory(arena);
  const size_t need = rounded_up(bytes ? bytes : 1);
  Chunk *chunk = arena->chunk;
  if (!chunk || chunk->room - chunk->used < need) chunk = chunk_add(arena, need);
  void *at = (char *)chunk->bytes + chunk->used;
  chunk->used += need;
  return at;
}

void *arena_grow(Arena *arena, void *old, size_t old_bytes, size_t new_bytes) {
  Chunk *chunk = arena->chunk;
  const size_t had = rounded_up(old_bytes ? old_bytes : 1);
  const size_t need = rounded_up(new_bytes ? new_bytes : 1);
  const bool last = old && chunk && (char *)old + had == (char *)chunk->bytes + chunk->used;
  if (last && need >= had && chunk->room - chunk->used >= need - had) {
    chunk->used += need - had;
    return old;
  }
  void *grown = arena_alloc(arena, new_bytes);
  if (old) memcpy(grown, old, old_bytes < new_bytes ? old_bytes : new_bytes);
  return grown;
}

char *arena_copy(Arena *arena, const char *text, size_t n) {
  char *copy = arena_alloc(arena, n + 1);
  if (n) memcpy(copy, text, n);
  return copy;
}

char *arena_vprintf(Arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  const int n = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (n < 0) return arena_copy(arena, "", 0);
  char *text = arena_alloc(arena, (size_t)n + 1);
  vsnprintf(text, (size_t)n + 1, format, args);
  return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}

size_t arena_bytes(const Arena *arena) { return arena->held; }

void arena_reset(Arena *arena) {
  Chunk *kept = arena->chunk;
  if (!kept) return;
  for (Chunk *chunk = kept->next, *next; chunk; chunk = next) {
    next = chunk->next;
    arena->held -= sizeof *chunk + chunk->room;
    free(chunk);
  }
  memset(kept->bytes, 0, kept->used);
  kept->next = NULL;
  kept->used = 0;
}

void arena_free(Arena *arena) {
  if (!arena) return;
  for (Chunk *chunk = arena->chunk, *next; chunk; chunk = next) {
    next = chunk->next;
    free(chunk);
  }
  free(arena);
}
