// web.mjs: The sides of web.py, in node: modules of cnnc and onnxruntime-web. The argument is JSON: the folder
// with the modules, the model and the input. Prints the shortest seconds of each side, and writes its outputs.
// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web";
import { start } from "../examples/web/net.js";

const order = JSON.parse(process.argv[2]);
const file = (name) => readFileSync(join(order.folder, name));
const TURN = 100; // milliseconds of calls before the next side

function ours(target) {
  const net = start(new WebAssembly.Module(file(`${target}.wasm`)), JSON.parse(file(`${target}.json`)));
  const bytes = file("images"),
    numbers = net.inputs[0].numbers;
  new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength).set(bytes);
  return {
    name: target,
    call: async () => net.run(),
    results: async () => net.outputs.map((output) => output.numbers),
  };
}

async function theirs() {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(file("model.onnx"));
  const bytes = file("planes"),
    pixels = order.type === "uint8";
  const data = pixels ? new Uint8Array(bytes) : new Float32Array(new Uint8Array(bytes).buffer);
  const feeds = { [order.port]: new ort.Tensor(order.type, data, order.shape) };
  return {
    name: "onnxruntime-web",
    call: () => session.run(feeds),
    results: async () => {
      const made = await session.run(feeds);
      return order.outputs.map((name) => made[name].data);
    },
  };
}

const sides = [...order.targets.map(ours), await theirs()];
const least = sides.map(() => Infinity);
for (const side of sides) for (let i = 0; i < 3; i++) await side.call();
for (const end = performance.now() + 1000 * order.seconds; performance.now() < end; )
  for (const [i, side] of sides.entries()) {
    for (let spent = 0; spent < TURN; ) {
      const began = performance.now();
      await side.call();
      const taken = performance.now() - began;
      least[i] = Math.min(least[i], taken / 1000);
      spent += taken;
    }
  }
for (const side of sides)
  for (const [i, { buffer, byteOffset, byteLength }] of (await side.results()).entries())
    writeFileSync(join(order.folder, `${side.name}.${i}`), new Uint8Array(buffer, byteOffset, byteLength));
console.log(JSON.stringify(least));
