# SPDX-License-Identifier: Apache-2.0
"""An independent implementation of int8 nets: computes every layer in integers, as docs/int8.md defines it.

Nothing here imports another part of the package, and nothing comes from the compiler. Both this package
and the compiler follow docs/int8.md.
"""
