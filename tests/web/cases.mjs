// cases.mjs CNNC SOURCES PAGE WORK [CHROMIUM]: the cases of web.tap.
// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { browse, serve } from "./browser.mjs";

const [cnnc, sources, page, work] = process.argv.slice(2, 6).map((path) => resolve(path)),
  chromium = process.argv[6];
const { run } = await import(pathToFileURL(join(sources, "web/wasi.js")));
const { unpack } = await import(pathToFileURL(join(sources, "web/lzma.js")));
const packed = readFileSync(join(page, "cnnc.wasm.lzma")),
  compiler = new WebAssembly.Module(unpack(packed));

let number = 0;
async function test(title, body) {
  try {
    await body();
    console.log(`ok ${++number} - ${title}`);
  } catch (error) {
    console.log(`not ok ${++number} - ${title}`);
    console.log(String(error.stack ?? error).replace(/^/gm, "# "));
  }
}
function same(what, found, wanted) {
  if (found === wanted || (found && wanted && Buffer.compare(Buffer.from(found), Buffer.from(wanted)) === 0))
    return;
  const lines = [found, wanted].map((text) => String(text && Buffer.from(text)).split("\n"));
  const at = lines[0].findIndex((line, i) => line !== lines[1][i]);
  throw new Error(
    `${what}, line ${at + 1}: '${lines[0][at]?.slice(0, 200)}', wanted '${lines[1][at]?.slice(0, 200)}'`,
  );
}
const wants = (what, holds) => {
  if (!holds) throw new Error(what);
};
function refused(bytes) {
  try {
    unpack(bytes);
  } catch (error) {
    return error.message;
  }
  return "";
}
// Unpacking damaged bytes fails or gives other output, in short time and of bounded size.
function damages(packed, wanted, places) {
  const Bytes = Uint8Array,
    start = process.cpuUsage();
  let largest = 0;
  globalThis.Uint8Array = class extends Bytes {
    constructor(...words) {
      super(...words);
      largest = Math.max(largest, this.length);
    }
  };
  try {
    places.forEach((at, i) => {
      const damaged = Bytes.from(packed);
      damaged[at] ^= 1 << i % 8;
      let found;
      try {
        found = unpack(damaged);
      } catch (error) {
        const expected = /^the compressed file is (truncated|damaged)$/;
        wants(`byte ${at}: ${error.stack}`, expected.test(error.message));
        return;
      }
      wants(`damage at byte ${at} changes nothing`, Buffer.compare(found, wanted) !== 0);
    });
  } finally {
    globalThis.Uint8Array = Bytes;
  }
  // A repetition of 273 bytes takes at least a third of a bit, and the buffer grows by doubling.
  wants(`${largest} bytes of ${packed.length}`, largest <= 16384 * packed.length);
  const seconds = process.cpuUsage(start).user / 1e6;
  wants(`${places.length} took ${seconds} s`, seconds < 60);
}
const bytesOf = (folder) => readdirSync(folder).map((name) => readFileSync(join(folder, name)));

// Runs cnnc on this machine and as WebAssembly with these arguments, in a folder with these files.
let folders = 0;
function both(words, files) {
  const cwd = join(work, `both${++folders}`);
  mkdirSync(cwd);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(cwd, name), bytes);
  const native = spawnSync(cnnc, words, { cwd, encoding: "utf8" }),
    web = run(compiler, words, files);
  same("messages", web.err, native.stderr);
  same("output", web.out, native.stdout);
  wants(`exit status ${web.code}, wanted ${native.status}`, web.code === native.status);
  same("files", Object.keys(web.files).sort().join(" "), readdirSync(cwd).sort().join(" "));
  for (const [name, bytes] of Object.entries(web.files)) same(name, bytes, readFileSync(join(cwd, name)));
  return { ...web, cwd };
}
const program = (path) => ({ [basename(path)]: readFileSync(join(sources, path)) });
const folder = (path) =>
  Object.fromEntries(
    readdirSync(join(sources, path))
      .filter((name) => name.endsWith(".cnn"))
      .map((name) => [name, readFileSync(join(sources, path, name))]),
  );

