/* board.c: startup code of a Cortex-M4 or M7, from reset to board_main, and the functions of board.h, for
 * qemu's boards mps2-an386 and mps2-an500. For your own board, replace this file and board.ld with the
 * startup file and the linker script of the board's maker. Output goes to the emulator, or to a debugger
 * (semihosting). No C library is needed. */
// SPDX-License-Identifier: MIT-0
#include "board.h"
#include <stddef.h>

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

/* ---- text ---- */
static void ask_host(int what, const void *argument) {
  register int r0 __asm__("r0") = what;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_say(const char *text) { ask_host(0x04, text); }

void board_say_number(uint32_t number) {
  char text[11], *at = text + sizeof text - 1;
  *at = 0;
  do *--at = (char)('0' + number % 10);
  while (number /= 10);
  board_say(at);
}

/* ---- time and stack ---- */
/* The system timer counts down with the clock of the processor, and has 24 bits. In qemu this clock has 25
 * MHz, and with `-icount shift=0` an instruction takes a nanosecond, so a tick is 40 instructions. On a real
 * board, a tick is a cycle. */
static volatile uint32_t *const timer =
    (volatile uint32_t *)0xe000e010u; /* control, reload value, current value */
enum { PAINTED = 16 << 10, PAINT = 0x5eed5eed, TICKS = 0xffffff, THROUGH = 1 << 16 };
static uint32_t began, most_ticks, most_stack;
static int too_long;  /* a call took more ticks than the timer can count */
static uintptr_t top; /* start of the measured part of the stack */

__attribute__((noinline)) void board_begin(void) {
  top = (uintptr_t)__builtin_frame_address(0);
  for (uintptr_t at = top - PAINTED; at < top - 64; at += 4) *(volatile uint32_t *)at = PAINT;
  timer[1] = TICKS;
  timer[2] = 0; /* restarts, and clears the overflow flag */
  timer[0] = 5; /* enabled, counts the processor's clock, no interrupt */
  began = timer[2];
}

__attribute__((noinline)) void board_end(void) {
  const uint32_t ticks = (began - timer[2]) & TICKS;
  if (timer[0] & THROUGH) too_long = 1;
  uintptr_t deepest = top - PAINTED;
  while (*(volatile uint32_t *)deepest == PAINT) deepest += 4;
  if (ticks > most_ticks) most_ticks = ticks;
  if (top - deepest > most_stack) most_stack = (uint32_t)(top - deepest);
}

void board_say_measured(void) {
  board_say("measured: ticks ");
  board_say_number(too_long ? 0 : most_ticks);
  if (too_long) board_say(" (more than the timer counts)");
  board_say(", stack ");
  board_say_number(most_stack);
  board_say("\n");
}

/* ---- startup ---- */
static void stop(int status) {
  const uint32_t block[2] = {0x20026, (uint32_t)status}; /* the program has returned */
  ask_host(0x20, block);
  for (;;) {}
}

static void fault(void) {
  board_say("the processor reports a fault\n");
  stop(99);
}

void reset(void) {
  *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* enables the floating-point unit */
  __asm__ volatile("dsb\n isb");
  memcpy(data_begin, data_image, (size_t)((char *)data_end - (char *)data_begin));
  memset(bss_begin, 0, (size_t)((char *)bss_end - (char *)bss_begin));
  stop(board_main());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_end,           (const void *)reset, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, (const void *)fault};
