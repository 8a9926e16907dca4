/* runtime_program.c: Command line of built programs, on the net of runtime_net.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <CUnit/CUnit.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime_net.h"
#include "runtime_place.h"

/* ---- Each call in a child process, with its streams redirected to files */

static pid_t start_program(const cnn_network *network, const char *const *word) {
  char *argv[32] = {(char *)(uintptr_t)"compass"};
  int argc = 1;
  while (word[argc - 1]) {
    argv[argc] = (char *)(uintptr_t)word[argc - 1];
    argc++;
  }
  fflush(stdout);
  pid_t child = fork();
  if (child != 0) return child;
  bool good = chdir(directory) == 0 && freopen("stdout", "w", stdout) && freopen("stderr", "w", stderr);
  int status = good ? cnn_main(argc, argv, network) : 99;
  exit(status);
}

static int wait_program(pid_t child) {
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define RUN(network, ...) wait_program(start_program(network, (const char *const[]){__VA_ARGS__, NULL}))
#define SAYS(stream, words) check_says(stream, words, __LINE__)

static void check_says(const char *stream, const char *words, int line) {
  char *text = contents(stream);
  if (!strstr(text, words)) printf("# line %d: '%s' is not in %s: %s\n", line, words, stream, text);
  CU_ASSERT_PTR_NOT_NULL(strstr(text, words));
  free(text);
}

static void wrong_command_lines_exit_with_2(void) {
  make_directory();
  cnn_network network = net_make(&net_recipe), bare = net_make(NULL);
  char nothing[] = "compass", *alone[] = {nothing, NULL};
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    bool good = freopen("/dev/null", "w", stderr) != NULL;
    _exit(good ? cnn_main(1, alone, &network) : 99);
  }
  CU_ASSERT_EQUAL(wait_program(child), 2);
  CU_ASSERT_EQUAL(RUN(&network, "frobnicate"), 2);
  SAYS("stderr", "unknown command 'frobnicate'\n");
  CU_ASSERT_EQUAL(RUN(&network, "pedict", "x.png"), 2);
  SAYS("stderr", "unknown command 'pedict'; did you mean 'predict'?\n");
  CU_ASSERT_EQUAL(RUN(&network, "train"), 2);
  SAYS("stderr", "this command needs --data");
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--epochs=0"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--epochs=3x"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--rate=nan"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--val=1"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--seed=-1"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--shuffle=maybe"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--progress=much"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--what"), 2);
  SAYS("stderr", "unknown option '--what'\n");
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--epcohs=3"), 2);
  SAYS("stderr", "unknown option '--epcohs'; did you mean '--epochs'?\n");
  CU_ASSERT_EQUAL(RUN(&network, "train", "-data", "synthetic"), 2);
  SAYS("stderr", "unknown option '-data'; did you mean '--data'?\n");
  CU_ASSERT_EQUAL(RUN(&network, "train", "-xo", "w.npz"), 2);
  SAYS("stderr", "unknown option '-x'\n");
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "more"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--resume=yes", "--data", "synthetic"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "eval", "--data", "synthetic"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "predict", "--weights", "w.safetensors"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "bench", "--seconds=long"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "nowhere"), 1);
  CU_ASSERT_EQUAL(RUN(&network, "dream"), 1); /* the net has no inspection code */
  SAYS("stderr", "needs an executable built by cnnc");
  CU_ASSERT_EQUAL(RUN(&network, "filters"), 2);
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data", "synthetic", "--out", "no/such/place.safetensors"), 1);
  CU_ASSERT_EQUAL(RUN(&bare, "train", "--data", "synthetic"), 1);
  CU_ASSERT_EQUAL(RUN(&bare, "bench", "--train"), 1);
  static const char *const command[] = {"train", "eval", "predict", "bench", "info", "filters"};
  for (int i = 0; i < 6; i++) {
    CU_ASSERT_EQUAL(RUN(&network, command[i], "--help"), 0);
    SAYS("stdout", "--help");
  }
  CU_ASSERT_EQUAL(RUN(&network, "--help"), 0);
  remove_directory();
}

static void write_npy(const char *name, int n) {
  FILE *file = fopen(in_directory(name), "wb");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  char header[128], shape[64];
  if (n > 0) snprintf(shape, sizeof shape, "(%d, 6, 6, 1)", n);
  if (n == 0) snprintf(shape, sizeof shape, "(6, 6, 1)");
  snprintf(header, sizeof header, "{'descr': '|u1', 'fortran_order': False, 'shape': %s, }", shape);
  fprintf(file, "\x93NUMPY%c%c%c%c%-117s\n", 1, 0, 118, 0, header);
  for (int i = 0; i < (n ? n : 1) * NET_PIXELS; i++) fputc(i * 7 % 256, file);
  fclose(file);
}

