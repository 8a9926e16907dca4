// browser.mjs: serves a folder on loopback, and controls Chromium through a pipe.
// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
};

// { address, close }
export function serve(folder) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url.split("?")[0]);
    const file = join(folder, normalize(path.endsWith("/") ? path + "index.html" : path));
    try {
      const body = statSync(file).isFile() && readFileSync(file);
      response
        .writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" })
        .end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((done) =>
    server.listen(0, "127.0.0.1", () =>
      done({
        address: `http://127.0.0.1:${server.address().port}/`,
        close: () => (server.closeAllConnections(), server.close()),
      }),
    ),
  );
}

// A page: open(address), evaluate(expression), until(expression), press(text), files(selector, paths),
// screenshot(), size(width, height, dark), close(). `errors` collects the errors of the page.
// options: for the browser's command line.
export async function browse(program, options = []) {
  const profile = mkdtempSync(join(tmpdir(), "cnnc-browser-"));
  const child = spawn(
    program,
    [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--hide-scrollbars",
      "--no-first-run",
      "--remote-debugging-pipe",
      `--user-data-dir=${profile}`,
      ...options,
    ],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const [, , , to, from] = child.stdio,
    waiting = new Map(),
    errors = [];
  let count = 0,
    session,
    rest = "";
  const ended = new Promise((_, fail) => child.on("exit", () => fail(new Error(`${program} has ended`))));
  ended.catch(() => {});
  to.on("error", () => {});
  const send = (method, params = {}) => {
    const id = ++count;
    to.write(JSON.stringify({ id, method, params, sessionId: session }) + "\0");
    return Promise.race([new Promise((done, fail) => waiting.set(id, { done, fail })), ended]);
  };
  from.setEncoding("utf8").on("data", (text) => {
    const parts = (rest + text).split("\0");
    rest = parts.pop();
    for (const { id, result, error, method, params } of parts.map((part) => JSON.parse(part))) {
      if (id) error ? waiting.get(id)?.fail(new Error(error.message)) : waiting.get(id)?.done(result);
      else if (method === "Runtime.exceptionThrown")
        errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      else if (method === "Log.entryAdded" && params.entry.level === "error") errors.push(params.entry.text);
    }
  });
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  ({ sessionId: session } = await send("Target.attachToTarget", { targetId, flatten: true }));
  for (const domain of ["Page", "Runtime", "Log", "DOM"]) await send(`${domain}.enable`);

  const page = {
    errors,
    async open(address) {
      await send("Page.navigate", { url: "about:blank" }); // a new #fragment alone does not reload
      await send("Page.navigate", { url: address });
    },
    async evaluate(expression) {
      const { result, exceptionDetails } = await send("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    },
    async until(expression, seconds = 20) {
      for (const end = Date.now() + 1000 * seconds; Date.now() < end;) {
        const value = await page.evaluate(expression).catch(() => false); // between two pages
        if (value) return value;
        await new Promise((done) => setTimeout(done, 30));
      }
      throw new Error(`not within ${seconds} s: ${expression}`);
    },
    press: (text) => send("Input.insertText", { text }),
    mouse: (type, x, y) =>
      send("Input.dispatchMouseEvent", {
        type,
        x,
        y,
        button: "left",
        buttons: type === "mouseReleased" ? 0 : 1,
        clickCount: 1,
      }),
    async files(selector, paths) {
      const { root } = await send("DOM.getDocument");
      const { nodeId } = await send("DOM.querySelector", { nodeId: root.nodeId, selector });
      await send("DOM.setFileInputFiles", { nodeId, files: paths });
    },
    async size(width, height, dark = false) {
      await send("Emulation.setDeviceMetricsOverride", {
        width,
        height,
        deviceScaleFactor: 1,
        mobile: false,
      });
      await send("Emulation.setEmulatedMedia", {
        features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
      });
    },
    screenshot: async () => Buffer.from((await send("Page.captureScreenshot")).data, "base64"),
    async close() {
      const gone = new Promise((done) => child.on("exit", done));
      send("Browser.close").catch(() => {});
      const late = setTimeout(() => child.kill("SIGKILL"), 5000);
      await gone;
      clearTimeout(late);
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return page;
}
