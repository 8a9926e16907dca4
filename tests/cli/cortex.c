/* cortex.c: a Cortex-M7 without an operating system, as qemu's mps2-an500 is one: vectors, the floating-point
 * unit, memory, and semihosting for what is printed. app_main is the program. */
// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include "cortex.h"

extern uint32_t data_begin[], data_end[], data_image[], bss_begin[], bss_end[], stack_end[];
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int byte, size_t n);
void reset(void);

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *
memcpy(void *restrict to, const void *restrict from, size_t n) {
  for (size_t i = 0; i < n; i++) ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
  return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memset(void *to, int byte, size_t n) {
  for (size_t i = 0; i < n; i++) ((unsigned char *)to)[i] = (unsigned char)byte;
  return to;
}

static void host(int call, const void *argument) {
  register int r0 __asm__("r0") = call;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void say_number(int32_t number) {
  char text[16], *at = text + sizeof text - 1;
  uint32_t left = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
  *at = 0;
  *--at = '\n';
  do *--at = (char)('0' + left % 10);
  while (left /= 10);
  if (number < 0) *--at = '-';
  host(0x04, at);
}

static void stop(int status) {
  const uint32_t block[2] = {0x20026, (uint32_t)status}; /* the application has ended */
  host(0x20, block);
  for (;;) {}
}

static void fault(void) { stop(99); }

void reset(void) {
  *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* coprocessors 10 and 11: floats */
  __asm__ volatile("dsb\n isb");
  memcpy(data_begin, data_image, (size_t)((char *)data_end - (char *)data_begin));
  memset(bss_begin, 0, (size_t)((char *)bss_end - (char *)bss_begin));
  stop(app_main());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_end,           (const void *)reset, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, (const void *)fault};
