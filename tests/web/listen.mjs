// listen.mjs CNNC SOURCES WORK [CHROMIUM]: the cases of listen.tap.
// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { browse, serve } from "./browser.mjs";

const [cnnc, sources, work] = process.argv.slice(2, 5).map((path) => resolve(path)),
  chromium = process.argv[5],
  folder = join(work, "web");
const module = (name) => import(pathToFileURL(join(sources, "examples/web", name)));
const { resampler } = await module("resample.js"),
  { start } = await module("net.js");
cpSync(join(sources, "examples/web"), folder, { recursive: true });

let number = 0;
function check(good, title, why = "") {
  console.log(`${good ? "ok" : "not ok"} ${++number} - ${title}`);
  if (!good) console.log(String(why).replace(/^/gm, "# "));
}
function command(name, ...words) {
  const { status, stdout, stderr } = spawnSync(name, words, {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, MAKEFLAGS: "" },
  });
  return { good: status === 0, text: stdout + stderr };
}

// ---- sounds ----
let seed = 7;
const random = () => (seed = (1103515245 * seed + 12345) % 2147483648) / 2147483648;
const quiet = (rate, seconds) => Array.from({ length: rate * seconds }, () => 0.003 * (random() - 0.5));
// A tone from one frequency to another, in noise.
function tone(rate, seconds, from, to, level) {
  let phase = 0;
  return quiet(rate, seconds).map((noise, i, all) => {
    phase += (2 * Math.PI * (from + ((to - from) * i) / all.length)) / rate;
    return noise + level * Math.sin(phase) * Math.sin((Math.PI * i) / all.length);
  });
}
function wav(path, rate, numbers) {
  const file = Buffer.alloc(44 + 2 * numbers.length);
  file.write("RIFF");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8);
  const form = [16, (1 << 16) | 1, rate, 2 * rate, (16 << 16) | 2];
  form.forEach((word, i) => file.writeUInt32LE(word, 16 + 4 * i));
  file.write("data", 36);
  file.writeUInt32LE(2 * numbers.length, 40);
  numbers.forEach((x, i) => file.writeInt16LE(Math.round(32767 * x), 44 + 2 * i));
  writeFileSync(path, file);
}
// The word is a rising tone; constant tones are not the word.
function writeSpeech(to) {
  for (const name of ["marvin", "other", "_background_noise_"])
    mkdirSync(join(to, name), { recursive: true });
  for (let i = 0; i < 40; i++) {
    const about = 0.9 + 0.2 * random(),
      level = 0.1 + 0.5 * random(),
      still = (i % 2 ? 300 : 3000) * about,
      before = quiet(16000, 0.1 + 0.3 * random()),
      rising = tone(16000, 0.6, 400 * about, 2500 * about, level);
    wav(join(to, `marvin/${i}.wav`), 16000, [...before, ...rising]);
    wav(join(to, `other/${i}.wav`), 16000, [...before, ...tone(16000, 0.6, still, still, level)]);
  }
  wav(join(to, "_background_noise_/noise.wav"), 16000, quiet(16000, 10));
}
const recording = (rate, from, to) => [
  ...quiet(rate, 1.5),
  ...tone(rate, 0.6, from, to, 0.4),
  ...quiet(rate, 1),
];

// ---- resampling ----
for (const rate of [8000, 16000, 44100, 48000]) {
  const second = (hz) => Float32Array.from({ length: hz }, (_, i) => Math.sin((2 * Math.PI * 440 * i) / hz));
  const x = second(rate),
    wanted = second(16000),
    whole = resampler(rate, 16000)(x),
    resample = resampler(rate, 16000),
    parts = [];
  for (let at = 0; at < x.length; at += 128) parts.push(...resample(x.subarray(at, at + 128)));
  const off = whole.slice(200).reduce((most, y, i) => Math.max(most, Math.abs(y - wanted[i + 200])), 0);
  check(
    whole.length > 15800 && off < 0.01,
    `${rate} Hz at 16000 Hz is the same tone`,
    `${whole.length} ${off}`,
  );
  check(
    parts.length === whole.length && parts.every((y, i) => y === whole[i]),
    "  block by block as in one call",
    `${parts.length} ${whole.length}`,
  );
}

// ---- the net ----
writeSpeech(join(folder, "speech"));
const made = command("make", "-s", "listen", `CNNC=${cnnc}`, "SPEECH=speech");
check(made.good, "make listen trains the net and builds the page", made.text);
const native = command(cnnc, "wake.cnn", "--weights=wake.safetensors", "--stream=160", "-o", "steps");
check(native.good, "the same net as an executable", native.text);
wav(join(folder, "word.wav"), 16000, recording(16000, 400, 2500));
const rows = JSON.parse(command("./steps", "predict", "word.wav", "--stream", "--json").text);
const net = start(
  new WebAssembly.Module(readFileSync(join(folder, "page/wake.wasm"))),
  JSON.parse(readFileSync(join(folder, "page/wake.json"))),
);
const samples = readFileSync(join(folder, "word.wav")).subarray(44);
function scoresOf() {
  const scores = [];
  for (let at = 0; at + 320 <= samples.length; at += 320) {
    for (let i = 0; i < 160; i++) net.inputs[0].numbers[i] = samples.readInt16LE(at + 2 * i) / 32768;
    net.run();
    scores.push(Array.from(net.outputs[0].numbers));
  }
  return scores;
}
const scores = scoresOf();
check(
  scores.length === rows.length &&
    scores.every((row, k) => row.every((p, c) => Math.abs(p - rows[k].scores[c]) < 1e-4)),
  "steps in WebAssembly have the executable's scores",
  `${scores.length} ${rows.length} ${scores.at(-1)} ${rows.at(-1)?.scores}`,
);
net.reset();
check(JSON.stringify(scoresOf()) === JSON.stringify(scores), "  and again after a reset");

// ---- the page ----
// The detections of the page within some seconds of a microphone that repeats a recording.
async function heard(name) {
  const server = await serve(join(folder, "page")),
    page = await browse(chromium, [
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream",
      `--use-file-for-fake-audio-capture=${join(folder, name)}`,
      "--autoplay-policy=no-user-gesture-required",
    ]);
  const about = `document.getElementById("about").textContent`;
  try {
    await page.open(`${server.address}listen.html`);
    await page.until(`${about} === "ready"`);
    await page.evaluate(`document.getElementById("listen").click()`);
    await page.until(`parseFloat(${about}) > 4`, 60);
    return { text: await page.evaluate(`document.getElementById("heard").textContent`), errors: page.errors };
  } finally {
    await page.close();
    server.close();
  }
}
if (!chromium) console.log(`ok ${++number} - the page in Chromium # SKIP no chromium`);
else {
  wav(join(folder, "word48.wav"), 48000, recording(48000, 400, 2500));
  wav(join(folder, "other48.wav"), 48000, recording(48000, 300, 300));
  const word = await heard("word48.wav"),
    other = await heard("other48.wav");
  check(/s: marvin 0\.\d\d/.test(word.text), "Chromium: the page hears the word of a recording", word.text);
  check(other.text === "", "  and not another sound", other.text);
  const errors = [...word.errors, ...other.errors];
  check(!errors.length, "  without errors", errors.join("\n"));
}
console.log(`1..${number}`);
