" cnn.vim: files whose name ends in .cnn are programs of cnnc.
" SPDX-License-Identifier: Apache-2.0
autocmd BufNewFile,BufRead *.cnn setfiletype cnn
