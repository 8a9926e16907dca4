/* compiler_stub.c: A program that replaces a C compiler in tests, on Windows and Linux. An "object" that the
 * program writes is a copy of the text on standard input. An "executable" is a concatenation of the object
 * files on the command line. $STUB_LOG: the file to which the program adds a line "begin", a line for each
 * word of its command line, and a line "end". $STUB_STATUS: its exit status. $STUB_SAYS: a message that it
 * prints. $STUB_MEET: a number n; the program waits, at most 20 s, until n runs of this program have written
 * "begin" to $STUB_LOG. The program then adds "met" to $STUB_LOG, or "alone" if it waited in vain. */
// SPDX-License-Identifier: MIT-0
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

static void add_line(const char *before, const char *word) {
  const char *path = getenv("STUB_LOG");
  FILE *log = path ? fopen(path, "ab") : NULL;
  if (!log) return;
  fprintf(log, "%s%s\n", before, word);
  fclose(log);
}

static void copy(FILE *from, FILE *to) {
  char bytes[4096];
  for (size_t n; (n = fread(bytes, 1, sizeof bytes, from)) > 0;) fwrite(bytes, 1, n, to);
}

static int calls(void) {
  char line[4096];
  int count = 0;
  FILE *log = fopen(getenv("STUB_LOG"), "rb");
  while (log && fgets(line, sizeof line, log)) count += strcmp(line, "begin\n") == 0;
  if (log) fclose(log);
  return count;
}

static void meet(int wanted) {
  const time_t begin = time(NULL);
  while (calls() < wanted && time(NULL) - begin < 20) continue;
  add_line(calls() < wanted ? "alone" : "met", "");
}

static bool has_suffix(const char *word, const char *suffix) {
  const size_t n = strlen(word), m = strlen(suffix);
  return n >= m && strcmp(word + n - m, suffix) == 0;
}

/* Whether the word after `word` on a command line is the argument of option `word`. */
static bool takes_word(const char *word) {
  static const char *const options[] = {"-x", "-I", "-Xlinker", "-target", "-o", NULL};
  for (const char *const *option = options; *option; option++)
    if (strcmp(*option, word) == 0) return true;
  return false;
}

int main(int argc, char **argv) {
  const char *status = getenv("STUB_STATUS"), *says = getenv("STUB_SAYS"), *together = getenv("STUB_MEET");
  const char *output = NULL;
#ifdef _WIN32
  _setmode(_fileno(stdin), _O_BINARY);
#endif
  add_line("begin", "");
  for (int i = 1; i < argc; i++) {
    add_line("  ", argv[i]);
    if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) output = argv[i + 1];
  }
  if (says) fprintf(stderr, "%s\n", says);
  if (together) meet(atoi(together));
  FILE *to = output ? fopen(output, "wb") : NULL;
  for (int i = 1; to && i < argc; i++) {
    if (takes_word(argv[i])) i++;
    else if (strcmp(argv[i], "-") == 0) copy(stdin, to);
    else if (argv[i][0] && argv[i][0] != '-' && !has_suffix(argv[i], ".a")) {
      FILE *object = fopen(argv[i], "rb");
      if (!object) return fprintf(stderr, "no %s\n", argv[i]), 1;
      copy(object, to);
      fclose(object);
    }
  }
  if (to && fclose(to) != 0) return 1;
  add_line("end", "");
  return status ? atoi(status) : 0;
}
