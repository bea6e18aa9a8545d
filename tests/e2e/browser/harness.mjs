// Drive screens in one headless Chromium. A walk is a module of walks/ that exports one function; what it
// finds goes into a report by its name. Everything that a page must never do is a complaint by itself:
// an error in the console, a request to another origin, a dialog of the browser's, a violation of WCAG 2.2 AA,
// a page that is wider than a phone.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

const require = createRequire(new URL("../../../dashboard/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const RULES = {
  runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] },
  rules: { "heading-order": { enabled: true }, "page-has-heading-one": { enabled: true } },
  resultTypes: ["violations"],
};
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];

const SIZES = { wide: { width: 1440, height: 1000 }, phone: { width: 390, height: 844 } };
/** Each size and each theme is judged once; pictures are taken of all. */
const LOOKS = [
  { size: "wide", colorScheme: "light", isJudged: true },
  { size: "wide", colorScheme: "dark", isJudged: false },
  { size: "phone", colorScheme: "dark", isJudged: true },
  { size: "phone", colorScheme: "light", isJudged: false },
];

export async function launch(executablePath) {
  return chromium.launch({ executablePath, args: [...FLAGS, ...QUIET] });
}

/** Walk through a screen and return its report. `setting` is what run.mjs was started with. */
export async function report(context, name, walk, setting) {
  const found = { complaints: [], failed: null, shots: [] };
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  watch(page, [setting.origin, setting.portal], found.complaints);
  const tools = toolsOf(page, name, setting, found);
  try {
    await walk({ page, setting, ...tools });
  } catch (error) {
    found.failed = String(error.stack ?? error);
    await shoot(page, `${name}-failed`, { ...setting, shots: setting.shots ?? setting.scratch }, found).catch(() => {});
  }
  await page.close();
  return found;
}

/** A page asks its own origin, and is of one of these. */
function watch(page, origins, complaints) {
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`error: ${error}`));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const own = request.isNavigationRequest() ? origins : [new URL(request.frame().url()).origin];
    if (!own.includes(new URL(request.url()).origin)) complaints.push(`asked ${request.url()}`);
  });
}

function toolsOf(page, name, setting, found) {
  /** Wait until nothing is being fetched: no skeleton, nothing dimmed. */
  const settled = () =>
    page.waitForFunction(
      () => document.querySelector("h1") && !document.querySelector('[aria-busy="true"], .skeleton'),
    );
  return {
    settled,
    /** Open a path of the dashboard. */
    go: async (path) => {
      await page.goto(setting.origin + path);
      await settled();
    },
    /** Complain where a value is not the wanted one. */
    check: (what, actual, wanted) => {
      if (!isDeepStrictEqual(actual, wanted))
        found.complaints.push(`${what}: ${JSON.stringify(actual)}, not ${JSON.stringify(wanted)}`);
    },
    /** Leave out complaints of the console that the walk has caused on purpose. */
    forgive: (text) => {
      const kept = found.complaints.filter((complaint) => !complaint.includes(text));
      found.complaints.splice(0, found.complaints.length, ...kept); // the list that is being added to
    },
    /** Judge what is shown, wide and on a phone, light and dark, and take its picture. */
    look: async (what) => {
      const seen = what === undefined ? name : `${name}-${what}`;
      for (const { size, colorScheme, isJudged } of setting.shots ? LOOKS : LOOKS.filter((each) => each.isJudged)) {
        await page.setViewportSize(SIZES[size]);
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await settled();
        if (isJudged) {
          found.complaints.push(...(await violations(page, `${seen} ${size} ${colorScheme}`)));
          const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          if (over > 0) found.complaints.push(`${seen} ${size}: ${over} pixels wider than the window`);
        }
        if (setting.shots) await shoot(page, `${seen}-${size}-${colorScheme}`, setting, found);
      }
      await page.setViewportSize(SIZES.wide);
      await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
      await settled();
    },
  };
}

/**
 * Let axe judge the page. Where a dialog is open, the dialog: nothing else can be reached, and it was judged before.
 * Of tables the first eight rows: the others are like them, and axe takes seconds for a screenful.
 */
async function violations(page, where) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const { violations: broken } = await page.evaluate(
    ({ rules, exclude }) =>
      window.axe.run({ include: document.querySelector('[role="dialog"]') ?? document, exclude }, rules),
    { rules: RULES, exclude: [["tr:nth-child(n+9)"], ["[role=row]:nth-child(n+9)"]] },
  );
  return broken.map(({ id, help, nodes }) => {
    const places = nodes.slice(0, 3).map(({ target, any }) => `${target} (${any[0]?.message ?? ""})`);
    return `axe ${where}: ${id}, ${help}: ${places.join("; ")}`;
  });
}

async function shoot(page, name, { shots }, found) {
  const path = join(shots, `${name}.png`);
  await page.screenshot({ path, fullPage: true });
  found.shots.push(path);
}
