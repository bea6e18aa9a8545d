// `node --import farebox/register app.js`: meter a program without a change to it.

import { instrument } from "./instrument.js";

instrument();
