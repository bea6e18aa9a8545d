/**
 * Every screen over a server that is slow and one that fails: no figure stands beneath a label that it does
 * not belong to, and what went wrong is said once.
 */
export default async function walk({ page, setting, go, check, forgive }) {
  await page.addInitScript(hurried);
  await go("/?tz=UTC");
  const links = page.getByRole("navigation", { name: "Screens" }).first().getByRole("link");
  const screens = await links.evaluateAll((all) => all.map((link) => new URL(link.href).pathname));
  let isFailing = false;
  let held = [];
  const fail = (route) => route.fulfill({ status: 500, json: FAILURE }).catch(() => {}); // its page may be gone
  await page.route(/\/api\/v1\/(?!live|status)/, (route) => (isFailing ? fail(route) : held.push(route)));
  for (const path of screens) {
    await page.goto(`${setting.origin}${path}?tz=UTC&since=7d`);
    await page.locator(".skeleton").first().waitFor();
    await checked("slow", 0);
    isFailing = true;
    await Promise.all(held.map(fail));
    await page.getByText(FAILURE.message).first().waitFor({ timeout: 30_000 });
    await checked("failing", 1);
    isFailing = false;
    held = [];

    async function checked(state, notices) {
      check(`money on ${path} while the server is ${state}`, await money(page), []);
      const found = await page.getByRole("alert").count();
      check(`notices on ${path} while the server is ${state}`, found <= notices, true);
    }
  }
  await page.unrouteAll({ behavior: "ignoreErrors" });
  forgive("500 (Internal Server Error)");
  forgive("net::ERR_FAILED");
}

/** Have what fails be asked again at once: what waits for seconds waits for hundredths. */
function hurried() {
  const { setTimeout } = window;
  window.setTimeout = (work, wait, ...given) => setTimeout(work, wait >= 1_000 ? wait / 100 : wait, ...given);
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
