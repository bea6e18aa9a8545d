/** Who costs what and pays what; then everything about one customer, set up by the walk through billing. */
export default async function walk({ page, go, check, look, settled }) {
  await go("/customers?tz=UTC");
  const table = page.getByRole("table", { name: "Customers" });
  await table.getByText("Acme Inc.").waitFor();
  const row = table.getByRole("row", { name: /Acme Inc\./ });
  check("a customer's row has money", /\$\d/.test(await row.innerText()), true);
  await page.getByText("Named by calls, and not set up").waitFor();
  await look();
  await table.getByRole("button", { name: "Cost" }).click();
  check("the order is in the address", new URL(page.url()).searchParams.get("sort"), "-cost");
  await row.getByRole("button", { name: "Acme Inc." }).click();
  await page.getByRole("region", { name: "Charge so far" }).getByText("Amount due").first().waitFor();
  await page.getByRole("region", { name: "Whose calls are its own" }).getByText("acme-user-1").waitFor();
  await settled();
  check("the customer is in the address", new URL(page.url()).searchParams.get("customer"), "acme");
  await look("acme");
  await page.reload();
  await page.getByRole("region", { name: "Charge so far" }).getByText("Amount due").first().waitFor();
  await page.goBack();
  await table.getByText("Acme Inc.").waitFor();
}
