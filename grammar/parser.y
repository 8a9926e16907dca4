/* parser.y: the grammar of .cnn files. The actions build the tree in the parser's arena; no semantic value
 * owns memory. */
/* SPDX-License-Identifier: Apache-2.0 */
%require "3.8"
%define api.pure full
%define api.prefix {cnn_}
%define api.header.include {"parser.h"}
%define api.token.prefix {TOK_}
%define api.value.type union
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {struct Parser *p}
%initial-action { @$ = (Span){p->source, 0, 0}; }

%code requires {
  #include "syntax/parse.h"
}
%code provides {
  int cnn_lex(CNN_STYPE *value, CNN_LTYPE *where, struct Parser *p);
}
%code top {
  /* The code that bison generates converts between small integer types, and counts errors in an unused
   * variable. */
  #pragma GCC diagnostic ignored "-Wconversion"
  #pragma GCC diagnostic ignored "-Wsign-conversion"
  #pragma GCC diagnostic ignored "-Wunused-but-set-variable"
}
%code {
  static void cnn_error(const CNN_LTYPE *at, struct Parser *p, const char *message);

  /* Only nested brackets and right recursion (unary minus, not, **, ?:, else if) make the stack grow. */
  #define YYMAXDEPTH 4000
  /* The span of a rule is from its first to its last symbol; an empty rule is at the end of the symbol
   * before it. */
  #define YYLLOC_DEFAULT(cur, rhs, n) ((cur) = (n) \
    ? (Span){p->source, YYRHSLOC(rhs, 1).start, YYRHSLOC(rhs, n).end} \
    : (Span){p->source, YYRHSLOC(rhs, 0).end, YYRHSLOC(rhs, 0).end})
  /* FIRST creates a list with one item; NEXT appends an item to a list. */
  #define FIRST(list, type, item) \
    do { (list) = NEW(p->arena, type); vec_push(p->arena, (list)->v, item); } while (0)
  #define NEXT(list, shorter, item) do { (list) = (shorter); vec_push(p->arena, (list)->v, item); } while (0)
}

%token END 0 "end of file"  SEP "end of line"
%token <Ident> NET "'net'" BLOCK "'block'" INPUT "'input'" OUTPUT "'output'" CONST "'const'" LABELS "'labels'"
               TRAIN "'train'" REPEAT "'repeat'"
%token <Ident> IF "'if'" ELSE "'else'" IMPORT "'import'" IN "'in'" AS "'as'" AND "'and'" OR "'or'" NOT "'not'"
               TRUE "'true'" FALSE "'false'"
%token <Ident> NAME "name"
%token <const Expr *> NUMBER "number" DIMS "dimensions" STRING "string"
%token ARROW "'->'" LPAREN "'('" RPAREN "')'" LBRACK "'['" RBRACK "']'" LBRACE "'{'" RBRACE "'}'" COMMA "','"
       ASSIGN "'='" DOT "'.'" QUESTION "'?'" COLON "':'"
%token EQ "'=='" NE "'!='" LT "'<'" LE "'<='" GT "'>'" GE "'>='" RANGE "'..'" PLUS "'+'" MINUS "'-'"
       TIMES "'*'" DIVIDE "'/'" MODULO "'%'" POWER "'**'"

/* Operators from the lowest precedence to the highest, as on the language page. Unary minus binds tighter
 * than **, so -2 ** 2 is 4. */
%right QUESTION COLON
%left OR
%left AND
%precedence NOT
%nonassoc EQ NE LT LE GT GE
%nonassoc RANGE
%left PLUS MINUS
%left TIMES DIVIDE MODULO
%right POWER
%precedence NEGATIVE

%type <const Expr *> expr argued operand shape list path dotted
%type <ExprList *> exprs
%type <NameList *> names
%type <Argument> argument setting
%type <ArgumentList *> arguments settings
%type <Arguments> given train_body options net_given
%type <Ident> word choice argument_name net_name as_type
%type <Call> call
%type <Chain *> chain
%type <OutputItem> out
%type <OutputList *> outs
%type <const Stmt *> item constant if
%type <StmtList *> items
%type <const Body *> body
%type <Parameter> param
%type <ParameterList *> params param_list
%%

/* ---- files ---- */
file : decls
     | decls decl ;

decls : %empty
      | decls SEP
      | decls decl SEP
      | decls error SEP       { yyerrok; }
      | decls error body SEP ;

