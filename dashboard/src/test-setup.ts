import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

configure({ asyncUtilTimeout: 20_000 }); // a loaded machine is slow, and time decides no test
afterEach(cleanup);
