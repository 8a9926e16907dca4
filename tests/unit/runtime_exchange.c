// runtime_exchange.c: Test of the communication of processes, which threads simulate. For any distribution of
// shards, the sums of gradients must be bit-identical to the sums in one process. A failure of one process is
// reported to all processes.
// SPDX-License-Identifier: Apache-2.0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* barriers */
#endif
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cnn_core.h"
#include "hosted/training/exchange.h"

enum { MOST = 7, SHARDS = 13, FLOATS = 1501, MESSAGES = 4096 };

/* ---- simulated processes ---- */
typedef struct Message {
  int32_t from, to, tag;
  const void *bytes;
  bool taken;
} Message;

typedef struct World {
  int32_t size;
  pthread_barrier_t barrier;
  pthread_mutex_t mutex;
  Message message[MESSAGES];
  int32_t messages;
  void *shown[MOST]; /* by process: its contribution to a gather */
} World;

typedef struct Process {
  World *world;
  cnn_ranks ranks;
  Exchange exchange;
  pthread_t thread;
  struct Pending {
    void *bytes;
    size_t n;
    int32_t from, tag; /* from: sender's rank; -1: this process sent the message */
  } pending[MESSAGES];
  int32_t pendings;
  const struct Case *of;
  float *gradients, *sums;
  cnn_status status;
  int stop;
  int32_t other;
  bool same;
} Process;

static int32_t send(void *context, const void *bytes, size_t n, int32_t to, int32_t tag) {
  Process *p = context;
  World *w = p->world;
  (void)n;
  pthread_mutex_lock(&w->mutex);
  if (w->messages < MESSAGES) w->message[w->messages++] = (Message){p->ranks.rank, to, tag, bytes, false};
  pthread_mutex_unlock(&w->mutex);
  p->pending[p->pendings] = (struct Pending){.from = -1};
  return p->pendings++;
}

static int32_t receive(void *context, void *bytes, size_t n, int32_t from, int32_t tag) {
  Process *p = context;
  p->pending[p->pendings] = (struct Pending){bytes, n, from, tag};
  return p->pendings++;
}

static bool arrived(void *context, int32_t number) {
  Process *p = context;
  World *w = p->world;
  const struct Pending *pending = &p->pending[number];
  bool found = pending->from < 0;
  pthread_mutex_lock(&w->mutex);
  for (int32_t i = 0; !found && i < w->messages; i++) {
    Message *m = &w->message[i];
    if (m->taken || m->from != pending->from || m->to != p->ranks.rank || m->tag != pending->tag) continue;
    memcpy(pending->bytes, m->bytes, pending->n);
    found = m->taken = true;
  }
  pthread_mutex_unlock(&w->mutex);
  return found;
}

static void gather(void *context, void *bytes, const int64_t *from) {
  Process *p = context;
  World *w = p->world;
  w->shown[p->ranks.rank] = bytes;
  pthread_barrier_wait(&w->barrier);
  for (int32_t r = 0; r < w->size; r++)
    if (r != p->ranks.rank)
      memcpy((char *)bytes + from[r], (const char *)w->shown[r] + from[r], (size_t)(from[r + 1] - from[r]));
  pthread_barrier_wait(&w->barrier);
}

static void broadcast(void *context, void *bytes, size_t n, int32_t from) {
  Process *p = context;
  World *w = p->world;
  w->shown[p->ranks.rank] = bytes;
  pthread_barrier_wait(&w->barrier);
  if (p->ranks.rank != from) memcpy(bytes, w->shown[from], n);
  pthread_barrier_wait(&w->barrier);
}

static void wait_for(void *context, int32_t number) {
  while (!arrived(context, number)) {}
}

static void abandon(void *context) {
  (void)context;
  abort();
}

typedef struct Case {
  int32_t shards, size;
  void (*work)(Process *);
} Case;

static void *live(void *context) {
  Process *p = context;
  const cnn_network network = {.shards = p->of->shards, .lanes = 4, .parameters = FLOATS};
  p->status = cnn_exchange_open(&p->exchange, &p->ranks, &network);
  p->of->work(p);
  cnn_exchange_close(&p->exchange);
  return NULL;
}

static Process *run(const Case *of) {
  static World world;
  Process *process = calloc((size_t)of->size, sizeof *process);
  CU_ASSERT_FATAL(process != NULL);
  world = (World){.size = of->size};
  pthread_barrier_init(&world.barrier, NULL, (unsigned)of->size);
  pthread_mutex_init(&world.mutex, NULL);
  for (int32_t r = 0; r < of->size; r++) {
    Process *p = &process[r];
    p->world = &world;
    p->of = of;
    p->ranks = (cnn_ranks){.rank = r,
                           .size = of->size,
                           .here = of->size,
                           .context = p,
                           .send = send,
                           .receive = receive,
                           .arrived = arrived,
                           .wait = wait_for,
                           .broadcast = broadcast,
                           .gather = gather,
                           .abandon = abandon};
    p->gradients = calloc(FLOATS, sizeof(float));
    p->sums = calloc((size_t)FLOATS * (size_t)of->shards, sizeof(float));
    CU_ASSERT_FATAL(p->gradients != NULL && p->sums != NULL);
    CU_ASSERT_FATAL(pthread_create(&p->thread, NULL, live, p) == 0);
  }
  for (int32_t r = 0; r < of->size; r++) pthread_join(process[r].thread, NULL);
  pthread_barrier_destroy(&world.barrier);
  pthread_mutex_destroy(&world.mutex);
  return process;
}

