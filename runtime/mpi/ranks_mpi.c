/* ranks_mpi.c: libcnn-mpi, the table of cnn_ranks.h implemented with MPI. The communicator is a copy of
 * MPI_COMM_WORLD, so that its messages are separate from all other messages. */
// SPDX-License-Identifier: MIT-0
#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn_ranks.h"

typedef struct World {
  MPI_Comm all;
  MPI_Request *request; /* [message number]; MPI_REQUEST_NULL: no message has this number */
  int32_t requests;
  int *count, *place; /* [size]: arguments of a gather */
  cnn_ranks ranks;
} World;

static World world;

static void abandon(void *context) {
  MPI_Abort(((World *)context)->all, 1);
  abort();
}

static void no_memory(World *w) {
  fprintf(stderr, "process %d: no memory for messages\n", (int)w->ranks.rank);
  abandon(w);
}

/* ---- messages ---- */
static int count_of(World *w, size_t n) { /* MPI counts in int */
  if (n > INT_MAX) {
    fprintf(stderr, "process %d: a message of %zu bytes is too long for MPI\n", (int)w->ranks.rank, n);
    abandon(w);
  }
  return (int)n;
}

static int32_t free_number(World *w) {
  for (int32_t i = 0; i < w->requests; i++)
    if (w->request[i] == MPI_REQUEST_NULL) return i;
  const int32_t n = w->requests, more = n ? 2 * n : 64;
  MPI_Request *request = realloc(w->request, (size_t)more * sizeof *request);
  if (!request) no_memory(w);
  w->request = request;
  w->requests = more;
  for (int32_t i = n; i < more; i++) w->request[i] = MPI_REQUEST_NULL;
  return n;
}

static int32_t begin_send(void *context, const void *bytes, size_t n, int32_t to, int32_t tag) {
  World *w = context;
  const int32_t number = free_number(w);
  MPI_Isend(bytes, count_of(w, n), MPI_BYTE, to, tag, w->all, &w->request[number]);
  return number;
}

static int32_t begin_receive(void *context, void *bytes, size_t n, int32_t from, int32_t tag) {
  World *w = context;
  const int32_t number = free_number(w);
  MPI_Irecv(bytes, count_of(w, n), MPI_BYTE, from, tag, w->all, &w->request[number]);
  return number;
}

static bool arrived(void *context, int32_t message) {
  World *w = context;
  int done = 0;
  MPI_Test(&w->request[message], &done, MPI_STATUS_IGNORE);
  return done != 0;
}

static void wait_for(void *context, int32_t message) {
  World *w = context;
  MPI_Wait(&w->request[message], MPI_STATUS_IGNORE);
}

/* ---- collective operations ---- */
static void broadcast(void *context, void *bytes, size_t n, int32_t from) {
  const size_t most = INT_MAX / 2;
  for (size_t at = 0; at < n; at += most)
    MPI_Bcast((char *)bytes + at, (int)(n - at < most ? n - at : most), MPI_BYTE, from,
              ((World *)context)->all);
}

static void gather(void *context, void *bytes, const int64_t *from) {
  World *w = context;
  const int32_t size = w->ranks.size;
  if (from[size] > INT_MAX) {
    for (int32_t r = 0; r < size; r++)
      broadcast(w, (char *)bytes + from[r], (size_t)(from[r + 1] - from[r]), r);
    return;
  }
  for (int32_t r = 0; r < size; r++) {
    w->count[r] = (int)(from[r + 1] - from[r]);
    w->place[r] = (int)from[r];
  }
  MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, bytes, w->count, w->place, MPI_BYTE, w->all);
}

/* ---- the table ---- */
static int32_t count_here(MPI_Comm all) {
  MPI_Comm here;
  int size = 1;
  if (MPI_Comm_split_type(all, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here) != MPI_SUCCESS) return 1;
  MPI_Comm_size(here, &size);
  MPI_Comm_free(&here);
  return size;
}

/* Called if MPI reports a single process. Returns true if the launcher's environment variables report several
 * processes: then the launcher uses another MPI library than the program, or another protocol (srun). Each
 * process would then train alone and overwrite the files of the others. Process 0 reports the error. */
static bool one_of_many(void) {
  static const char *const starter[][2] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                           {"PMI_SIZE", "PMI_RANK"},
                                           {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"}};
  for (size_t i = 0; i < sizeof starter / sizeof *starter; i++) {
    const char *size = getenv(starter[i][0]), *rank = getenv(starter[i][1]);
    if (!size) continue;
    if (strtol(size, NULL, 10) < 2) return false;
    if (!rank || strcmp(rank, "0") == 0)
      fprintf(stderr,
              "error: %s processes were started, but MPI reports one: start them with mpirun of the MPI that "
              "the program was built with, or with srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)\n",
              size);
    return true;
  }
  return false;
}

static const cnn_ranks *open_world(void) {
  int provided, rank, size;
  if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
    fprintf(stderr, "MPI could not be started\n");
    return NULL;
  }
  if (provided < MPI_THREAD_FUNNELED) {
    fprintf(stderr, "this MPI cannot be used by programs with threads\n");
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size == 1 && one_of_many()) {
    MPI_Finalize();
    return NULL;
  }
  MPI_Comm_dup(MPI_COMM_WORLD, &world.all);
  MPI_Comm_rank(world.all, &rank);
  world.ranks = (cnn_ranks){.rank = rank,
                            .size = size,
                            .here = count_here(world.all),
                            .context = &world,
                            .send = begin_send,
                            .receive = begin_receive,
                            .arrived = arrived,
                            .wait = wait_for,
                            .broadcast = broadcast,
                            .gather = gather,
                            .abandon = abandon};
  world.count = calloc((size_t)size, sizeof *world.count);
  world.place = calloc((size_t)size, sizeof *world.place);
  if (!world.count || !world.place) no_memory(&world);
  return &world.ranks;
}

static void close_world(void) {
  MPI_Comm_free(&world.all);
  MPI_Finalize();
  free(world.request);
  free(world.count);
  free(world.place);
  memset(&world, 0, sizeof world);
}

int cnn_main_mpi(int argc, char **argv, const cnn_network *network) {
  static const cnn_launch launch = {open_world, close_world};
  return cnn_main_launched(argc, argv, network, &launch);
}
