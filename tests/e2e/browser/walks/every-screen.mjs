/** Every screen that has no walk of its own is drawn without a complaint. */
export default async function walk({ page, setting, go, look }) {
  await go("/?tz=UTC&since=30d");
  const links = page.getByRole("navigation", { name: "Screens" }).first().getByRole("link");
  const screens = await links.evaluateAll((all) => all.map((link) => new URL(link.href).pathname));
  for (const path of screens.filter((each) => each !== "/" && !setting.walks.includes(each.slice(1)))) {
    await go(`${path}?tz=UTC&since=30d`);
    await look(path.slice(1));
  }
}
