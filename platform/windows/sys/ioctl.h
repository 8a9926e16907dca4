/* ioctl.h: ioctl() for Windows, which only returns the size of the console. */
// SPDX-License-Identifier: MIT-0
#ifndef PLATFORM_IOCTL_H
#define PLATFORM_IOCTL_H
enum { TIOCGWINSZ };
struct winsize {
  unsigned short ws_row, ws_col;
};
int ioctl(int descriptor, int request, struct winsize *);
#endif
