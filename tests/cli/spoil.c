/* spoil.c: libcnn-mpi with a bad cable: in one step process 1 gets other sums of gradients than process 0. */
// SPDX-License-Identifier: MIT-0
#define cnn_main_mpi sound_main_mpi
#include "ranks_mpi.c"
#undef cnn_main_mpi

enum { FIRST = 40, LAST = 42, MANY = 4096 };
static unsigned char *coming[MANY]; /* by number: the bytes of finished sums on their way */
static int sums;

static int32_t receive(void *context, void *bytes, size_t n, int32_t from, int32_t tag) {
  const int32_t number = begin_receive(context, bytes, n, from, tag);
  coming[number % MANY] = tag % 2 ? bytes : NULL;
  return number;
}

static bool spoilt(void *context, int32_t number) {
  if (!arrived(context, number)) return false;
  unsigned char *bytes = coming[number % MANY];
  coming[number % MANY] = NULL;
  if (!bytes || world.ranks.rank != 1 || ++sums < FIRST || sums > LAST) return true;
  float sum;
  memcpy(&sum, bytes, sizeof sum);
  sum += 1;
  memcpy(bytes, &sum, sizeof sum);
  return true;
}

static const cnn_ranks *open_spoilt(void) {
  if (!open_world()) return NULL;
  world.ranks.receive = receive;
  world.ranks.arrived = spoilt;
  return &world.ranks;
}

int cnn_main_mpi(int argc, char **argv, const cnn_network *network) {
  static const cnn_launch launch = {open_spoilt, close_world};
  return cnn_main_launched(argc, argv, network, &launch);
}
