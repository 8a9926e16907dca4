// bare.c: A program without a C library, for CPUs that QEMU emulates: reads standard input into bare_in,
// calls bare_run, and writes bare_out to standard output. On an emulated board, it reads the file `in` and
// writes the file `out`. bare.mjs does the same for WebAssembly. memcpy and memset are defined here, because
// generated code may call them.
// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>

extern unsigned char bare_in[], bare_out[];
extern const long bare_in_bytes, bare_out_bytes;
void bare_run(void);
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int byte, size_t n);

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  unsigned char *out = to;
  const unsigned char *in = from;
  for (size_t i = 0; i < n; i++) out[i] = in[i];
  return to;
}

void *memset(void *to, int byte, size_t n) {
  unsigned char *out = to;
  for (size_t i = 0; i < n; i++) out[i] = (unsigned char)byte;
  return to;
}

#if defined(__ARM_FEATURE_MVE)
/* Semihosting: a program on a board that QEMU emulates has no system calls. So the program asks QEMU to read
 * the file `in` and to write the file `out`. */
enum { OPEN = 1, WRITE = 5, READ = 6, EXIT = 0x18, GOOD = 0x20026, BAD = 0x20023 };
extern unsigned char stack_top[];
void bare_reset(void);

static int host(int number, const void *argument) {
  register int r0 __asm__("r0") = number;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

/* Converts an integer of magnitude below 2^53. Both halves of x and the result are exact as doubles. */
static double doubled(long long x) {
  return (double)(int)(x >> 32) * 0x1p32 + (double)(unsigned)(x & 0xffffffff);
}
__attribute__((pcs("aapcs"))) double __aeabi_l2d(long long x);
double __aeabi_l2d(long long x) { return doubled(x); }
__attribute__((pcs("aapcs"))) float __aeabi_l2f(long long x);
float __aeabi_l2f(long long x) { return (float)doubled(x); }

static void leave(long status) {
  host(EXIT, (const void *)status);
  for (;;) {}
}

static void all(int number, const char *name, long length, long mode, unsigned char *bytes, long n) {
  const long file = host(OPEN, (const long[]){(long)name, mode, length});
  if (file < 0 || host(number, (const long[]){file, (long)bytes, n}) != 0) leave(BAD);
}

__attribute__((noreturn, used)) void bare_reset(void) {
  *(volatile unsigned *)0xE000ED88 |= 0xFu << 20; /* turn on the FPU and vectors */
  __asm__ volatile("dsb\nisb");
  all(READ, "in", 2, 1, bare_in, bare_in_bytes);
  bare_run();
  all(WRITE, "out", 3, 5, bare_out, bare_out_bytes);
  leave(GOOD);
  for (;;) {}
}

static void fault(void) { leave(BAD); }

__attribute__((section(".vectors"), used)) static void (*const vectors[8])(void) = {
    (void (*)(void))stack_top, bare_reset, fault, fault, fault, fault, fault, fault};
#elif defined(__arm__) || defined(__aarch64__) || defined(__riscv) || defined(__s390x__)
#if defined(__arm__) /* r7 may be the frame pointer, which must not be named in an asm statement */
enum { EXIT = 1, READ = 3, WRITE = 4 };
static long call(long number, long a, long b, long c) {
  register long r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c, r4 __asm__("r4") = number;
  __asm__ volatile("push {r7}\n mov r7, %4\n svc #0\n pop {r7}"
                   : "=r"(r0)
                   : "0"(r0), "r"(r1), "r"(r2), "r"(r4)
                   : "memory");
  return r0;
}
#elif defined(__aarch64__)
enum { EXIT = 93, READ = 63, WRITE = 64 };
static long call(long number, long a, long b, long c) {
  register long x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x8 __asm__("x8") = number;
  __asm__ volatile("svc #0" : "=r"(x0) : "0"(x0), "r"(x1), "r"(x2), "r"(x8) : "memory");
  return x0;
}
#elif defined(__s390x__)
enum { EXIT = 1, READ = 3, WRITE = 4 };
static long call(long number, long a, long b, long c) {
  register long r1 __asm__("r1") = number, r2 __asm__("r2") = a, r3 __asm__("r3") = b, r4 __asm__("r4") = c;
  __asm__ volatile("svc 0" : "+r"(r2) : "r"(r1), "r"(r3), "r"(r4) : "memory");
  return r2;
}
#elif defined(__riscv)
enum { EXIT = 93, READ = 63, WRITE = 64 };
static long call(long number, long a, long b, long c) {
  register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a7 __asm__("a7") = number;
  __asm__ volatile("ecall" : "=r"(a0) : "0"(a0), "r"(a1), "r"(a2), "r"(a7) : "memory");
  return a0;
}
#endif

static void all(long number, long file, unsigned char *bytes, long n) {
  while (n > 0) {
    const long done = call(number, file, (long)bytes, n);
    if (done <= 0) call(EXIT, 3, 0, 0);
    bytes += done;
    n -= done;
  }
}

void _start(void);
void _start(void) {
  all(READ, 0, bare_in, bare_in_bytes);
  bare_run();
  all(WRITE, 1, bare_out, bare_out_bytes);
  call(EXIT, 0, 0, 0);
}
#endif
