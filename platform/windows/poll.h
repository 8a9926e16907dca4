/* poll.h: Whether a pipe has data. */
// SPDX-License-Identifier: MIT-0
#ifndef PLATFORM_POLL_H
#define PLATFORM_POLL_H
#define POLLIN 1
struct pollfd {
  int fd;
  short events, revents;
};
/* For one descriptor and without waiting: 0 if it is a pipe without data, which is not closed. */
int poll(struct pollfd *, unsigned n, int milliseconds);
#endif