// ---- the compiler as WebAssembly ----
for (const [path, ...words] of [
  ["examples/lenet5/lenet5_relu.cnn", "--train", "--target=x86-64-v4"], // blocks of equal size
  ["examples/lenet5/lenet5_1998.cnn", "--target=generic", "-O0"],
  ["examples/resnet/resnet8.cnn", "--target=x86-64-v3,aarch64", "--summary"],
  ["examples/super_resolution/fsrcnn.cnn", "--target=wasm32", "-Os"],
  ["tests/run/positions.cnn", "--target=x86-64-v3"], // arguments of C's functions in any order
  ["tests/grad/yolo.cnn", "--target=x86-64-v3", "--train"],
])
  await test(`the C of ${basename(path)} ${words.join(" ")}`, () => {
    const { code } = both([basename(path), ...words, "-o", "net.c"], program(path));
    wants("it is refused", code === 0);
  });
await test("weight gradients whose schedules the page leaves out have loops of their own", () => {
  const files = program("examples/resnet/resnet8.cnn");
  const { code, err, files: made } = run(compiler, ["resnet8.cnn", "--train", "-o", "net.c"], files);
  wants(err, code === 0 && made["net.c"].length > 100000);
});
await test("imports between files", () => {
  const { code } = both(
    ["faster_rcnn.cnn", "--emit=json", "-o", "net.json", "--target=generic"],
    folder("examples/rcnn"),
  );
  wants("it is refused", code === 0);
});
for (const [slug, kind] of [
  ["kernel-exceeds-input", "text"],
  ["unknown-operator", "json"],
  ["import-cycle", "json"],
  ["weights-file", "json"],
].filter(([slug]) => existsSync(join(sources, "tests/diag", slug))))
  await test(`messages of ${slug}`, () => {
    const programs = Object.keys(folder(`tests/diag/${slug}`));
    // without features that the page lacks
    for (const name of programs.filter((name) => !/audio|bf16|border|kernel.cnn/.test(name)).slice(0, 4))
      both([name, `--diagnostics=${kind}`], folder(`tests/diag/${slug}`));
  });
await test("features that a page does not have are reported", () => {
  const files = program("tests/fixtures/small.cnn");
  const object = run(compiler, ["small.cnn", "-o", "small.o"], files);
  wants(object.err, object.code === 1 && /the browser build has no C compiler/.test(object.err));
  const weights = run(compiler, ["small.cnn", "--weights=a.npz", "-o", "small.c"], files);
  wants(weights.err, weights.code === 1 && /the browser build cannot read weights/.test(weights.err));
  const halves = { "halves.cnn": Buffer.from("net n { input x: 4; dense(2, precision=bf16) }") };
  const bf16 = run(compiler, ["halves.cnn", "-o", "halves.c"], halves);
  wants(bf16.err, bf16.code === 1 && /unknown-choice/.test(bf16.err));
});
for (const model of ["lenet", "gate"])
  await test(`import of ${model}.onnx`, () =>
    both(["import", `${model}.onnx`], program(`tests/import/${model}.onnx`)));
await test("a bad model", () =>
  both(["import", "circle.onnx", "--diagnostics=json"], program("tests/import/bad/circle.onnx")));
await test("packed data is unpacked; damaged data gives an error or other data", () => {
  same("cnnc.wasm", unpack(packed), readFileSync(join(page, "../cnnc.wasm")));
  const pack = (bytes, ...words) =>
    spawnSync("xz", ["--format=lzma", "--stdout", ...words], { input: bytes, maxBuffer: 1 << 28 }).stdout;
  for (const n of [0, 1, 2, 300, 70000]) {
    const mixed = Uint8Array.from({ length: n }, (_, i) => (i % 1000 < 500 ? i * i * 7919 : i / 3) >> 3);
    for (const how of ["lc=3,lp=0,pb=2", "lc=1,lp=3,pb=4", "lc=0,lp=0,pb=0,dict=4096"])
      same(`${n} bytes, ${how}`, unpack(pack(mixed, `--lzma1=${how}`)), mixed);
  }
  for (const n of [0, 13, 17, 1000])
    wants(`${n} bytes are taken for all`, /truncated/.test(refused(packed.subarray(0, n))));
  for (const n of [300, 70000]) {
    const equal = new Uint8Array(n).fill(7);
    same(`${n} equal bytes`, unpack(pack(equal)), equal);
  }
  const some = (n, length) => Array.from({ length: n }, (_, i) => 13 + ((i * 7919) % (length - 13)));
  const text = readFileSync(join(sources, "web/lzma.js")),
    small = pack(text);
  const first = Array.from({ length: 8 }, (_, i) => 13 + i),
    last = first.map((at) => small.length + 12 - at);
  damages(small, text, [0, ...first, ...some(1000, small.length), ...last]);
  damages(packed.subarray(0, 20000), unpack(packed), some(200, 20000));
});
await test("what the page loads is in its folder", () => {
  const script = readFileSync(join(page, "page.js"), "utf8") + readFileSync(join(page, "worker.js"), "utf8");
  const lines = script.split("\n").filter((line) => /fetch|Worker|^import/.test(line));
  const loaded = lines.join().match(/"[\w./]+\.(json|js|lzma)"/g).map((name) => JSON.parse(name));
  wants(`it loads ${loaded}`, loaded.length > 3);
  for (const name of loaded) wants(`there is no ${name}`, existsSync(join(page, name)));
});
await test("the page is small", () => {
  const size = bytesOf(page).reduce((sum, bytes) => sum + gzipSync(bytes, { level: 9 }).length, 0);
  console.log(`# ${size} bytes, packed by gzip`);
  wants(`${size} bytes`, size < 520 * 1024);
});

