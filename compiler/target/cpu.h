/* cpu.h: CPUs of boards: which target is made for each, and what its instructions take. A row of cpu.c a CPU.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CPU_H
#define CNNC_CPU_H
#include "target/target.h"

/* Cycles of an instruction among others, as the schedules of 8 bits have them. */
typedef struct CpuCycles {
  double load, store; /* of a word or a byte */
  double pair;        /* two products of 16 bits, added to a sum */
  double other;
  double vector; /* an instruction of 16 bytes, of Helium; 0: there is none */
  double line;   /* that 16 bytes of flash take longer than those of RAM: --flash-wait */
} CpuCycles;

typedef struct Cpu {
  const char *name;   /* "cortex-m4" */
  const char *target; /* that code is made for where none is named */
  CpuCycles cycles;
  const char *const *cross; /* clang's options for objects */
} Cpu;
extern const Cpu cpu_table[]; /* ends with name NULL */
const Cpu *cpu_find(const char *name);
const CpuCycles *cpu_cycles(const Target *); /* of the first CPU of the table that the target is made for */
#endif
