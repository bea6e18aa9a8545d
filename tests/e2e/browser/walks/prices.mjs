/** Prices of models, one history, and a price set for what has none: then the queue says what it would change. */
export default async function walk({ page, go, check, forgive, look, settled }) {
  await go("/prices?tz=UTC");
  const queue = page.getByRole("table", { name: "Models without a price" });
  await queue.waitFor();
  await page.getByRole("table", { name: "Models and their prices" }).locator("tbody tr").first().click();
  await page.getByRole("complementary").getByRole("heading", { level: 3 }).first().waitFor();
  await settled();
  await look();
  await page.keyboard.press("Escape");
  await queue.getByRole("button", { name: "Set a price" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("input, US dollars").fill("cheap");
  await dialog.getByRole("button", { name: "Set the price" }).click();
  await dialog.getByText("Nothing was written.").waitFor();
  forgive("status of 422");
  await look("wrong");
  await dialog.getByLabel("input, US dollars").fill("2.50");
  await dialog.getByLabel("output text, US dollars").or(dialog.getByLabel("output, US dollars")).fill("10");
  await dialog.getByRole("button", { name: "Set the price" }).click();
  await dialog.waitFor({ state: "detached" });
  await settled();
  await queue.getByText(/^of \d+ calls?$/).first().waitFor();
  await page.getByRole("button", { name: "Apply the prices" }).click();
  await look("apply");
  await page.getByRole("dialog").getByRole("button", { name: "Apply" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached", timeout: 60_000 });
  await page.getByText("Every call has a price.").or(queue).first().waitFor();
  check("nothing waits any more", await page.getByRole("button", { name: "Apply the prices" }).count(), 0);
}
