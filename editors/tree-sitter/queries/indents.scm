; indents.scm: parts of a program that are indented. SPDX-License-Identifier: Apache-2.0
[(body) (settings) (arguments) (list) (params)] @indent.begin
["}" ")" "]"] @indent.branch @indent.end