decl : IMPORT STRING          { Import *import = NEW(p->arena, Import);
                                *import = (Import){.path = $2->s, .span = @2};
                                decl_add(p, DECL_IMPORT, @$, import, NULL, NULL, NULL); }
     | constant               { decl_add(p, DECL_CONST, @$, NULL, $1, NULL, NULL); }
     | BLOCK NAME params body { Block *block = NEW(p->arena, Block);
                                *block = (Block){$2, $3->v.n, $3->v.data, body_inner(p, $4, "a block"), @$};
                                decl_add(p, DECL_BLOCK, @$, NULL, NULL, block, NULL); }
     | NET net_name net_given body { net_add(p, @$, $2, &$3, $4); }
     | TRAIN train_body       { (void)$2; train_misplaced(p, @1); } ;

/* Only a name is possible here, so keywords are accepted as names. */
net_name : argument_name ;

net_given : %empty              { $$ = (Arguments){0}; }
          | LPAREN given RPAREN { $$ = $2; $$.span = @$; } ;

params : %empty                         { $$ = NEW(p->arena, ParameterList); }
       | LPAREN RPAREN                  { $$ = NEW(p->arena, ParameterList); }
       | LPAREN param_list RPAREN       { $$ = $2; }
       | LPAREN param_list COMMA RPAREN { $$ = $2; } ;

param_list : param                  { FIRST($$, ParameterList, $1); }
           | param_list COMMA param { NEXT($$, $1, $3); } ;

param : NAME             { $$ = (Parameter){$1, NULL}; }
      | NAME ASSIGN expr { $$ = (Parameter){$1, $3}; } ;

/* ---- statements ---- */
/* After an error, the tokens up to the end of the statement are dropped. A body among the dropped
 * tokens is parsed nevertheless, so that its braces match. */
body : LBRACE items RBRACE            { $$ = body_make(p, @$, $2); }
     | LBRACE items item RBRACE       { vec_push(p->arena, $2->v, $3); $$ = body_make(p, @$, $2); }
     | LBRACE items error RBRACE      { yyerrok; $$ = body_make(p, @$, $2); }
     | LBRACE items error body RBRACE { $$ = body_make(p, @$, $2); } ;

items : %empty               { $$ = NEW(p->arena, StmtList); }
      | items SEP
      | items item SEP       { NEXT($$, $1, $2); }
      | items error SEP      { yyerrok; $$ = $1; }
      | items error body SEP { $$ = $1; } ;

item : INPUT NAME COLON shape as_type options { Stmt *s = stmt_new(p, STMT_INPUT, @$); s->name = $2;
                                s->value = $4; s->type = $5; s->args = $6; $$ = s; }
     | OUTPUT outs            { Stmt *s = stmt_new(p, STMT_OUTPUT, @$); s->noutputs = $2->v.n;
                                s->output = $2->v.data; $$ = s; }
     | LABELS expr            { Stmt *s = stmt_new(p, STMT_LABELS, @$); s->value = $2; $$ = s; }
     | TRAIN train_body       { Stmt *s = stmt_new(p, STMT_TRAIN, @$); s->settings = $2; $$ = s; }
     | constant
     | chain                  { Stmt *s = stmt_new(p, STMT_CHAIN, @$); s->head = $1->head;
                                s->ncalls = $1->v.n; s->call = $1->v.data; $$ = s; }
     | NAME ASSIGN chain      { Stmt *s = stmt_new(p, STMT_CHAIN, @$); s->name = $1; s->head = $3->head;
                                s->ncalls = $3->v.n; s->call = $3->v.data; $$ = s; }
     | REPEAT expr body       { Stmt *s = stmt_new(p, STMT_REPEAT, @$); s->value = $2;
                                s->body = body_inner(p, $3, "a repeat"); $$ = s; }
     | REPEAT expr AS NAME body { Stmt *s = stmt_new(p, STMT_REPEAT, @$); s->value = $2; s->name = $4;
                                s->body = body_inner(p, $5, "a repeat"); $$ = s; }
     | if
     | BLOCK NAME params body { $$ = stmt_misplaced(p, @1, "block"); }
     | NET net_name net_given body { (void)$3; $$ = stmt_misplaced(p, @1, "net"); } ;

constant : CONST NAME ASSIGN expr { Stmt *s = stmt_new(p, STMT_CONST, @$); s->name = $2; s->value = $4;
                                $$ = s; } ;

