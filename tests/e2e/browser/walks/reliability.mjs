/** Latency and failures: the chart, its figures as a table, kinds of failures that open their calls. */
export default async function walk({ page, go, check, look, settled }) {
  await go("/reliability?tz=UTC&since=7d");
  await page.getByRole("img", { name: /^Latency by the hour/ }).waitFor();
  await look();
  await page.getByRole("button", { name: "Table" }).click();
  const points = await page.getByRole("table", { name: "Latency" }).locator("tbody tr").count();
  check("the chart's table has its figures", points > 24, true);
  await page.getByRole("button", { name: "Output tokens a second" }).click();
  await settled();
  await page.getByLabel("By", { exact: true }).selectOption("app");
  await settled();
  await page.reload();
  await settled();
  const { searchParams } = new URL(page.url());
  check("lines and dimension after a reload", [searchParams.get("lines"), searchParams.get("by")], ["speed", "app"]);
  const failures = page.getByRole("region", { name: "Failures and retries by kind" });
  await failures.getByRole("link").first().click();
  await page.waitForURL(/\/explorer/);
  check("a kind of failures opens its calls", new URL(page.url()).searchParams.has("status"), true);
}
