/* program_info.c: `net info`: Description of the net. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>

#include "hosted/base/number.h"
#include "hosted/commands/program.h"
#include "hosted/base/threads.h"
#include "hosted/weights/origin.h"

int cnn_program_info(const cnn_program *program, int argc, char **argv) {
  const cnn_network *network = program->network;
  int64_t threads = 0;
  const cnn_flag flag[] = {
      {"threads", 0, CNN_VALUE_WHOLE, &threads, "N", "processors (default: all)", 1, 4096, NULL, NULL}};
  cnn_usage usage = {
      program->name, "info", "", "Layers, memory, threads, and the target selected on this machine.",
      flag,          1};
  const int parsed = cnn_usage_parse(&usage, argc, argv, NULL);
  if (parsed != CNN_GO_ON) return parsed;
  printf("%s\n", network->summary);
  printf("target     %s (compiled for %s)\n", network->target_name ? network->target_name() : network->target,
         network->target);
  printf("threads    %d\n", (int)cnn_threads_of_net(network, (int32_t)threads));
  printf("batch      %d\n", (int)network->batch);
  printf("model      %s\n", cnn_number_bytes(network->model_bytes).text);
  printf("workspace  %s\n", cnn_number_bytes(network->workspace_bytes).text);
  if (network->gradients)
    printf("training   %s for a batch of %d\n", cnn_number_bytes(network->training_bytes).text,
           (int)network->train_batch);
  printf("weights    %s\n", cnn_weights_fixed(network) ? "int8, compiled in"
                            : network->parameters == 0 ? "none"
                            : network->initial         ? "compiled in"
                                                       : "from a file (--weights)");
  cnn_status status = cnn_program_finish();
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}
