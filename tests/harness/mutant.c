/* mutant.c: Prints a program with some of its tokens changed. Usage: mutant SEED FILE
 *
 * Tokens are dropped, doubled, exchanged, inserted, copied to another position, or replaced by other tokens.
 * New tokens come from the file, or are likely to cause errors. The result is usually invalid; then the
 * compiler must report an error. */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/text.h"

typedef struct Token {
  const char *s;
  size_t n;
} Token; /* blanks and line ends are tokens, too */
typedef struct Mutant {
  Arena *arena;
  uint64_t random;
  VEC(Token) tokens;
} Mutant;

static size_t below(Mutant *m, size_t n) { /* splitmix64 */
  uint64_t z = m->random += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (size_t)((z ^ (z >> 31)) % n);
}

static size_t token_size(const char *s) {
  size_t n = 0;
  if (*s == '#') return strcspn(s, "\n");
  if (*s == '"') {
    for (n = 1; s[n] && s[n] != '"' && s[n] != '\n'; n++) n += s[n] == '\\' && s[n + 1];
    return n + (s[n] == '"');
  }
  while (isalnum((unsigned char)s[n]) || s[n] == '_') n++;
  if (n) return n;
  n = strspn(s, " \t");
  return n ? n : !strncmp(s, "->", 2) || !strncmp(s, "..", 2) || !strncmp(s, "**", 2) ? 2 : 1;
}

static const char *const hurtful[] = {"0",
                                      "1",
                                      "-1",
                                      "2147483647",
                                      "2147483648",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "1e308",
                                      "1e999",
                                      "0.5",
                                      "1e-320",
                                      "1000000",
                                      "0x0",
                                      "1x1x1",
                                      "65536x65536x65536",
                                      "\"\"",
                                      "\"same\"",
                                      "\"chw\"",
                                      "\"\\u0000\"",
                                      "[",
                                      "]",
                                      "[]",
                                      "[[1], [2, 3]]",
                                      "(",
                                      ")",
                                      "{",
                                      "}",
                                      "->",
                                      "=",
                                      "..",
                                      "**",
                                      "/",
                                      "%",
                                      "-",
                                      "?",
                                      ":",
                                      ",",
                                      ";",
                                      ".",
                                      "\n",
                                      "true",
                                      "false",
                                      "in",
                                      "in.channels",
                                      "in.size",
                                      "not",
                                      "and",
                                      "or",
                                      "net",
                                      "block",
                                      "input",
                                      "output",
                                      "const",
                                      "labels",
                                      "train",
                                      "repeat",
                                      "if",
                                      "else",
                                      "as",
                                      "import",
                                      "same",
                                      "valid",
                                      "causal",
                                      "he",
                                      "bilinear",
                                      "normal(0)",
                                      "uniform(-1)",
                                      "conv",
                                      "dense(3)",
                                      "flatten",
                                      "reshape([1])",
                                      "softmax",
                                      "batchnorm",
                                      "concat(in)",
                                      "add(in)",
                                      "dropout(1)",
                                      "lrn(size=0)",
                                      "maxpool(2)",
                                      "global_avgpool",
                                      "yolo",
                                      "nms",
                                      "upsample(2)",
                                      "normalize(std=0)",
                                      "slice(0..0)",
                                      "zero_pad(1000000)",
                                      "crop(1)",
                                      "conv_transpose(2, 2, stride=1000000)",
                                      "depthwise(3)",
                                      "name=\"a\"",
                                      "weights=a",
                                      "frozen=true",
                                      "init=[[1, 0], [0, 1]]",
                                      "groups=0",
                                      "kernel=[0, 0]",
                                      "stride=0",
                                      "pad=[1, 2, 3]",
                                      "pad=-1",
                                      "loss = cross_entropy",
                                      "target = input",
                                      "batch = 0",
                                      "optimizer = adam(rate=-1)",
                                      "mse",
                                      "min()",
                                      "floor(1e300)",
                                      "round(0.5)",
                                      "max(1, \"a\")",
                                      "\xff",
                                      "\xc3\xa9",
                                      "#"};

static Token drawn(Mutant *m) {
  const size_t known = sizeof hurtful / sizeof *hurtful;
  if (m->tokens.n && below(m, 2)) return m->tokens.data[below(m, (size_t)m->tokens.n)];
  const char *s = hurtful[below(m, known)];
  return (Token){s, strlen(s)};
}

static void insert(Mutant *m, size_t at, Token token) {
  vec_push(m->arena, m->tokens, token);
  for (size_t i = (size_t)m->tokens.n - 1; i > at; i--) m->tokens.data[i] = m->tokens.data[i - 1];
  m->tokens.data[at] = token;
}

static void erase(Mutant *m, size_t at, size_t n) {
  for (size_t i = at; i + n < (size_t)m->tokens.n; i++) m->tokens.data[i] = m->tokens.data[i + n];
  m->tokens.n = (int)((size_t)m->tokens.n > at + n ? (size_t)m->tokens.n - n : at);
}

static void change(Mutant *m) {
  const size_t at = below(m, (size_t)m->tokens.n), other = below(m, (size_t)m->tokens.n);
  const Token token = m->tokens.data[at];
  switch (below(m, 8)) {
  case 0: erase(m, at, 1); break;
  case 1: insert(m, at, token); break;
  case 2:
    m->tokens.data[at] = m->tokens.data[other];
    m->tokens.data[other] = token;
    break;
  case 3: insert(m, at, drawn(m)); break;
  case 4: erase(m, at, 1 + below(m, 12)); break;
  case 5: /* copies some tokens to another position */
    for (size_t i = 0, n = 1 + below(m, 20); i < n && other + 2 * i < (size_t)m->tokens.n; i++)
      insert(m, at, m->tokens.data[other + 2 * i]);
    break;
  default: m->tokens.data[at] = drawn(m);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return fputs("usage: mutant SEED FILE\n", stderr), 2;
  Mutant m = {.arena = arena_new(), .random = strtoull(argv[1], NULL, 10) * UINT64_C(0xd1342543de82ef95)};
  size_t size;
  const char *why = NULL, *text = file_read(m.arena, argv[2], &size, &why);
  if (!text) return fprintf(stderr, "%s: %s\n", argv[2], why), 1;
  for (const char *s = text; *s; s += m.tokens.data[m.tokens.n - 1].n)
    vec_push(m.arena, m.tokens, ((Token){s, token_size(s)}));
  for (size_t i = 0, n = 1 + below(&m, 4); i < n && m.tokens.n; i++) change(&m);
  for (int i = 0; i < m.tokens.n; i++) fwrite(m.tokens.data[i].s, 1, m.tokens.data[i].n, stdout);
  arena_free(m.arena);
  return 0;
}
