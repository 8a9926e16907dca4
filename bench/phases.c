/* phases.c: Stub of libcnn-mpi for scale.py. In a program linked with it, `bench --train` does the work of
 * one of several processes, without the other processes, and measures the time between exchanges. Environment
 * variables: LAST, number of shards that this process computes, from the first one on (0: all); IMAGES,
 * number of images in a batch (0: as in the program); PHASES, the JSON file written at the end. Each time is
 * a minimum of processor times, which other programs do not affect. */
// SPDX-License-Identifier: Apache-2.0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cnn.h"
#include "cnn_ranks.h"

enum { MOST = 4096 };

typedef struct Moment {
  const char *kind;
  /* of a sum: the range of gradients, in floats; of a gather: the range of bytes of an image, from 0 on */
  int64_t from, to;
  double seconds; /* seconds since the previous moment */
} Moment;

static const cnn_network *real;
static Moment moment[MOST];
static int moments, at;
static double last, update = INFINITY;
static int32_t images, own, most;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void pass(const char *kind, int64_t from, int64_t to) {
  const double seconds = now() - last;
  if (at == moments && moments < MOST) moment[moments++] = (Moment){kind, from, to, INFINITY};
  if (at < moments && seconds < moment[at].seconds) moment[at].seconds = seconds;
  at++;
  last = now();
}

static void gather(void *context, void *values, int64_t bytes) {
  (void)context, (void)values;
  pass("gather", 0, bytes);
}

/* A process adds up the gradients of its own shards before it sends them. */
static void sum(void *context, float *gradients, float *sums, int64_t from, int64_t to) {
  const cnn_exchange *exchange = context;
  for (int32_t s = exchange->first + 1; s < exchange->last; s++) {
    const float *more = sums + (s - 1) * real->parameters;
    for (int64_t i = from; i < to; i++) gradients[i] += more[i];
  }
  pass("sum", from, to);
}

static void wait_for_all(void *context) {
  (void)context;
  pass("wait", 0, 0);
}

static float gradients(const float *weights, const void *const *input, const void *const *target,
                       int32_t count, uint64_t seed, uint64_t step, float *to, float *const *output,
                       void *training) {
  cnn_exchange exchange = {.last = most, .gather = gather, .sum = sum, .wait = wait_for_all};
  exchange.context = &exchange;
  if (images > 0 && images < count) count = images;
  const int64_t groups = (count + real->lanes - 1) / real->lanes, mine = most * groups / real->shards;
  images = count;
  own = mine * real->lanes < count ? (int32_t)(mine * real->lanes) : count;
  if (moments && now() - last < update) update = now() - last;
  at = 0;
  last = now();
  const float loss =
      real->gradients_shared(weights, input, target, count, seed, step, to, output, training, &exchange);
  pass("end", 0, 0);
  return loss;
}

static int failed(const char *what, const char *why) {
  fprintf(stderr, "phases: error: %s: %s\n", what, why);
  return 1;
}

static int write_json(const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) return failed(path, strerror(errno));
  fprintf(file,
          "{\"images\": %" PRId32 ", \"own\": %" PRId32 ", \"lanes\": %" PRId32 ", \"update\": %.9f,\n"
          " \"weights\": [",
          images, own, real->lanes, isfinite(update) ? update : 0.0);
  for (int32_t i = 0; i < real->weights; i++)
    fprintf(file, "%s{\"name\": \"%s\", \"offset\": %" PRId64 ", \"size\": %" PRId64 "}", i ? ", " : "",
            real->weight[i].name, real->weight[i].offset, real->weight[i].size);
  fprintf(file, "],\n \"moments\": [");
  for (int i = 0; i < moments; i++)
    fprintf(file, "%s{\"kind\": \"%s\", \"from\": %" PRId64 ", \"to\": %" PRId64 ", \"seconds\": %.9f}",
            i ? ", " : "", moment[i].kind, moment[i].from, moment[i].to, moment[i].seconds);
  fprintf(file, "]}\n");
  return fclose(file) ? failed(path, strerror(errno)) : 0;
}

static int32_t number(const char *name) {
  const char *text = getenv(name);
  return text ? (int32_t)strtol(text, NULL, 10) : 0;
}

int cnn_main_mpi(int argc, char **argv, const cnn_network *network) {
  const char *path = getenv("PHASES");
  if (!path) return failed("PHASES", "not in the environment; it names the file that is written");
  cnn_network timed = *network;
  real = network;
  timed.gradients = gradients;
  timed.gradients_timed = NULL; /* the times of individual layers are not used */
  most = number("LAST");
  images = number("IMAGES");
  if (most < 1 || most > network->shards) most = network->shards;
  const int status = cnn_main(argc, argv, &timed);
  return status ? status : write_json(path);
}
