/* rpc.c: Message framing of the language server protocol: a Content-Length header, an empty line, JSON. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "lsp/lsp.h"

enum { PIECE = 64 << 10, LONGEST_LINE = 4096, LARGEST_MESSAGE = 256 << 20 };

/* RPC_MESSAGE: bytes were read; RPC_NOTHING: no bytes are available now; RPC_END: the input has ended. */
static RpcEvent fill_buffer(Rpc *r, bool wait) {
  if (r->room - r->n < PIECE) {
    const size_t room = 2 * r->room + PIECE;
    Arena *arena = arena_new();
    char *bytes = arena_alloc(arena, room);
    if (r->n) memcpy(bytes, r->bytes, r->n);
    if (r->arena) arena_free(r->arena);
    r->arena = arena;
    r->bytes = bytes;
    r->room = room;
  }
  const long got = r->ended ? 0 : r->wire->read(r->wire->context, r->bytes + r->n, PIECE, wait);
  if (got > 0) return r->n += (size_t)got, RPC_MESSAGE;
  r->ended |= got == 0;
  return got == 0 ? RPC_END : RPC_NOTHING;
}

static void drop(Rpc *r, size_t n) {
  memmove(r->bytes, r->bytes + n, r->n - n);
  r->n -= n;
}

static void header_line(Rpc *r, const char *line, size_t n) {
  static const char wanted[] = "Content-Length:";
  const size_t name = sizeof wanted - 1;
  if (n < name || strncasecmp(line, wanted, name) != 0) {
    r->bad |= !memchr(line, ':', n);
    return;
  }
  size_t at = name, length = 0, digits = 0;
  while (at < n && line[at] == ' ') at++;
  for (; at < n && line[at] >= '0' && line[at] <= '9'; at++, digits++)
    length = length > SIZE_MAX / 20 ? length : 10 * length + (size_t)(line[at] - '0');
  if (digits == 0 || at < n) r->bad = true;
  else {
    r->has_length = true;
    r->length = length;
  }
}

static RpcEvent mistake(Rpc *r, const char **why, const char *what) {
  r->has_length = r->bad = false;
  *why = what;
  return RPC_MISTAKE;
}

/* RPC_MESSAGE: the header is complete; RPC_NOTHING: the header is not complete yet; RPC_MISTAKE: the header
 * is invalid, or the message is too large. */
static RpcEvent header_read(Rpc *r, const char **why) {
  for (;;) {
    const char *end = r->n ? memchr(r->bytes, '\n', r->n) : NULL;
    if (!end && r->n > LONGEST_LINE) {
      drop(r, r->n);
      r->bad = true;
    }
    if (!end) return RPC_NOTHING;
    size_t n = (size_t)(end - r->bytes);
    const size_t whole = n + 1;
    while (n && r->bytes[n - 1] == '\r') n--;
    if (n) header_line(r, r->bytes, n);
    drop(r, whole);
    if (n) continue;
    if (r->has_length && !r->bad && r->length > LARGEST_MESSAGE) {
      r->skip = r->length;
      return mistake(r, why, "the message is larger than 256 MiB");
    }
    if (r->has_length && !r->bad) return RPC_MESSAGE;
    if (r->has_length || r->bad) return mistake(r, why, "the header of the message is invalid");
  }
}

/* Skips a message that is too large. RPC_MESSAGE: all of the message was skipped. */
static RpcEvent skip(Rpc *r, bool wait) {
  for (;;) {
    const size_t n = r->skip < r->n ? r->skip : r->n;
    drop(r, n);
    r->skip -= n;
    if (!r->skip) return RPC_MESSAGE;
    const RpcEvent event = fill_buffer(r, wait);
    if (event != RPC_MESSAGE) return event;
  }
}

RpcEvent rpc_next(Rpc *r, bool wait, const char **text, size_t *n, const char **why) {
  if (!r->bytes) fill_buffer(r, false);
  drop(r, r->given);
  r->given = 0;
  for (;;) {
    RpcEvent event = r->skip ? skip(r, wait) : RPC_MESSAGE;
    if (event != RPC_MESSAGE) return event;
    event = r->body ? RPC_MESSAGE : header_read(r, why);
    if (event == RPC_MISTAKE) return event;
    r->body = event == RPC_MESSAGE;
    if (r->body && r->n >= r->length) break;
    event = fill_buffer(r, wait);
    if (event != RPC_MESSAGE) return event;
  }
  r->body = r->has_length = false;
  *text = r->bytes;
  *n = r->given = r->length;
  return RPC_MESSAGE;
}

static int append_bytes(const char *bytes, size_t n, void *text) { return text_bytes(text, bytes, n), 0; }

void rpc_send(Rpc *r, json_t *message) {
  Arena *arena = arena_new();
  Text body = {.arena = arena};
  json_dump_callback(message, append_bytes, &body, JSON_COMPACT);
  const char *header = arena_printf(arena, "Content-Length: %zu\r\n\r\n", body.n);
  r->broken = r->broken || !r->wire->write(r->wire->context, header, strlen(header)) ||
              !r->wire->write(r->wire->context, body.s, body.n);
  json_decref(message);
  arena_free(arena);
}
