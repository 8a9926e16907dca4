# editors: syntax files for vim, Visual Studio Code and tree-sitter; tests/editors.tap checks that their words
# are those of the compiler.
# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/vscode/.vscodeignore %D%/generate.sh %D%/vim/syntax/cnn.vim.in \
  %D%/vscode/syntaxes/cnn.tmLanguage.json.in
nobase_dist_pkgdata_DATA += %D%/vscode/README.md %D%/vscode/package.json %D%/vscode/extension.js \
  %D%/vscode/language-configuration.json %D%/vscode/syntaxes/cnn.tmLanguage.json
nobase_dist_pkgdata_DATA += %D%/tree-sitter/README.md %D%/tree-sitter/grammar.js \
  %D%/tree-sitter/tree-sitter.json %D%/tree-sitter/queries/highlights.scm \
  %D%/tree-sitter/queries/folds.scm %D%/tree-sitter/queries/indents.scm \
  %D%/tree-sitter/queries/locals.scm %D%/tree-sitter/src/parser.c \
  %D%/tree-sitter/src/tree_sitter/parser.h
vimfilesdir = $(datadir)/vim/vimfiles
vimdetectdir = $(vimfilesdir)/ftdetect
vimplugindir = $(vimfilesdir)/ftplugin
vimsyntaxdir = $(vimfilesdir)/syntax
dist_vimdetect_DATA = %D%/vim/ftdetect/cnn.vim
dist_vimplugin_DATA = %D%/vim/ftplugin/cnn.vim
dist_vimsyntax_DATA = %D%/vim/syntax/cnn.vim
