// cpu.c: Table of CPUs.
// SPDX-License-Identifier: Apache-2.0
//
// Cycles of the Cortex-M4 are from Arm's table (DDI 0439), in which an instruction that loads two words takes
// three cycles. Cycles of the M7 are from LLVM's scheduling model, applied to the inner loops of kernels.
// About half of the instructions of these loops are dual-issued. Cycles of other microcontrollers are
// derived from the load and multiply latencies in their manuals. These cycles need only be precise enough to
// rank schedules.
//
// Cortex-M55 and M85 process 8 bytes of a Helium vector per cycle. A load and a multiplication overlap by one
// cycle, so a vector instruction takes 1 to 2 cycles; the table has 1.5.
//
// Without DSP instructions, a pair of products needs two multiplications, two additions, and instructions
// that unpack the operands (mostly shifts). In a pointwise convolution for RV32IMC, gcc's code has 6.9
// instructions per product with a schedule of dsp.h, and 9 with the reference schedule.
//
// AMD's Zen 4 executes a 64-byte vector in two halves. In each cycle, it can start one multiply-add and one
// load; it can start a store in every other cycle. Additions run in other units at the same time. So each
// product that Winograd or Strassen saves may cost twice as many additions as on cores with full-width
// vectors. The numbers of Zen 4 are fitted to the times that `cnnc --tune -v` prints for the pointwise layers
// of twelve nets with all schedules and block sizes.
#include "target/cpu.h"
#include <stddef.h>
#include <string.h>
#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
#include <cpuid.h>
#endif

#define CROSS(...)                                                                                           \
  (const char *const[]) { __VA_ARGS__, "-ffreestanding", NULL }
#define ARM(TRIPLE, CPU, ...) CROSS("--target=" TRIPLE, "-mcpu=" CPU, "-mthumb", __VA_ARGS__, "-meabi", "gnu")

#ifdef __wasi__ /* the browser build has no reports */
#define VARIES(REASON) NULL
#else
#define VARIES(REASON) REASON
#endif

static const CpuCore zen_4 = {.avx = AVX_BF16,
                              .fmas = 1,
                              .l2_rate = 32,
                              .memory_rate = 6,
                              .gain = 0.95,
                              .strassen_left = 3,
                              .strassen_result = 5.5,
                              .strassen_loaded = 0,
                              .strassen_first = 0,
                              .strassen_tiles = 64,
                              .chains = 4};

const Cpu cpu_table[] = {
    {.name = "cortex-m4",
     .target = "armv7e-m",
     .cycles = {.load = 1.5, .store = 1, .pair = 1, .other = 1, .real = 1},
     .cross = ARM("thumbv7em-none-eabihf", "cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")},
    {.name = "cortex-m3",
     .target = "armv7m",
     .cycles = {.load = 1.5, .store = 1, .pair = 10, .other = 1, .real = 45},
     .cross = ARM("thumbv7m-none-eabi", "cortex-m3", "-mfloat-abi=soft")},
    {.name = "cortex-m0+",
     .target = "armv7m",
     .cycles = {.load = 2, .store = 2, .pair = 13, .other = 1, .real = 90},
     .cross = ARM("thumbv6m-none-eabi", "cortex-m0plus", "-mfloat-abi=soft")},
    {.name = "cortex-m7",
     .target = "armv7e-m",
     .cycles = {.load = 0.75, .store = 0.75, .pair = 1, .other = 0.6, .real = 0.6},
     .varies = VARIES("caches, branch prediction and dual issue are not modeled"),
     .cross = ARM("thumbv7em-none-eabihf", "cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16")},
    {.name = "cortex-m33",
     .target = "armv7e-m",
     .cycles = {.load = 1.3, .store = 1, .pair = 1, .other = 0.9, .real = 1},
     .cross = ARM("thumbv8m.main-none-eabihf", "cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16")},
    {.name = "cortex-m55",
     .target = "armv8.1-m",
     .cycles = {.load = 1.2, .store = 1, .pair = 1, .other = 0.9, .real = 0.9, .vector = 1.5},
     .varies = VARIES("caches and overlapping vector instructions are not modeled"),
     .cross = ARM("thumbv8.1m.main-none-eabihf", "cortex-m55", "-mfloat-abi=hard")},
    {.name = "cortex-m85",
     .target = "armv8.1-m",
     .cycles = {.load = 0.75, .store = 0.75, .pair = 1, .other = 0.6, .real = 0.6, .vector = 1.5},
     .varies = VARIES("caches and overlapping vector instructions are not modeled"),
     .cross = ARM("thumbv8.1m.main-none-eabihf", "cortex-m85", "-mfloat-abi=hard")},
    {.name = "rv32imc",
     .target = "rv32imc",
     .cycles = {.load = 1.5, .store = 1, .pair = 12, .other = 1, .real = 70},
     .cross = CROSS("--target=riscv32-unknown-elf", "-march=rv32imc", "-mabi=ilp32")},
    {.name = "znver4",
     .target = "x86-64-v4",
     .varies = VARIES("caches and out-of-order execution are not modeled"),
     .core = &zen_4},
    {.name = NULL},
};

const Cpu *cpu_find(const char *name) {
  for (const Cpu *cpu = cpu_table; cpu->name; cpu++)
    if (strcmp(cpu->name, name) == 0) return cpu;
  return NULL;
}

const CpuCycles *cpu_cycles(const Target *target) {
  for (const Cpu *cpu = cpu_table; cpu->name; cpu++)
    if (!cpu->core && strcmp(cpu->target, target->name) == 0) return &cpu->cycles;
  return NULL;
}

#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
/* AMD's family 0x19 is Zen 3 and Zen 4; of these only Zen 4 has AVX-512. */
static bool is_zen_4(void) {
  enum { FAMILY = 0x19, EXTENDED = 0xf };
  uint32_t a, b, c, d, version;
  if (!__get_cpuid(0, &a, &b, &c, &d) || b != signature_AMD_ebx || c != signature_AMD_ecx) return false;
  if (!__get_cpuid(1, &version, &b, &c, &d)) return false;
  return (version >> 8 & 0xf) == EXTENDED && (version >> 20 & 0xff) + EXTENDED == FAMILY &&
         target_runs_here(target_find("x86-64-v4"));
}
#else
static bool is_zen_4(void) { return false; }
#endif

const Cpu *cpu_native(void) { return is_zen_4() ? cpu_find("znver4") : NULL; }

const Target *cpu_target(Arena *arena, const Cpu *cpu, const Target *target) {
  const CpuCore *core = cpu ? cpu->core : NULL;
  if (!core || target->lanes != target_find(cpu->target)->lanes || !target->arch ||
      strcmp(target->arch, target_find(cpu->target)->arch) != 0)
    return target;
  Target *own = NEW(arena, Target);
  Rates *rates = NEW(arena, Rates);
  *own = *target;
  *rates = *target->rates;
  own->cpu = cpu->name;
  own->rates = rates;
  own->fmas = core->fmas;
  own->l2_rate = core->l2_rate;
  own->memory_rate = core->memory_rate;
  own->chains = core->chains;
  own->blocking.strassen_tiles = core->strassen_tiles;
  rates->gain = core->gain;
  rates->strassen_left = core->strassen_left;
  rates->strassen_result = core->strassen_result;
  rates->strassen_loaded = core->strassen_loaded;
  rates->strassen_first = core->strassen_first;
  return own;
}
