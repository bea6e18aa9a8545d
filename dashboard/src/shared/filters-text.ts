/** Filters as lines of text, `customer=acme`: one value a line, as flags of a command. */

export type Filters = Record<string, string[]>;

export function filtersText(where: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(where)
    .flatMap(([name, values]) => values.map((value) => `${name}=${value}`))
    .join("\n");
}

/** Read lines; one without `=` is a name without values, which the server refuses with its place. */
export function readFilters(text: string): Filters {
  const found: Filters = {};
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    const name = (at < 0 ? line : line.slice(0, at)).trim();
    const values = found[name] ?? [];
    if (at >= 0) values.push(line.slice(at + 1).trim());
    found[name] = values;
  }
  return found;
}
