/* poll.h: poll() for Windows, which only detects whether a pipe has data. */
// SPDX-License-Identifier: MIT-0
#ifndef PLATFORM_POLL_H
#define PLATFORM_POLL_H
#define POLLIN 1
struct pollfd {
  int fd;
  short events, revents;
};
/* Supports one descriptor, and does not wait. Returns 0 if the descriptor is an open pipe without data,
 * otherwise 1. */
int poll(struct pollfd *, unsigned n, int milliseconds);
#endif
