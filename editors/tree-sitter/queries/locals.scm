; locals.scm: scopes, definitions and references. SPDX-License-Identifier: Apache-2.0
[(file) (block) (net) (repeat)] @local.scope
(const name: (name) @local.definition.constant)
(block name: (name) @local.definition.function)
(param name: (name) @local.definition.parameter)
(input name: (name) @local.definition.var)
(statement name: (name) @local.definition.var)
(repeat counter: (name) @local.definition.var)
(name) @local.reference
