// Run walks in one browser: each name that comes in a line of standard input is walked, and its report goes to
// standard output as a line of JSON. One argument: {"link", "chromium", "walks", "shots", "scratch", …}; all of it
// is in a walk's `setting`. Walks are in the folder `walks`, unless "where" names another folder.

import { createInterface } from "node:readline";
import { launch, report } from "./harness.mjs";

const setting = JSON.parse(process.argv[2]);
setting.origin = new URL(setting.link).origin;

const browser = await launch(setting.chromium);
const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, colorScheme: "light" });
const first = await context.newPage();
await first.goto(setting.link); // signs the browser in for all of them
await first.close();

for await (const name of createInterface({ input: process.stdin })) {
  const { default: walk } = await import(`./${setting.where ?? "walks"}/${name}.mjs`);
  const found = await report(context, name, walk, setting);
  process.stdout.write(`${JSON.stringify({ name, ...found })}\n`);
}
await browser.close();
