# compiler/report: summaries, reports and dumps
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/codeless.c %D%/codeless.h \
  %D%/dot.c %D%/dot.h %D%/graph_dump.c %D%/graph_dump.h %D%/lir_dump.c \
  %D%/memory_table.c %D%/memory_table.h %D%/plan_dump.c %D%/schedule_dump.c %D%/summary.c %D%/summary.h \
  %D%/trace.c %D%/trace.h %D%/wcet.c %D%/wcet.h
