// net.js: runs a net that `cnnc NET.cnn --weights=FILE -o NET.wasm` compiled and `cnnc NET.cnn
// --target=wasm32 --emit=json -o NET.json` describes.
// SPDX-License-Identifier: MIT-0

const KIND = { u8: Uint8Array, i8: Int8Array, f32: Float32Array };

// Whether the engine accepts a module with an instruction for relaxed vectors.
const relaxed = () =>
  WebAssembly.validate(
    Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0,
      65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11),
  );

// Loads `name`.wasm and .json, or `faster`.wasm and .json (--target=wasm32-relaxed) if the engine accepts it.
export async function load(name, faster) {
  const file = faster && relaxed() ? faster : name;
  const [module, facts] = await Promise.all([
    WebAssembly.compileStreaming(fetch(`${file}.wasm`)),
    fetch(`${file}.json`).then((json) => json.json()),
  ]);
  return start(module, facts);
}

// Write the `numbers` of the inputs, call run(), and read the `numbers` of the outputs. label(c) is the
// name of class c. If the net was compiled with --stream, a run is a step; reset() begins a sequence.
export function start(module, facts) {
  const net = new WebAssembly.Instance(module).exports;
  let end = net.__heap_base.value;
  const room = (bytes) => {
    const at = Math.ceil(end / 64) * 64,
      missing = (end = at + bytes) - net.memory.buffer.byteLength;
    if (missing > 0) net.memory.grow(Math.ceil(missing / 65536));
    return at;
  };
  const place = ({ name, shape, type = "f32" }) => {
    const size = shape.reduce((product, n) => product * n, 1),
      at = room(size * KIND[type].BYTES_PER_ELEMENT);
    return { name, shape, type, size, at };
  };
  const ports = (list) => list.map(place),
    inputs = ports(facts.inputs),
    outputs = ports(facts.outputs);
  const model = net[`${facts.net}_trained`],
    labels = net[`${facts.net}_labels`];
  const state = facts.stream ? [room(facts.stream.state_bytes)] : [];
  const places = [
    ...(model ? [model.value] : []),
    ...[...inputs, ...outputs].map(({ at }) => at),
    ...state,
    room(facts.totals.workspace_bytes),
  ];
  for (const port of [...inputs, ...outputs])
    port.numbers = new KIND[port.type](net.memory.buffer, port.at, port.size);
  const call = net[`${facts.net}_${state.length ? "step" : "infer"}`],
    reset = () => state.length && net[`${facts.net}_reset`](...state);
  reset();
  return {
    inputs,
    outputs,
    reset,
    run: () => call(...places),
    label(c) {
      if (!labels) return String(c);
      const text = new Uint32Array(net.memory.buffer, labels.value)[c],
        bytes = new Uint8Array(net.memory.buffer, text);
      return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
    },
  };
}
