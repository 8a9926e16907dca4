# compiler/backend: running the C compiler; reading weights
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_CPPFLAGS += -DRUNTIME_DIRECTORY='"$(libdir)"'
libcnnc_a_SOURCES += %D%/backend.h %D%/backend.c %D%/process.h %D%/process.c %D%/jobs.c
libcnnc_a_SOURCES += %D%/compiler.h %D%/compiler.c %D%/scratch.h %D%/scratch.c %D%/system.h %D%/system.c
libcnnc_a_SOURCES += %D%/weights.h %D%/weights.c %D%/origin.h %D%/origin.c
libcnnc_a_SOURCES += %D%/quantized.h %D%/quantized.c %D%/observed.h %D%/observed.c
# The runtime's readers of weight files, also built for the compiler: they depend on no other part of the
# runtime.
libcnnc_a_SOURCES += runtime/hosted/base/status.c runtime/hosted/base/file.c \
  runtime/hosted/weights/archive.c runtime/hosted/weights/safetensors.c runtime/hosted/weights/npz.c \
  runtime/hosted/weights/notes.c runtime/hosted/weights/classes.c runtime/hosted/weights/origin.c \
  runtime/hosted/weights/foreign.c runtime/hosted/weights/matching.c runtime/hosted/base/json.c \
  runtime/hosted/base/similar.c runtime/hosted/weights/pickle.c \
  runtime/hosted/weights/rename.c runtime/hosted/weights/torch.c runtime/hosted/weights/zip.c
# The object of backend.c contains RUNTIME_DIRECTORY, so it depends on the Makefile. The object's name is in a
# variable: otherwise automake would treat this dependency as the rule that compiles the object.
BACKEND_OBJECT = %D%/libcnnc_a-backend.$(OBJEXT)
$(BACKEND_OBJECT): Makefile
