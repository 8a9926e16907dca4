/* start.c: Startup of programs on qemu's Cortex-M boards, without an operating system: memory, text on the
 * host's terminal, and the marks between which instructions are counted. */
// SPDX-License-Identifier: Apache-2.0
#include "board.h"
#include <stddef.h>
#include <stdint.h>

extern uint32_t stack_top[], data_begin[], data_end[], data_in_flash[], bss_begin[], bss_end[];
int main(void);
void reset(void);

static void semihosting(int call, const void *argument) {
  register int r0 __asm__("r0") = call;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void put(const char *text) { semihosting(4, text); }

void put_number(uint32_t number) {
  char digits[12], *at = digits + 11;
  *at = 0;
  do *--at = (char)('0' + number % 10);
  while (number /= 10);
  put(at);
}

static void leave(int failed) {
  semihosting(0x18, (const void *)(failed ? 0x20023 : 0x20026));
  for (;;) {}
}

__attribute__((noinline, used)) void mark_start(void) { __asm__ volatile(""); }
__attribute__((noinline, used)) void mark_stop(void) { __asm__ volatile(""); }

__attribute__((noreturn, used)) void reset(void) {
  *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the FPU is on */
  __asm__ volatile("dsb\nisb");
  for (ptrdiff_t i = 0; i < data_end - data_begin; i++) data_begin[i] = data_in_flash[i];
  for (ptrdiff_t i = 0; i < bss_end - bss_begin; i++) bss_begin[i] = 0;
  leave(main());
  for (;;) {}
}

static void fault(void) {
  put("the program faults\n");
  leave(1);
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))stack_top,
    reset,
    fault,
    fault,
    fault,
    fault,
    fault,
    fault,
    NULL,
    NULL,
    NULL,
    fault,
    fault,
    NULL,
    fault,
    fault};
