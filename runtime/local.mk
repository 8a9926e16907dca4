pkgconfig_DATA = %D%/cnn.pc
EXTRA_DIST += %D%/cnn.pc.in
CLEANFILES += %D%/cnn.pc
# `make` writes cnn.pc each time (configure does not), because `make install prefix=DIR` changes directories.
# Directories under the prefix are relative to cnn.pc, so that the installation can be moved.
.PHONY: cnn.pc-anew
%D%/cnn.pc: %D%/cnn.pc.in cnn.pc-anew
	@$(MKDIR_P) %D%; up='$(prefix)'; \
	case '$(pkgconfigdir)' in '$(prefix)'/*) \
	  up='$${pcfiledir}/'`echo '$(pkgconfigdir)' | sed -e 's|^$(prefix)/*||' -e 's|[^/][^/]*|..|g'` ;; esac; \
	sed -e "s|@prefix_here[@]|$$up|" -e 's|@libdir_here[@]|$(libdir)|' \
	  -e 's|@includedir_here[@]|$(includedir)|' -e 's|dir=$(prefix)/|dir=$${prefix}/|' \
	  -e 's|@version[@]|$(PACKAGE_VERSION)|' -e 's|@private_libs[@]|$(PRIVATE_LIBS)|' \
	  $(srcdir)/%D%/cnn.pc.in >$@.new
	@if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi
include_HEADERS = %D%/include/cnn.h %D%/include/cnn_core.h %D%/include/cnn_data.h %D%/include/cnn_image.h \
  %D%/include/cnn_network.h \
  %D%/include/cnn_ranks.h %D%/include/cnn_status.h %D%/include/cnn_weights.h
