# SPDX-License-Identifier: Apache-2.0
"""An independent implementation of int8 nets: it computes their integer layers as docs/int8.md defines them.

Nothing here imports another part of the package or shares code with the compiler; only the list of layers
comes from cnnc (--emit=json).
"""
