/** Sessions, the most expensive one of research, and one of its turns with the receipt. */
export default async function walk({ page, go, check, look, settled }) {
  await go("/sessions?tz=UTC&since=30d&app=research");
  const rows = page.getByRole("table", { name: "Sessions" }).locator("tbody tr");
  await rows.first().waitFor();
  await look();
  await page.getByRole("button", { name: "Calls", exact: true }).click();
  await settled();
  check("the order is in the address", new URL(page.url()).searchParams.get("sort"), "-calls");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("table", { name: "Agents and steps of the session" }).waitFor();
  await settled();
  await look("one");
  const tree = page.getByRole("table", { name: "Agents and steps of the session" });
  check("agents of the session", (await tree.locator("tbody tr").count()) > 0, true);
  const turns = page.getByRole("table", { name: "Turns" }).locator("tbody tr");
  await turns.first().click();
  await page.getByRole("complementary", { name: "Receipt" }).getByTestId("receipt-cost").waitFor();
  await page.reload();
  await settled();
  await page.getByRole("complementary", { name: "Receipt" }).waitFor();
  await page.getByRole("button", { name: "Close the receipt" }).click();
  await page.getByRole("button", { name: /All sessions/ }).click();
  await rows.first().waitFor();
}
