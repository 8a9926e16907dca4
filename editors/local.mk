# editors: what vim and Visual Studio Code need; tests/editors.tap checks that their words are those of the
# compiler.
# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/generate.sh %D%/vim/syntax/cnn.vim.in %D%/vscode/syntaxes/cnn.tmLanguage.json.in
nobase_dist_pkgdata_DATA += %D%/vscode/README.md %D%/vscode/package.json \
  %D%/vscode/language-configuration.json %D%/vscode/syntaxes/cnn.tmLanguage.json
vimfilesdir = $(datadir)/vim/vimfiles
vimdetectdir = $(vimfilesdir)/ftdetect
vimplugindir = $(vimfilesdir)/ftplugin
vimsyntaxdir = $(vimfilesdir)/syntax
dist_vimdetect_DATA = %D%/vim/ftdetect/cnn.vim
dist_vimplugin_DATA = %D%/vim/ftplugin/cnn.vim
dist_vimsyntax_DATA = %D%/vim/syntax/cnn.vim
