// page.js: the page: a program on the left; its messages, layers and C on the right, from cnnc in a worker
// (worker.js).
// SPDX-License-Identifier: Apache-2.0

const $ = (id) => document.getElementById(id);
const DELAY = 100,
  PATIENCE = 30000; // ms: delay after the last key; timeout of a run
const FIRST = "lenet5/lenet5_relu.cnn";
const encode = (text) => new TextEncoder().encode(text),
  decode = (bytes) => new TextDecoder().decode(bytes);

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

// ---- running cnnc ----
let worker = null,
  queue = Promise.resolve(),
  count = 0;

// Runs cnnc with these arguments and files, after all earlier runs: { code, out, err, files, time } or
// { failure }.
const ask = (words, files) => (queue = queue.then(() => askNow(words, files)));

function askNow(words, files) {
  worker ??= new Worker("worker.js", { type: "module" });
  return new Promise((done) => {
    const id = ++count;
    const end = (result) => {
      clearTimeout(waiting);
      done(result);
    };
    const waiting = setTimeout(() => {
      worker.terminate();
      worker = null;
      end({ failure: `compilation was stopped after ${PATIENCE / 1000} seconds` });
    }, PATIENCE);
    worker.onmessage = ({ data }) => data.id === id && end(data);
    worker.onerror = (event) => end({ failure: event.message || "the page's worker.js cannot be loaded" });
    worker.postMessage({ id, words, files });
  });
}

// ---- the program ----
let examples = {},
  path = "net.cnn",
  origin = "", // the example that the text was; "": another file
  rules = [];
const text = $("text");
const lines = () => text.value.split("\n");

// The program, and the other files of its folder.
function files() {
  const folder = path.slice(0, path.lastIndexOf("/") + 1),
    all = {};
  for (const name of Object.keys(examples))
    if (folder && name.startsWith(folder)) all[name] = encode(examples[name]);
  all[path] = encode(text.value);
  return all;
}

// Names the text: an example that was changed is program.cnn. It stays in the example's folder if it has
// imports.
function setPath() {
  const folder = /^\s*import\b/m.test(text.value) ? origin.slice(0, origin.lastIndexOf("/") + 1) : "";
  if (origin) path = examples[origin] === text.value ? origin : `${folder}program.cnn`;
  $("example").value = examples[path] === text.value ? path : "";
}

function setProgram(name, program) {
  path = name;
  origin = examples[name] === undefined ? "" : name;
  text.value = program;
  setPath();
  $("editor").scrollTo(0, 0);
  hints = { at: {}, lines: [] };
  messages = [];
  paint();
}

// ---- colors, marks and hints of the program ----
let hints = { at: {}, lines: [] },
  messages = [];

const CLASS = [
  [/^comment/, "comment"],
  [/^string/, "string"],
  [/^support/, "operator"],
  [/^constant\.numeric/, "number"],
  [/^(keyword\.(control|operator\.word)|(constant|variable)\.language)/, "keyword"],
];
const classOf = (name = "") => CLASS.find(([pattern]) => pattern.test(name))?.[1] ?? "";

// Colors from the grammar for Visual Studio Code.
function readRules(grammar) {
  rules = grammar.patterns.map((p) => ({
    pattern: new RegExp(p.match ?? '"(\\\\.|[^"\\\\])*("|$)', "y"),
    name: classOf(p.name ?? p.captures?.[1].name),
    first: p.captures !== undefined,
  }));
}

function colour(line) {
  const names = new Array(line.length).fill("");
  for (let at = 0; at < line.length;) {
    let n = 1;
    for (const { pattern, name, first } of rules) {
      pattern.lastIndex = at;
      const found = pattern.exec(line);
      if (!found || !found[0].length) continue;
      n = first ? found[1].length : found[0].length;
      names.fill(name, at, at + n);
      break;
    }
    at += n;
  }
  return names;
}

// Columns in messages count characters, but indices of JavaScript strings count UTF-16 units.
const unitOf = (line, column) =>
  Array.from(line)
    .slice(0, column - 1)
    .join("").length;