// ---- the net in a page ----
const example = join(work, "example"),
  walk = join(work, "walk");
for (const to of [example, walk]) cpSync(join(sources, "examples/web"), to, { recursive: true });
const inFolder = (cwd, name, ...words) => {
  const { status, stdout, stderr } = spawnSync(name, words, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, MAKEFLAGS: "" },
  });
  wants(`${name} ${words.join(" ")}: ${stdout}${stderr}`, status === 0);
};
const { start } = await import(pathToFileURL(join(sources, "examples/web/net.js")));
const netOf = (folder) =>
  start(
    new WebAssembly.Module(readFileSync(join(folder, "net.wasm"))),
    JSON.parse(readFileSync(join(folder, "net.json"))),
  );
await test("examples/web: the net is trained, on a few images, and the page is built", () => {
  inFolder(example, "make", "-s", `CNNC=${cnnc}`, "garments");
  inFolder(
    example,
    "./garments",
    "train",
    "--data",
    "synthetic",
    "--limit",
    "64",
    "--epochs",
    "1",
    "--progress=none",
    "--out",
    "garments.safetensors",
  );
  inFolder(example, "make", "-s", `CNNC=${cnnc}`, "-o", "garments.safetensors");
});
await test("  page, wrapper and net are small", () => {
  const size = bytesOf(join(example, "page")).reduce((sum, bytes) => sum + bytes.length, 0);
  const wrapper = statSync(join(sources, "examples/web/net.js")).size;
  console.log(`# ${size} bytes, of the wrapper ${wrapper}`);
  wants("too large", size <= 400 * 1024 && wrapper <= 2816);
});
await test("  it gives probabilities and the maps of both stages", () => {
  const net = netOf(join(example, "page"));
  net.inputs[0].numbers.forEach((_, i, numbers) => (numbers[i] = i % 251));
  net.run();
  const [scores, edges, parts] = net.outputs,
    sum = scores.numbers.reduce((all, p) => all + p, 0);
  wants(`the sum is ${sum}`, Math.abs(sum - 1) < 1e-5);
  wants(
    "maps are empty",
    [edges, parts].every(({ numbers }) => numbers.some((v) => v > 0)),
  );
  same("shapes", JSON.stringify([edges.shape, parts.shape]), "[[14,14,6],[5,5,16]]");
  same("label", net.label(9), "Ankle boot");
});

function numbersOf(path) {
  // of .npy: floats or bytes in C's order
  const bytes = readFileSync(path),
    text = 10 + bytes.readUInt16LE(8),
    head = bytes.subarray(10, text).toString();
  const body = bytes.buffer.slice(bytes.byteOffset + text, bytes.byteOffset + bytes.length);
  const shape = head
    .match(/\(([^)]*)\)/)[1]
    .split(",")
    .map(Number)
    .filter((n) => n > 0);
  return { shape, numbers: head.includes("<f4") ? new Float32Array(body) : new Uint8Array(body) };
}
function channelsLast({ shape: [, c, h, w], numbers }) {
  return w
    ? Array.from(
        numbers,
        (_, i) => numbers[((i % c) * h + Math.floor(i / (c * w))) * w + (Math.floor(i / c) % w)],
      )
    : numbers;
}
await test("from an ONNX model to a page, as in the README", () => {
  const readme = readFileSync(join(sources, "examples/web/README.md"), "utf8");
  const commands = readme
    .split("```")
    .at(-1)
    .split("\n")
    .filter((line) => line.startsWith("    "))
    .join("\n")
    .replaceAll("\\\n", " ")
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim());
  wants(
    "its commands",
    commands.length === 3 && /^cnnc import/.test(commands[0]) && /^make/.test(commands[1]),
  );
  const model = join(sources, "tests/import/lenet");
  cpSync(`${model}.onnx`, join(walk, "mobilenet.onnx"));
  inFolder(
    walk,
    "sh",
    "-ec",
    [
      `cnnc() { '${cnnc}' "$@"; }`,
      `make() { command make -s CNNC='${cnnc}' "$@"; }`,
      ...commands.slice(0, 2),
    ].join("\n"),
  );
  const net = netOf(join(walk, "page")),
    wanted = numbersOf(`${model}.out0.npy`).numbers;
  net.inputs[0].numbers.set(channelsLast(numbersOf(`${model}.in0.npy`)));
  net.run();
  wanted.forEach((v, i) =>
    wants(
      `output ${i} is ${net.outputs[0].numbers[i]}, wanted ${v}`,
      Math.abs(net.outputs[0].numbers[i] - v) < 1e-4 * (1 + Math.abs(v)),
    ),
  );
  wants("its page", existsSync(join(walk, "page/photo.html")));
});

