/** A key is named, a token made and revoked; its secret is shown once. */
export default async function walk({ page, go, check, look, settled }) {
  await go("/settings?tz=UTC");
  const keys = page.getByRole("table", { name: "API keys" });
  await keys.getByRole("button", { name: "Name it" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("data team");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  await keys.getByText("data team").waitFor();
  await page.getByRole("button", { name: "New token" }).click();
  await dialog.getByLabel("Name", { exact: true }).fill("grafana");
  await dialog.getByRole("button", { name: "Create" }).click();
  await page.getByText("It is not shown again").waitFor();
  await look();
  const secret = await page.getByRole("region", { name: "Tokens" }).locator("pre code").first().innerText();
  await page.reload();
  await settled();
  check("the secret after a reload", await page.getByText(secret).count(), 0);
  await page.getByRole("table", { name: "Tokens" }).getByRole("button", { name: "Revoke" }).first().click();
  await dialog.getByRole("button", { name: "Revoke" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("table", { name: "Tokens" }).getByText("revoked").first().waitFor();
  await page.getByLabel("Defaults, too").check();
  await page.getByRole("table", { name: "Configuration in force" }).getByText("durability").first().waitFor();
}
