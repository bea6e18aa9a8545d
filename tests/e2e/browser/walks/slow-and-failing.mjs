/**
 * Every screen over a server that is slow and one that fails: no figure stands beneath a label that it does
 * not belong to, and what went wrong is said once.
 */
export default async function walk({ page, setting, go, check, forgive }) {
  await go("/?tz=UTC");
  const links = page.getByRole("navigation", { name: "Screens" }).first().getByRole("link");
  const screens = await links.evaluateAll((all) => all.map((link) => new URL(link.href).pathname));
  let mode = "slow";
  const held = [];
  await page.route(/\/api\/v1\/(?!live|status)/, (route) => {
    if (mode === "slow") held.push(route);
    else if (mode === "failing") void route.fulfill({ status: 500, json: FAILURE });
    else void route.continue();
  });
  for (const path of screens) {
    for (const state of ["slow", "failing"]) {
      mode = state;
      await page.goto(`${setting.origin}${path}?tz=UTC&since=7d`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      if (state === "failing") await page.getByText(FAILURE.message).first().waitFor({ timeout: 30_000 });
      else await page.locator(".skeleton").first().waitFor();
      check(`money on ${path} while the server is ${state}`, await money(page), []);
      const alerts = await page.getByRole("alert").count();
      check(`notices on ${path} while the server is ${state}`, alerts <= (state === "slow" ? 0 : 1), true);
    }
    mode = "slow";
    await Promise.all(held.splice(0).map((route) => route.abort().catch(() => {})));
  }
  await page.unrouteAll({ behavior: "ignoreErrors" });
  forgive("500 (Internal Server Error)");
  forgive("net::ERR_FAILED");
}

const FAILURE = { code: "internal_error", message: "The test lets this fail.", details: {} };

/** Return the amounts on the page that are shown as current. */
function money(page) {
  return page.locator("main").evaluate((main) => {
    const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const text = walker.currentNode;
      if (/\$\s?\d/.test(text.data) && !text.parentElement.closest('[aria-busy="true"]')) found.push(text.data);
    }
    return found;
  });
}
