# platform/windows: POSIX functions that Windows lacks, for builds with --host=x86_64-w64-mingw32.
# SPDX-License-Identifier: MIT-0
WINDOWS_PLATFORM = %D%/error.h %D%/files.c %D%/platform.h %D%/poll.h %D%/sys/ioctl.h %D%/sys/mman.h \
  %D%/sys/resource.h %D%/system.c
WINDOWS_RESOURCES = %D%/cnnc.manifest %D%/cnnc.rc
EXTRA_DIST += $(WINDOWS_RESOURCES)
if WINDOWS
AM_CPPFLAGS += -I$(top_srcdir)/%D% -include platform.h
libcnnc_a_SOURCES += $(WINDOWS_PLATFORM) %D%/process.c
libcnn_la_SOURCES += $(WINDOWS_PLATFORM)
# The C compiler, zig, also compiles and links the resource script.
cnnc_LDADD += $(srcdir)/%D%/cnnc.rc
cnnc_DEPENDENCIES = libcnnc.a $(WINDOWS_RESOURCES)
else
libcnnc_a_SOURCES += compiler/backend/process_posix.c
endif