static void forget(Process *process, int32_t size) {
  for (int32_t r = 0; r < size; r++) {
    free(process[r].gradients);
    free(process[r].sums);
  }
  free(process);
}

/* ---- sums ---- */
static float gradient(int32_t shard, int64_t i) {
  const cnn_random random = cnn_random_keys(7, (uint64_t)shard);
  return (cnn_random_uniform(random, (uint32_t)i) - 0.5f) * (float)(1 << (i % 20));
}

static float tree(int32_t from, int32_t to, int64_t i) { /* pairwise sums */
  if (to - from == 1) return gradient(from, i);
  const int32_t middle = from + (to - from + 1) / 2;
  return tree(from, middle, i) + tree(middle, to, i);
}

/* Adds gradients in two steps. The second step reuses the memory of the first step. Between two sums of a
 * step, poll is called. */
static void add(Process *p) {
  const cnn_exchange *x = &p->exchange.functions;
  for (int step = 0; step < 2 && !cnn_exchange_alone(&p->exchange); step++) {
    memset(p->gradients, 0, FLOATS * sizeof(float));
    for (int32_t s = x->first; s < x->last; s++)
      for (int64_t i = 0; i < FLOATS; i++)
        (s ? p->sums + (s - 1) * FLOATS : p->gradients)[i] = gradient(s, i);
    x->sum(x->context, p->gradients, p->sums, 700, FLOATS);
    x->poll(x->context);
    x->sum(x->context, p->gradients, p->sums, 3, 700);
    x->sum(x->context, p->gradients, p->sums, 0, 3); /* fewer numbers than there are processes */
    x->wait(x->context);
  }
}

static void test_sums(void) {
  for (int32_t shards = 1; shards <= SHARDS; shards++)
    for (int32_t size = 2; size <= MOST; size++) {
      const Case of = {shards, size, add};
      Process *process = run(&of);
      int64_t wrong = 0;
      for (int32_t r = 0; r < size; r++)
        for (int64_t i = 0; i < FLOATS; i++) {
          const float wanted = tree(0, shards, i);
          wrong += memcmp(&process[r].gradients[i], &wanted, sizeof wanted) != 0;
        }
      CU_ASSERT_EQUAL(wrong, 0);
      forget(process, size);
    }
}

static void test_shares(void) { /* every sample belongs to one process */
  const cnn_network network = {.shards = 5, .lanes = 4};
  for (int32_t size = 2; size <= 9; size++)
    for (int64_t count = 1; count < 70; count++) {
      int64_t next = 0, from, to;
      for (int32_t r = 0; r < size; r++) {
        const cnn_ranks ranks = {.rank = r, .size = size};
        const Exchange x = {.ranks = &ranks, .network = &network};
        cnn_exchange_share(&x, count, &from, &to);
        CU_ASSERT_EQUAL(from, next);
        CU_ASSERT(to >= from && (to == count || to % 4 == 0));
        next = to;
      }
      CU_ASSERT_EQUAL(next, count);
    }
}

/* ---- failures ---- */
static void fail_one(Process *p) {
  p->status = p->ranks.rank == 2 ? cnn_failure(CNN_BAD_FILE, "the cat ate it") : cnn_success();
  p->status = cnn_exchange_agree(&p->exchange, p->status, &p->stop);
}
static void fail_all(Process *p) {
  p->status = cnn_ranks_agree(&p->ranks, cnn_failure(CNN_BAD_FILE, "no such file"));
}
static void stop_one(Process *p) {
  p->stop = p->ranks.rank == 1 ? 15 : 0;
  p->status = cnn_exchange_agree(&p->exchange, cnn_success(), &p->stop);
}
static void drift(Process *p) { p->same = cnn_exchange_same(&p->exchange, p->ranks.rank == 3, &p->other); }

static void test_agreement(void) {
  const Case one = {4, 4, fail_one}, all = {4, 4, fail_all}, stop = {4, 4, stop_one}, apart = {4, 4, drift};
  Process *a = run(&one), *b = run(&all), *c = run(&stop), *d = run(&apart);
  for (int32_t r = 0; r < 4; r++) {
    CU_ASSERT_EQUAL(a[r].status.code, CNN_BAD_FILE);
    CU_ASSERT(strncmp(a[r].status.message, "process 2 on ", 13) == 0);
    CU_ASSERT(strstr(a[r].status.message, ": the cat ate it") != NULL);
    CU_ASSERT_STRING_EQUAL(b[r].status.message, "no such file");
    CU_ASSERT_EQUAL(c[r].status.code, CNN_OK);
    CU_ASSERT_EQUAL(c[r].stop, 15);
    CU_ASSERT(!d[r].same && d[r].other == 3);
  }
  forget(a, 4);
  forget(b, 4);
  forget(c, 4);
  forget(d, 4);
}

CU_TestInfo suite_exchange[] = {
    {"sums", test_sums}, {"shares", test_shares}, {"agreement", test_agreement}, CU_TEST_INFO_NULL};
