/* count.c: qemu plugin (interface 1, declared here: the header is not packaged) that counts the executions of
 * each instruction between two marks, and the bytes of flash that are read as data.
 *
 * Usage: -plugin count.so,start=0x...,stop=0x...,out=FILE. start and stop are the addresses of the marks.
 * FILE gets one line per instruction, with its address and count, then a line with "flash" and the number of
 * bytes. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
enum { CODE = 8 << 20 }; /* instructions are counted in the first CODE bytes of flash, from address 0 on */
/* Loads and stores: both are counted, because qemu 7.2 confuses them. No program stores to flash. */
enum { ALL = 3 };

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void OnTranslation(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void OnExecution(unsigned, void *);
typedef void OnAccess(unsigned, uint32_t, uint64_t, void *);
typedef void OnExit(qemu_plugin_id_t, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, OnTranslation *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, OnExecution *, int flags, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, OnAccess *, int flags, int what, void *);
unsigned qemu_plugin_mem_size_shift(uint32_t access);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, OnExit *, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
EXPORT int qemu_plugin_install(qemu_plugin_id_t, const qemu_info_t *, int argc, char **argv);
extern EXPORT int qemu_plugin_version;
int qemu_plugin_version = 1;

static uint64_t *count, first, last, flash;
static bool counting;
static const char *out = "count.txt";

static void executed(unsigned cpu, void *at) {
  const uint64_t address = (uint64_t)(uintptr_t)at;
  (void)cpu;
  if (address == first) counting = true;
  else if (address == last) counting = false;
  else if (counting && address < CODE) count[address / 2]++;
}

static void accessed(unsigned cpu, uint32_t access, uint64_t address, void *unused) {
  (void)cpu;
  (void)unused;
  if (counting && address < CODE) flash += UINT64_C(1) << qemu_plugin_mem_size_shift(access);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
    void *address = (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn);
    qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, 0, address);
    qemu_plugin_register_vcpu_mem_cb(insn, accessed, 0, ALL, NULL);
  }
}

static void finished(qemu_plugin_id_t id, void *unused) {
  FILE *file = fopen(out, "w");
  (void)id;
  (void)unused;
  for (size_t i = 0; file && i < CODE / 2; i++)
    if (count[i]) fprintf(file, "%zx %" PRIu64 "\n", i * 2, count[i]);
  if (file) fprintf(file, "flash %" PRIu64 "\n", flash);
  if (file) fclose(file);
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  (void)info;
  count = calloc(CODE / 2, sizeof *count);
  if (!count) return 1;
  for (int i = 0; i < argc; i++) {
    if (!strncmp(argv[i], "start=", 6)) first = strtoull(argv[i] + 6, NULL, 0);
    if (!strncmp(argv[i], "stop=", 5)) last = strtoull(argv[i] + 5, NULL, 0);
    if (!strncmp(argv[i], "out=", 4)) out = strdup(argv[i] + 4);
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, finished, NULL);
  return 0;
}
