; indents.scm: what is indented. SPDX-License-Identifier: Apache-2.0
[(body) (settings) (arguments) (list) (params)] @indent.begin
["}" ")" "]"] @indent.branch @indent.end
