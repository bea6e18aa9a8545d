import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import type { AlertView } from "@/shared/api/types";
import { StateChip } from "./states";

function chip(firing: number, snoozed: (string | null)[] = [], more = 0): string {
  const alert = {
    firing: Array.from({ length: firing }, () => ({ value: null, since: "", words: "" })),
    more_firing: more,
    snoozes: snoozed.map((value) => ({ value })),
  } as unknown as AlertView;
  const { unmount } = render(<StateChip alert={alert} />);
  const text = screen.getByText(/./).textContent ?? "";
  unmount();
  return text;
}

it("says whether an alert fires, and that a snoozed one does", () => {
  expect(chip(0)).toBe("quiet");
  expect(chip(1)).toBe("firing");
  expect(chip(100, [], 20)).toBe("firing (120)");
  expect(chip(0, [null])).toBe("snoozed");
  expect(chip(2, [null])).toBe("snoozed, firing (2)");
  expect(chip(1, ["acme"])).toBe("firing"); // one value is snoozed, the alert is not
});
