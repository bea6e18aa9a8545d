import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { Delta } from "./Delta";
import { Change } from "./Money";

it("says what it was in place of a percentage of thousands", () => {
  const { unmount } = render(<Delta percent="+48211.0" against="in the span before" before="$0.03" />);
  expect(document.body.textContent).toBe("was $0.03 in the span before");
  unmount();
  render(<Delta percent="-12.5" against="in the span before" before="$0.03" />);
  expect(document.body.textContent).toContain("12.5 % vs the span before");
});

it("shows a difference with its sign, and every digit on hover", () => {
  render(
    <p data-testid="changes">
      <Change pico="1234567890123" /> <Change pico="-500000000000" /> <Change pico="0" />
    </p>,
  );
  expect(screen.getByTestId("changes").textContent).toBe("+$1.23 −$0.50 $0.00");
  expect(screen.getByTitle("+$1.234567890123")).toBeTruthy();
});
