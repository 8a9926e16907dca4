/* arena.h: Arena allocator: all objects of an arena are freed in one call. There is one arena per
 * compilation, and scratch arenas for temporary data. Files of compiler/ allocate memory in arenas; only
 * arena.c calls calloc. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ARENA_H
#define CNNC_ARENA_H
#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_new(void);
/* Registers a function that is called if memory runs out, before the program exits. */
void arena_at_failure(Arena *, void (*clean)(void *context), void *context);
void *arena_alloc(Arena *,
                  size_t bytes); /* zeroed, aligned for any object; if out of memory, exits with status 1 */
void *arena_grow(Arena *, void *old, size_t old_bytes, size_t new_bytes);
char *arena_copy(Arena *, const char *text, size_t n); /* a copy of n bytes, with a final zero */
char *arena_printf(Arena *, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *, const char *format, va_list);
size_t arena_bytes(const Arena *); /* bytes obtained from the system */
void arena_reset(Arena *);         /* frees all objects of the arena, and keeps the last chunk */
void arena_free(Arena *);

#define NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define NEW_ARRAY(arena, type, n) ((type *)arena_alloc((arena), sizeof(type) * (size_t)(n)))

/* A growing array of T in an arena:   VEC(Node *) nodes = {0};  vec_push(arena, nodes, node);  nodes.data[i],
 * nodes.n */
#define VEC(type)                                                                                            \
  struct {                                                                                                   \
    type *data;                                                                                              \
    int n, room;                                                                                             \
  }
#define vec_push(arena, vec, item)                                                                           \
  ((vec).n == (vec).room                                                                                     \
       ? (void)((vec).data = arena_grow((arena), (vec).data, sizeof *(vec).data * (size_t)(vec).room,        \
                                        sizeof *(vec).data * (size_t)((vec).room ? 2 * (vec).room : 8)),     \
                (vec).room = (vec).room ? 2 * (vec).room : 8)                                                \
       : (void)0,                                                                                            \
   (vec).data[(vec).n++] = (item))

/* Words in an arena, such as the values of an option that may be repeated. */
typedef VEC(const char *) WordList;
#endif
