/** From a plan in YAML, whose mistake is told by its line, to a final invoice, its calls, a credit note and a void. */
export default async function walk({ page, go, check, look, forgive, settled }) {
  const month = monthsAgo(2);
  const dialog = (name) => page.getByRole("dialog", { name });
  const press = (name) => page.getByRole("button", { name, exact: true }).first().click();

  await go("/billing?tz=UTC");
  await page.getByText("There is nobody to bill yet").waitFor();
  await press("Set up customers and a plan");
  await page.getByRole("button", { name: "Apply YAML…" }).click();
  const text = dialog("Apply YAML").getByRole("textbox");
  await text.fill(terms(month).replace("meter: cost", "meter: costs"));
  await press("Show what it changes");
  await dialog("Apply YAML").getByRole("button", { name: "Line 10" }).waitFor();
  await look("mistakes");
  await text.fill(terms(month));
  await press("Show what it changes");
  await dialog("Apply YAML").getByText("plan pro, version 1").waitFor();
  await look("changes");
  await press("Apply");
  await dialog("Apply YAML").waitFor({ state: "detached" });
  await page.getByText("output tokens at 20.00 per 1,000,000").waitFor();
  await look("plans");

  // A run: drafts and final invoices, once it is confirmed.
  await press("Invoices");
  await page.getByRole("button", { name: "Run billing…" }).click();
  await dialog("Run billing").getByLabel(/^Drafts only/).uncheck();
  await dialog("Run billing").getByLabel(/^Bill calls without a price/).check();
  await press("Make drafts and final invoices");
  await page.getByRole("dialog", { name: "What the run made" }).waitFor();
  await press("Close");
  await settled();
  await page.getByRole("table", { name: "Invoices" }).getByText("INV-000001").waitFor();
  await look();

  // A line, down to the calls that add up to it.
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: "What happens next" }).waitFor();
  const address = new URL(page.url());
  check("the open invoice is in the address", address.searchParams.get("invoice")?.startsWith("INV-"), true);
  await page.getByRole("button", { name: /^Explain Output/ }).first().click();
  await page.getByText(/add up to its quantity/).waitFor();
  await look("explained");
  await page.reload();
  await page.getByText(/add up to its quantity/).waitFor();
  await page.keyboard.press("Escape");

  // A credit note needs a reason; then a void.
  await press("Credit note…");
  const credit = page.getByRole("dialog", { name: /^Credit note for/ });
  check("without a reason", await credit.getByRole("button", { name: "Issue the credit note" }).isDisabled(), true);
  await credit.getByLabel("Everything that is left of it").uncheck();
  await credit.getByLabel("Base fee, pro").fill("5.00");
  await credit.getByLabel("Why").fill("Slow responses");
  await credit.getByRole("button", { name: "Issue the credit note" }).click();
  await page.getByRole("heading", { name: "Credit note CN-000001" }).waitFor();
  await look("credit-note");
  await go("/billing?tz=UTC&invoice=INV-000001");
  await press("Void…");
  const voiding = page.getByRole("dialog", { name: "Void INV-000001?" });
  await voiding.getByLabel("Why").fill("Issued twice");
  await voiding.getByRole("button", { name: "Void INV-000001" }).click();
  await page.getByText(/^Void since/).or(page.getByRole("alert")).first().waitFor();
  await look("void");
  if (await voiding.isVisible()) await voiding.getByRole("button", { name: "Cancel" }).click();

  // Prepaid money, discounts, shares.
  await go("/billing?tz=UTC&tab=wallets");
  await page.getByRole("button", { name: "Grant…" }).click();
  await dialog("Grant").getByLabel("Customer", { exact: true }).fill("acme");
  await dialog("Grant").getByLabel(/^Amount/).fill("50.00");
  await press("Grant it");
  await page.getByRole("table", { name: "Wallets" }).getByRole("button", { name: "acme" }).click();
  await page.getByText("What moved").waitFor();
  await look("wallets");
  await go("/billing?tz=UTC&tab=coupons");
  await page.getByRole("button", { name: "New coupon" }).click();
  await dialog("New coupon").getByLabel("Customer", { exact: true }).fill("acme");
  await dialog("New coupon").getByLabel("Name on the invoice").fill("LAUNCH");
  await dialog("New coupon").getByLabel("How much").fill("10");
  await press("Give the coupon");
  await page.getByRole("table", { name: "Coupons" }).getByText("10 %").waitFor();
  await look("coupons");
  await go("/billing?tz=UTC&tab=add-ons");
  await page.getByRole("button", { name: "New add-on" }).click();
  await dialog("New add-on").getByLabel("Customer", { exact: true }).fill("acme");
  await dialog("New add-on").getByLabel("Name on the invoice").fill("Onboarding");
  await dialog("New add-on").getByLabel("Amount of one").fill("500.00");
  await press("Show what it changes");
  await dialog("New add-on").getByText("To be paid, by now, tax included").waitFor();
  await look("add-on");
  await press("Charge for it");
  await page.getByRole("table", { name: "Add-ons" }).getByText("Onboarding").waitFor();
  await look("add-ons");
  await go("/billing?tz=UTC&tab=payees&payee=ada");
  await page.getByText("Owed now").or(page.getByText("Nothing was owed before")).first().waitFor();
  await look("payees");
  await go("/billing?tz=UTC&tab=subscriptions");
  await page.getByRole("table", { name: "Subscriptions" }).getByText("acme").waitFor();
  await look("subscriptions");

  // Whose calls are whose: a key that only calls name becomes a customer's, and nobody's again.
  await go("/settings?tz=UTC");
  await page.getByRole("button", { name: "Map…" }).click();
  const mapping = dialog("Say whose calls they are");
  await mapping.getByLabel("What", { exact: true }).selectOption({ label: "An API key" });
  await mapping.getByLabel("Which key").selectOption("77aa10c2e4b39f51");
  await mapping.getByLabel("Stands for the customer").fill("globex");
  await look("mapping");
  await press("Map it");
  const mapped = page.getByRole("table", { name: "What stands for which customer" });
  await mapped.getByText("globex").waitFor();
  await look("mapped");
  await mapped.getByRole("button", { name: "End" }).first().click();
  await press("End it");
  await mapped.getByText("for ever").nth(1).waitFor({ state: "detached" });
  forgive("422 (Unprocessable");
  forgive("409 (Conflict");
}

function monthsAgo(number) {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - number, 1)).toISOString().slice(0, 10);
}

const terms = (start) => `customers:
  acme: {name: Acme Inc., tax_percent: "19", users: [acme-user-1]}
  globex: {name: Globex Corporation, timezone: Europe/Berlin}
plans:
  pro:
    base: "20.00"
    charges:
      - {name: Output, meter: output_tokens, where: {model: gpt-4o*}, unit: "20.00", per: million,
         shares: {ada: "30"}}
      - {name: Everything else, meter: cost, markup_percent: "20"}
subscriptions:
  - {customer: acme, plan: pro, start: ${start}}
  - {customer: globex, plan: pro, start: ${start}}
`;
