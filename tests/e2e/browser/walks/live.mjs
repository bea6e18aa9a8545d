/** What is spent now: figures, the tail, and `k`, which asks before it stops a session. */
export default async function walk({ page, go, check, look, settled }) {
  await go("/live?tz=UTC");
  await page.getByText("Burn rate, last hour").waitFor();
  await look();
  await page.keyboard.press("Space");
  await page.getByText("lets the list go on").waitFor();
  await page.keyboard.press("Space");
  await page.getByText("holds the list still").waitFor();
  const sessions = page.getByRole("region", { name: "Sessions, last 15 minutes" });
  if (await sessions.getByRole("button", { name: /^Stop session/ }).count()) {
    await page.keyboard.press("k");
    const dialog = page.getByRole("dialog", { name: /^Stop session/ });
    await dialog.waitFor();
    await look("stop");
    await dialog.getByLabel(/Reason/).fill("a test");
    await dialog.getByRole("button", { name: "Stop it" }).click();
    await dialog.waitFor({ state: "detached" });
    const { stops } = await page.evaluate(() => fetch("/api/v1/stops").then((response) => response.json()));
    check("what is stopped", stops.map(({ dimension, reason }) => [dimension, reason]), [["session", "a test"]]);
  }
  await page.reload();
  await settled();
  check("the address after a reload", new URL(page.url()).search, "?tz=UTC");
}
