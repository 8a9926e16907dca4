/* resource.h: getrlimit() for Windows: every limit is RLIM_INFINITY. */
// SPDX-License-Identifier: MIT-0
#ifndef PLATFORM_RESOURCE_H
#define PLATFORM_RESOURCE_H
#include <stdint.h>
typedef uint64_t rlim_t;
struct rlimit {
  rlim_t rlim_cur, rlim_max;
};
enum { RLIMIT_AS };
#define RLIM_INFINITY UINT64_MAX
#define getrlimit(what, limit) ((void)(what), (limit)->rlim_cur = RLIM_INFINITY, 0)
#endif
