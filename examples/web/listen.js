// listen.js: detection of words in the microphone's sound, which is resampled to the net's rate and goes
// through the net step by step. A word is detected when the mean of its latest scores reaches the threshold.
// SPDX-License-Identifier: MIT-0
import { load } from "./net.js";
import { resampler } from "./resample.js";

const RATE = 16000, // sample rate of the net's input
  WORDS_FROM = 2, // classes before this one are silence and other words
  AVERAGE = 0.2, // seconds of scores
  HOLD = 1; // seconds without another detection

const about = document.getElementById("about"),
  button = document.getElementById("listen"),
  threshold = document.getElementById("threshold"),
  list = document.getElementById("heard"),
  net = await load("wake"),
  samples = net.inputs[0].numbers,
  scores = net.outputs[0].numbers,
  recent = Array.from({ length: (AVERAGE * RATE) / samples.length }, () => new Float32Array(scores.length));
let filled = 0, // number of the step's samples so far
  steps = 0,
  quiet = 0, // the first step that may report a word again
  slowest = 0; // milliseconds of the slowest step

const bars = Array.from(scores, (_, c) => {
  const bar = document.createElement("meter"),
    name = document.createElement("label");
  name.textContent = net.label(c);
  name.append(bar);
  document.getElementById("classes").append(name);
  return bar;
});

function step() {
  const begun = performance.now();
  net.run();
  slowest = Math.max(slowest, performance.now() - begun);
  recent[steps++ % recent.length].set(scores);
  const mean = Array.from(scores, (_, c) => recent.reduce((sum, row) => sum + row[c], 0) / recent.length);
  mean.forEach((value, c) => (bars[c].value = value));
  const word = mean.findIndex((value, c) => c >= WORDS_FROM && value >= Number(threshold.value));
  if (word < 0 || steps < quiet) return;
  const row = document.createElement("li"),
    seconds = (steps * samples.length) / RATE;
  row.textContent = `${seconds.toFixed(2)} s: ${net.label(word)} ${mean[word].toFixed(2)}`;
  list.prepend(row);
  quiet = steps + (HOLD * RATE) / samples.length;
}

function hear(block) {
  for (let at = 0; at < block.length;) {
    const n = Math.min(block.length - at, samples.length - filled);
    samples.set(block.subarray(at, at + n), filled);
    at += n;
    if ((filled += n) < samples.length) continue;
    filled = 0;
    step();
  }
}

async function listen() {
  const media = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    }),
    audio = new AudioContext();
  await audio.audioWorklet.addModule("microphone.js");
  const microphone = new AudioWorkletNode(audio, "microphone", { numberOfOutputs: 0 }),
    resample = resampler(audio.sampleRate, RATE);
  net.reset();
  microphone.port.onmessage = ({ data }) => {
    hear(resample(data));
    const seconds = (steps * samples.length) / RATE;
    about.textContent = `${seconds.toFixed(1)} s heard, at most ${slowest.toFixed(1)} ms per step`;
  };
  audio.createMediaStreamSource(media).connect(microphone);
  await audio.resume();
}

button.onclick = () => {
  button.disabled = true;
  listen().catch((error) => {
    about.textContent = `the microphone cannot be used: ${error.message}`;
    button.disabled = false;
  });
};
about.textContent = "ready";
