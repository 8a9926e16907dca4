// worker.js: runs cnnc, one instance for each run, whose memory is thrown away.
// SPDX-License-Identifier: Apache-2.0
import { run } from "./wasi.js";

const module = WebAssembly.compileStreaming(fetch("cnnc.wasm"));

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
