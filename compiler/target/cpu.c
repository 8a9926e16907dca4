// cpu.c: Table of microcontroller CPUs.
// SPDX-License-Identifier: Apache-2.0
//
// Cycles of the Cortex-M4 are those of Arm's table (DDI 0439), where an instruction that loads two words
// takes three cycles. Those of the M7 are from LLVM's scheduling model of the inner loops, where about half
// of the instructions are dual-issued. Those of other CPUs are from the load and multiply latencies in their
// manuals. They only need to rank schedules.
//
// Cortex-M55 and M85 process 8 bytes of a Helium vector per cycle. A load and a multiplication overlap by one
// cycle, so a vector takes 1 to 2 cycles: 1.5.
//
// Without DSP instructions, a pair of products is two multiplications, two additions and unpacking, mostly
// shifts: gcc's code for RV32IMC has 6.9 instructions per product of a pointwise convolution, and 9 in the
// reference schedule.
#include "target/cpu.h"
#include <stddef.h>
#include <string.h>

#define CROSS(...)                                                                                           \
  (const char *const[]) { __VA_ARGS__, "-ffreestanding", NULL }
#define ARM(TRIPLE, CPU, ...) CROSS("--target=" TRIPLE, "-mcpu=" CPU, "-mthumb", __VA_ARGS__, "-meabi", "gnu")

#ifdef __wasi__ /* the browser build has no reports */
#define VARIES(REASON) NULL
#else
#define VARIES(REASON) REASON
#endif

const Cpu cpu_table[] = {
    {.name = "cortex-m4",
     .target = "armv7e-m",
     .cycles = {.load = 1.5, .store = 1, .pair = 1, .other = 1},
     .cross = ARM("thumbv7em-none-eabihf", "cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")},
    {.name = "cortex-m3",
     .target = "armv7m",
     .cycles = {.load = 1.5, .store = 1, .pair = 10, .other = 1},
     .cross = ARM("thumbv7m-none-eabi", "cortex-m3", "-mfloat-abi=soft")},
    {.name = "cortex-m0+",
     .target = "armv7m",
     .cycles = {.load = 2, .store = 2, .pair = 13, .other = 1},
     .cross = ARM("thumbv6m-none-eabi", "cortex-m0plus", "-mfloat-abi=soft")},
    {.name = "cortex-m7",
     .target = "armv7e-m",
     .cycles = {.load = 0.75, .store = 0.75, .pair = 1, .other = 0.6},
     .varies = VARIES("caches, branch prediction and pairs of instructions are not modeled"),
     .cross = ARM("thumbv7em-none-eabihf", "cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16")},
    {.name = "cortex-m33",
     .target = "armv7e-m",
     .cycles = {.load = 1.3, .store = 1, .pair = 1, .other = 0.9},
     .cross = ARM("thumbv8m.main-none-eabihf", "cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16")},
    {.name = "cortex-m55",
     .target = "armv8.1-m",
     .cycles = {.load = 1.2, .store = 1, .pair = 1, .other = 0.9, .vector = 1.5},
     .varies = VARIES("caches and overlapping vector instructions are not modeled"),
     .cross = ARM("thumbv8.1m.main-none-eabihf", "cortex-m55", "-mfloat-abi=hard")},
    {.name = "cortex-m85",
     .target = "armv8.1-m",
     .cycles = {.load = 0.75, .store = 0.75, .pair = 1, .other = 0.6, .vector = 1.5},
     .varies = VARIES("caches and overlapping vector instructions are not modeled"),
     .cross = ARM("thumbv8.1m.main-none-eabihf", "cortex-m85", "-mfloat-abi=hard")},
    {.name = "rv32imc",
     .target = "rv32imc",
     .cycles = {.load = 1.5, .store = 1, .pair = 12, .other = 1},
     .cross = CROSS("--target=riscv32-unknown-elf", "-march=rv32imc", "-mabi=ilp32")},
    {.name = NULL},
};

const Cpu *cpu_find(const char *name) {
  for (const Cpu *cpu = cpu_table; cpu->name; cpu++)
    if (strcmp(cpu->name, name) == 0) return cpu;
  return NULL;
}

const CpuCycles *cpu_cycles(const Target *target) {
  for (const Cpu *cpu = cpu_table; cpu->name; cpu++)
    if (strcmp(cpu->target, target->name) == 0) return &cpu->cycles;
  return NULL;
}
