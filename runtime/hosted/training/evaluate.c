/* evaluate.c: Evaluation of a net on a part of a data set. Each thread has its own workspace and takes the
 * next samples from a shared counter. The results of each sample are stored in its own array element. At the
 * end, they are added in the order of the samples, so that the sum does not depend on the threads. */
// SPDX-License-Identifier: MIT-0
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise */
#endif
#include "hosted/training/evaluate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hosted/data/batch.h"
#include "hosted/data/calls.h"
#include "hosted/base/threads.h"
#include "hosted/training/exchange.h"
#include "hosted/training/judge.h"

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

typedef struct Worker {
  cnn_evaluator *evaluator;
  pthread_t thread;
  cnn_batch batch;
  cnn_reader reader;
  cnn_tally tally;
  float **output;
  cnn_batch one;           /* inputs of one call, if a sample needs several calls */
  float **one_output;      /* outputs of that call */
  void *workspace, *state; /* state: NULL if the net keeps no state between calls */
  cnn_status status;
  int64_t failed; /* if a batch failed: the number of its first sample */
} Worker;

struct cnn_evaluator {
  const cnn_network *network;
  int32_t threads, threads_inside; /* maximum number of workers; threads of the net in each worker */
  Worker *worker;
  void *model;
  cnn_sums *sums;            /* [samples][outputs] */
  cnn_judged_sample *judged; /* [samples]; NULL: the net has no detections */
  cnn_objects objects;
  int64_t room;
  const cnn_data *data;
  cnn_part part;
  int64_t samples;
  int64_t from, to;   /* the range of samples of this process */
  Exchange *exchange; /* NULL: a single process */
  atomic_llong next;
  const volatile sig_atomic_t *stop;
};

/* Large blocks use huge pages if the system has them, so that reading the weights needs fewer page
 * translations. */
void *cnn_aligned(size_t bytes) {
  size_t unit = bytes < 2 * HUGE_PAGE ? LINE : HUGE_PAGE, rounded = (bytes / unit + 1) * unit;
  void *memory = aligned_alloc(unit, rounded);
#ifdef MADV_HUGEPAGE
  if (memory && unit == HUGE_PAGE) (void)madvise(memory, rounded, MADV_HUGEPAGE); /* may fail */
#endif
  if (memory) memset(memory, 0, rounded);
  return memory;
}

float **cnn_outputs_alloc(const cnn_network *network, int32_t count) {
  float **output = calloc((size_t)network->outputs + 1, sizeof *output);
  for (int32_t o = 0; output && o < network->outputs; o++) {
    output[o] = cnn_aligned((size_t)(network->output[o].size * count) * sizeof(float));
    if (!output[o]) {
      cnn_outputs_free(network, output);
      return NULL;
    }
  }
  return output;
}

void cnn_outputs_free(const cnn_network *network, float **output) {
  for (int32_t o = 0; output && o < network->outputs; o++) free(output[o]);
  free(output);
}

void cnn_call(const cnn_network *network, const void *model, const cnn_batch *batch, float **output,
              void *state, void *workspace) {
  const void *const *input = (const void *const *)batch->input;
  if (network->step) network->step(model, input, output, state, workspace);
  else network->infer(model, input, output, workspace);
}

cnn_status cnn_evaluator_open(cnn_evaluator **result, const cnn_network *network, int32_t threads,
                              bool confusion) {
  cnn_evaluator *evaluator = calloc(1, sizeof *evaluator);
  *result = evaluator;
  bool fine = evaluator != NULL;
  if (fine) {
    evaluator->network = network;
    evaluator->threads = threads;
    evaluator->model = cnn_aligned(network->model_bytes);
    evaluator->worker = calloc((size_t)threads, sizeof *evaluator->worker);
    fine = evaluator->model && evaluator->worker;
  }
  for (int32_t i = 0; fine && i < threads; i++) {
    Worker *worker = &evaluator->worker[i];
    worker->evaluator = evaluator;
    worker->workspace = cnn_aligned(network->workspace_bytes);
    worker->state = network->step ? cnn_aligned(network->state_bytes) : NULL;
    worker->output = cnn_outputs_alloc(network, network->batch);
    worker->one_output = cnn_outputs_alloc(network, network->batch);
    fine = cnn_batch_open(&worker->batch, network, network->batch, true) && worker->one_output &&
           cnn_batch_open(&worker->one, network, network->batch, false) &&
           cnn_reader_open(&worker->reader, network) && cnn_tally_open(&worker->tally, network, confusion) &&
           worker->workspace && worker->output && (worker->state || !network->step);
  }
  if (fine) return cnn_success();
  cnn_evaluator_close(evaluator);
  *result = NULL;
  return cnn_failure(CNN_NO_MEMORY, "no memory to evaluate the net on %d threads", (int)threads);
}

