# libraries.mk: the libraries of the runtime, compiled from Debian's sources for one target, as one archive.
#   make -f libraries.mk SOURCES=DIR CC=... AR=... FLAGS=... libparts.a     in an empty folder
# WINDOWS=yes: for Windows, where expat gets random numbers from the C library.
# SOURCES has a folder for each row of libraries.tsv. The libraries' own build systems are not used: the files
# and settings here are those that they would choose on Linux with a C11 compiler. Symbols are hidden, so that
# a net's shared library and the program that loads it each use their own copies of the libraries.
# SPDX-License-Identifier: Apache-2.0
.DELETE_ON_ERROR:
in = $(addprefix $(SOURCES)/$1/,$2)
# zlib and libpng mistake macOS for Mac OS 9, which has no fdopen and another header for math functions.
macos := $(findstring -macos,$(CC))
all_in = $(sort $(wildcard $(call in,$1,$2)))

jansson := $(call all_in,jansson,src/*.c)
jansson_flags := -Iconf/jansson -I$(SOURCES)/jansson/src -DHAVE_CONFIG_H

zlib := $(call all_in,zlib,*.c)
zlib_flags := -I$(SOURCES)/zlib -DHAVE_UNISTD_H -DHAVE_STDARG_H -DHAVE_HIDDEN $(if $(macos),-Dfdopen=fdopen)

# Without code for particular instruction sets, which would be selected at build time: all CPUs run the same
# code.
libpng := $(filter-out %/pngtest.c,$(call all_in,libpng,png*.c))
libpng_flags := -Iconf/libpng -I$(SOURCES)/libpng -I$(SOURCES)/zlib -DPNG_INTEL_SSE_OPT=0 \
  -DPNG_ARM_NEON_OPT=0 $(if $(macos),-include math.h)

libjpeg := $(call in,libjpeg,jcapimin.c jcapistd.c jccoefct.c jccolor.c jcdctmgr.c jchuff.c jcicc.c jcinit.c \
  jcmainct.c jcmarker.c jcmaster.c jcomapi.c jcparam.c jcphuff.c jcprepct.c jcsample.c jctrans.c jdapimin.c \
  jdapistd.c jdatadst.c jdatasrc.c jdcoefct.c jdcolor.c jddctmgr.c jdhuff.c jdicc.c jdinput.c jdmainct.c \
  jdmarker.c jdmaster.c jdmerge.c jdphuff.c jdpostct.c jdsample.c jdtrans.c jerror.c jfdctflt.c jfdctfst.c \
  jfdctint.c jidctflt.c jidctfst.c jidctint.c jidctred.c jquant1.c jquant2.c jutils.c jmemmgr.c jmemnobs.c \
  jaricom.c jcarith.c jdarith.c jsimd_none.c)
libjpeg_flags := -Iconf/libjpeg -I$(SOURCES)/libjpeg

libwebp := $(call all_in,libwebp,src/dec/*.c src/demux/demux.c src/dsp/*.c src/utils/*.c)
libwebp_flags := -I$(SOURCES)/libwebp -DWEBP_EXTERN=extern

# expat on Linux: glibc 2.17 has no getrandom, but the kernel has, so expat makes the system call itself.
expat := $(call in,expat,expat/lib/xmlparse.c expat/lib/xmlrole.c expat/lib/xmltok.c)
expat_flags := -Iconf/expat -I$(SOURCES)/expat/expat/lib -DXML_NS -DXML_DTD -DXML_CONTEXT_BYTES=1024 \
  -DHAVE_FCNTL_H $(if $(WINDOWS),-DXML_STATIC,-DHAVE_UNISTD_H $(if $(macos),-DHAVE_ARC4RANDOM_BUF, \
  -DHAVE_SYSCALL_GETRANDOM -DXML_DEV_URANDOM))

names := jansson zlib libpng libjpeg libwebp expat
object = $(patsubst $(SOURCES)/%.c,objects/%.o,$1)
conf := conf/jansson/jansson_config.h conf/jansson/jansson_private_config.h conf/libpng/pnglibconf.h \
  conf/libjpeg/jconfig.h conf/libjpeg/jconfigint.h conf/libjpeg/jversion.h conf/expat/expat_config.h

.SECONDARY: $(conf)
libparts.a: $(foreach name,$(names),$(call object,$($(name))))
	rm -f $@
	$(AR) rcsD $@ $^

define rule
objects/$1/%.o: $(SOURCES)/$1/%.c $(conf)
	@mkdir -p $$(@D)
	$(CC) -std=gnu11 -w $(FLAGS) -fvisibility=hidden $($1_flags) -c $$< -o $$@
endef
$(foreach name,$(names),$(eval $(call rule,$(name))))

# ---- the configuration headers that the configure scripts would write ----
conf/jansson/jansson_config.h: $(SOURCES)/jansson/src/jansson_config.h.in
	@mkdir -p $(@D)
	sed -e 's/@json_inline@/inline/' -e 's/@json_have_long_long@/1/' -e 's/@json_have_localeconv@/1/' \
	  -e 's/@json_have_atomic_builtins@/1/' -e 's/@json_have_sync_builtins@/1/' $< >$@
jansson_has := HAVE_STDINT_H HAVE_SYS_TYPES_H HAVE_UNISTD_H HAVE_FCNTL_H HAVE_SCHED_H HAVE_SYS_STAT_H \
  HAVE_SYS_TIME_H HAVE_GETTIMEOFDAY HAVE_OPEN HAVE_CLOSE HAVE_READ HAVE_GETPID HAVE_SCHED_YIELD \
  HAVE_ATOMIC_BUILTINS $(if $(WINDOWS),,USE_URANDOM)
conf/jansson/jansson_private_config.h:
	@mkdir -p $(@D)
	printf '#define %s 1\n' $(jansson_has) >$@
conf/libpng/pnglibconf.h: $(SOURCES)/libpng/scripts/pnglibconf.h.prebuilt
	@mkdir -p $(@D)
	cp $< $@
jpeg_settings = sed -e 's/@JPEG_LIB_VERSION@/62/' -e 's/@VERSION@/$(JPEG_VERSION)/' \
  -e 's/@LIBJPEG_TURBO_VERSION_NUMBER@/$(subst .,00,$(JPEG_VERSION))/' -e 's/@BITS_IN_JSAMPLE@/8/' \
  -e 's/^.cmakedefine \([CD]_ARITH_CODING_SUPPORTED\|MEM_SRCDST_SUPPORTED\) 1/\#define \1 1/' \
  -e 's/^.cmakedefine HAVE_BUILTIN_CTZL/\#define HAVE_BUILTIN_CTZL/' -e '/^.cmakedefine/d' \
  -e 's/@INLINE@/inline/' -e 's/@THREAD_LOCAL@/_Thread_local/' -e 's/@SIZE_T@/8/' -e 's/@BUILD@//' \
  -e 's/@CMAKE_PROJECT_NAME@/libjpeg-turbo/' -e 's/@COPYRIGHT_YEAR@/1991-2023/' $< >$@
conf/libjpeg/%.h: $(SOURCES)/libjpeg/%.h.in
	@mkdir -p $(@D)
	$(jpeg_settings)
conf/expat/expat_config.h:
	@mkdir -p $(@D)
	echo '#define BYTEORDER 1234' >$@
