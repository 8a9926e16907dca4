/* exchange.c: All-reduce of gradients over processes, and other messages between the processes. A bucket is a
 * range of the gradients. Each process adds up one part of every bucket. First, every process adds its own
 * shards as far as the tree of additions allows. It sends its sums of each part to the process that adds up
 * this part. The receiving process finishes the tree, and sends the result to all processes. So each process
 * sends and receives about twice the size of a bucket, for any number of processes. The additions have the
 * same order as in one process. Messages progress whenever generated code calls poll. */
// SPDX-License-Identifier: MIT-0
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* gethostname */
#endif
#include "hosted/training/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hosted/base/number.h"
#include "hosted/base/threads.h"

enum { BLOCK = 512, TAGS = 16000 };

struct Travel {
  int64_t from, to; /* range of the bucket in the gradients, in floats */
  float *gradients;
  /* outgoing: sums of this process's shards, part by part; incoming: sums of all processes for the part of
   * this process */
  float *outgoing, *incoming;
  int64_t room_out, room_in;
  const float **at; /* [shards]: sum of the subtree that begins with this shard, if it is known */
  int32_t *end;     /* [shards]: the end of that subtree; 0: no subtree begins there */
  int32_t *message; /* identifiers of the sends and receives that are not complete */
  int32_t messages, step;
};

/* ---- shares ---- */
static int32_t first_shard(const Exchange *x, int32_t rank) {
  return (int32_t)((int64_t)rank * x->network->shards / x->ranks->size);
}

static int64_t first_sample(const Exchange *x, int32_t rank, int64_t count) {
  const int64_t lanes = x->network->lanes, groups = (count + lanes - 1) / lanes,
                sample = first_shard(x, rank) * groups / x->network->shards * lanes;
  return sample < count ? sample : count;
}

void cnn_exchange_share(const Exchange *x, int64_t count, int64_t *from, int64_t *to) {
  *from = 0;
  *to = count;
  if (!x->ranks) return;
  *from = first_sample(x, x->ranks->rank, count);
  *to = first_sample(x, x->ranks->rank + 1, count);
}

void cnn_exchange_begin(Exchange *x, int64_t count) {
  if (!x->ranks) return;
  for (int32_t r = 0; r <= x->ranks->size; r++) x->samples[r] = first_sample(x, r, count);
}

void cnn_exchange_gather(Exchange *x, void *values, int64_t bytes) {
  if (!x->ranks) return;
  const double begun = cnn_clock();
  for (int32_t r = 0; r <= x->ranks->size; r++) x->bytes[r] = x->samples[r] * bytes;
  x->ranks->gather(x->ranks->context, values, x->bytes);
  x->gathering += cnn_clock() - begun;
}

static void gather_values(void *context, void *values, int64_t bytes) {
  cnn_exchange_gather(context, values, bytes);
}

/* ---- the tree ---- */
static int32_t middle_of(int32_t from, int32_t to) { return from + (to - from + 1) / 2; }

/* Adds the gradients of the shards with from <= shard < to: out[i] becomes the sum of element offset + i of
 * all these shards, for 0 <= i < n. Uses the sums in t->at. */
static void add_tree(const Travel *t, int32_t from, int32_t to, int64_t offset, int64_t n, float *out) {
  float right[BLOCK];
  if (t->end[from] == to) {
    memcpy(out, t->at[from] + offset, (size_t)n * sizeof(float));
    return;
  }
  const int32_t middle = middle_of(from, to);
  add_tree(t, from, middle, offset, n, out);
  add_tree(t, middle, to, offset, n, right);
  for (int64_t i = 0; i < n; i++) out[i] += right[i];
}

static void add_blocks(const Travel *t, int32_t from, int32_t to, int64_t offset, int64_t n, float *out) {
  for (int64_t at = 0; at < n; at += BLOCK)
    add_tree(t, from, to, offset + at, n - at < BLOCK ? n - at : BLOCK, out + at);
}

/* Calls `each` for the largest subtrees in the range from <= shard < to that contain only shards of one
 * process. The process has the shards with first <= shard < last. */
typedef void each_subtree(void *context, int32_t from, int32_t to);
static void for_subtrees(int32_t from, int32_t to, int32_t first, int32_t last, each_subtree *each,
                         void *context) {
  if (to <= first || last <= from) return;
  if (first <= from && to <= last) {
    each(context, from, to);
    return;
  }
  for_subtrees(from, middle_of(from, to), first, last, each, context);
  for_subtrees(middle_of(from, to), to, first, last, each, context);
}

static void subtrees_of(const Exchange *x, int32_t rank, each_subtree *each, void *context) {
  for_subtrees(0, x->network->shards, first_shard(x, rank), first_shard(x, rank + 1), each, context);
}

static void count_subtree(void *count, int32_t from, int32_t to) {
  (void)from, (void)to;
  ++*(int32_t *)count;
}

/* ---- a bucket ---- */
static int64_t part_begin(const Exchange *x, const Travel *t, int32_t rank) {
  return t->from + (t->to - t->from) * rank / x->ranks->size;
}
static int64_t part_length(const Exchange *x, const Travel *t, int32_t rank) {
  return part_begin(x, t, rank + 1) - part_begin(x, t, rank);
}