void cnn_evaluator_share(cnn_evaluator *evaluator, Exchange *exchange) {
  evaluator->exchange = cnn_exchange_alone(exchange) ? NULL : exchange;
}

void cnn_evaluator_close(cnn_evaluator *evaluator) {
  if (!evaluator) return;
  for (int32_t i = 0; evaluator->worker && i < evaluator->threads; i++) {
    Worker *worker = &evaluator->worker[i];
    if (worker->batch.network) cnn_batch_close(&worker->batch);
    cnn_reader_close(&worker->reader);
    cnn_tally_close(&worker->tally);
    if (worker->one.network) cnn_batch_close(&worker->one);
    cnn_outputs_free(evaluator->network, worker->output);
    cnn_outputs_free(evaluator->network, worker->one_output);
    free(worker->workspace);
    free(worker->state);
  }
  free(evaluator->worker);
  free(evaluator->model);
  free(evaluator->sums);
  cnn_objects_free(&evaluator->objects);
  free(evaluator);
}

/* Copies the elements of call number `call` of all samples of a batch to the buffer of one call, or back. */
static void move_call(const Worker *worker, const cnn_port *port, size_t element, int32_t call, void *all,
                      void *one, bool back) {
  const cnn_network *network = worker->evaluator->network;
  const size_t size = (size_t)(port->size / cnn_port_calls(port)) * element;
  for (int32_t n = 0; n < network->batch; n++) {
    char *of_sample = (char *)all + (size_t)(n * cnn_port_calls(port) + call) * size,
         *of_call = (char *)one + (size_t)n * size;
    memcpy(back ? of_sample : of_call, back ? of_call : of_sample, size);
  }
}

/* Computes all calls of the current samples, from an initial state. */
static void run_calls(Worker *worker) {
  const cnn_evaluator *evaluator = worker->evaluator;
  const cnn_network *network = evaluator->network;
  const int32_t calls = cnn_port_calls(&network->input[0]);
  if (network->step) network->reset(worker->state);
  if (calls == 1) {
    cnn_call(network, evaluator->model, &worker->batch, worker->output, worker->state, worker->workspace);
    return;
  }
  for (int32_t call = 0; call < calls; call++) {
    for (int32_t i = 0; i < network->inputs; i++)
      move_call(worker, &network->input[i], cnn_type_bytes(network->input[i].type), call,
                worker->batch.input[i], worker->one.input[i], false);
    cnn_call(network, evaluator->model, &worker->one, worker->one_output, worker->state, worker->workspace);
    for (int32_t o = 0; o < network->outputs; o++)
      move_call(worker, &network->output[o], sizeof(float), call, worker->output[o], worker->one_output[o],
                true);
  }
}

/* Evaluates one batch of samples, from sample `first` on. Unused slots of the batch keep their contents. */
static cnn_status evaluate_batch(Worker *worker, int64_t first) {
  cnn_evaluator *evaluator = worker->evaluator;
  const cnn_network *network = evaluator->network;
  int32_t count = network->batch;
  if (count > evaluator->to - first) count = (int32_t)(evaluator->to - first);
  for (int32_t i = 0; i < count; i++) {
    cnn_status status =
        cnn_batch_read(&worker->batch, &worker->reader, i, evaluator->data, evaluator->part, first + i);
    if (status.code != CNN_OK) return status;
  }
  run_calls(worker);
  for (int32_t i = 0; i < count; i++) {
    cnn_tally_sample(&worker->tally, worker->output, worker->batch.target, i,
                     evaluator->sums + (first + i) * network->outputs);
    if (!evaluator->judged) continue;
    const cnn_status status = cnn_judge_sample(&evaluator->judged[first + i], network, worker->output, i,
                                               evaluator->data, evaluator->part, first + i);
    if (status.code != CNN_OK) return status;
  }
  return cnn_success();
}

static void *work(void *context) {
  Worker *worker = context;
  cnn_evaluator *evaluator = worker->evaluator;
  const uint32_t mode = cnn_denormals_begin(evaluator->network);
  cnn_threads_use(evaluator->network, evaluator->threads_inside);
  worker->status = cnn_success();
  for (;;) {
    int64_t first = atomic_fetch_add(&evaluator->next, evaluator->network->batch);
    if (first >= evaluator->to || (evaluator->stop && *evaluator->stop)) break;
    worker->status = evaluate_batch(worker, first);
    if (worker->status.code == CNN_OK) continue;
    worker->failed = first;
    atomic_store(&evaluator->next, evaluator->to); /* stops the other workers */
    break;
  }
  cnn_denormals_end(mode);
  return NULL;
}

