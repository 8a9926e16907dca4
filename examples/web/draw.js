// draw.js: a drawing on which the net runs after each stroke, with the classes, feature maps and time. The
// first output has the scores; each further image among the outputs is shown map by map.
// SPDX-License-Identifier: MIT-0
import { load } from "./net.js";

const $ = (id) => document.getElementById(id);
const net = await load("net"),
  [image] = net.inputs,
  [scores, ...values] = net.outputs;
const [height, width] = image.shape;

// ---- the drawing: gray on black, like the training images ----
const paper = $("paper"),
  pen = { x: width / 2, y: height / 2, shown: false };
paper.width = width;
paper.height = height;

function paint(canvas, rows, columns, colour) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d"),
    pixels = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) pixels.data.set(colour(i), 4 * i);
  context.putImageData(pixels, 0, 0);
}

function dot(x, y) {
  const radius = Number($("radius").value),
    shade = Number($("shade").value);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const cover = Math.min(1, radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y)),
        i = row * width + column;
      if (cover > 0) image.numbers[i] += cover * (shade - image.numbers[i]);
    }
}

function stroke(x, y) {
  const steps = Math.max(1, Math.ceil(2 * Math.hypot(x - pen.x, y - pen.y)));
  for (let k = 1; k <= steps; k++) dot(pen.x + ((x - pen.x) * k) / steps, pen.y + ((y - pen.y) * k) / steps);
  Object.assign(pen, { x, y, shown: false });
  look();
}

function place(event) {
  const box = paper.getBoundingClientRect();
  return [
    ((event.clientX - box.left) / box.width) * width,
    ((event.clientY - box.top) / box.height) * height,
  ];
}

paper.addEventListener("pointerdown", (event) => {
  paper.setPointerCapture(event.pointerId);
  [pen.x, pen.y] = place(event);
  stroke(pen.x, pen.y);
});
paper.addEventListener("pointermove", (event) => {
  if (event.buttons & 1) for (const one of event.getCoalescedEvents?.() ?? [event]) stroke(...place(one));
});
paper.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (event.key === " ") stroke(pen.x, pen.y);
  else if (step) Object.assign(pen, { x: pen.x + step[0], y: pen.y + step[1], shown: true });
  else return;
  event.preventDefault();
  look();
});
$("clear").addEventListener("click", () => {
  image.numbers.fill(0);
  look();
});

// ---- the net's scores ----
const rows = Array.from(scores.numbers, (_, c) => {
  const name = document.createElement("dt"),
    track = document.createElement("dd"),
    share = document.createElement("dd");
  const bar = track.appendChild(document.createElement("div"));
  name.textContent = net.label(c);
  track.className = "track";
  bar.className = "bar";
  share.className = "share";
  $("classes").append(name, track, share);
  return { name, bar, share };
});
const pictures = values
  .filter(({ shape }) => shape.length === 3)
  .map((value) => {
    const title = document.createElement("h2"),
      maps = document.createElement("div"),
      [h, w, c] = value.shape;
    title.textContent = `${value.name}: ${c} maps of ${h}x${w}`;
    maps.className = c > 8 ? "maps small" : "maps";
    $("maps").append(title, maps);
    return {
      value,
      maps: Array.from({ length: c }, () => maps.appendChild(document.createElement("canvas"))),
    };
  });

// Colors from dark blue through orange to white.
const heat = (v) => [
  255 * Math.min(1, 1.6 * v),
  255 * Math.min(1, v * v * 1.2),
  255 * (0.12 + 0.88 * v ** 4),
  255,
];

function showMaps() {
  for (const { value, maps } of pictures) {
    const [h, w, c] = value.shape,
      most = Math.max(1e-6, ...value.numbers);
    maps.forEach((canvas, k) =>
      paint(canvas, h, w, (i) => heat(Math.max(0, value.numbers[i * c + k]) / most)),
    );
  }
}

// Milliseconds per call. The clock is too coarse for one call.
function measure() {
  let calls = 0;
  const since = performance.now();
  while (performance.now() - since < 4) for (let k = 0; k < 10; k++, calls++) net.run();
  return (performance.now() - since) / calls;
}

function look() {
  net.run();
  const at = pen.shown ? Math.floor(pen.y) * width + Math.floor(pen.x) : -1;
  paint(paper, height, width, (i) =>
    i === at ? [127, 178, 255, 255] : [image.numbers[i], image.numbers[i], image.numbers[i], 255],
  );
  const best = scores.numbers.indexOf(Math.max(...scores.numbers));
  rows.forEach(({ name, bar, share }, c) => {
    name.classList.toggle("most", c === best);
    bar.style.width = `${100 * scores.numbers[c]}%`;
    share.textContent = `${(100 * scores.numbers[c]).toFixed(1)} %`;
  });
  showMaps();
  $("about").textContent = image.numbers.some(Boolean)
    ? `${net.label(best)}, in ${(1000 * measure()).toFixed(0)} microseconds`
    : "Draw something to wear, or choose an image.";
}

// ---- images to start with ----
const file = await fetch("pictures.bin"),
  bytes = file.ok ? new Uint8Array(await file.arrayBuffer()) : new Uint8Array(0);
for (let at = 0; at + image.size <= bytes.length; at += image.size) {
  const picture = bytes.subarray(at, at + image.size),
    button = document.createElement("button");
  const canvas = button.appendChild(document.createElement("canvas"));
  paint(canvas, height, width, (i) => [picture[i], picture[i], picture[i], 255]);
  button.setAttribute("aria-label", `Image ${at / image.size + 1}`);
  button.addEventListener("click", () => {
    image.numbers.set(picture);
    look();
  });
  $("pictures").append(button);
}
look();
document.title = "A net in a page: ready";
