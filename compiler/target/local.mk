# compiler/target: instruction sets and CPUs: features and costs
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/target.h %D%/target.c %D%/cpu.h %D%/cpu.c
