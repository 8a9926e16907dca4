# compiler/passes: the passes that turn a graph into a plan
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/bands.c %D%/bf16.c %D%/fuse.c %D%/fuse.h %D%/caller_inputs.c \
  %D%/in_place.c %D%/inference.c \
  %D%/layout.c %D%/layout.h %D%/life.h %D%/buffers.c %D%/passes.c %D%/passes.h %D%/alias.c %D%/alias.h \
  %D%/plan.h %D%/recompute.c %D%/recompute.h %D%/states.c %D%/store.c %D%/stream.c \
  %D%/stream.h %D%/stream_rules.c %D%/node_tables.c \
  %D%/node_tables.h %D%/plan_verify.c \
  %D%/whole_batch.c %D%/memory_limit.c
