// Drive the dashboard in a headless Chromium and report what was seen, as JSON on standard output.
// Started by test_dashboard.py with one argument: {"link", "proxy", "shots", "chromium"}.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(new URL("../../dashboard/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const { link, proxy, shots, chromium: executablePath } = JSON.parse(process.argv[2]);
const report = { complaints: [], shots: [] };

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, colorScheme: "light" });
page.setDefaultTimeout(20_000);
page.on("console", (message) => {
  if (message.type() === "error" || message.type() === "warning") report.complaints.push(message.text());
});
page.on("pageerror", (error) => report.complaints.push(String(error)));
page.on("dialog", (dialog) => {
  report.complaints.push(`a dialog: ${dialog.message()}`);
  void dialog.dismiss();
});
page.on("request", (request) => {
  if (!request.url().startsWith(new URL(link).origin)) report.complaints.push(`asked ${request.url()}`);
});

async function shot(name) {
  const path = join(shots, `${name}.png`);
  await page.screenshot({ path });
  report.shots.push(path);
}

async function call(path, body, headers = {}) {
  const answer = await fetch(proxy + path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-canary-in-a-header", ...headers },
    body: JSON.stringify(body),
  });
  await answer.text();
  return answer.status;
}

const chat = (more = {}, headers = {}) =>
  call(
    "/openai/v1/chat/completions",
    { model: "gpt-4o", messages: [{ role: "user", content: "canary-prompt" }], ...more },
    headers,
  );
const rows = page.locator("[data-call]");
const press = async (...keys) => {
  for (const key of keys) await page.keyboard.press(key);
};
const rowsAre = (count) =>
  page.waitForFunction((wanted) => document.querySelectorAll("[data-call]").length === wanted, count);

