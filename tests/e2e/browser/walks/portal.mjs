/** A customer's own page, by a link: charges so far, usage, calls with their receipts, invoices; then without one. */
export default async function walk({ page, setting, check, look, forgive, settled }) {
  const part = (name) => page.getByRole("navigation").getByRole("button", { name, exact: true }).click();
  await page.goto(`${setting.origin}/billing`);
  const made = await page.evaluate(link, terms());
  check("the link leads to the portal", new URL(made.url).origin, setting.portal);
  check("the secret is in the fragment alone", new URL(made.url).search, "");

  await page.goto(made.url);
  await page.getByText("Charges so far").waitFor();
  check("whose page it is", await page.getByRole("banner").innerText(), "Example Labs\n\nAcme Inc.");
  check("no cookie", await page.evaluate(() => document.cookie), "");
  await page.getByText("Exact amounts").first().click();
  await look();

  await part("Usage");
  await page.getByLabel("Time").selectOption("90d");
  await page.getByRole("table", { name: "Calls and tokens by model" }).getByText("gpt-4o").waitFor();
  await settled();
  await look("usage");
  await page.getByRole("button", { name: "Table", exact: true }).click();
  await page.getByRole("table", { name: /^Tokens by model/ }).waitFor();
  await page.getByRole("button", { name: "Conversation", exact: true }).click();
  await page.getByRole("table", { name: "Calls and tokens by conversation" }).getByText(/^support-bot-/).first().waitFor();
  await settled();

  await part("Calls");
  await page.getByLabel("Time").selectOption("90d");
  const calls = page.getByRole("table", { name: "Calls, the newest first" });
  await calls.getByText("$0.").first().waitFor();
  check("a page of calls", await calls.getByRole("row").count(), 51);
  await page.getByRole("button", { name: "Show older calls" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 100);
  await calls.getByText("$0.").first().locator("xpath=ancestor::tr").getByRole("button").click();
  const receipt = page.getByRole("complementary", { name: "Receipt" });
  await receipt.getByText("per million").first().waitFor();
  check("it is charged", /^\$0\.\d+$/.test(await receipt.getByTestId("charged").innerText()), true);
  await look("receipt");
  await page.keyboard.press("Escape");

  await part("Invoices");
  const invoice = page.getByRole("button", { name: /^INV-/ }).first();
  await invoice.or(page.getByText("No invoice yet")).first().waitFor();
  if (await invoice.isVisible()) {
    await invoice.click();
    await page.getByRole("table", { name: "Lines" }).waitFor();
    const saving = page.waitForEvent("download");
    await page.getByRole("button", { name: "HTML", exact: true }).click();
    check("the invoice as a file", /\.html$/.test((await saving).suggestedFilename()), true);
  }
  await settled();
  await look("invoices");

  // Without a key, with a wrong one, and with one that was taken back.
  await page.goto(`${setting.portal}/`);
  await page.reload(); // an address that differs in its fragment alone is not loaded again
  await page.getByText("Open this page with your link").waitFor();
  await look("no-link");
  await page.goto(`${setting.origin}/billing`);
  await page.evaluate((id) => fetch(`/api/v1/portal-links/${id}`, { method: "DELETE" }), made.link.id);
  await page.goto(made.url);
  await page.getByText("This link opens nothing now").waitFor();
  await look("revoked");
  forgive("401");
}

/** Make a link, and the customer first where nobody has. */
async function link(terms) {
  const ask = (path, method, type, body) =>
    fetch(`/api/v1/${path}`, { method, headers: { "content-type": type }, body });
  const known = await (await fetch("/api/v1/customers")).json();
  if (!known.customers.some(({ id }) => id === "acme")) await ask("plans", "PUT", "application/yaml", terms);
  const made = await ask("portal-links", "POST", "application/json", JSON.stringify({ customer: "acme" }));
  return await made.json();
}

const terms = () => {
  const now = new Date();
  const start = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 2, 1)).toISOString().slice(0, 10);
  return `customers:
  acme: {name: Acme Inc., currency: USD, timezone: UTC}
plans:
  pro:
    base: "20.00"
    charges:
      - {name: Output, meter: output_tokens, unit: "20.00", per: "1000000"}
      - {name: Everything else, meter: cost, markup_percent: "20"}
subscriptions:
  - {customer: acme, plan: pro, start: ${start}}
`;
};
