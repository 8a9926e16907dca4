// extension.js: Client of the language server `cnnc lsp`, for .cnn files.
// SPDX-License-Identifier: Apache-2.0
const vscode = require('vscode');
const { LanguageClient, TransportKind } = require('vscode-languageclient/node');

let client;

function settings() {
  return vscode.workspace.getConfiguration('cnnc');
}

async function start() {
  const command = settings().get('path') || 'cnnc';
  client = new LanguageClient('cnnc', 'cnnc', { command, args: ['lsp'], transport: TransportKind.stdio }, {
    documentSelector: [{ language: 'cnn' }],
    initializationOptions: settings(),
    synchronize: { configurationSection: 'cnnc', fileEvents: vscode.workspace.createFileSystemWatcher('**/*.cnn') },
  });
  try {
    await client.start();
  } catch (error) {
    vscode.window.showErrorMessage(`cnnc: '${command} lsp' does not start: ${error.message}; set cnnc.path ` +
      'to the path of cnnc.');
  }
}

async function stop() {
  if (client && client.isRunning()) await client.stop();
  client = undefined;
}

exports.activate = async (context) => {
  context.subscriptions.push(vscode.commands.registerCommand('cnnc.restart', async () => {
    await stop();
    await start();
  }));
  context.subscriptions.push(vscode.workspace.onDidChangeConfiguration(async (event) => {
    if (event.affectsConfiguration('cnnc.path')) await vscode.commands.executeCommand('cnnc.restart');
  }));
  await start();
};

exports.deactivate = stop;
