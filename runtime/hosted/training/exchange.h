/* exchange.h: Communication between processes that train a net together. A batch is split into a fixed number
 * of shards, and each process computes some consecutive shards. The gradients of the shards are added by the
 * same tree as in one process: pairs of shards, then pairs of pairs. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_EXCHANGE_H
#define CNN_EXCHANGE_H
#include "cnn.h"
#include "cnn_ranks.h"

typedef struct Travel Travel; /* a bucket of gradients in transfer */

typedef struct Exchange {
  const cnn_ranks *ranks; /* NULL: a single process */
  const cnn_network *network;
  cnn_exchange functions; /* for generated code */
  int64_t *samples;       /* [size + 1]: the first sample of each process, in the batch or evaluation */
  int64_t *bytes;         /* [size + 1]: byte offset of each process's part in a gather */
  /* [size]: number of maximal subtrees whose shards all belong to the process. For each of these subtrees,
   * the process computes one sum per element of the gradients. */
  int32_t *subtrees;
  Travel **travel; /* [travels]; in this step, `under_way` of them were begun and `done` are complete */
  int32_t travels, under_way, done;
  char (*place)[64]; /* [size]: machine names */
  double *waited;    /* [size]: seconds that each process has waited for other processes in this epoch */
  double gathering;  /* seconds that this process has spent in gathers */
  double waiting;    /* seconds that this process has waited for sums at the ends of steps */
  /* seconds from the start of a step's first sum to the end of its last sum, added up over the steps */
  double travelling;
  int32_t slowest; /* the process for which the other processes waited in the last epoch; -1: none */
  double begun;    /* time at which the first sum of the current step began */
  double through;  /* seconds from `begun` until all sums begun so far were complete */
  int64_t sent;    /* bytes of gradients that this process has sent */
  int64_t steps;
} Exchange;

/* Opens an exchange. If ranks is NULL or has one process, nothing is exchanged. */
cnn_status cnn_exchange_open(Exchange *, const cnn_ranks *ranks, const cnn_network *network);
void cnn_exchange_close(Exchange *);
static inline bool cnn_exchange_alone(const Exchange *exchange) { return !exchange->ranks; }
static inline bool cnn_exchange_first(const Exchange *exchange) {
  return !exchange->ranks || exchange->ranks->rank == 0;
}

/* Sets *from and *to: in a batch of `count` samples, this process has those with *from <= index < *to. */
void cnn_exchange_share(const Exchange *, int64_t count, int64_t *from, int64_t *to);
/* Must be called before the gradients of a batch of `count` samples are computed. */
void cnn_exchange_begin(Exchange *, int64_t count);
/* Completes an array with `bytes` bytes per sample of the batch or evaluation: each process sends the bytes
 * of the samples that it computed, and receives the bytes of all other samples. */
void cnn_exchange_gather(Exchange *, void *values, int64_t bytes);

void cnn_place(char *name, size_t room); /* name of this machine */

/* Lets the processes agree whether to continue. If some processes fail, all processes return the failure of
 * the first failed process; the message names this process. If all processes fail, the message names no
 * process. If a process has set `stop`, all processes get its value of `stop`. */
cnn_status cnn_exchange_agree(Exchange *, cnn_status status, int *stop);
/* Like cnn_exchange_agree, before an exchange exists. */
cnn_status cnn_ranks_agree(const cnn_ranks *ranks, cnn_status status);

/* Whether a number is the same in all processes. If not, `process` is the first that differs from process
 * 0. */
bool cnn_exchange_same(Exchange *, uint64_t number, int32_t *process);
/* Adds up the counts of all processes; each process gets the sums. */
void cnn_exchange_add_counts(Exchange *, int64_t *count, int64_t counts);
/* Formats the bytes and times of an epoch's exchange, then resets them. */
void cnn_exchange_tell(Exchange *, char text[560]);
#endif
