// What metering adds to a call and to an event of a stream, in microseconds: `node test/bench.js URL CALLS`.
// Plain and metered calls take turns, so that whatever else the machine does happens to both.

import { configure, flush, meter } from "../src/index.js";

const [url, calls] = [process.argv[2], Number(process.argv[3])];
const EVENTS = 300;
configure({ providers: { [url]: "openai" } });
const asked = { method: "POST", body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "word ".repeat(200) }] }) };
const plain = globalThis.fetch;
const metered = meter(plain);

async function timed(send, headers) {
  const began = process.hrtime.bigint();
  const response = await send(`${url}/v1/chat/completions`, { ...asked, headers });
  if (headers === undefined) await response.json();
  else for await (const _ of response.body);
  return Number(process.hrtime.bigint() - began) / 1000;
}

async function added(headers, count) {
  const times = [[], []];
  for (let number = 0; number < count + 50; number += 1) {
    for (const [place, send] of [plain, metered].entries()) {
      const took = await timed(send, headers);
      if (number >= 50) times[place].push(took); // the first ones warm up
    }
  }
  const at = (list, share) => list.sort((a, b) => a - b)[Math.floor(list.length * share)];
  return { p50: at(times[1], 0.5) - at(times[0], 0.5), p99: at(times[1], 0.99) - at(times[0], 0.99) };
}

const call = await added(undefined, calls);
const stream = await added({ "x-mock-events": String(EVENTS) }, Math.ceil(calls / 10));
await flush();
console.log(JSON.stringify({ call_p50_us: call.p50, call_p99_us: call.p99, event_us: stream.p50 / EVENTS }));
