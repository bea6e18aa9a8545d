// Run walks in one browser and write {name: report} as JSON to standard output.
// One argument: {"link", "chromium", "walks", "shots", "scratch", …}; all of it is in a walk's `setting`.

import { launch, report } from "./harness.mjs";

const setting = JSON.parse(process.argv[2]);
setting.origin = new URL(setting.link).origin;

const browser = await launch(setting.chromium);
const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, colorScheme: "light" });
const first = await context.newPage();
await first.goto(setting.link); // signs the browser in for all of them
await first.close();

const reports = {};
for (const name of setting.walks) {
  const { default: walk } = await import(`./walks/${name}.mjs`);
  reports[name] = await report(context, name, walk, setting);
}
await browser.close();
process.stdout.write(JSON.stringify(reports));