/* Returns the number of workers. If there are at least twice as many threads as batches, each worker's net
 * uses several threads. */
static int32_t share_threads(cnn_evaluator *evaluator) {
  int64_t batches =
      (evaluator->to - evaluator->from + evaluator->network->batch - 1) / evaluator->network->batch;
  int32_t workers = evaluator->threads;
  if (workers > batches) workers = batches > 0 ? (int32_t)batches : 1;
  evaluator->threads_inside = evaluator->threads / workers;
  return workers;
}

static void forget_samples(cnn_evaluator *evaluator) {
  for (int64_t i = 0; evaluator->judged && i < evaluator->samples; i++) cnn_judge_free(&evaluator->judged[i]);
  free(evaluator->judged);
  evaluator->judged = NULL;
}

/* If the net has detections, computes their metrics from the results of all samples. */
static cnn_status judge_samples(cnn_evaluator *evaluator, cnn_measures *measures) {
  if (!evaluator->judged) return cnn_success();
  cnn_objects_free(&evaluator->objects);
  const cnn_status status = cnn_judge_all(&evaluator->objects, evaluator->judged, evaluator->samples);
  if (status.code == CNN_OK) cnn_objects_measures(&evaluator->objects, measures);
  return status;
}

/* Allocates the results of each sample. */
static cnn_status make_room(cnn_evaluator *evaluator) {
  const size_t samples = (size_t)evaluator->samples;
  if (evaluator->samples > evaluator->room) {
    free(evaluator->sums);
    evaluator->sums = calloc(samples * (size_t)evaluator->network->outputs, sizeof *evaluator->sums);
    evaluator->room = evaluator->sums ? evaluator->samples : 0;
  }
  if (cnn_judge_can(evaluator->network, evaluator->data)) {
    evaluator->judged = calloc(samples + 1, sizeof *evaluator->judged);
    if (!evaluator->judged) evaluator->room = 0;
  }
  if (evaluator->samples <= evaluator->room) return cnn_success();
  return cnn_failure(CNN_NO_MEMORY, "no memory to evaluate %lld samples", (long long)evaluator->samples);
}

/* Each worker processes samples until none are left; the failure of the earliest sample is reported. */
static cnn_status run_workers(cnn_evaluator *evaluator) {
  int32_t workers = share_threads(evaluator), running = 0;
  while (running < workers &&
         pthread_create(&evaluator->worker[running].thread, NULL, work, &evaluator->worker[running]) == 0)
    running++;
  if (running == 0) {
    return cnn_failure(CNN_NO_MEMORY,
                       "cannot start a thread to evaluate the net: no memory, or too many threads");
  }
  for (int32_t i = 0; i < running; i++) pthread_join(evaluator->worker[i].thread, NULL);

  const Worker *first = NULL;
  for (int32_t i = 0; i < running; i++) {
    const Worker *worker = &evaluator->worker[i];
    if (worker->status.code != CNN_OK && (!first || worker->failed < first->failed)) first = worker;
    if (i > 0) cnn_tally_add(&evaluator->worker[0].tally, &worker->tally);
  }
  return first ? first->status : cnn_success();
}

static cnn_status measure_samples(cnn_evaluator *evaluator, cnn_measures *measures) {
  const cnn_network *network = evaluator->network;
  cnn_sums *total = calloc((size_t)network->outputs + 1, sizeof *total);
  if (!total) return cnn_failure(CNN_NO_MEMORY, "no memory to evaluate the net");
  for (int64_t i = 0; i < evaluator->samples; i++)
    cnn_sums_add(total, evaluator->sums + i * network->outputs, network->outputs);
  cnn_tally_measures(&evaluator->worker[0].tally, evaluator->samples, total, measures);
  free(total);
  return judge_samples(evaluator, measures);
}

/* ---- several processes ---- */
/* Distributes the samples over the processes; samples of the same call of infer go to the same process. If
 * the net has detections, the first process evaluates all samples. */
static void take_part(cnn_evaluator *evaluator) {
  evaluator->from = 0;
  evaluator->to = evaluator->samples;
  if (!evaluator->exchange) return;
  const cnn_ranks *ranks = evaluator->exchange->ranks;
  const int64_t batch = evaluator->network->batch, calls = (evaluator->samples + batch - 1) / batch;
  int64_t *first = evaluator->exchange->samples;
  for (int32_t r = 0; r <= ranks->size; r++) {
    first[r] = evaluator->judged ? (r > 0) * evaluator->samples : calls * r / ranks->size * batch;
    if (first[r] > evaluator->samples) first[r] = evaluator->samples;
  }
  evaluator->from = first[ranks->rank];
  evaluator->to = first[ranks->rank + 1];
}

