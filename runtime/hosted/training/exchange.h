/* exchange.h: Communication between processes that train a net together. A batch has fixed shards; each
 * process computes some of them, one after the other in the order of the processes, and the sums of their
 * gradients are added by the same tree as in one process: pairs of shards, pairs of pairs. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_EXCHANGE_H
#define CNN_EXCHANGE_H
#include "cnn.h"
#include "cnn_ranks.h"

typedef struct Travel Travel; /* a bucket of gradients on its way */

typedef struct Exchange {
  const cnn_ranks *ranks; /* NULL: this process is alone */
  const cnn_network *network;
  cnn_exchange functions; /* for generated code */
  int64_t *samples;       /* [size + 1]: the first sample of each process in the batch under way */
  int64_t *bytes;         /* [size + 1], of a gather */
  int32_t *subtrees;      /* by process: how many sums of its shards it sends */
  Travel **travel;        /* [travels], of which `under_way` were begun in this step and `done` are through */
  int32_t travels, under_way, done;
  char (*place)[64]; /* [size]: names of machines */
  double *waited;    /* [size]: seconds that each process has waited for others in this epoch */
  double gathering;  /* of this process: in gathers, seconds */
  double waiting;    /* for the last sums of a step, seconds */
  double travelling; /* from the first sum of a step to the last, seconds */
  int32_t slowest;   /* the process that the others waited for in the last epoch; -1: none */
  double begun;      /* of the step under way */
  double through;    /* from then until all sums so far were there */
  int64_t sent;      /* bytes of gradients */
  int64_t steps;
} Exchange;

/* Alone if ranks is NULL or has one process. */
cnn_status cnn_exchange_open(Exchange *, const cnn_ranks *ranks, const cnn_network *network);
void cnn_exchange_close(Exchange *);
static inline bool cnn_exchange_alone(const Exchange *exchange) { return !exchange->ranks; }
static inline bool cnn_exchange_first(const Exchange *exchange) {
  return !exchange->ranks || exchange->ranks->rank == 0;
}

/* The samples of this process in a batch of `count`: from .. to - 1. */
void cnn_exchange_share(const Exchange *, int64_t count, int64_t *from, int64_t *to);
/* Before gradients of a batch of `count` are computed. */
void cnn_exchange_begin(Exchange *, int64_t count);
/* Other processes' samples of an array with `bytes` bytes for each sample of the batch. */
void cnn_exchange_gather(Exchange *, void *values, int64_t bytes);

void cnn_place(char *name, size_t room); /* the name of this machine */

/* Whether all processes may go on: the failure of one is that of all, and says which it was. `stop` becomes
 * that of any process. */
cnn_status cnn_exchange_agree(Exchange *, cnn_status status, int *stop);
/* The same before there is an exchange. */
cnn_status cnn_ranks_agree(const cnn_ranks *ranks, cnn_status status);

/* Whether a number is the same in all processes; else `process` is the first that has another than process 0.
 */
bool cnn_exchange_same(Exchange *, uint64_t number, int32_t *process);
void cnn_exchange_add_counts(Exchange *, int64_t *count, int64_t counts); /* of all processes, in each */
/* The cost of an epoch's exchange, as text; then resets it. */
void cnn_exchange_tell(Exchange *, char text[400]);
#endif
