// editor.cjs: a session with `cnnc lsp`, using the client library of Visual Studio Code. It opens two
// documents, requests hints and a hover text, renames a block across an import, formats, introduces an error,
// requests its fix and completions, and shuts down. NODE_PATH is the folder in which npm has installed
// vscode-languageserver-protocol; CNNC is the compiler.
// SPDX-License-Identifier: Apache-2.0
const assert = require('assert');
const { spawn } = require('child_process');
const lsp = require('vscode-languageserver-protocol/node');

const blocks = { uri: 'file:///none/blocks.cnn', text: 'block stage(n) {\n    conv(n, 3x3, pad=same) -> relu\n}\n' };
const net = { uri: 'file:///none/net.cnn', text: 'import "blocks.cnn"\nnet a {\n    input x: 8x8x3\n' +
  '    stage( 4 )\n    flatten\n    dense(10)\n}\n' };

async function main() {
  const server = spawn(process.env.CNNC, ['lsp'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => server.on('exit', resolve));
  const c = lsp.createProtocolConnection(new lsp.StreamMessageReader(server.stdout),
    new lsp.StreamMessageWriter(server.stdin));
  const waiting = new Map();
  c.onNotification(lsp.PublishDiagnosticsNotification.type, ({ uri, diagnostics }) => {
    if (waiting.has(uri)) waiting.get(uri)(diagnostics);
  });
  const messages = (document) => new Promise((resolve) => waiting.set(document.uri, resolve));
  c.listen();
  const { capabilities } = await c.sendRequest(lsp.InitializeRequest.type, { processId: process.pid,
    rootUri: null, capabilities: { general: { positionEncodings: ['utf-16'] } } });
  assert(capabilities.inlayHintProvider && capabilities.renameProvider.prepareProvider);
  await c.sendNotification(lsp.InitializedNotification.type, {});
  const textDocument = { uri: net.uri };
  for (const one of [blocks, net]) {
    const told = messages(one);
    await c.sendNotification(lsp.DidOpenTextDocumentNotification.type,
      { textDocument: { uri: one.uri, languageId: 'cnn', version: 1, text: one.text } });
    assert.deepStrictEqual(await told, []);
  }
  const range = { start: { line: 0, character: 0 }, end: { line: 9, character: 0 } };
  const hints = await c.sendRequest(lsp.InlayHintRequest.type, { textDocument, range });
  assert.deepStrictEqual(hints.map((hint) => hint.label), ['8x8x4', '256', '10']);
  const hover = await c.sendRequest(lsp.HoverRequest.type, { textDocument, position: { line: 5, character: 5 } });
  assert.match(hover.contents.value, /dense1: 256 -> 10/);
  const edit = await c.sendRequest(lsp.RenameRequest.type,
    { textDocument, position: { line: 3, character: 5 }, newName: 'part' });
  assert.deepStrictEqual(Object.keys(edit.changes).sort(), [blocks.uri, net.uri]);
  const edits = await c.sendRequest(lsp.DocumentFormattingRequest.type,
    { textDocument, options: { tabSize: 4, insertSpaces: true } });
  assert.strictEqual(edits.length, 1);

  const broken = messages(net);
  const word = { start: { line: 5, character: 4 }, end: { line: 5, character: 9 } };
  await c.sendNotification(lsp.DidChangeTextDocumentNotification.type,
    { textDocument: { uri: net.uri, version: 2 }, contentChanges: [{ range: word, text: 'dens' }] });
  const [mistake] = await broken;
  assert.strictEqual(mistake.code, 'unknown-operator');
  const [action] = await c.sendRequest(lsp.CodeActionRequest.type,
    { textDocument, range: mistake.range, context: { diagnostics: [mistake] } });
  assert.strictEqual(action.edit.changes[net.uri][0].newText, 'dense');
  const items = await c.sendRequest(lsp.CompletionRequest.type,
    { textDocument, position: { line: 5, character: 8 } });
  assert(items.items.some((item) => item.label === 'dense'));
  await assert.rejects(c.sendRequest('textDocument/none', {}), (error) => error.code === -32601);

  await c.sendRequest(lsp.ShutdownRequest.type);
  await c.sendNotification(lsp.ExitNotification.type);
  assert.strictEqual(await ended, 0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
