# lib: programs that can be imported without -I. They are in share/cnnc/lib of the installation and of the
# build tree.
# SPDX-License-Identifier: Apache-2.0
CNN_LIBRARY = %D%/audio.cnn
nobase_dist_pkgdata_DATA += $(CNN_LIBRARY)
CNN_LIBRARY_COPIES = share/cnnc/lib/audio.cnn
noinst_DATA = $(CNN_LIBRARY_COPIES)
CLEANFILES += $(CNN_LIBRARY_COPIES)
$(CNN_LIBRARY_COPIES): share/cnnc/lib/%: $(srcdir)/lib/%
	$(AM_V_GEN)$(MKDIR_P) $(@D) && cp $< $@.tmp && mv $@.tmp $@
