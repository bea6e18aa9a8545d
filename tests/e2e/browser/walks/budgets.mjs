/** A budget with two mistakes, simulated, set, changed and removed; and a stop that is released. */
export default async function walk({ page, go, check, look, forgive, settled }) {
  await go("/budgets?tz=UTC");
  const table = page.getByRole("table", { name: "Budgets" });
  await table.getByText("company").waitFor();
  await page.getByRole("button", { name: "New budget" }).click();
  const dialog = page.getByRole("dialog", { name: "New budget" });
  await dialog.getByLabel("Name").fill("checkout-daily");
  await dialog.getByLabel("Limit in dollars").fill("-1");
  await dialog.getByLabel("Only calls of").fill("ap=checkout");
  await dialog.getByRole("button", { name: "Set the budget" }).click();
  await dialog.getByText(/^found '-1'/).waitFor();
  await dialog.getByText(/did you mean "app"/).waitFor();
  await look("mistakes");
  await dialog.getByLabel("Limit in dollars").fill("0.01");
  await dialog.getByLabel("Only calls of").fill("app=checkout");
  await dialog.getByRole("button", { name: "Simulate the last 30 days" }).click();
  await dialog.getByText(/it would have blocked [\d,]+ of [\d,]+ calls, and saved \$/).waitFor();
  await look("simulated");
  await dialog.getByRole("button", { name: "Set the budget" }).click();
  const panel = page.getByRole("complementary", { name: "checkout-daily" });
  await panel.getByText(/it would have blocked/).waitFor();
  check("the budget is in the address", new URL(page.url()).searchParams.get("budget"), "checkout-daily");
  await look();
  await page.reload();
  await panel.getByRole("button", { name: "Edit" }).click();
  const edit = page.getByRole("dialog", { name: "Edit checkout-daily" });
  await edit.getByLabel("Limit in dollars").fill("12.345678901234");
  await edit.getByRole("button", { name: "Set the budget" }).click();
  await edit.getByText(/at most 12 decimals|found/).or(table.getByTitle("$12.345678901234")).first().waitFor();
  await panel.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("dialog", { name: "Remove checkout-daily?" }).getByRole("button", { name: "Remove the budget" }).click();
  await table.getByText("checkout-daily").waitFor({ state: "detached" });

  await page.getByRole("button", { name: "Stop calls…" }).click();
  const stop = page.getByRole("dialog", { name: "Stop calls" });
  await stop.getByLabel("Which").fill("runaway-1");
  await stop.getByLabel("Why").fill("runs in a circle");
  await stop.getByRole("button", { name: "Stop them" }).click();
  await page.getByRole("table", { name: "Stops" }).getByText("runaway-1").waitFor();
  await look("stops");
  await page.getByRole("button", { name: "Release" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Release" }).click();
  await page.getByText("Nothing is stopped").waitFor();
  await settled();
  forgive("422 (Unprocessable");
}
