// grammar.js: Tree-sitter grammar of .cnn. Newlines are like blanks: no statement can begin with a token that
// continues the statement before it. The grammar accepts some code that cnnc rejects, such as nn.Linear(3).
// SPDX-License-Identifier: Apache-2.0
const PREC = { conditional: 1, or: 2, and: 3, not: 4, compare: 5, range: 6, add: 7, multiply: 8, power: 9,
               negative: 10, index: 11 };
const BINARY = [['or', PREC.or], ['and', PREC.and], ['==', PREC.compare], ['!=', PREC.compare],
                ['<', PREC.compare], ['<=', PREC.compare], ['>', PREC.compare], ['>=', PREC.compare],
                ['..', PREC.range], ['+', PREC.add], ['-', PREC.add], ['*', PREC.multiply],
                ['/', PREC.multiply], ['%', PREC.multiply]];
const list = (rule) => seq(rule, repeat(seq(',', rule)), optional(','));

module.exports = grammar({
  name: 'cnn',
  extras: $ => [/\s/, $.comment],
  word: $ => $.name,
  rules: {
    file: $ => repeat(choice($.import, $.const, $.block, $.net, ';')),
    comment: _ => /#[^\n]*/,

    // ---- declarations
    import: $ => seq('import', field('path', $.string)),
    const: $ => seq('const', field('name', $.name), '=', field('value', $._expr)),
    block: $ => seq('block', field('name', $.name), optional($.params), field('body', $.body)),
    params: $ => seq('(', optional(list($.param)), ')'),
    param: $ => seq(field('name', $.name), optional(seq('=', field('value', $._expr)))),
    net: $ => seq('net', field('name', $._argument_name), optional($.arguments), field('body', $.body)),

    // ---- statements
    body: $ => seq('{', repeat(choice($._item, ';')), '}'),
    _item: $ => choice($.input, $.output, $.labels, $.train, $.const, $.statement, $.repeat, $.if),
    input: $ => seq('input', field('name', $.name), ':',
      field('shape', choice($.dims, $.number, $.name, $.list)),
      optional(seq('as', field('type', $.name))), optional($.arguments)),
    output: $ => prec.right(seq('output', $.out, repeat(seq(',', $.out)))),
    out: $ => prec.right(seq(field('name', $.name), optional(seq('=', choice($.path, $.name))),
      optional(seq('as', field('type', $.name))))),
    labels: $ => seq('labels', $._expr),
    train: $ => seq('train', field('body', $.settings)),
    settings: $ => seq('{', repeat(choice($.setting, ';')), '}'),
    setting: $ => seq(field('key', $._argument_name), '=', field('value', $._expr)),
    statement: $ => seq(optional(seq(field('name', $.name), '=')), $.chain),
    chain: $ => prec.right(seq(choice($.call, $.path), repeat(seq('->', choice($.call, $.path))))),
    call: $ => prec.right(choice(seq(field('operator', $.name), optional($.arguments)),
      seq(field('operator', $.path), $.arguments))),
    path: $ => prec.right(choice('in', seq(choice($.name, 'in'), repeat1(seq('.', $.name))))),
    repeat: $ => seq('repeat', field('count', $._expr), optional(seq('as', field('counter', $.name))),
      field('body', $.body)),
    if: $ => prec.right(seq('if', field('condition', $._expr), field('body', $.body),
      optional(seq('else', choice($.body, $.if))))),

    // ---- arguments and expressions
    arguments: $ => seq('(', optional(list($.argument)), ')'),
    argument: $ => choice($._argued, seq(field('key', $._argument_name), '=', field('value', $._argued))),
    _argued: $ => choice($._expr, $.open_range, alias('block', $.choice)),
    open_range: $ => prec.left(PREC.range, seq($._expr, '..')),
    _argument_name: $ => choice($.name, 'input', 'output', 'labels', 'train', 'net', 'block', 'const',
      'repeat', 'if', 'else', 'import', 'as', 'in', 'and', 'or', 'not', 'true', 'false'),
    _expr: $ => choice($.conditional, $.binary, $.unary, $._operand, $.number, $.dims, $.string, $.boolean,
      $.choice),
    choice: _ => choice('input', 'output', 'labels', 'train'),
    conditional: $ => prec.right(PREC.conditional, seq($._expr, '?', $._expr, ':', $._expr)),
    binary: $ => choice(
      ...BINARY.map(([operator, level]) => prec.left(level, seq($._expr, operator, $._expr))),
      prec.right(PREC.power, seq($._expr, '**', $._expr))),
    unary: $ => choice(prec(PREC.not, seq('not', $._expr)), prec(PREC.negative, seq('-', $._expr))),
    _operand: $ => choice($.name, $.path, $.function, $.list, $.group, $.index),
    function: $ => prec(1, seq(field('name', choice($.name, $.path)), $.arguments)),
    group: $ => seq('(', $._expr, ')'),
    index: $ => prec.left(PREC.index, seq($._operand, '[', $._expr, ']')),
    list: $ => seq('[', optional(list($._expr)), ']'),
    boolean: _ => choice('true', 'false'),

    // ---- words
    dims: _ => token(prec(2, /[0-9]+(x[0-9]+)+/)),
    number: _ => token(prec(1, /[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?/)),
    string: _ => /"([^"\\\n]|\\.)*"/,
    name: _ => /[A-Za-z_][A-Za-z0-9_]*/,
  },
});
