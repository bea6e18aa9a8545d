import { expect, it } from "vitest";
import { besides, monthNow } from "./MonthPicker";

it("steps over years", () => {
  expect(besides("2026-12", 1)).toBe("2027-01");
  expect(besides("2026-01", -1)).toBe("2025-12");
  expect(besides("2026-05", -14)).toBe("2025-03");
});

it("begins a month when the zone does", () => {
  const moment = new Date("2026-11-30T23:30:00Z");
  expect(monthNow("UTC", moment)).toBe("2026-11");
  expect(monthNow("Europe/Berlin", moment)).toBe("2026-12");
});