function paint() {
  const all = lines(),
    rows = [];
  all.forEach((line, i) => {
    const names = colour(line);
    for (const m of messages) {
      if (m.file !== path || m.line > i + 1 || m.end_line < i + 1) continue;
      const from = m.line === i + 1 ? unitOf(line, m.column) : 0;
      const to = m.end_line === i + 1 ? unitOf(line, m.end_column) : line.length;
      for (let k = from; k < Math.max(to, from + 1) && k < line.length; k++)
        names[k] += ` mark-${m.severity}`;
    }
    for (let from = 0, to; from < line.length; from = to) {
      for (to = from; to < line.length && names[to] === names[from]; to++);
      rows.push(names[from] ? make("span", names[from].trim(), line.slice(from, to)) : line.slice(from, to));
    }
    // no hints for a line that was changed after the run
    const hint = hints.lines[i] === line ? hints.at[i + 1] : null;
    if (hint) rows.push(make("span", hints.old ? "hint old" : "hint", hint));
    rows.push("\n");
  });
  $("colours").replaceChildren(...rows);
  $("numbers").textContent = all.map((_, i) => i + 1).join("\n");
}

// The output shape of each line: of its last layer; in a block, one for each application of the block.
function setHints(net, source) {
  const at = {};
  let before = null;
  for (const layer of net.layers) {
    if (layer.file && layer.file !== path) continue;
    const shapes = (at[layer.line] ??= []);
    if (before?.line === layer.line && shapes.length) shapes.pop();
    shapes.push(layer.shape.join("x"));
    before = layer;
  }
  for (const line of Object.keys(at))
    at[line] = at[line].filter((shape, i, all) => shape !== all[i - 1]).join("  ");
  hints = { at, lines: source };
}

// ---- messages ----
function snippet(m) {
  const source = m.file === path ? lines() : examples[m.file]?.split("\n");
  if (!source || m.line === null) return [];
  const line = source[m.line - 1] ?? "",
    width = String(m.line).length;
  const from = unitOf(line, m.column),
    to = m.end_line === m.line ? unitOf(line, m.end_column) : line.length;
  const head = Array.from(line.slice(0, from)),
    marked = Array.from(line.slice(from, to)).length;
  const blank = head.map((c) => (c === "\t" ? "\t" : " ")).join("");
  return [
    make(
      "pre",
      "",
      make("span", "number", `${m.line} | `),
      line,
      "\n",
      make("span", "number", `${" ".repeat(width)} | `),
      blank,
      make("span", `caret-${m.severity}`, "^" + "~".repeat(Math.max(0, marked - 1))),
    ),
  ];
}

function place(m) {
  if (m.line === null) return [];
  const button = make("button", "", `${m.file}:${m.line}:${m.column}`);
  button.title = "Show it in the program";
  button.onclick = () => m.file === path && select(m);
  return [button, ": "];
}

const offset = (line, column) => {
  const all = lines();
  return (
    all.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + unitOf(all[line - 1] ?? "", column)
  );
};

function select(m) {
  text.focus();
  text.setSelectionRange(offset(m.line, m.column), offset(m.end_line, m.end_column));
  const height = $("colours").scrollHeight / (lines().length + 1);
  $("editor").scrollTop = (m.line - 5) * height;
}

function applyFixes(m) {
  for (const fix of [...m.fixes].sort((a, b) => b.line - a.line || b.column - a.column))
    text.setRangeText(fix.text, offset(fix.line, fix.column), offset(fix.end_line, fix.end_column), "end");
  text.focus();
  changed();
}

async function explain(slug, after) {
  const shown = after.querySelector(".explained");
  if (shown) return shown.remove();
  const { out } = await ask([`--explain=${slug}`], {});
  after.append(make("pre", "explained", out ?? ""));
}

function show(m) {
  const element = make("article", "message"),
    title = make("p", "", ...place(m), make("b", m.severity, m.severity));
  title.append(": " + m.message);
  if (m.slug) {
    const more = make("button", "", `[${m.slug}]`);
    more.title = "The meaning of this message, with an example";
    more.onclick = () => explain(m.slug, element);
    title.append(" ", more);
  }
  element.append(title, ...snippet(m));
  for (const note of m.notes) {
    const fact = note.line === m.line && note.column === m.column && note.file === m.file;
    if (fact) element.append(make("p", "fact", "= " + note.message));
    else
      element.append(
        make("p", "", ...place(note), make("b", "note", "note"), ": " + note.message),
        ...snippet(note),
      );
  }
  m.help.forEach((help, i) => {
    const line = make("p", "fact", "= help: " + help);
    if (i === 0 && m.fixes.length && m.fixes.every((fix) => !fix.file || fix.file === path)) {
      const button = make("button", "fix", "Apply");
      button.onclick = () => applyFixes(m);
      line.append(button);
    }
    element.append(line);
  });
  return element;
}

