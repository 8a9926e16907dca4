/* cpu.h: Microcontroller CPUs: target and instruction costs. One row of cpu.c per CPU. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CPU_H
#define CNNC_CPU_H
#include "target/target.h"

/* Cycles per instruction, for the cost model of int8 schedules. */
typedef struct CpuCycles {
  double load, store; /* load or store of a word or a byte */
  double pair;        /* two 16-bit products and their addition to a sum */
  double other;
  double vector; /* a 16-byte Helium instruction; 0: no Helium */
  double line;   /* extra cycles to read 16 bytes from flash rather than RAM (--flash-wait) */
} CpuCycles;

typedef struct Cpu {
  const char *name;   /* "cortex-m4" */
  const char *target; /* the default target */
  CpuCycles cycles;
  const char *varies;       /* why the same instructions need different times; NULL: they do not */
  const char *const *cross; /* clang's options for object files */
} Cpu;
extern const Cpu cpu_table[]; /* ends with name NULL */
const Cpu *cpu_find(const char *name);
const CpuCycles *cpu_cycles(const Target *); /* those of the first CPU with that target; NULL: none */
#endif
