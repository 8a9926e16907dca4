# release: release/build, a separate program, builds the files of a release: docs/releases.md
# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/build %D%/image %D%/libraries.mk %D%/libraries.tsv %D%/publish %D%/tools.txt
EXTRA_DIST += %D%/action/action.yml %D%/action/gate.py
EXTRA_DIST += %D%/recipes/conan/conanfile.py %D%/recipes/conda-forge/meta.yaml %D%/recipes/fill \
  %D%/recipes/homebrew/cnnc.rb %D%/recipes/vcpkg/portfile.cmake %D%/recipes/vcpkg/vcpkg.json