// ---- both in a browser ----
async function inBrowser(folder, title, body) {
  const server = await serve(folder);
  let browser;
  try {
    browser = await browse(chromium);
    await browser.size(1200, 800);
    await body(browser, server.address);
    await test(`  ${title}: no error`, () =>
      wants(browser.errors.join("\n"), !browser.errors.length));
  } catch (error) {
    await test(`Chromium: ${title}`, () => {
      throw error;
    });
  } finally {
    await browser?.close();
    server.close();
  }
}

const READY = "document.title === 'cnnc: ready'";
const click = (selector) => `document.querySelector(${JSON.stringify(selector)}).click()`;
if (!chromium) console.log(`ok ${++number} - both pages in Chromium # SKIP no chromium`);
else {
  await inBrowser(page, "the compiler's page", async (browser, address) => {
    const textOf = (id) => browser.evaluate(`document.getElementById("${id}").textContent`);
    await test("Chromium: the page's C is that of cnnc", async () => {
      await browser.open(`${address}#path=resnet/resnet8.cnn&view=c&target=x86-64-v3`);
      await browser.until(`${READY} && document.getElementById("c").textContent`);
      const native = spawnSync(cnnc, ["resnet8.cnn", "--target=x86-64-v3", "-o", "-"], {
        cwd: join(sources, "examples/resnet"),
        encoding: "utf8",
      }).stdout;
      const without = (text) => text.replace(/#include ".*"\n/, "");
      wants("there is none", (await textOf("c")).length > 1000);
      const { files } = both(
        ["resnet8.cnn", "--target=x86-64-v3", "-o", "resnet8.c"],
        program("examples/resnet/resnet8.cnn"),
      );
      same("C", await textOf("c"), files["resnet8.c"]);
      same("header", await textOf("h"), files["resnet8.h"]);
      wants("C on standard output", without(native).length > 1000);
    });
    await test("  shapes are shown after the lines", async () => {
      const hints = await browser.evaluate(
        "[...document.querySelectorAll('.hint')].map((hint) => hint.textContent)",
      );
      const wanted = ["32x32x16  16x16x32  8x8x64", "32x32x16  16x16x32  8x8x64", "16x16x32  8x8x64"];
      same("hints", hints.slice(0, 3).join("|"), wanted.join("|"));
    });
    await test("  an error is reported as it is typed, and fixed", async () => {
      await browser.open(address);
      await browser.until(READY);
      await browser.evaluate(`{ const t = document.getElementById("text"), at = t.value.indexOf("maxpool");
        t.focus(); t.setSelectionRange(at, at + 7); }`);
      await browser.press("maxpol");
      await browser.until("document.title === 'cnnc: 1 error'");
      const message = await textOf("messages");
      wants(
        message,
        /program\.cnn:4:5: error: .*maxpol.*\[unknown-operator\]/.test(message) &&
          !/lenet5_relu/.test(message) &&
          /\^~~~~~/.test(message),
      );
      wants(
        "no mark",
        await browser.evaluate("document.querySelector('.mark-error').textContent === 'maxpol'"),
      );
      await browser.evaluate(click(".fix"));
      await browser.until(READY);
      wants(
        "not mended",
        await browser.evaluate(`/^    maxpool\\(2\\)$/m.test(document.getElementById("text").value)`),
      );
      wants(
        "the example has its name again",
        await browser.evaluate("document.getElementById('example').value === 'lenet5/lenet5_relu.cnn'"),
      );
    });
    await test("  the address contains the program", async () => {
      await browser.evaluate(
        `document.getElementById("text").value = "net kept { input x: 4 as u8; dense(2) } # é"`,
      );
      await browser.evaluate(`document.getElementById("text").dispatchEvent(new Event("input"))`);
      await browser.until(
        `${READY} && /text=/.test(location.hash) && /net kept/.test(document.body.textContent)`,
      );
      await browser.open(await browser.evaluate("location.href"));
      await browser.until(`${READY} && /net kept.*é/.test(document.getElementById("text").value)`);
    });
    await test("  an ONNX model becomes a program", async () => {
      await browser.files("#file", [join(sources, "tests/import/lenet.onnx")]);
      await browser.until(`${READY} && document.querySelector("#downloads a")`);
      same(
        "program",
        await browser.evaluate(`document.getElementById("text").value`),
        readFileSync(join(sources, "tests/import/lenet.cnn")),
      );
    });
    await test("  a model with symbolic sizes asks for them, and can be imported again", async () => {
      await browser.files("#file", [join(sources, "tests/import/open.onnx")]);
      await browser.until("document.title === 'cnnc: 1 error'");
      same(
        "options",
        await browser.evaluate(`document.getElementById("words").value`),
        "--shape x=1x1x224x224",
      );
      await browser.evaluate(click("#importing button"));
      await browser.until(`${READY} && /net open/.test(document.getElementById("layers").textContent)`);
    });
    await test("  every control has a name", async () => {
      const nameless = await browser.evaluate(`
        [...document.querySelectorAll("button, select, textarea, input:not([hidden])")]
          .filter((e) => !e.textContent.trim() && !e.labels?.length && !e.getAttribute("aria-label"))
          .map((e) => e.outerHTML).join()`);
      wants(nameless, !nameless);
    });
  });
  await inBrowser(join(example, "page"), "the net's page", async (browser, address) => {
    const about = () => browser.evaluate(`document.getElementById("about").textContent`);
    await test("Chromium: a net classifies what is drawn", async () => {
      await browser.open(address);
      await browser.until("document.title.endsWith('ready')");
      const box = await browser.evaluate(
        `(({ x, y, width }) => ({ x, y, width }))(document.getElementById("paper").getBoundingClientRect())`,
      );
      await browser.mouse("mousePressed", box.x + box.width / 4, box.y + box.width / 4);
      await browser.mouse("mouseMoved", box.x + box.width / 2, box.y + box.width / 2);
      await browser.mouse("mouseReleased", box.x + box.width / 2, box.y + box.width / 2);
      wants(await about(), /in \d+ microseconds/.test(await about()));
      const shares = await browser.evaluate(
        "[...document.querySelectorAll('.share')].map((e) => parseFloat(e.textContent))",
      );
      wants(String(shares), shares.length === 10 && Math.abs(shares.reduce((a, b) => a + b) - 100) < 1);
      wants("maps", await browser.evaluate("document.querySelectorAll('.maps canvas').length === 22"));
      await browser.evaluate(click("#clear"));
      wants(await about(), /Draw something/.test(await about()));
    });
    const relaxed = (...words) =>
      spawnSync(cnnc, ["garments.cnn", "--target=wasm32-relaxed", ...words], {
        cwd: example,
        encoding: "utf8",
      });
    const built = relaxed("--weights=garments.safetensors", "--single-file", "-o", "page/faster.wasm");
    if (/no-wasm-opt/.test(built.stderr)) console.log(`ok ${++number} - relaxed vectors # SKIP clang is old`);
    else await test("  the module with relaxed vectors is taken, and computes the same", async () => {
      wants(built.stderr, built.status === 0);
      relaxed("--emit=json", "-o", "page/faster.json");
      const difference = await browser.evaluate(`(async () => {
        const { load } = await import("./net.js"), scores = [];
        for (const net of [await load("net"), await load("nothing", "faster")]) {
          net.inputs[0].numbers.forEach((_, i, numbers) => (numbers[i] = i % 251));
          net.run();
          scores.push(net.outputs[0].numbers);
        }
        return Math.max(...scores[0].map((score, c) => Math.abs(score - scores[1][c])));
      })()`);
      wants(`the difference is ${difference}`, difference < 1e-5);
    });
  });
  await inBrowser(join(walk, "page"), "the imported net's page", async (browser, address) => {
    await test("Chromium: the imported net runs", async () => {
      await browser.open(`${address}photo.html`);
      await browser.until("document.title.endsWith('ready')");
    });
  });
}
console.log(`1..${number}`);
