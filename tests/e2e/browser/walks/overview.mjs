/** Spend first, with its certainty; every figure opens the calls it is made of, and all of them agree. */
export default async function walk({ page, go, check, look, settled }) {
  const ask = async (path) => (await page.request.get(new URL(`/api/v1/${path}`, page.url()).href)).json();
  const span = "tz=UTC&since=7d";
  await go(`/?${span}`);
  await page.getByTestId("spend").waitFor();
  await page.getByRole("img", { name: "Spend by hour and weekday" }).waitFor();
  await look();

  // One total in every question.
  const [summary, breakdown, series, heat] = await Promise.all(
    ["summary?", "breakdown?by=app&", "series?bucket=day&by=model&", "heat-map?"].map((path) => ask(path + span)),
  );
  const total = BigInt(summary.sums.cost_pico);
  const sum = (amounts) => amounts.reduce((all, amount) => all + BigInt(amount), 0n);
  // The four are asked one after the other, and "7d" ends when each is asked.
  const near = (amount) => amount - total < 10n ** 10n && total - amount < 10n ** 10n;
  check("the breakdown's total", near(BigInt(breakdown.total.cost_pico)), true);
  check("the chart's total", near(sum(series.total.cost_pico)), true);
  check("the heat map's total", near(sum(heat.cost_pico)), true);

  // Another dimension, a tag, is in the address and in the chart.
  await page.getByRole("combobox", { name: "Spend by" }).selectOption("tag.feature");
  await page.waitForURL(/by=tag.feature/);
  await page.getByRole("region", { name: "Spend by tag feature", exact: true }).getByText("summary").waitFor();
  await page.reload();
  await page.getByRole("region", { name: "Spend by tag feature", exact: true }).getByText("summary").waitFor();

  // A mover filters, Back undoes it.
  await page.getByRole("region", { name: "Biggest movers" }).getByRole("listitem").first().getByRole("button").click();
  await page.waitForURL(/app=/);
  await page.goBack();
  await settled();

  // The chart as a table; its days open their calls.
  await page.getByRole("region", { name: /^Spend by tag feature, last 7 days/ }).getByRole("button", { name: "Table" }).click();
  await page.getByRole("table", { name: /^Spend by tag feature/ }).getByRole("button").first().click();
  await page.waitForURL(/explorer.*until=/);
  await page.goBack();
  await settled();

  // Counts open their rows.
  await page.getByRole("link", { name: /^\d+$/ }).nth(1).click();
  await page.waitForURL(/status=4xx/);
  await page.goBack();
  await page.getByRole("button", { name: /unpriced/ }).first().click();
  await page.waitForURL(/\/explorer/);
  check("calls without a price", new URL(page.url()).searchParams.get("cost_state"), "unpriced,unknown");
  await page.goBack();

  // The most expensive call opens as a receipt.
  await page.getByRole("link", { name: /^\$/ }).first().click();
  await page.getByRole("complementary", { name: "Receipt" }).getByTestId("receipt-cost").waitFor();
}
