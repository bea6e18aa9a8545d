/** The shell: navigation by mouse, by keys and by the palette, on wide screens and on a phone. */
export default async function walk({ page, go, check, look, settled }) {
  const path = () => new URL(page.url()).pathname;
  await go("/?tz=UTC&since=7d");
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await page.waitForURL(/\/explorer/);
  check("the span goes along", new URL(page.url()).search, "?since=7d&tz=UTC");

  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: /^Find a screen/ }).waitFor();
  await look("palette");
  await page.keyboard.type("overv");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname === "/");

  // A value from the first keystroke; Back undoes it.
  await page.keyboard.press("/");
  await page.keyboard.type("c");
  await page.getByRole("option", { name: /checkout/ }).first().waitFor();
  await page.keyboard.press("Backspace");
  await page.keyboard.type("summ");
  await page.getByRole("option", { name: /summary Tag feature/ }).click();
  await page.waitForURL(/tag.feature=summary/);
  await page.goBack();
  await settled();

  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await look("help");
  await page.keyboard.press("Escape");

  // On a phone the navigation is a drawer.
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole("button", { name: "Open the navigation" }).click();
  await page.getByRole("dialog", { name: "Navigation" }).getByRole("link", { name: "Explorer" }).click();
  await page.waitForURL(/\/explorer/);
  await settled();
  check("after the drawer", path(), "/explorer");
  check("the drawer is closed", await page.getByRole("dialog", { name: "Navigation" }).isVisible(), false);

  const nowhere = await page.request.get(new URL("/nowhere", page.url()).href);
  check("an unknown path", nowhere.status(), 404);
}
