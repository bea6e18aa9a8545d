import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { exactMoney, formatMoney, largest, permille, scaleTicks } from "./money";

interface Vector {
  pico: string;
  usd: string;
  display: string;
}

const vectors = JSON.parse(readFileSync("../tests/snapshots/money.json", "utf8")) as Vector[];

describe("money", () => {
  it.each(vectors)("shows $pico pico-dollars as the command line does: $display", ({ pico, display }) => {
    expect(formatMoney(pico)).toBe(display);
  });

  it.each(vectors)("keeps every digit of $pico on hover", ({ pico, usd }) => {
    const shown = exactMoney(pico).replaceAll(",", "").replace("$", "");
    expect(shown.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")).toBe(usd);
  });

  it("never goes through a JavaScript number", () => {
    expect(exactMoney("9007199254740993")).toBe("$9,007.199254740993");
    expect(exactMoney("123456789012345678901234567890")).toBe("$123,456,789,012,345,678.90123456789");
  });

  it("measures bars in thousandths", () => {
    expect(permille("1", "3")).toBe(333);
    expect(permille("5", "0")).toBe(0);
    expect(largest(["2", "10", "9"])).toBe("10");
  });

  it("draws at most four round lines", () => {
    expect(scaleTicks("280000000000").map(formatMoney)).toEqual(["$0.20", "$0.10"]);
    expect(scaleTicks("4300000000000").map(formatMoney)).toEqual(["$4.00", "$3.00", "$2.00", "$1.00"]);
    expect(scaleTicks("0")).toEqual([]);
    for (const top of ["1", "7", "10", "99", "123456789", "999999999999"]) {
      expect(scaleTicks(top).length).toBeLessThanOrEqual(4);
    }
  });
});
