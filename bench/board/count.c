/* count.c: qemu plugin that counts the executions of each instruction between two marks, and the bytes of
 * flash that are read as data. The header of the plugin interface is not packaged, so this file declares
 * version 1 of the interface.
 *
 * Usage: -plugin count.so,start=0x...,stop=0x...,out=FILE[,loops=EDGES][,caches=CODE:DATA]. start and stop
 * are the addresses of the marks. FILE gets one line per instruction, with its address and count, then a line
 * with "flash" and the number of bytes.
 *
 * EDGES is a file with one line per edge to a loop's header: the header's address, the address of the
 * instruction executed before the header, and 1 for a back edge or 0 for an entry. Address 0 means all other
 * instructions. FILE gets lines "most:HEADER N" and "total:HEADER N": the largest number of back edges per
 * entry, and the number of all back edges.
 *
 * CODE and DATA are the numbers of lines of a code cache and a data cache of the flash (fully associative,
 * least recently used, LINE bytes per line). FILE gets lines "misses:code N" and "misses:data N". */
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
enum { LINE = 16, LINES = 256, LOOPS = 1 << 12, EDGES = 16 };

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
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
EXPORT int qemu_plugin_install(qemu_plugin_id_t, const qemu_info_t *, int argc, char **argv);
extern EXPORT int qemu_plugin_version;
int qemu_plugin_version = 1;

static uint64_t *count, first, last, flash;
static bool counting;
static const char *out = "count.txt";

/* ---- Loops ---- */
typedef struct {
  uint64_t header, from[EDGES];
  bool back[EDGES], others; /* others: edges from any other instruction are back edges */
  unsigned edges;
  uint64_t now, most, total; /* back edges: since the last entry; largest `now`; of all entries */
} Loop;
static Loop loops[LOOPS];
static unsigned n_loops;
static uint16_t *loop_at; /* number of the loop, from 1 on, of each header */
static uint64_t previous; /* address of the previous instruction */

static void enter_header(Loop *loop) {
  bool back = loop->others;
  for (unsigned i = 0; i < loop->edges; i++)
    if (loop->from[i] == previous) back = loop->back[i];
  if (back) {
    loop->total++;
    if (++loop->now > loop->most) loop->most = loop->now;
  } else loop->now = 0;
}

static bool read_loops(const char *name) {
  FILE *file = fopen(name, "r");
  uint64_t header, from;
  int back;
  loop_at = calloc(CODE / 2, sizeof *loop_at);
  if (!file || !loop_at) return false;
  while (fscanf(file, "%" SCNx64 " %" SCNx64 " %d", &header, &from, &back) == 3) {
    Loop *loop;
    if (header >= CODE) return false;
    if (!loop_at[header / 2]) {
      if (n_loops == LOOPS) return false;
      loops[n_loops].header = header;
      loop_at[header / 2] = (uint16_t)++n_loops;
    }
    loop = loops + loop_at[header / 2] - 1;
    if (!from) loop->others = back;
    else if (loop->edges == EDGES) return false;
    else {
      loop->from[loop->edges] = from;
      loop->back[loop->edges++] = back;
    }
  }
  fclose(file);
  return true;
}

/* ---- Caches of the flash ---- */
typedef struct {
  uint64_t line[LINES], misses; /* most recently used first; each is the line's number + 1 */
  unsigned lines;
} Cache;
static Cache code, data;

static void look_up(Cache *cache, uint64_t address) {
  const uint64_t line = address / LINE + 1;
  unsigned at = 0;
  if (!cache->lines || cache->line[0] == line) return;
  while (at < cache->lines && cache->line[at] != line) at++;
  if (at == cache->lines) {
    cache->misses++;
    at--;
  }
  memmove(cache->line + 1, cache->line, at * sizeof *cache->line);
  cache->line[0] = line;
}

/* ---- Executions ---- */
/* at: the instruction's address, plus 1 if it has four bytes. */
static void executed(unsigned cpu, void *at) {
  const uint64_t address = (uint64_t)(uintptr_t)at & ~UINT64_C(1);
  (void)cpu;
  if (address == first) counting = true;
  else if (address == last) counting = false;
  else if (counting && address < CODE) {
    count[address / 2]++;
    if (loop_at && loop_at[address / 2]) enter_header(loops + loop_at[address / 2] - 1);
    look_up(&code, address);
    if ((uintptr_t)at & 1) look_up(&code, address + 2);
  }
  previous = address;
}

static void accessed(unsigned cpu, uint32_t access, uint64_t address, void *unused) {
  (void)cpu;
  (void)unused;
  if (!counting || address >= CODE) return;
  flash += UINT64_C(1) << qemu_plugin_mem_size_shift(access);
  look_up(&data, address);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
    void *address = (void *)(uintptr_t)(qemu_plugin_insn_vaddr(insn) + (qemu_plugin_insn_size(insn) == 4));
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
  if (!file) return;
  fprintf(file, "flash %" PRIu64 "\n", flash);
  for (unsigned i = 0; i < n_loops; i++)
    fprintf(file, "most:%" PRIx64 " %" PRIu64 "\ntotal:%" PRIx64 " %" PRIu64 "\n", loops[i].header,
            loops[i].most, loops[i].header, loops[i].total);
  if (code.lines)
    fprintf(file, "misses:code %" PRIu64 "\nmisses:data %" PRIu64 "\n", code.misses, data.misses);
  fclose(file);
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  (void)info;
  count = calloc(CODE / 2, sizeof *count);
  if (!count) return 1;
  for (int i = 0; i < argc; i++) {
    if (!strncmp(argv[i], "start=", 6)) first = strtoull(argv[i] + 6, NULL, 0);
    if (!strncmp(argv[i], "stop=", 5)) last = strtoull(argv[i] + 5, NULL, 0);
    if (!strncmp(argv[i], "out=", 4)) out = strdup(argv[i] + 4);
    if (!strncmp(argv[i], "loops=", 6) && !read_loops(argv[i] + 6)) return 1;
    if (!strncmp(argv[i], "caches=", 7) && (sscanf(argv[i] + 7, "%u:%u", &code.lines, &data.lines) != 2 ||
                                            code.lines > LINES || data.lines > LINES))
      return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, finished, NULL);
  return 0;
}
