/** Sources of calls, what is missing, and the doctor. */
export default async function walk({ page, go, check, look }) {
  await go("/capture?tz=UTC");
  await page.getByRole("table", { name: "Sources of calls" }).waitFor();
  await page.getByRole("region", { name: "Doctor" }).getByText("configuration").first().waitFor({ timeout: 60_000 });
  await look();
  const lost = await page.locator("dl dd").first().innerText();
  check("nothing is lost", lost.replace(/\s+/g, " "), "0 calls");
}
