# release: what a release consists of is built by release/build, a program beside make: docs/releases.md
# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/build %D%/libraries.mk %D%/libraries.tsv %D%/tools.txt
