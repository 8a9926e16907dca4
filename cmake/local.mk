# cmake: find_package(cnnc) for projects that are built with CMake.
cmakedir = $(libdir)/cmake/cnnc
nodist_cmake_DATA = %D%/cnncConfig.cmake %D%/cnncConfigVersion.cmake
EXTRA_DIST += %D%/cnncConfig.cmake.in
CLEANFILES += %D%/cnncConfig.cmake
# Make writes this file, not configure, because the directories depend on make's variables.
%D%/cnncConfig.cmake: %D%/cnncConfig.cmake.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && sed -e 's|@bindir_full[@]|$(bindir)|' \
	  -e 's|@includedir_full[@]|$(includedir)|' -e 's|@libdir_full[@]|$(libdir)|' \
	  -e 's|@private_names[@]|$(PRIVATE_NAMES)|' \
	  $(srcdir)/%D%/cnncConfig.cmake.in >$@
