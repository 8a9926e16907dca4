// bare.mjs: runs WebAssembly built from bare.c. node bare.mjs FILE.wasm <IN >OUT
// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {});
const { memory, bare_in, bare_out, bare_out_bytes, bare_run } = instance.exports;
new Uint8Array(memory.buffer).set(readFileSync(0), bare_in.value);
bare_run();
const bytes = new DataView(memory.buffer).getInt32(bare_out_bytes.value, true);
const out = new Uint8Array(memory.buffer, bare_out.value, bytes);
for (let at = 0; at < bytes; ) at += writeSync(1, out, at);
