// wasm.mjs: a net as WebAssembly, the way a page uses it: buffers behind __heap_base, functions called with their places.
// node wasm.mjs small.wasm IMAGE_SIZE OUTPUT_SIZE WORKSPACE_BYTES prints the outputs for the image that wasm.c has.
// SPDX-License-Identifier: MIT-0
import { readFileSync } from "node:fs";

const [file, image_size, output_size, workspace_bytes] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const module = await WebAssembly.compile(readFileSync(file));
if (WebAssembly.Module.imports(module).length) throw new Error("it wants something of its surroundings");
const net = (await WebAssembly.instantiate(module)).exports;

let end = net.__heap_base.value;
const room = (bytes) => {
  const at = Math.ceil(end / 64) * 64;
  end = at + bytes;
  const missing = end - net.memory.buffer.byteLength;
  if (missing > 0) net.memory.grow(Math.ceil(missing / 65536));
  return at;
};
const image = room(image_size), output = room(4 * output_size), workspace = room(workspace_bytes);
new Uint8Array(net.memory.buffer, image, image_size).forEach((_, i, pixels) => (pixels[i] = (i * 37) % 251));
net.Small_infer(net.Small_trained.value, image, output, workspace);
console.log(Array.from(new Float32Array(net.memory.buffer, output, output_size)).join("\n"));
