/* cpu.h: CPUs that --cpu names: microcontrollers, with the costs of their instructions, and CPUs whose
 * throughput differs from their target's row. One row of cpu.c per CPU. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CPU_H
#define CNNC_CPU_H
#include "base/arena.h"
#include "target/target.h"

/* Cycles per instruction, for the cost model of int8 schedules. */
typedef struct CpuCycles {
  double load, store; /* load or store of a word or a byte */
  double pair;        /* two 16-bit products and their addition to a sum */
  double other;
  double real;   /* addition or product of floats; without an FPU, a function call */
  double vector; /* a 16-byte Helium instruction; 0: no Helium */
  double line;   /* extra cycles to read 16 bytes from flash rather than RAM (--flash-wait) */
} CpuCycles;

/* Throughput and choices that replace the fields of the target's row (target.h). */
typedef struct CpuCore {
  AvxLevel avx; /* the features of the CPU */
  double fmas, l2_rate, memory_rate, gain;
  double strassen_left, strassen_result, strassen_loaded, strassen_first;
  int64_t strassen_tiles;
  int chains;
} CpuCore;

typedef struct Cpu {
  const char *name;         /* "cortex-m4" */
  const char *target;       /* the default target */
  CpuCycles cycles;         /* cycles of a microcontroller's instructions */
  const CpuCore *core;      /* NULL: a microcontroller */
  const char *varies;       /* why reports estimate no cycles; NULL: instruction times are constant */
  const char *const *cross; /* clang's options for object files */
} Cpu;
extern const Cpu cpu_table[]; /* ends with name NULL */
const Cpu *cpu_find(const char *name);
const CpuCycles *
cpu_cycles(const Target *);  /* cycles of the first microcontroller with this target, or NULL */
const Cpu *cpu_native(void); /* this CPU, if its throughput differs from its target's row; otherwise NULL */
/* Returns a copy of the target with the CPU's throughput. Returns the target itself if the CPU is a
 * microcontroller or NULL, or if its default target has another architecture or other lanes. */
const Target *cpu_target(Arena *, const Cpu *, const Target *);
#endif