if : IF expr body             { Stmt *s = stmt_new(p, STMT_IF, @$); s->value = $2;
                                s->body = body_inner(p, $3, "an if"); $$ = s; }
   | IF expr body ELSE body   { Stmt *s = stmt_new(p, STMT_IF, @$); s->value = $2;
                                s->body = body_inner(p, $3, "an if");
                                s->otherwise = body_inner(p, $5, "an else"); $$ = s; }
   | IF expr body ELSE if     { Stmt *s = stmt_new(p, STMT_IF, @$); s->value = $2;
                                s->body = body_inner(p, $3, "an if");
                                StmtList *only; FIRST(only, StmtList, $5);
                                s->otherwise = body_make(p, @5, only); $$ = s; } ;

as_type : %empty              { $$ = (Ident){NULL, NO_SPAN}; }
        | AS NAME             { $$ = $2; } ;

options : %empty              { $$ = (Arguments){0}; }
        | LPAREN given RPAREN { $$ = $2; $$.span = @$; } ;

shape : DIMS
      | NUMBER
      | NAME                  { $$ = expr_word(p, $1); }
      | list ;

outs : out                    { FIRST($$, OutputList, $1); }
     | outs COMMA out         { NEXT($$, $1, $3); } ;

out : NAME as_type            { $$ = (OutputItem){$1, NULL, $2, @$}; }
    | NAME ASSIGN path as_type { $$ = (OutputItem){$1, $3, $4, @$}; } ;

train_body : LBRACE settings RBRACE         { $$ = arguments_make(p, @$, $2); }
           | LBRACE settings setting RBRACE { vec_push(p->arena, $2->v, $3); $$ = arguments_make(p, @$, $2); }
           | LBRACE settings error RBRACE   { yyerrok; $$ = arguments_make(p, @$, $2); } ;

settings : %empty             { $$ = NEW(p->arena, ArgumentList); }
         | settings SEP
         | settings setting SEP { NEXT($$, $1, $2); }
         | settings error SEP { yyerrok; $$ = $1; }
         | settings error train_body SEP { $$ = $1; } ;

setting : argument_name ASSIGN expr { $$ = (Argument){$1, $3, @$}; } ;

/* ---- chains ---- */
/* No operator has a name with a dot, such as nn.Conv2d. Such names are parsed so that the message can
 * contain them. */
chain : call                  { FIRST($$, Chain, $1); }
      | dotted                { $$ = NEW(p->arena, Chain); $$->head = $1; }
      | chain ARROW call      { NEXT($$, $1, $3); }
      | chain ARROW NAME DOT names { const Ident name = ident_qualified(p, @3, @5);
                                NEXT($$, $1, ((Call){name, {.span = {p->source, @5.end, @5.end}},
                                                     name.span})); } ;

call : NAME                   { $$ = (Call){$1, {.span = {p->source, @1.end, @1.end}}, @$}; }
     | NAME LPAREN given RPAREN { $$ = (Call){$1, $3, @$};
                                $$.args.span = (Span){p->source, @2.start, @4.end}; }
     | NAME DOT names LPAREN given RPAREN { $$ = (Call){ident_qualified(p, @1, @3), $5, @$};
                                $$.args.span = (Span){p->source, @4.start, @6.end}; } ;

/* A value that cannot be mistaken for an operator. */
dotted : IN                   { $$ = expr_word(p, $1); }
       | IN DOT names         { NameList *all; FIRST(all, NameList, $1);
                                for (int i = 0; i < $3->v.n; i++)
                                  vec_push(p->arena, all->v, $3->v.data[i]);
                                $$ = expr_path(p, @$, all); }
       | NAME DOT names       { NameList *all; FIRST(all, NameList, $1);
                                for (int i = 0; i < $3->v.n; i++)
                                  vec_push(p->arena, all->v, $3->v.data[i]);
                                $$ = expr_path(p, @$, all); } ;

names : NAME                  { FIRST($$, NameList, $1); }
      | names DOT NAME        { NEXT($$, $1, $3); } ;

path : NAME                   { $$ = expr_word(p, $1); }
     | dotted ;

/* ---- arguments ---- */
given : %empty                { $$ = (Arguments){.given = true}; }
      | arguments             { $$ = arguments_make(p, @$, $1); }
      | arguments COMMA       { $$ = arguments_make(p, @$, $1); } ;

arguments : argument          { FIRST($$, ArgumentList, $1); }
          | arguments COMMA argument { NEXT($$, $1, $3); } ;

argument : argued             { $$ = (Argument){{NULL, NO_SPAN}, $1, @$}; }
         | argument_name ASSIGN argued { $$ = (Argument){$1, $3, @$}; } ;

argued : expr
       | BLOCK                { $$ = expr_word(p, $1); } /* a choice: mode=block */
       | expr RANGE           { $$ = expr_range(p, @$, @2, $1, NULL); } ;

