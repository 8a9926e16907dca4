/* memory.c: Size of the memory that the process may use. */
// SPDX-License-Identifier: MIT-0
#include "hosted/base/memory.h"

#include <sys/resource.h>
#include <unistd.h>

int64_t cnn_memory(void) {
  int64_t most = 0;
  struct rlimit limit;
#ifdef _SC_PHYS_PAGES
  const long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  if (pages > 0 && bytes > 0) most = (int64_t)pages * bytes;
#endif
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      (most == 0 || limit.rlim_cur < (rlim_t)most))
    most = limit.rlim_cur < INT64_MAX ? (int64_t)limit.rlim_cur : INT64_MAX;
  return most;
}
