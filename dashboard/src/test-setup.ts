import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

configure({ asyncUtilTimeout: 20_000 }); // a loaded machine is slow, and time decides no test
afterEach(cleanup);

// jsdom knows no modal dialogs: open is open.
HTMLDialogElement.prototype.showModal ??= function showModal(): void {
  this.open = true;
};
HTMLDialogElement.prototype.close ??= function close(): void {
  this.open = false;
  this.dispatchEvent(new Event("close"));
};
