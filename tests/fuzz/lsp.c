/* lsp.c: Fuzz target for the language server: the input is a sequence of messages from an editor. Two
 * newlines separate messages. Each message gets a valid header, because most mutations of a header would be
 * rejected immediately. A message that begins with '!' gets no header: the bytes after the '!' are sent
 * unchanged. Two documents are open from the start. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "lsp/server.h"

typedef struct Stream {
  const char *bytes;
  size_t n, at;
} Stream;

static long take(void *context, char *bytes, size_t n, bool wait) {
  Stream *s = context;
  if (!wait && s->at % 3 == 0 && s->at < s->n) return -1;
  if (n > s->n - s->at) n = s->n - s->at;
  if (n > 1000) n = 1000; /* messages arrive in pieces */
  memcpy(bytes, s->bytes + s->at, n);
  s->at += n;
  return (long)n;
}

static bool drop(void *context, const char *bytes, size_t n) {
  (void)context, (void)bytes, (void)n;
  return true;
}

static void put(Text *out, const char *message, size_t n) {
  if (n && message[0] == '!') text_bytes(out, message + 1, n - 1);
  else {
    text_put(out, "Content-Length: %zu\r\n\r\n", n);
    text_bytes(out, message, n);
  }
}

static const char *const before[] = {
    "{\"id\": 1, \"method\": \"initialize\", \"params\": {\"capabilities\": {\"general\": "
    "{\"positionEncodings\": [\"utf-8\"]}}}}",
    "{\"method\": \"textDocument/didOpen\", \"params\": {\"textDocument\": {\"uri\": \"file:///b.cnn\", "
    "\"version\": 1, \"text\": \"block b(n) {\\n  c1 = conv(n, 3x3) -> relu\\n}\\nconst k = 3\\n\"}}}",
    "{\"method\": \"textDocument/didOpen\", \"params\": {\"textDocument\": {\"uri\": \"file:///a.cnn\", "
    "\"version\": 1, \"text\": \"import \\\"b.cnn\\\"\\nnet a {\\n  input x: 8x8x3\\n  e = b(k)\\n"
    "  dense(e.c1.channels) -> softmax\\n  train { loss = cross_entropy }\\n}\\n\"}}}",
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  Arena *arena = arena_new();
  Text input = {.arena = arena};
  for (int i = 0; i < 3; i++) put(&input, before[i], strlen(before[i]));
  const char *text = (const char *)bytes, *end = text + n;
  while (text < end) {
    const char *next = text;
    while (next < end && !(next[0] == '\n' && next + 1 < end && next[1] == '\n')) next++;
    put(&input, text, (size_t)(next - text));
    text = next < end ? next + 2 : end;
  }
  Stream stream = {input.s, input.n, 0};
  const Wire wire = {&stream, take, drop};
  lsp_serve(&wire, &(WordList){0}, &(WordList){0});
  arena_free(arena);
  return 0;
}
