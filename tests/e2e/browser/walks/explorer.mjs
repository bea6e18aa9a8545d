/** The calls: sorted on the server, in columns that are chosen, one of them open; by mouse and by keyboard. */
export default async function walk({ page, go, check, look, settled }) {
  const rows = page.locator("[data-call]");
  const receipt = page.getByRole("complementary", { name: "Receipt" });
  const ask = async (query) => (await page.request.get(new URL(`/api/v1/calls?${query}`, page.url()).href)).json();

  await go("/explorer?tz=UTC&since=30d");
  await rows.first().waitFor();
  await look();

  // Sorted on the server: the first row is the most expensive of all, not of the first page.
  await page.getByRole("columnheader", { name: "Cost" }).getByRole("button").click();
  await page.waitForURL(/order=cost/);
  await settled();
  const [costliest] = (await ask("tz=UTC&since=30d&order=cost&limit=1")).calls;
  check("the most expensive call", await rows.first().getAttribute("data-call"), costliest.event_id);
  check("what is sorted by", await page.getByRole("columnheader", { name: "Cost" }).getAttribute("aria-sort"), "descending");

  // All of it as a file, in the same order.
  await page.getByText("Export", { exact: true }).click();
  const href = await page.getByRole("link", { name: "CSV" }).getAttribute("href");
  const csv = await page.request.get(new URL(href, page.url()).href);
  check("the file's type", csv.headers()["content-type"].split(";")[0], "text/csv");
  const [head, first] = (await csv.text()).split("\r\n");
  check("the file's first call", first.split(",")[head.split(",").indexOf("event_id")], costliest.event_id);
  await page.keyboard.press("Escape");

  // Every column, in a table that scrolls within its card; the cost stays in sight.
  const all = "time,model,app,user,customer,session,surface,key,in,cached,write,out,reasoning,tokens,cost,state";
  await go(`/explorer?tz=UTC&since=30d&columns=${all},ttft,latency,speed,attempt,seen,status`);
  await rows.first().waitFor();
  check("a key is shown by its name", (await page.locator("main").innerText()).includes("backend"), true);
  const right = await rows.first().locator("[role=cell]").nth(14).evaluate((cell) => cell.getBoundingClientRect().right);
  check("the cost is in sight", right <= 1440, true);
  await look("columns");

  // A view is kept under a name in the home, and leads back to its screen from any other.
  await page.getByRole("button", { name: /^Views/ }).click();
  await page.getByRole("textbox", { name: "Keep this one as" }).fill("Everything");
  await page.getByRole("button", { name: "Keep", exact: true }).click();
  await page.getByRole("dialog", { name: "Saved views" }).waitFor({ state: "detached" });
  await go("/reliability?tz=UTC&since=7d");
  await page.getByRole("button", { name: "Views (1)" }).click();
  await look("views");
  await page.getByRole("button", { name: "Everything Explorer", exact: true }).click();
  await page.waitForURL(/explorer.*columns=time/);
  await go("/explorer?tz=UTC&since=30d");

  // By keyboard; what is open is in the address.
  await page.keyboard.press("j");
  await page.keyboard.press("e");
  await receipt.getByTestId("receipt-cost").waitFor();
  check("who saw it", (await receipt.innerText()).includes("Seen by"), true);
  await look("receipt");
  await page.reload();
  await receipt.getByTestId("receipt-cost").waitFor();
  await page.keyboard.press("Escape");
  await receipt.waitFor({ state: "detached" });
  check("the address afterwards", new URL(page.url()).search, "?tz=UTC&since=30d");

  // On a phone the receipt is a sheet with a button that closes it.
  await page.setViewportSize({ width: 390, height: 844 });
  await rows.first().click();
  await receipt.getByTestId("receipt-cost").waitFor();
  await page.getByRole("button", { name: "Close the receipt" }).click();
  await receipt.waitFor({ state: "detached" });
}