static void fail_memory(const Exchange *x) {
  fprintf(stderr, "process %d on %s: no memory for gradients of other processes\n", (int)x->ranks->rank,
          x->place[x->ranks->rank]);
  x->ranks->abandon(x->ranks->context);
}

/* Allocates at least one float: if a bucket has fewer numbers than there are processes, some parts are empty.
 */
static float *make_room(const Exchange *x, float *values, int64_t *room, int64_t wanted) {
  if (wanted <= *room && values) return values;
  free(values);
  values = malloc((size_t)(wanted > 0 ? wanted : 1) * sizeof *values);
  if (!values) fail_memory(x);
  *room = wanted;
  return values;
}

/* Returns the Travel of the next bucket of this step. All steps have the same buckets, so they reuse the
 * Travels of the first step. */
static Travel *next_travel(Exchange *x) {
  if (x->under_way < x->travels) return x->travel[x->under_way++];
  const size_t shards = (size_t)x->network->shards, size = (size_t)x->ranks->size;
  Travel **travel = realloc(x->travel, ((size_t)x->travels + 1) * sizeof *travel), *t = calloc(1, sizeof *t);
  if (!travel || !t) fail_memory(x);
  t->at = calloc(shards, sizeof *t->at);
  t->end = calloc(shards, sizeof *t->end);
  t->message = calloc(4 * size, sizeof *t->message);
  if (!t->at || !t->end || !t->message) fail_memory(x);
  x->travel = travel;
  x->travel[x->travels++] = t;
  return x->travel[x->under_way++];
}

typedef struct Summing {
  const Travel *travel;
  int64_t offset, n;
  float *out;
} Summing;

static void sum_subtree(void *context, int32_t from, int32_t to) {
  Summing *s = context;
  add_blocks(s->travel, from, to, s->offset, s->n, s->out);
  s->out += s->n;
}

typedef struct Arriving {
  Travel *travel;
  const float *at;
  int64_t n;
} Arriving;

static void take_subtree(void *context, int32_t from, int32_t to) {
  Arriving *a = context;
  a->travel->at[from] = a->at;
  a->travel->end[from] = to;
  a->at += a->n;
}

static int32_t tag_of(const Exchange *x, int32_t step) { return (x->under_way % TAGS) * 2 + step; }

/* Posts receives for the sums that the other processes send for this process's part. */
static void post_receives(Exchange *x, Travel *t) {
  const cnn_ranks *ranks = x->ranks;
  const int64_t own = part_length(x, t, ranks->rank);
  float *in = t->incoming;
  for (int32_t r = 0; r < ranks->size; r++) {
    const int64_t n = x->subtrees[r] * own;
    if (r != ranks->rank && n > 0)
      t->message[t->messages++] =
          ranks->receive(ranks->context, in, (size_t)n * sizeof(float), r, tag_of(x, 0));
    in += n;
  }
}

/* Sends the sums over this process's shards: each process gets the sums for the part that it adds up. */
static void send_sums(Exchange *x, Travel *t) {
  const cnn_ranks *ranks = x->ranks;
  Summing s = {t, 0, 0, t->outgoing};
  float *in = t->incoming;
  for (int32_t r = 0; r < ranks->size; r++) {
    float *const begin = s.out;
    s.offset = part_begin(x, t, r);
    s.n = part_length(x, t, r);
    if (r == ranks->rank) {
      Summing own = {t, s.offset, s.n, in};
      subtrees_of(x, r, sum_subtree, &own);
    } else subtrees_of(x, ranks->rank, sum_subtree, &s);
    if (s.out > begin) {
      t->message[t->messages++] =
          ranks->send(ranks->context, begin, (size_t)(s.out - begin) * sizeof(float), r, tag_of(x, 0));
      x->sent += (s.out - begin) * (int64_t)sizeof(float);
    }
    in += x->subtrees[r] * part_length(x, t, ranks->rank);
  }
}

/* Called when all sums of this process's part have arrived: finishes the part, sends it to all processes, and
 * posts receives for the other parts. */
static void send_part(Exchange *x, Travel *t, int32_t tag) {
  const cnn_ranks *ranks = x->ranks;
  const int64_t own = part_length(x, t, ranks->rank);
  Arriving a = {t, t->incoming, own};
  memset(t->end, 0, (size_t)x->network->shards * sizeof *t->end);
  for (int32_t r = 0; r < ranks->size; r++) subtrees_of(x, r, take_subtree, &a);
  float *const part = t->gradients + part_begin(x, t, ranks->rank);
  add_blocks(t, 0, x->network->shards, 0, own, part);
  for (int32_t r = 0; r < ranks->size; r++) {
    const int64_t n = part_length(x, t, r);
    if (r == ranks->rank) continue;
    if (n > 0)
      t->message[t->messages++] = ranks->receive(ranks->context, t->gradients + part_begin(x, t, r),
                                                 (size_t)n * sizeof(float), r, tag);
    if (own > 0) {
      t->message[t->messages++] = ranks->send(ranks->context, part, (size_t)own * sizeof(float), r, tag);
      x->sent += own * (int64_t)sizeof(float);
    }
  }
}

