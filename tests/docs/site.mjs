// site.mjs: opens every page of the documentation site on a phone (dark) and a desktop (light), for site.tap: no
// page is wider than the window, no image or script is missing, the search finds pages.
// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { browse, serve } from "../web/browser.mjs";

const [, , folder, chromium] = process.argv;
const pages = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".html"));
const server = await serve(folder);
const browser = await browse(chromium);
let wrong = 0;
const wants = (what, right) => {
  if (!right) console.log(what, ++wrong);
};
for (const [width, height, dark] of [
  [390, 800, true],
  [1280, 900, false],
]) {
  await browser.size(width, height, dark);
  for (const page of pages.filter((name) => name !== "index.html")) {
    await browser.open(server.address + page);
    await browser.until(`location.pathname === "/${page}" && document.readyState === "complete"`);
    const [wide, missing, color] = await browser.evaluate(`[document.documentElement.scrollWidth,
      [...document.images].filter((image) => image.complete && !image.naturalWidth).map((image) => image.src),
      getComputedStyle(document.body).backgroundColor]`);
    wants(`${page} is ${wide} pixels wide on a screen of ${width}`, wide <= width);
    wants(`${page} has no ${missing}`, !missing.length);
    wants(`${page} is ${color}, ${dark ? "dark" : "light"} is wanted`, (color !== "rgb(255, 255, 255)") === dark);
  }
}
await browser.open(`${server.address}search.html?q=quantize`);
wants("the search finds pages", await browser.until("document.querySelectorAll('ul.search li').length > 3"));
const errors = browser.errors.filter((error) => !/404/.test(error)); // favicon.ico
wants(errors.join("\n"), !errors.length);
wants("there are pages", pages.length > 60);
await browser.close();
server.close();
process.exit(wrong ? 1 : 0);
