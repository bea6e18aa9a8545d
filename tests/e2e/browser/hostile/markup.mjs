/** Where screens list things. */
const LISTS = "table, ol, [role=table]";

/**
 * Texts that are markup, script or an address of script, in every place where somebody else may say
 * something: each screen that shows them shows them as text, and nothing comes of them. What they would run,
 * open or fetch is a complaint of the harness; what they would become is looked for here.
 */
export default async function walk({ page, setting, go, check, forgive, settled }) {
  const { texts, thorough } = setting;
  const [first, second, third] = texts;
  const span = "tz=UTC&since=1h";
  const of = encodeURIComponent;
  page.on("popup", () => check("windows that were opened", true, false));

  /** Complain of what became of a text, and where fewer than `least` of them stand there as they are. */
  const inert = async (where, least = texts.length, within = LISTS) => {
    const enough = (found) => found.shown.length >= least;
    let found = await page.evaluate(look, { texts, within });
    for (let tries = 0; tries < 80 && !enough(found); tries += 1) {
      await page.waitForTimeout(100);
      found = await page.evaluate(look, { texts, within });
    }
    check(`what became of a text, ${where}`, found.made, []);
    if (!enough(found)) check(`texts that are shown as they are, ${where}`, found.shown.length, least);
  };
  /** Type a part of every text, and complain unless several values are offered as they are. */
  const suggests = async (where) => {
    await page.keyboard.type("xss");
    const options = page.getByRole("listbox", { name: "Choices" }).getByRole("option");
    await options.nth(4).waitFor();
    const offered = await options.evaluateAll((all) => all.map((option) => option.textContent));
    check(`what ${where} offers`, offered.filter((each) => !texts.some((text) => each.includes(text))), []);
    await inert(where, 0);
  };
  const visit = async (path, least, within) => {
    await go(path);
    await inert(path, least, within);
  };

  await page.setViewportSize({ width: 1440, height: 5_000 }); // whole lists
  const columns = ["model", "app", "user", "customer", "session", "key"];
  await visit(`/explorer?${span}&columns=${columns}`);
  const calls = page.locator("[data-call]");
  await calls.nth(2 * texts.length - 1).waitFor();
  for (const [place, column] of columns.entries()) {
    const cells = await calls.evaluateAll(
      (rows, at) => rows.map((row) => row.querySelectorAll("[role=cell]")[at].textContent), place);
    const found = texts.filter((text) => cells.some((cell) => cell.includes(text)));
    check(`texts in the column ${column}`, found.length, texts.length);
  }

  // Every call's receipt, from one to the next.
  const receipts = new Set();
  await calls.first().click();
  for (let at = 0; at < 2 * texts.length; at += 1) {
    await page.waitForFunction(isReceiptOf, await calls.nth(at).getAttribute("data-call"));
    const { made, shown } = await page.evaluate(look, { texts, within: "aside" });
    check("what became of a text in a receipt", made, []);
    for (const text of shown) receipts.add(text);
    await page.keyboard.press("j");
  }
  check("texts in receipts", receipts.size, texts.length);

  for (const by of ["model", "user", `tag.${first}`]) {
    await go(`/?${span}&by=${of(by)}`);
    const rest = page.locator("li > button", { hasText: "Everything else" }).first();
    if (await rest.count()) await rest.click();
    await inert(`the overview by ${by}`, by.startsWith("tag.") ? 1 : texts.length, "li");
    await inert("names of tags to choose from", texts.length, "option");
    await page.getByRole("button", { name: "Table", exact: true }).first().click();
    await inert(`the overview's chart by ${by}`, 1);
  }
  const all = ["app", "session", "customer", "agent", "task", "project", "branch", "host"];
  for (const rows of ["model", "user", "key", ...(thorough ? all : [])])
    await visit(`/breakdown?${span}&rows=${rows}&limit=200`);
  await visit(`/breakdown?${span}&rows=user&columns=${of(`tag.${second}`)}&limit=200`);

  await visit(`/sessions?${span}`);
  for (const text of texts.slice(0, thorough ? 3 : 1)) await visit(`/sessions?${span}&session=${of(text)}`, 1, "main");
  await visit("/customers?tz=UTC");
  for (const text of texts.slice(0, thorough ? 3 : 1)) await visit(`/customers?tz=UTC&customer=${of(text)}`, 1, "main");
  await visit("/live?tz=UTC");
  await visit(`/reliability?${span}&by=user`);
  await visit("/budgets?tz=UTC&budget=per-user");
  await visit("/prices?tz=UTC");
  await visit("/settings?tz=UTC");
  for (const path of ["/capture", "/billing", "/billing?tab=plans", "/billing?tab=wallets"]) await visit(path, 0);

  // Suggestions: of the filter, whose first one becomes a chip, and of the palette.
  await go(`/capture?${span}`);
  await page.keyboard.press("Control+k");
  await suggests("the palette");
  await page.keyboard.press("Escape");
  await go(`/explorer?${span}`);
  await page.keyboard.press("/");
  await suggests("the filter");
  await page.keyboard.press("Enter");
  await page.waitForURL(/xss/);
  await settled();
  await inert("a filter", 1, "main, header");

  // What fired.
  await go("/alerts?tz=UTC&events=400");
  await inert("what fired");

  // What the server says of a mistake has the mistake in it.
  await page.getByRole("button", { name: "New alert" }).click();
  const dialog = page.getByRole("dialog", { name: "New alert" });
  await dialog.getByLabel("Name").fill("mistaken");
  let told = 0;
  for (const text of texts) {
    await dialog.getByLabel("Fires at").fill(text);
    await Promise.all([
      page.waitForResponse((response) => response.status() === 422),
      dialog.getByRole("button", { name: "Set the alert" }).click(),
    ]);
    const words = await dialog.getByText(/^found /).first().innerText();
    if (words.includes(text)) told += 1;
  }
  check("mistakes that are told as text", told, texts.length);
  await page.keyboard.press("Escape");
  for (const text of thorough ? texts.slice(0, 4) : [third]) {
    await visit(`/?tz=UTC&since=${of(text)}`, 1, "main");
    await visit(`/explorer?${span}&call=${of(text)}`, 1, "aside");
  }

  // The control: markup that is let in is noticed, by the look and by the browser's policy.
  const policy = page.waitForEvent("console", (message) => message.text().includes("Content Security Policy"));
  await page.evaluate(letIn, texts.find((text) => text.includes("onerror")));
  check("the control", (await page.evaluate(look, { texts, within: LISTS })).made.length > 0, true);
  await policy;
  forgive("Content Security Policy");
  forgive("Failed to load resource");
}

