; folds.scm: parts of a program that can be folded. SPDX-License-Identifier: Apache-2.0
[(body) (settings) (arguments) (list)] @fold