try {
  // A browser without a session, then the one-time link.
  const before = await browser.newContext().then((context) => context.newPage());
  const refused = await before.goto(new URL("/", link).href);
  report.stranger = { status: refused.status(), text: await before.locator("main").innerText() };
  await before.close();
  await page.goto(link);
  await page.getByText("No calls yet").waitFor();
  report.address = page.url();
  report.empty = await page.locator("main").innerText();
  await shot("empty-light");

  // The first call appears by itself: the marker is gone if the page was loaded again.
  await page.evaluate(() => {
    window.marker = "still here";
  });
  await chat({}, { "x-farebox-app": "checkout", "x-farebox-user": "anna" });
  await page.getByTestId("spend").getByText("$0.002151").waitFor();
  const exact = await page.getByTestId("spend").locator("[title]").first().getAttribute("title");
  await press("g", "e");
  await rows.first().waitFor();
  report.first = { row: await rows.first().innerText(), exact };

  await chat({ stream: true });
  await call("/anthropic/v1/messages", { model: "claude-sonnet-4-5", max_tokens: 9, messages: [] });
  await chat({ model: "never-heard-of" }, { "x-farebox-user": "<img src=x onerror=alert(1)>" });
  await call("/openai/v1/nowhere", {});
  await rowsAre(5);
  await page.getByText("1 call unpriced").waitFor();
  report.rows = await rows.allInnerTexts();
  await press("g", "o");
  const chart = page.getByRole("img", { name: "Spend by model, today" });
  await chart.waitFor();
  report.bars = await chart.locator("rect[rx]").count();
  report.marker = await page.evaluate(() => window.marker);
  await shot("spend-light");
  await press("g", "e");
  await rowsAre(5);

  // The receipt, by keyboard.
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  const receipt = page.getByRole("complementary", { name: "Receipt" });
  await receipt.getByTestId("receipt-cost").waitFor();
  report.receipt = await receipt.innerText();
  report.receiptAddress = page.url();
  await receipt.scrollIntoViewIfNeeded();
  await shot("receipt-light");
  await page.getByRole("button", { name: "Close the receipt" }).click();
  await receipt.waitFor({ state: "detached" });
  report.focused = await page.evaluate(() => document.activeElement?.closest("[data-call]")?.innerText);

  // Held still, let go.
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.keyboard.press("Space");
  await page.getByText("Paused", { exact: true }).waitFor();
  await chat();
  await page.getByText("1 new call").waitFor();
  report.held = await rows.count();
  await page.keyboard.press("Space");
  await rowsAre(6);

  // A filter is an address, and Back undoes it.
  await press("g", "o");
  await page.getByRole("region", { name: "Spend by model", exact: true }).getByRole("button", { name: /claude-sonnet-4-5/ }).click();
  await page.waitForURL(/model=/);
  report.filtered = new URL(page.url()).search;
  await press("g", "e");
  await rowsAre(1);
  await page.goBack();
  await page.goBack();
  await page.waitForURL((url) => url.search === "");
  await press("g", "e");
  await rowsAre(6);
  await page.getByRole("button", { name: /1 call unpriced/ }).click();
  await rowsAre(1);
  report.unpriced = await rows.first().innerText();
  await page.goBack();
  await page.keyboard.press("/");
  await page.keyboard.type("user");
  await page.keyboard.press("Enter");
  await page.getByRole("option", { name: /anna/ }).click();
  await rowsAre(1);
  report.picked = new URL(page.url()).search;
  await page.getByRole("button", { name: "Remove filter User: anna" }).click();
  await rowsAre(6);

  // A value is found from its first letters, whatever dimension it is of.
  await page.keyboard.press("/");
  await page.keyboard.type("checko");
  await page.getByRole("option", { name: /checkout/ }).waitFor();
  await page.keyboard.press("Enter");
  await rowsAre(1);
  report.found = new URL(page.url()).search;
  await page.goBack();
  await rowsAre(6);

  await press("g", "o");
  // Figures of the old span are dimmed while those of the new one are on their way.
  const asked = [];
  let slow = true;
  await page.route("**/api/v1/summary?**", (route) => (slow ? asked.push(route) : route.continue()));
  await page.getByRole("button", { name: "7d", exact: true }).click();
  await page.getByText("Spend, last 7 days").waitFor();
  const dimmed = () => page.getByTestId("spend").evaluate((spend) => spend.closest("[aria-busy=true]") !== null);
  report.dimmed = await dimmed();
  await page.waitForTimeout(300);
  await shot("dimmed-light");
  slow = false;
  for (const route of asked.splice(0)) await route.continue();
  await page.waitForFunction(() => document.querySelectorAll("[aria-busy=true]").length === 0);
  await page.goBack();
  await page.getByText("Spend today").waitFor();

  // A call nobody knows.
  const here = page.url();
  await page.goto(new URL("/explorer?call=019aa000-0000-7000-8000-000000000000", link).href);
  await page.getByText("There is no such call here.").waitFor();
  report.complaints = report.complaints.filter((text) => !text.includes("404"));
  await page.goto(here);
  await page.getByTestId("spend").waitFor();

  // Every chart as text; both themes; narrow.
  await page.getByRole("button", { name: "Table" }).first().click();
  report.asText = await page.getByRole("table", { name: "Spend by model, today" }).innerText();
  await page.getByRole("button", { name: "Chart" }).first().click();
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  report.light = await paper();
  await page.emulateMedia({ colorScheme: "dark" });
  report.dark = await paper();
  await shot("spend-dark");
  await page.getByRole("button", { name: /^Theme: system/ }).click();
  report.chosenLight = await paper();
  await page.reload();
  await page.getByTestId("spend").waitFor();
  report.keptLight = await paper();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(300);
  report.overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  await page.goto(new URL("/explorer", link).href);
  await rows.first().waitFor();
  report.costRight = await rows.first().locator("[role=cell]").last().evaluate((cell) => cell.getBoundingClientRect().right);
  report.narrowRow = await rows.first().innerText();
  await shot("narrow-light");

  const again = await browser.newContext().then((context) => context.newPage());
  report.linkAgain = (await again.goto(link)).status();
} catch (error) {
  report.failed = String(error);
  await shot("failed").catch(() => {});
}
await browser.close();
process.stdout.write(JSON.stringify(report));
