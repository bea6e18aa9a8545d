/** An alert written, simulated, snoozed and removed. */
export default async function walk({ page, go, check, look, forgive }) {
  await go("/alerts?tz=UTC");
  await page.getByText("No alert is set").waitFor();
  await look("none");
  await page.getByRole("button", { name: "New alert" }).click();
  const dialog = page.getByRole("dialog", { name: "New alert" });
  await dialog.getByLabel("Name").fill("big-day");
  await dialog.getByLabel("Fires at").fill("a lot");
  await dialog.getByRole("button", { name: "Set the alert" }).click();
  await dialog.getByText(/^found 'a lot'/).waitFor();
  await look("mistakes");
  await dialog.getByLabel("Fires at").fill("0.01, 100000");
  await dialog.getByLabel("Period").fill("day");
  await dialog.getByRole("button", { name: "Simulate the last 30 days" }).click();
  await dialog.getByText(/It would have fired/).waitFor();
  await dialog.getByRole("button", { name: "Set the alert" }).click();
  const panel = page.getByRole("complementary", { name: "big-day" });
  await panel.getByRole("button", { name: "Snooze…" }).click();
  const snooze = page.getByRole("dialog", { name: "Snooze big-day" });
  await snooze.getByLabel("Why").fill("We know");
  await snooze.getByRole("button", { name: "Snooze" }).click();
  await panel.getByText(/We know/).waitFor();
  await look();
  check("the alert is in the address", new URL(page.url()).searchParams.get("alert"), "big-day");
  await page.reload();
  await panel.getByRole("button", { name: "Tell again" }).click();
  await panel.getByText(/We know/).waitFor({ state: "detached" });
  await panel.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("dialog", { name: "Remove big-day?" }).getByRole("button", { name: "Remove the alert" }).click();
  await page.getByText("No alert is set").waitFor();
  forgive("422 (Unprocessable");
}