function report(err) {
  let found;
  try {
    found = JSON.parse(err || "[]");
  } catch {
    // other output: a wrong command line, or a bug
    found = [
      { severity: "error", slug: null, message: err.trim(), line: null, notes: [], help: [], fixes: [] },
    ];
  }
  messages = found;
  $("messages").replaceChildren(...found.map(show));
  $("messages").hidden = !found.length;
  return found.filter((m) => m.severity === "error").length;
}

function say(kind, what) {
  $("status").className = kind;
  $("status").textContent = what;
}

// ---- the result of compiling ----
let view = "layers",
  links = [],
  weights = null, // weights of an imported model: { path, bytes }
  running = null,
  again = false;

function download(name, bytes, label) {
  const link = make("a", "", label);
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = name;
  links.push(link.href);
  $("downloads").append(link);
}

function forgetDownloads() {
  links.splice(0).forEach((link) => URL.revokeObjectURL(link));
  $("downloads").replaceChildren();
}

const options = () => [`--target=${$("target").value}`, `-${$("level").value}`];

// Compiles the current text. If it changes meanwhile, it is compiled again.
function compile() {
  again = true;
  return (running ??= compileAll());
}

async function compileAll() {
  while (again) {
    again = false;
    await compileOnce();
  }
  running = null;
}

async function compileOnce() {
  const all = files(),
    source = lines(),
    name = path.slice(path.lastIndexOf("/") + 1).replace(/\.cnn$/, "");
  const first = await ask(
    [path, ...options(), "--emit=json", "-o", "layers.json", "--summary", "--diagnostics=json"],
    all,
  );
  if (again) return;
  if (first.failure) return failed(first.failure);
  const errors = report(first.err),
    time = `${first.time.toFixed(0)} ms`;
  const bad = errors > 0 || first.code !== 0;
  document.title = bad ? `cnnc: ${errors || ""} error${errors === 1 ? "" : "s"}` : "cnnc: ready";
  say(
    bad ? "bad" : "good",
    bad ? `${errors} error${errors === 1 ? "" : "s"}, ${time}` : `no errors, ${time}`,
  );
  for (const id of ["layers", "c", "h"]) $(id).classList.toggle("old", bad);
  hints.old = bad;
  if (!bad && first.files["layers.json"]) setHints(JSON.parse(decode(first.files["layers.json"])), source);
  paint();
  if (bad) return;
  $("layers").textContent = first.out;
  forgetDownloads();
  if (weights?.path === path) {
    const file = path.replace(/cnn$/, "safetensors");
    download(file, weights.bytes, `${file} (${Math.ceil(weights.bytes.length / 1024)} KiB)`);
  }
  if (view === "layers") return;
  const code = await ask(
    [path, ...options(), ...($("train").checked ? ["--train"] : []), "-o", `${name}.c`, "--diagnostics=json"],
    all,
  );
  if (again) return;
  if (code.failure) return failed(code.failure);
  const bytes = { c: code.files[`${name}.c`], h: code.files[`${name}.h`] };
  if (code.code !== 0 || !bytes.c) return report(code.err);
  for (const end of ["c", "h"]) {
    $(end).textContent = bytes[end] ? decode(bytes[end]) : "";
    if (bytes[end]) download(`${name}.${end}`, bytes[end], `${name}.${end}`);
  }
  say(
    "good",
    `no errors, ${(first.time + code.time).toFixed(0)} ms, ${Math.ceil(bytes.c.length / 1024)} KiB of C`,
  );
}

function failed(why) {
  document.title = "cnnc: failed";
  say("bad", why);
}

let timer = null;
function changed() {
  setPath();
  messages = [];
  paint();
  clearTimeout(timer);
  timer = setTimeout(() => {
    compile();
    writeAddress();
  }, DELAY);
}

function setView(name) {
  view = name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.view === name;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    $(tab.dataset.view).hidden = !chosen;
  }
}

// ---- the program in the address: #path=...&text=..., text compressed; an example needs no text ----
async function squeeze(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

async function address() {
  const words = new URLSearchParams({ path });
  if (examples[path] !== text.value) {
    const packed = await squeeze(encode(text.value), new CompressionStream("deflate-raw"));
    words.set(
      "text",
      btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join(""))
        .replaceAll("+", "-")
        .replaceAll("/", "_")
        .replaceAll("=", ""),
    );
  }
  if (view !== "layers") words.set("view", view);
  for (const id of ["target", "level"]) if ($(id).selectedIndex) words.set(id, $(id).value);
  if ($("train").checked) words.set("train", "yes");
  return `#${String(words).replaceAll("%2F", "/")}`;
}

async function writeAddress() {
  history.replaceState(null, "", await address());
}

