// worker.js: Worker that runs cnnc, with a new instance and new memory for each run.
// SPDX-License-Identifier: Apache-2.0
import { unpack } from "./lzma.js";
import { run } from "./wasi.js";

async function load() {
  const answer = await fetch("cnnc.wasm.lzma");
  if (!answer.ok) throw new Error(`the compiler cannot be loaded: ${answer.status} ${answer.statusText}`);
  return WebAssembly.compile(unpack(new Uint8Array(await answer.arrayBuffer())));
}
const module = load();

onmessage = async ({ data: { id, words, files } }) => {
  try {
    const compiled = await module,
      since = performance.now();
    const result = run(compiled, words, files);
    for (const path of Object.keys(files)) delete result.files[path];
    postMessage({ id, ...result, time: performance.now() - since });
  } catch (error) {
    postMessage({ id, failure: String(error) });
  }
};
