" cnn.vim: comments, indentation and the compiler for .cnn files.
" SPDX-License-Identifier: Apache-2.0
if exists('b:did_ftplugin')
  finish
endif
let b:did_ftplugin = 1

setlocal commentstring=#\ %s comments=:#
setlocal expandtab shiftwidth=4 softtabstop=4
setlocal smartindent cinkeys-=0#
setlocal suffixesadd=.cnn
" :make checks the program; the summary goes to standard output, the messages look like gcc's
setlocal makeprg=cnnc\ %:S
setlocal errorformat=%f:%l:%c:\ %trror:\ %m,%f:%l:%c:\ %tarning:\ %m,%f:%l:%c:\ %tote:\ %m,%-G%.%#

let b:undo_ftplugin = 'setlocal commentstring< comments< expandtab< shiftwidth< softtabstop< smartindent< cinkeys< suffixesadd< makeprg< errorformat<'
