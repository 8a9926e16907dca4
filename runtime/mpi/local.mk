# runtime/mpi: libcnn-mpi, with which executables built with --mpi train in several processes
# SPDX-License-Identifier: MIT-0
EXTRA_DIST += %D%/ranks_mpi.c
CLEANFILES += libcnn-mpi.a %D%/ranks_mpi.o
if HAVE_MPI
all-local: libcnn-mpi.a
%D%/ranks_mpi.o: %D%/ranks_mpi.c runtime/include/cnn_ranks.h runtime/include/cnn_network.h
	@$(MKDIR_P) %D%
	$(AM_V_CC)$(MPICC) -std=c11 -Wall -Wextra -O2 -fPIC $(WERROR_FLAGS) \
	  -I$(top_srcdir)/runtime/include -c -o $@ $(srcdir)/%D%/ranks_mpi.c
libcnn-mpi.a: %D%/ranks_mpi.o
	$(AM_V_AR)rm -f $@ && $(AR) cr $@ %D%/ranks_mpi.o
install-exec-local: libcnn-mpi.a
	$(MKDIR_P) $(DESTDIR)$(libdir)
	$(INSTALL_DATA) libcnn-mpi.a $(DESTDIR)$(libdir)
uninstall-local:
	rm -f $(DESTDIR)$(libdir)/libcnn-mpi.a
endif
