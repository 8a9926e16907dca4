; highlights.scm: the colors of .cnn. SPDX-License-Identifier: Apache-2.0
(name) @variable
(comment) @comment
["net" "block" "input" "output" "const" "labels" "train" "repeat" "if" "else" "import" "as"] @keyword
"in" @variable.builtin
["and" "or" "not"] @keyword.operator
(call operator: (name) @function.call)
(call operator: (path) @function.call)
(function name: (name) @function.call)
(block name: (name) @function)
(net name: (name) @type)
(input name: (name) @variable.parameter)
(input type: (name) @type)
(out type: (name) @type)
(param name: (name) @variable.parameter)
(const name: (name) @constant)
(argument key: (name) @variable.parameter)
(setting key: (name) @property)
(string) @string
[(number) (dims)] @number
(boolean) @boolean
["->" "=" "==" "!=" "<" "<=" ">" ">=" ".." "+" "-" "*" "/" "%" "**" "?" ":"] @operator
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," "." ";"] @punctuation.delimiter
