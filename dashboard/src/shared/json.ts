/** Indent JSON text without reading its numbers: what a provider wrote stays digit for digit. */
export function indentJson(text: string): string {
  let depth = 0;
  let inString = false;
  let out = "";
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index] ?? "";
    if (inString) {
      out += char;
      if (char === "\\") out += text[++index] ?? "";
      else if (char === '"') inString = false;
    } else if (char === '"') {
      inString = true;
      out += char;
    } else if (char === "{" || char === "[") {
      depth += 1;
      out += `${char}\n${"  ".repeat(depth)}`;
    } else if (char === "}" || char === "]") {
      depth = Math.max(depth - 1, 0);
      out += `\n${"  ".repeat(depth)}${char}`;
    } else if (char === ",") out += `,\n${"  ".repeat(depth)}`;
    else if (char === ":") out += ": ";
    else if (!/\s/.test(char)) out += char;
  }
  return out.replace(/([[{])\s+([\]}])/g, "$1$2");
}