static void programs_train_evaluate_and_predict(void) {
  make_directory();
  cnn_network network = net_make(&net_recipe);
  CU_ASSERT_EQUAL(
      RUN(&network, "train", "--data=synthetic", "--epochs=3", "--log=l.csv", "--plot=p.svg", "--threads=2"),
      0);
  SAYS("stderr", "epoch 3/3  loss ");
  SAYS("stdout", "compass.safetensors: epoch ");
  SAYS("l.csv", "epoch,loss,accuracy,top2,val_loss,val_accuracy,val_top2,rate,images_per_second,seconds\n1,");
  SAYS("p.svg", "</svg>");
  CU_ASSERT_EQUAL(RUN(&network, "eval", "--data=synthetic", "--weights=compass.safetensors", "--json",
                      "--confusion=c.svg"),
                  0);
  char *text = contents("stdout");
  json_t *root = json_loads(text, 0, NULL), *classes = json_object_get(root, "classes");
  CU_ASSERT(json_is_integer(json_object_get(root, "samples")) && json_is_real(json_object_get(root, "loss")));
  CU_ASSERT(json_number_value(json_object_get(json_object_get(root, "metrics"), "accuracy")) > 0.9);
  CU_ASSERT_EQUAL(json_array_size(classes), 4);
  CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(classes, 3), "label")), "we\"st");
  json_decref(root);
  free(text);
  SAYS("c.svg", "we&quot;st");
  CU_ASSERT_EQUAL(RUN(&network, "eval", "--data=synthetic", "--weights=compass.safetensors"), 0);
  SAYS("stdout", "precision     recall         f1\n");

  write_npy("three.npy", 3);
  write_npy("single.npy", 0);
  CU_ASSERT_EQUAL(RUN(&network, "predict", "three.npy", "single.npy", "--weights=compass.safetensors"), 0);
  SAYS("stdout", "three.npy[2]: ");
  SAYS("stdout", "single.npy: ");
  CU_ASSERT_EQUAL(
      RUN(&network, "predict", "three.npy", "--weights=compass.safetensors", "--json", "-o", "out.npy"), 0);
  text = contents("stdout");
  root = json_loads(text, 0, NULL);
  const json_t *last = json_array_get(root, 2);
  double sum = 0;
  for (size_t i = 0; i < 4; i++) sum += json_number_value(json_array_get(json_object_get(last, "scores"), i));
  CU_ASSERT_DOUBLE_EQUAL(sum, 1, 1e-6);
  CU_ASSERT_EQUAL(json_integer_value(json_object_get(last, "index")), 2);
  CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(last, "input")), "three.npy");
  size_t best = (size_t)json_integer_value(json_object_get(last, "class"));
  CU_ASSERT_EQUAL(json_number_value(json_array_get(json_object_get(last, "scores"), best)),
                  json_number_value(json_object_get(last, "score")));
  json_decref(root);
  free(text);
  SAYS("out.npy", "NUMPY");
  CU_ASSERT_EQUAL(RUN(&network, "predict", "three.npy", "--weights=compass.safetensors", "-o", "out.png"), 1);
  CU_ASSERT_EQUAL(RUN(&network, "predict", "nothing.npy", "--weights=compass.safetensors"), 1);
  CU_ASSERT_EQUAL(RUN(&network, "info"), 0);
  SAYS("stdout", "target     generic");
  remove_directory();
}

static void programs_measure_themselves(void) {
  make_directory();
  cnn_network network = net_make(&net_recipe), bare = net_make(NULL);
  CU_ASSERT_EQUAL(RUN(&bare, "bench", "--seconds=0.02", "--json"), 0);
  char *text = contents("stdout");
  json_t *root = json_loads(text, 0, NULL), *latency = json_object_get(root, "latency_ms");
  double least = json_number_value(json_object_get(latency, "min")),
         median = json_number_value(json_object_get(latency, "median"));
  CU_ASSERT(least > 0 && least <= median && median <= json_number_value(json_object_get(latency, "p99")));
  CU_ASSERT(json_number_value(json_object_get(root, "images_per_second")) > 0 &&
            json_number_value(json_object_get(root, "gflops")) > 0);
  CU_ASSERT_EQUAL(json_integer_value(json_object_get(root, "threads")), 1);
  CU_ASSERT_EQUAL(json_array_size(json_object_get(root, "layers")), 2);
  json_decref(root);
  free(text);
  CU_ASSERT_EQUAL(RUN(&network, "bench", "--seconds=0.02"), 0);
  SAYS("stdout", "dense1");
  CU_ASSERT_EQUAL(RUN(&network, "bench", "--seconds=0.02", "--train", "--json"), 0);
  SAYS("stdout", "\"step_ms\"");
  CU_ASSERT_EQUAL(RUN(&network, "bench", "--seconds=0.02", "--train"), 0);
  SAYS("stdout", "images/s");
  remove_directory();
}

/* Ctrl-C in the middle of a long run, then --resume without other options: compares with an uninterrupted
 * run. */
static void an_interrupt_saves_and_resumes(void) {
  make_directory();
  cnn_network network = net_make(&net_recipe);
  const char *const words[] = {"train",     "--data=synthetic",       "--seed=11",   "--epochs=100",
                               "--batch=1", "--out=part.safetensors", "--limit=400", NULL};
  pid_t child = start_program(&network, words);
  for (int i = 0; i < 3000 && !place_has("part.checkpoint.safetensors"); i++)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  kill(child, SIGINT);
  CU_ASSERT_EQUAL(wait_program(child), 130);
  SAYS("stderr", "--resume");
  CU_ASSERT_EQUAL(
      RUN(&network, "train", "--data=synthetic", "--resume", "--epochs=100", "--out=part.safetensors"), 0);
  SAYS("stderr", "continuing after ");
  CU_ASSERT_EQUAL(RUN(&network, "train", "--data=synthetic", "--seed=11", "--epochs=100", "--batch=1",
                      "--out=whole.safetensors", "--limit=400"),
                  0);
  CU_ASSERT(same_files("part.safetensors", "whole.safetensors"));
  CU_ASSERT(same_files("part.last.safetensors", "whole.last.safetensors"));
  remove_directory();
}

CU_TestInfo suite_program[] = {{"wrong command lines exit with 2", wrong_command_lines_exit_with_2},
                               {"programs train, evaluate and predict", programs_train_evaluate_and_predict},
                               {"bench measures the program", programs_measure_themselves},
                               {"an interrupted run is saved and resumed", an_interrupt_saves_and_resumes},
                               CU_TEST_INFO_NULL};
