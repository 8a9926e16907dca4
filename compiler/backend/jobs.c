/* jobs.c: Limit on the number of concurrent compilers: one per processor that this process may use. Under
 * make -j, each compiler except the first needs a token of make's job server. A token is a byte: cnnc reads
 * it from a pipe or fifo before it starts the compiler, and writes it back when a compiler ends. If MAKEFLAGS
 * names a job server that cannot be opened, one compiler runs at a time. */
// SPDX-License-Identifier: Apache-2.0
#ifdef __linux__
#define _GNU_SOURCE /* sched_getaffinity */
#include <sched.h>
#else
#define _POSIX_C_SOURCE 200809L
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backend/process.h"

static int processors(void) {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
#ifdef _SC_NPROCESSORS_ONLN
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  if (online > 0) return online < 1024 ? (int)online : 1024;
#endif
  return 1;
}

/* Opens the job server's pipe by its path: O_NONBLOCK on an inherited descriptor would affect other
 * processes. */
static int open_tokens(const char *path, int flags) {
  struct stat status;
  const int descriptor = open(path, flags | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return -1;
  if (fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode)) return descriptor;
  close(descriptor);
  return -1;
}

static int open_inherited(int descriptor, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/dev/fd/%d", descriptor);
  return descriptor < 0 ? -1 : open_tokens(path, flags);
}

/* Copies a word of MAKEFLAGS without the backslashes that quote the next character. False: the word is too
 * long. */
static bool unquoted(const char *flags, char *word, size_t room) {
  size_t n = 0;
  for (; *flags && *flags != ' ' && *flags != '\t' && n < room; n++) {
    if (*flags == '\\' && flags[1]) flags++;
    word[n] = *flags++;
  }
  if (n == room) return false;
  word[n] = 0;
  return true;
}

/* Opens the job server. auth: "fifo:PATH", or the two descriptors of a pipe as "R,W". */
static void open_make(Jobs *jobs, const char *auth) {
  static const char fifo[] = "fifo:";
  char word[4096];
  int from, to;
  if (!unquoted(auth, word, sizeof word)) word[0] = 0;
  if (strncmp(word, fifo, strlen(fifo)) == 0)
    jobs->from = jobs->to = open_tokens(word + strlen(fifo), O_RDWR);
  else if (sscanf(word, "%d,%d", &from, &to) == 2) {
    jobs->from = open_inherited(from, O_RDONLY);
    jobs->to = open_inherited(to, O_WRONLY);
  }
  if (jobs->from < 0 || jobs->to < 0) jobs->most = 1;
}

/* The text of MAKEFLAGS after the last occurrence of an option; NULL: the option is absent. */
static const char *make_option(const char *name) {
  const char *flags = getenv("MAKEFLAGS"), *value = NULL;
  for (; flags && (flags = strstr(flags, name)); flags = value) value = flags + strlen(name);
  return value;
}

void jobs_open(Jobs *jobs, int wanted) {
  const char *auth = make_option("--jobserver-auth=");
  if (!auth) auth = make_option("--jobserver-fds="); /* before make 4.2 */
  *jobs = (Jobs){.most = processors(), .from = -1, .to = -1};
  if (jobs->most > wanted) jobs->most = wanted;
  if (auth) open_make(jobs, auth);
}

bool jobs_take(Jobs *jobs) {
  if (jobs->running >= jobs->most) return false;
  if (jobs->from >= 0 && jobs->running) {
    ssize_t n;
    do n = read(jobs->from, &jobs->token[jobs->running], 1);
    while (n < 0 && errno == EINTR);
    if (n != 1) return false;
  }
  jobs->running++;
  return true;
}

void jobs_give(Jobs *jobs) {
  ssize_t n;
  if (--jobs->running == 0 || jobs->to < 0) return;
  do n = write(jobs->to, &jobs->token[jobs->running], 1);
  while (n < 0 && errno == EINTR);
}

void jobs_close(Jobs *jobs) {
  while (jobs->running) jobs_give(jobs);
  if (jobs->from >= 0) close(jobs->from);
  if (jobs->to >= 0 && jobs->to != jobs->from) close(jobs->to);
}
