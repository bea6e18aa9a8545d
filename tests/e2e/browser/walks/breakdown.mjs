/** A table of rows and columns: what is chosen is in the address, and the total is the sum of what is shown. */
export default async function walk({ page, go, check, look, settled }) {
  await go("/breakdown?tz=UTC&since=30d&rows=app&columns=model&columns_limit=3");
  const table = page.getByRole("table");
  await table.waitFor();
  await look();
  const cents = (text) => Math.round(Number(text.replace(/[^0-9.]/g, "")) * 100);
  const figures = (await table.locator("tbody tr td:nth-of-type(1)").allInnerTexts()).map(cents);
  const total = cents(await table.locator("tfoot td").first().innerText());
  const shown = figures.reduce((sum, figure) => sum + figure, 0);
  check("the rows add up to the total", Math.abs(shown - total) <= figures.length, true); // each is rounded
  await table.getByRole("button", { name: /Everything else/ }).first().click();
  await settled();
  check("more columns after a click on the rest", new URL(page.url()).searchParams.get("columns_limit"), "6");
  await page.getByLabel("Measure").selectOption("total_p95_us");
  await settled();
  await page.getByRole("button", { name: "Swap rows and columns" }).click();
  await settled();
  await page.reload();
  await settled();
  const { searchParams } = new URL(page.url());
  check("the table after a reload", [...["rows", "columns", "measure"].map((name) => searchParams.get(name))], [
    "model",
    "app",
    "total_p95_us",
  ]);
  await look("latency");
  await table.locator("tbody a").first().click();
  await page.waitForURL(/\/explorer/);
  check("a figure opens its calls", new URL(page.url()).searchParams.has("model"), true);
}
