# compiler/autodiff: the training graph: forward pass, losses, backward pass
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/differentiate.c %D%/forward.c %D%/forward.h
