# editors: what vim and Visual Studio Code need; tests/editors.tap checks that their words are those of the compiler.
# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += \
  %D%/generate.sh \
  %D%/vim/ftdetect/cnn.vim %D%/vim/ftplugin/cnn.vim %D%/vim/syntax/cnn.vim %D%/vim/syntax/cnn.vim.in \
  %D%/vscode/README.md %D%/vscode/package.json %D%/vscode/language-configuration.json \
  %D%/vscode/syntaxes/cnn.tmLanguage.json %D%/vscode/syntaxes/cnn.tmLanguage.json.in