static void begin_sum(void *context, float *gradients, float *sums, int64_t from, int64_t to) {
  Exchange *x = context;
  const cnn_ranks *ranks = x->ranks;
  const int64_t parameters = x->network->parameters;
  if (x->under_way == 0) x->begun = cnn_clock();
  Travel *t = next_travel(x);
  t->from = from;
  t->to = to;
  t->gradients = gradients;
  t->step = 0;
  t->messages = 0;
  int64_t all = 0;
  for (int32_t r = 0; r < ranks->size; r++) all += x->subtrees[r];
  t->outgoing = make_room(x, t->outgoing, &t->room_out, x->subtrees[ranks->rank] * (to - from));
  t->incoming = make_room(x, t->incoming, &t->room_in, all * part_length(x, t, ranks->rank));
  memset(t->end, 0, (size_t)x->network->shards * sizeof *t->end);
  for (int32_t s = x->functions.first; s < x->functions.last; s++) {
    t->at[s] = s ? sums + (s - 1) * parameters : gradients;
    t->end[s] = s + 1;
  }
  post_receives(x, t);
  send_sums(x, t);
}

/* ---- transfer ---- */
static bool all_arrived(const Exchange *x, Travel *t) {
  int32_t left = 0;
  for (int32_t i = 0; i < t->messages; i++)
    if (!x->ranks->arrived(x->ranks->context, t->message[i])) t->message[left++] = t->message[i];
  t->messages = left;
  return left == 0;
}

static bool advance(Exchange *x, int32_t index) { /* true: the bucket is complete */
  Travel *t = x->travel[index];
  while (t->step < 2 && all_arrived(x, t))
    if (t->step++ == 0) send_part(x, t, ((index + 1) % TAGS) * 2 + 1);
  return t->step == 2;
}

static void poll_sums(void *context) {
  Exchange *x = context;
  if (x->under_way == x->done) return;
  int32_t through = 0;
  for (int32_t i = 0; i < x->under_way; i++) through += advance(x, i);
  if (through == x->under_way && through > x->done) x->through = cnn_clock() - x->begun;
  x->done = through;
}

static void wait_sums(void *context) {
  Exchange *x = context;
  const double begun = cnn_clock();
  while (x->done < x->under_way) poll_sums(x);
  x->waiting += cnn_clock() - begun;
  x->travelling += x->through;
  x->through = 0;
  x->under_way = x->done = 0;
  x->steps++;
}

/* ---- opening ---- */
void cnn_place(char *name, size_t room) {
  if (gethostname(name, room) != 0) snprintf(name, room, "?");
  name[room - 1] = '\0';
}

static void learn_places(Exchange *x) {
  cnn_place(x->place[x->ranks->rank], sizeof *x->place);
  for (int32_t r = 0; r <= x->ranks->size; r++) x->bytes[r] = r * (int64_t)sizeof *x->place;
  x->ranks->gather(x->ranks->context, x->place, x->bytes);
}

cnn_status cnn_exchange_open(Exchange *x, const cnn_ranks *ranks, const cnn_network *network) {
  *x = (Exchange){.network = network, .slowest = -1};
  if (!ranks || ranks->size < 2) return cnn_success();
  const size_t size = (size_t)ranks->size;
  x->ranks = ranks;
  x->samples = calloc(size + 1, sizeof *x->samples);
  x->bytes = calloc(size + 1, sizeof *x->bytes);
  x->subtrees = calloc(size, sizeof *x->subtrees);
  x->place = calloc(size, sizeof *x->place);
  x->waited = calloc(size, sizeof *x->waited);
  cnn_status status = cnn_success();
  if (!x->samples || !x->bytes || !x->subtrees || !x->place || !x->waited)
    status = cnn_failure(CNN_NO_MEMORY, "no memory for %d processes", (int)ranks->size);
  status = cnn_ranks_agree(ranks, status);
  if (status.code != CNN_OK) return status;
  for (int32_t r = 0; r < ranks->size; r++) subtrees_of(x, r, count_subtree, &x->subtrees[r]);
  x->functions = (cnn_exchange){.first = first_shard(x, ranks->rank),
                                .last = first_shard(x, ranks->rank + 1),
                                .context = x,
                                .gather = gather_values,
                                .sum = begin_sum,
                                .poll = poll_sums,
                                .wait = wait_sums};
  learn_places(x);
  return cnn_success();
}

void cnn_exchange_close(Exchange *x) {
  for (int32_t i = 0; i < x->travels; i++) {
    free(x->travel[i]->outgoing);
    free(x->travel[i]->incoming);
    free(x->travel[i]->at);
    free(x->travel[i]->end);
    free(x->travel[i]->message);
    free(x->travel[i]);
  }
  free(x->travel);
  free(x->samples);
  free(x->bytes);
  free(x->subtrees);
  free(x->place);
  free(x->waited);
  *x = (Exchange){0};
}
