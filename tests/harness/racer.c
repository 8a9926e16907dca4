// racer.c: Program for ThreadSanitizer. Reads standard input into bare_in, calls bare_run twice with THREADS
// threads, and writes bare_out to standard output.
//     racer THREADS [BARRIER]
// With BARRIER, threads do not wait at that barrier of net.c, counted from 0.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

extern unsigned char bare_in[], bare_out[];
extern const long bare_in_bytes, bare_out_bytes;
void bare_run(void);
void glue_threads(int threads);
_Bool racer_waits(int barrier); // called at each barrier of net.c

enum { CALLS = 2 };
static int left_out = -1;

_Bool racer_waits(int barrier) { return barrier != left_out; }

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  glue_threads(atoi(argv[1]));
  if (argc > 2) left_out = atoi(argv[2]);
  if (fread(bare_in, 1, (size_t)bare_in_bytes, stdin) != (size_t)bare_in_bytes) return 2;
  for (int i = 0; i < CALLS; i++) bare_run();
  return fwrite(bare_out, 1, (size_t)bare_out_bytes, stdout) != (size_t)bare_out_bytes;
}
