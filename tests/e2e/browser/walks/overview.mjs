/** Spend first, with its certainty. */
export default async function walk({ page, go, check, look }) {
  await go("/?tz=UTC&since=7d");
  await page.getByTestId("spend").waitFor();
  await look();
  await page.getByRole("button", { name: /unpriced/ }).first().click();
  await page.waitForURL(/\/explorer/);
  check("calls without a price", new URL(page.url()).searchParams.get("cost_state"), "unpriced,unknown");
}