argument_name : NAME | word | IN | AND | OR | NOT | TRUE | FALSE ;

word : choice | NET | BLOCK | CONST | REPEAT | IF | ELSE | IMPORT | AS ;

/* Keywords that may be the choice of an argument, as in target=labels. Other keywords are excluded, so
 * that a missing value before them is reported. */
choice : INPUT | OUTPUT | LABELS | TRAIN ;

/* ---- expressions ---- */
expr : expr QUESTION expr COLON expr { $$ = expr_conditional(p, @$, $1, $3, $5); }
     | expr OR expr           { $$ = expr_binary(p, @$, OP_OR, @2, $1, $3); }
     | expr AND expr          { $$ = expr_binary(p, @$, OP_AND, @2, $1, $3); }
     | NOT expr               { $$ = expr_unary(p, @$, OP_NOT, @1, $2); }
     | expr EQ expr           { $$ = expr_binary(p, @$, OP_EQ, @2, $1, $3); }
     | expr NE expr           { $$ = expr_binary(p, @$, OP_NE, @2, $1, $3); }
     | expr LT expr           { $$ = expr_binary(p, @$, OP_LT, @2, $1, $3); }
     | expr LE expr           { $$ = expr_binary(p, @$, OP_LE, @2, $1, $3); }
     | expr GT expr           { $$ = expr_binary(p, @$, OP_GT, @2, $1, $3); }
     | expr GE expr           { $$ = expr_binary(p, @$, OP_GE, @2, $1, $3); }
     | expr RANGE expr        { $$ = expr_range(p, @$, @2, $1, $3); }
     | expr PLUS expr         { $$ = expr_binary(p, @$, OP_PLUS, @2, $1, $3); }
     | expr MINUS expr        { $$ = expr_binary(p, @$, OP_MINUS, @2, $1, $3); }
     | expr TIMES expr        { $$ = expr_binary(p, @$, OP_TIMES, @2, $1, $3); }
     | expr DIVIDE expr       { $$ = expr_binary(p, @$, OP_DIVIDE, @2, $1, $3); }
     | expr MODULO expr       { $$ = expr_binary(p, @$, OP_MODULO, @2, $1, $3); }
     | expr POWER expr        { $$ = expr_binary(p, @$, OP_POWER, @2, $1, $3); }
     | MINUS expr %prec NEGATIVE { $$ = expr_unary(p, @$, OP_NEGATE, @1, $2); }
     | operand
     | NUMBER
     | DIMS
     | STRING
     | TRUE                   { $$ = expr_bool(p, @$, true); }
     | FALSE                  { $$ = expr_bool(p, @$, false); }
     | choice                 { $$ = expr_word(p, $1); } ;

/* Operands that may be indexed. */
operand : path
        | NAME LPAREN given RPAREN { Arguments args = $3; args.span = (Span){p->source, @2.start, @4.end};
                                $$ = expr_call(p, @$, $1, args); }
        | NAME DOT names LPAREN given RPAREN { Arguments args = $5;
                                args.span = (Span){p->source, @4.start, @6.end};
                                $$ = expr_call(p, @$, ident_qualified(p, @1, @3), args); }
        | list
        | LPAREN expr RPAREN  { $$ = $2; }
        | operand LBRACK expr RBRACK { $$ = expr_index(p, @$, $1, $3); } ;

list : LBRACK RBRACK          { $$ = expr_list(p, @$, NULL); }
     | LBRACK exprs RBRACK    { $$ = expr_list(p, @$, $2); }
     | LBRACK exprs COMMA RBRACK { $$ = expr_list(p, @$, $2); } ;

exprs : expr                  { FIRST($$, ExprList, $1); }
      | exprs COMMA expr      { NEXT($$, $1, $3); } ;
%%
/* Called only if the stack is full: syntax errors are reported elsewhere. */
static void cnn_error(const CNN_LTYPE *at, struct Parser *p, const char *message) {
  (void)message;
  if (!p->given_up) diag_report(p->diags, DIAG_too_deep, *at, NULL, "this is nested too deeply");
  p->given_up = true;
}

static int yyreport_syntax_error(const yypcontext_t *context, struct Parser *p) {
  yysymbol_kind_t kind[YYNTOKENS];
  const char *name[YYNTOKENS];
  const int n = yypcontext_expected_tokens(context, kind, YYNTOKENS);
  for (int i = 0; i < n; i++) name[i] = yysymbol_name(kind[i]);
  syntax_mistake(p, *yypcontext_location(context), n, name);
  return 0;
}
