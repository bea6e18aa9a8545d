/** The calls, one of them open, by mouse and by keyboard. */
export default async function walk({ page, go, check, look, settled }) {
  await go("/explorer?tz=UTC&since=30d");
  const rows = page.locator("[data-call]");
  await rows.first().waitFor();
  await look();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("complementary", { name: "Receipt" }).getByTestId("receipt-cost").waitFor();
  await look("receipt");
  await page.keyboard.press("Escape");
  await page.getByRole("complementary", { name: "Receipt" }).waitFor({ state: "detached" });
  await page.reload();
  await settled();
  check("the address after a reload", new URL(page.url()).search, "?tz=UTC&since=30d");
}