static cnn_status measure_shared(cnn_evaluator *evaluator, cnn_status status, cnn_measures *measures) {
  Exchange *exchange = evaluator->exchange;
  const cnn_tally *tally = &evaluator->worker[0].tally;
  const bool judged = evaluator->judged != NULL;
  status = cnn_exchange_agree(exchange, status, NULL);
  if (status.code != CNN_OK) return status;
  cnn_exchange_add_counts(exchange, tally->count, tally->counts);
  cnn_exchange_gather(exchange, evaluator->sums,
                      evaluator->network->outputs * (int64_t)sizeof *evaluator->sums);
  if (!judged || cnn_exchange_first(exchange)) status = measure_samples(evaluator, measures);
  status = cnn_exchange_agree(exchange, status, NULL);
  if (judged && status.code == CNN_OK)
    exchange->ranks->broadcast(exchange->ranks->context, measures, sizeof *measures, 0);
  return status;
}

cnn_status cnn_evaluator_run(cnn_evaluator *evaluator, const float *weights, const cnn_data *data,
                             cnn_part part, int64_t limit, const volatile sig_atomic_t *stop,
                             cnn_measures *measures) {
  const cnn_network *network = evaluator->network;
  evaluator->data = data;
  evaluator->part = part;
  evaluator->stop = stop;
  evaluator->samples = cnn_data_count(data, part);
  if (limit >= 0 && evaluator->samples > limit) evaluator->samples = limit;
  cnn_status status = make_room(evaluator);
  if (evaluator->exchange) status = cnn_exchange_agree(evaluator->exchange, status, NULL);
  if (status.code != CNN_OK) {
    forget_samples(evaluator);
    return status;
  }
  take_part(evaluator);
  if (network->pack) network->pack(evaluator->model, weights);
  for (int32_t i = 0; i < evaluator->threads; i++) cnn_tally_clear(&evaluator->worker[i].tally);
  atomic_store(&evaluator->next, evaluator->from);
  status = run_workers(evaluator);
  if (status.code == CNN_OK && stop && *stop) status = cnn_failure(CNN_STOPPED, "stopped");
  if (evaluator->exchange) status = measure_shared(evaluator, status, measures);
  else if (status.code == CNN_OK) status = measure_samples(evaluator, measures);
  forget_samples(evaluator);
  return status;
}

const cnn_tally *cnn_evaluator_tally(const cnn_evaluator *evaluator) { return &evaluator->worker[0].tally; }

static bool copy_counts(const cnn_tally *tally, cnn_evaluation *evaluation) {
  int32_t first = cnn_tally_first(tally->network);
  if (first < 0) return true;
  evaluation->classes = (int32_t)cnn_judge(tally->network, first).classes;
  size_t n = (size_t)evaluation->classes;
  evaluation->counts = malloc(n * sizeof *evaluation->counts);
  if (!evaluation->counts) return false;
  memcpy(evaluation->counts, cnn_tally_classes(tally, first), n * sizeof *evaluation->counts);
  const int64_t *confusion = cnn_tally_confusion(tally);
  if (!confusion) return true;
  evaluation->confusion = malloc(n * n * sizeof *confusion);
  if (evaluation->confusion) memcpy(evaluation->confusion, confusion, n * n * sizeof *confusion);
  return evaluation->confusion != NULL;
}

cnn_status cnn_evaluate(const cnn_network *network, const float *weights, const cnn_data *data, cnn_part part,
                        int32_t threads, bool confusion, const volatile sig_atomic_t *stop,
                        cnn_evaluation *evaluation) {
  *evaluation = (cnn_evaluation){0};
  cnn_evaluator *evaluator;
  const cnn_network samples = cnn_calls_network(network, data);
  cnn_status status = cnn_evaluator_open(&evaluator, &samples, cnn_threads(threads), confusion);
  if (status.code != CNN_OK) return status;
  evaluator->worker[0].tally.all = true; /* the tallies of the other workers are added to this tally */
  status = cnn_evaluator_run(evaluator, weights, data, part, -1, stop, &evaluation->measures);
  if (status.code == CNN_OK && !copy_counts(cnn_evaluator_tally(evaluator), evaluation)) {
    status = cnn_failure(CNN_NO_MEMORY, "no memory for the counts by class");
  }
  evaluation->objects = evaluator->objects;
  evaluator->objects = (cnn_objects){0};
  cnn_evaluator_close(evaluator);
  if (status.code != CNN_OK) cnn_evaluation_free(evaluation);
  return status;
}

void cnn_evaluation_free(cnn_evaluation *evaluation) {
  cnn_objects_free(&evaluation->objects);
  free(evaluation->counts);
  free(evaluation->confusion);
  evaluation->counts = NULL;
  evaluation->confusion = NULL;
}