async function readAddress() {
  const words = new URLSearchParams(location.hash.slice(1)),
    packed = words.get("text");
  let name = words.get("path") || FIRST,
    program = examples[name];
  if (packed !== null) {
    const bytes = Uint8Array.from(atob(packed.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    program = decode(await squeeze(bytes, new DecompressionStream("deflate-raw")));
  }
  for (const id of ["target", "level"]) {
    const value = words.get(id);
    $(id).value = [...$(id).options].some((option) => option.value === value)
      ? value
      : $(id).options[0].value;
  }
  $("train").checked = words.get("train") === "yes";
  setView(["layers", "c", "h"].includes(words.get("view")) ? words.get("view") : "layers");
  setProgram(program === undefined ? FIRST : name, program ?? examples[FIRST]);
}

// ---- opened or dropped files: a program, or an ONNX model ----
let model = null;

async function take(list) {
  const given = {};
  for (const file of list) given[file.name] = new Uint8Array(await file.arrayBuffer());
  const onnx = Object.keys(given).find((name) => name.endsWith(".onnx"));
  const program = Object.keys(given).find((name) => name.endsWith(".cnn"));
  if (onnx) {
    model = { name: onnx, files: given };
    $("words").value = "";
    return importModel();
  }
  if (!program) return say("bad", "neither a program (.cnn) nor an ONNX model (.onnx)");
  $("importing").hidden = true;
  setProgram(program, decode(given[program]));
  compile();
  writeAddress();
}

async function importModel() {
  say("", `importing ${model.name}`);
  const base = model.name.replace(/\.onnx$/, ""),
    words = $("words").value.trim().split(/\s+/).filter(Boolean);
  const result = await ask(["import", model.name, "-o", base, "--diagnostics=json", ...words], model.files);
  $("importing").hidden = false;
  if (result.failure) return failed(result.failure);
  const errors = report(result.err);
  if (result.code !== 0) {
    document.title = `cnnc: ${errors} error${errors === 1 ? "" : "s"}`;
    const help = messages.flatMap((m) => m.help).join(" ");
    if (!words.length) $("words").value = help.match(/--shape \S+|--outputs=\S+/)?.[0] ?? "";
    return say("bad", `${model.name} cannot be imported without changes`);
  }
  weights = { path: `${base}.cnn`, bytes: result.files[`${base}.safetensors`] };
  setProgram(weights.path, decode(result.files[weights.path]));
  compile();
  writeAddress();
}

// ---- events ----
text.addEventListener("input", changed);
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
  const before = text.value.slice(0, text.selectionStart),
    line = before.slice(before.lastIndexOf("\n") + 1);
  event.preventDefault(); // keeps the indentation of the line, in a way that can be undone
  document.execCommand(
    "insertText",
    false,
    "\n" + line.match(/^ */)[0] + (line.trimEnd().endsWith("{") ? "    " : ""),
  );
});
$("example").addEventListener("change", () => {
  if ($("example").value) setProgram($("example").value, examples[$("example").value]);
  compile();
  writeAddress();
});
for (const id of ["target", "level", "train"])
  $(id).addEventListener("change", () => {
    if (view === "layers") setView("c");
    compile();
    writeAddress();
  });
const tabs = [...document.querySelectorAll("[role=tab]")];
tabs.forEach((tab, i) => {
  const choose = (one) => {
    setView(one.dataset.view);
    compile();
    writeAddress();
  };
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(i + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
});
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  take($("file").files);
  $("file").value = "";
});
$("link").addEventListener("click", async () => {
  await writeAddress();
  await navigator.clipboard?.writeText(location.href);
  say("good", "link copied");
});
$("importing").addEventListener("submit", (event) => {
  event.preventDefault();
  importModel();
});
addEventListener("hashchange", () => readAddress().then(compile));
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("editor").classList.add("over");
});
addEventListener("dragleave", (event) => event.relatedTarget || $("editor").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("editor").classList.remove("over");
  take(event.dataTransfer.files);
});

// ---- startup ----
const [list, grammar] = await Promise.all(
  ["examples.json", "colors.json"].map(async (name) => (await fetch(name)).json()),
);
examples = list;
readRules(grammar);
const groups = {};
for (const name of Object.keys(examples).filter((name) => /^net /m.test(examples[name]))) {
  const [folder, file] = name.split("/");
  groups[folder] ??= $("example").appendChild(Object.assign(make("optgroup"), { label: folder }));
  groups[folder].append(Object.assign(make("option", "", file), { value: name }));
}
await readAddress();
compile();
