// A support bot: one call, one stream, and what came of it, each on its customer's account.
//
//     npm install
//     node support-bot.js && farebox by customer
//
// With OpenAI's client the same takes one line: new OpenAI({ fetch: meter(fetch) }).

import { attribute, configure, flush, meter, outcome } from "farebox";

const base = process.env.OPENAI_BASE_URL ?? "https://api.openai.com/v1";
if (process.env.OPENAI_BASE_URL) configure({ providers: { [base]: "openai" } });
const metered = meter(fetch);

function ask(question, more = {}) {
  return metered(`${base}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${process.env.OPENAI_API_KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: question }], ...more }),
  });
}

/** Return the model's answer, in one piece. */
function answer(customer, question) {
  return attribute({ customer, task: "t-1", tags: { feature: "support" } }, async () => {
    const response = await ask(question);
    return (await response.json()).choices[0].message.content;
  });
}

/** Print the model's answer as it comes. */
function tell(customer, question) {
  return attribute({ customer, task: "t-2", tags: { feature: "support" } }, async () => {
    const response = await ask(question, { stream: true, stream_options: { include_usage: true } });
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of response.body) {
      const lines = (text + decoder.decode(piece, { stream: true })).split("\n");
      text = lines.pop();
      for (const line of lines.filter((each) => each.startsWith("data: {"))) {
        process.stdout.write(JSON.parse(line.slice(6)).choices[0]?.delta.content ?? "");
      }
    }
    console.log();
  });
}

console.log(await answer("acme", "How do I reset my password?"));
await tell("globex", "Where is my order?");
outcome("ticket.solved", { customer: "globex", task: "t-2" });
await flush();
