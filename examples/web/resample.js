// resample.js: audio at another rate, block by block, with torchaudio's default kernel: a windowed sinc.
// SPDX-License-Identifier: MIT-0

const WIDTH = 6,
  ROLLOFF = 0.99;
const divisor = (a, b) => (b ? divisor(b, a % b) : a);

// The weights for output sample `phase` of every `to` samples: one for each input sample from `first` on.
function kernel(phase, from, to, reach) {
  const base = Math.min(from, to) * ROLLOFF,
    at = (i) => (i / from - phase / to) * base,
    sinc = (t) => (t ? Math.sin(Math.PI * t) / (Math.PI * t) : 1),
    weight = (t) => (sinc(t) * Math.cos((Math.PI * t) / WIDTH / 2) ** 2 * base) / from;
  let first = -reach;
  while (at(first) <= -WIDTH) first++;
  const weights = [];
  for (let i = first; at(i) < WIDTH; i++) weights.push(weight(at(i)));
  return { first: first + reach, weights: Float64Array.from(weights) };
}

// Returns a function that converts the next samples from rate `from` to rate `to`. Its output may lag by some
// milliseconds.
export function resampler(from, to) {
  if (from === to) return (samples) => samples;
  const common = divisor(from, to);
  [from, to] = [from / common, to / common];
  const reach = Math.ceil((WIDTH * from) / (Math.min(from, to) * ROLLOFF)),
    kernels = Array.from({ length: to }, (_, phase) => kernel(phase, from, to, reach));
  let rest = new Float32Array(reach);
  return (samples) => {
    const all = new Float32Array(rest.length + samples.length),
      blocks = Math.max(0, Math.floor((all.length - 2 * reach) / from)),
      made = new Float32Array(blocks * to);
    all.set(rest);
    all.set(samples, rest.length);
    for (let block = 0; block < blocks; block++)
      kernels.forEach(({ first, weights }, phase) => {
        let sum = 0;
        for (let i = 0, at = block * from + first; i < weights.length; i++) sum += weights[i] * all[at + i];
        made[block * to + phase] = sum;
      });
    rest = all.slice(blocks * from);
    return made;
  };
}
