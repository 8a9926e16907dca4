/* board.c: startup code of a Cortex-M7, from reset to board_main, for qemu's board mps2-an500. For your own
 * board, replace this file and board.ld with the startup file and the linker script of the board's maker. No
 * C library is needed. */
// SPDX-License-Identifier: MIT-0
#include "board.h"
#include <stddef.h>
#include <stdint.h>

extern uint32_t data_begin[], data_end[], data_image[], bss_begin[], bss_end[], stack_end[];
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int byte, size_t n);
void reset(void);

/* Compilers turn a copying loop into a call of memcpy, even inside memcpy; the volatile pointers prevent
 * this. */
void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  volatile unsigned char *at = to;
  for (size_t i = 0; i < n; i++) at[i] = ((const unsigned char *)from)[i];
  return to;
}

void *memset(void *to, int byte, size_t n) {
  volatile unsigned char *at = to;
  for (size_t i = 0; i < n; i++) at[i] = (unsigned char)byte;
  return to;
}

/* Requests to the emulator, or a debugger. */
static void ask_host(int what, const void *argument) {
  register int r0 __asm__("r0") = what;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_say(int n) {
  char text[16], *at = text + sizeof text - 1;
  unsigned left = n < 0 ? 0u - (unsigned)n : (unsigned)n;
  *at = 0;
  *--at = '\n';
  do *--at = (char)('0' + left % 10);
  while (left /= 10);
  if (n < 0) *--at = '-';
  ask_host(0x04, at);
}

static void stop(int status) {
  const uint32_t block[2] = {0x20026, (uint32_t)status}; /* the program has returned */
  ask_host(0x20, block);
  for (;;) {}
}

static void fault(void) { stop(99); }

void reset(void) {
  *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* enables the floating-point unit */
  __asm__ volatile("dsb\n isb");
  memcpy(data_begin, data_image, (size_t)((char *)data_end - (char *)data_begin));
  memset(bss_begin, 0, (size_t)((char *)bss_end - (char *)bss_begin));
  stop(board_main());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_end, (const void *)reset, (const void *)fault, (const void *)fault, (const void *)fault};