/** What a text has become, if anything, and which of the texts stand in some elements. */
function look({ texts, within }) {
  const leads = ["href", "src", "action", "formaction", "data", "xlink:href", "srcdoc"];
  const isForeign = (element) =>
    ["IFRAME", "OBJECT", "EMBED", "BASE", "MARQUEE"].includes(element.tagName.toUpperCase()) ||
    (element.tagName === "SCRIPT" && element.textContent !== "") ||
    (element.tagName === "STYLE" && element.textContent.includes("xss")) ||
    [...element.attributes].some(({ name, value }) => {
      if (name.startsWith("on") || name === "http-equiv") return true;
      if (!leads.includes(name)) return false;
      const { protocol, host } = new URL(value, location.href);
      return !["http:", "https:", "data:"].includes(protocol) || ![location.host, ""].includes(host);
    });
  const made = [...document.querySelectorAll("*")].filter(isForeign).map(({ outerHTML }) => outerHTML.slice(0, 120));
  if (window.__xss !== undefined) made.push("window.__xss");
  const written = [...document.querySelectorAll(within)].map(({ textContent }) => textContent).join("\n");
  return { made, shown: texts.filter((text) => written.includes(text)) };
}

function isReceiptOf(call) {
  return document.querySelector('aside[aria-label="Receipt"]')?.textContent.includes(call) ?? false;
}

function letIn(text) {
  const box = document.createElement("div");
  box.innerHTML = text;
  document.body.append(box);
}
