/* agree.c: Messages by which processes that train together agree on errors and the last step, compare
 * numbers, and add up counts; report of the bytes and times of an exchange. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/training/exchange.h"

typedef struct Word { /* message from a process to the other processes */
  int32_t code, stop;
  double waited;
} Word;

static void fail_memory(const cnn_ranks *ranks) {
  fprintf(stderr, "process %d: no memory for messages between processes\n", (int)ranks->rank);
  ranks->abandon(ranks->context);
}

/* Returns, in all processes, the failure of the first process that failed. If all processes failed, the
 * message names no process. */
static cnn_status first_failure(const cnn_ranks *ranks, const Word *word, const cnn_status *own) {
  typedef struct Said {
    cnn_status status;
    char place[64];
  } Said;
  int32_t first = 0, failed = 0;
  for (int32_t r = ranks->size - 1; r >= 0; r--) {
    if (word[r].code == CNN_OK) continue;
    first = r;
    failed++;
  }
  Said said = {.status = *own};
  cnn_place(said.place, sizeof said.place);
  ranks->broadcast(ranks->context, &said, sizeof said, first);
  if (failed == ranks->size) return said.status;
  return cnn_failure(said.status.code, "process %d on %s: %s", (int)first, said.place, said.status.message);
}

static cnn_status agree(const cnn_ranks *ranks, cnn_status status, int *stop, double *waited) {
  Word *word = calloc((size_t)ranks->size, sizeof *word);
  int64_t *from = calloc((size_t)ranks->size + 1, sizeof *from);
  if (!word || !from) fail_memory(ranks);
  for (int32_t r = 0; r <= ranks->size; r++) from[r] = r * (int64_t)sizeof *word;
  word[ranks->rank] = (Word){(int32_t)status.code, stop ? *stop : 0, waited ? waited[ranks->rank] : 0};
  ranks->gather(ranks->context, word, from);
  bool fine = true;
  for (int32_t r = 0; r < ranks->size; r++) {
    fine = fine && word[r].code == CNN_OK;
    if (stop && word[r].stop) *stop = word[r].stop;
    if (waited) waited[r] = word[r].waited;
  }
  if (!fine) status = first_failure(ranks, word, &status);
  free(word);
  free(from);
  return status;
}

cnn_status cnn_ranks_agree(const cnn_ranks *ranks, cnn_status status) {
  return ranks && ranks->size > 1 ? agree(ranks, status, NULL, NULL) : status;
}

cnn_status cnn_exchange_agree(Exchange *x, cnn_status status, int *stop) {
  if (!x->ranks) return status;
  x->waited[x->ranks->rank] = x->gathering + x->waiting;
  return agree(x->ranks, status, stop, x->waited);
}

bool cnn_exchange_same(Exchange *x, uint64_t number, int32_t *process) {
  if (!x->ranks) return true;
  const int32_t size = x->ranks->size;
  uint64_t *all = calloc((size_t)size, sizeof *all);
  if (!all) fail_memory(x->ranks);
  for (int32_t r = 0; r <= size; r++) x->bytes[r] = r * (int64_t)sizeof *all;
  all[x->ranks->rank] = number;
  x->ranks->gather(x->ranks->context, all, x->bytes);
  int32_t first = 0;
  while (first < size && all[first] == all[0]) first++;
  free(all);
  *process = first;
  return first == size;
}

void cnn_exchange_add_counts(Exchange *x, int64_t *count, int64_t counts) {
  if (!x->ranks || counts == 0) return;
  const int32_t size = x->ranks->size, own = x->ranks->rank;
  int64_t *all = calloc((size_t)(size * counts), sizeof *all);
  if (!all) fail_memory(x->ranks);
  for (int32_t r = 0; r <= size; r++) x->bytes[r] = r * counts * (int64_t)sizeof *all;
  memcpy(all + own * counts, count, (size_t)counts * sizeof *count);
  x->ranks->gather(x->ranks->context, all, x->bytes);
  for (int32_t r = 0; r < size; r++)
    for (int64_t i = 0; r != own && i < counts; i++) count[i] += all[r * counts + i];
  free(all);
}

/* Writes the name of the process that waits least, if another process waits more than twice as long (plus 0.1
 * s). In this case the named process delays the other processes. */
static void tell_slowest(Exchange *x, char *text, size_t room) {
  int32_t slowest = 0;
  double most = 0;
  for (int32_t r = 0; r < x->ranks->size; r++) {
    if (x->waited[r] < x->waited[slowest]) slowest = r;
    if (x->waited[r] > most) most = x->waited[r];
  }
  *text = 0;
  x->slowest = most > 2 * x->waited[slowest] + 0.1 ? slowest : -1;
  if (x->slowest >= 0)
    snprintf(text, room, "; the others wait for process %d on %s", (int)slowest, x->place[slowest]);
}

void cnn_exchange_tell(Exchange *x, char text[560]) {
  const double steps = x->steps > 0 ? (double)x->steps : 1;
  const double hidden = x->travelling > x->waiting ? x->travelling - x->waiting : 0;
  char slowest[160];
  tell_slowest(x, slowest, sizeof slowest);
  snprintf(text, 560,
           "%d processes: each sends %s of gradients per step in %s ms, %s ms of this during computation and "
           "%s ms while waiting; %s ms for statistics and results%s",
           (int)x->ranks->size, cnn_number_bytes((uint64_t)((double)x->sent / steps)).text,
           cnn_number_fixed(1e3 * x->travelling / steps, 2).text,
           cnn_number_fixed(1e3 * hidden / steps, 2).text, cnn_number_fixed(1e3 * x->waiting / steps, 2).text,
           cnn_number_fixed(1e3 * x->gathering / steps, 2).text, slowest);
  x->gathering = x->waiting = x->travelling = 0;
  x->sent = x->steps = 0;
}
