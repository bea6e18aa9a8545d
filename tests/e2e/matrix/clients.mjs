// Ordinary programs, one per client library: a JSON call and a streamed one, no trace of Farebox.
//
//     node clients.mjs NAME

const ask = [{ role: "user", content: "hi" }];
const url = "https://api.openai.com/v1/chat/completions";

async function post(body) {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
    body: JSON.stringify(body),
  });
}

const clients = {
  async fetch() {
    const answer = await (await post({ model: "gpt-4o", messages: ask })).json();
    console.log(answer.choices[0].message.content);
    const stream = await post({ model: "gpt-4o", messages: ask, stream: true });
    for await (const piece of stream.body) process.stdout.write(piece);
  },
  async https() {
    const { request } = await import("node:https");
    for (const stream of [false, true]) {
      await new Promise((resolve, reject) => {
        const asked = request(url, { method: "POST", headers: { "content-type": "application/json" } }, (answer) => {
          answer.on("data", (piece) => process.stdout.write(piece));
          answer.on("end", resolve);
        });
        asked.on("error", reject);
        asked.end(JSON.stringify({ model: "gpt-4o", messages: ask, stream }));
      });
    }
  },
  async undici() {
    // A dispatcher of the program's own, which looks at no proxy variable.
    const { Agent, request } = await import("undici");
    const dispatcher = new Agent({ keepAliveTimeout: 1000, pipelining: 1 });
    for (const stream of [false, true]) {
      const { body } = await request(url, {
        dispatcher,
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "gpt-4o", messages: ask, stream }),
      });
      for await (const piece of body) process.stdout.write(piece);
    }
  },
  async openai() {
    const { default: OpenAI } = await import("openai");
    const client = new OpenAI();
    const answer = await client.chat.completions.create({ model: "gpt-4o", messages: ask });
    console.log(answer.choices[0].message.content);
    const stream = await client.chat.completions.create({ model: "gpt-4o", messages: ask, stream: true });
    for await (const chunk of stream) process.stdout.write(chunk.choices[0].delta.content ?? "");
    console.log((await client.responses.create({ model: "gpt-4o", input: "hi" })).output_text);
  },
  async ws() {
    const { default: Socket } = await import("ws");
    await clients.websocket(Socket);
  },
  async websocket(Socket = globalThis.WebSocket) {
    // The host is in the program: no base URL leads to the proxy.
    const socket = new Socket("wss://api.openai.com/v1/realtime?model=gpt-realtime");
    await new Promise((resolve, reject) => {
      socket.onerror = ({ message }) => reject(new Error(message));
      socket.onmessage = ({ data }) => {
        const { type } = JSON.parse(data);
        console.log(type);
        if (type === "session.created") socket.send(JSON.stringify({ type: "response.create" }));
        if (type === "response.done") resolve();
      };
    });
    socket.close();
  },
  async openai_realtime() {
    const { OpenAIRealtimeWS } = await import("openai/realtime/ws");
    const connection = new OpenAIRealtimeWS({ model: "gpt-realtime" });
    await new Promise((resolve, reject) => {
      connection.on("error", reject);
      connection.on("event", (event) => {
        console.log(event.type);
        if (event.type === "session.created") connection.send({ type: "response.create" });
        if (event.type === "response.done") resolve();
      });
    });
    connection.close();
  },
  async anthropic() {
    const { default: Anthropic } = await import("@anthropic-ai/sdk");
    const client = new Anthropic();
    const options = { model: "claude-sonnet-4-5", max_tokens: 64, messages: ask };
    console.log((await client.messages.create(options)).content[0].text);
    for await (const event of client.messages.stream(options)) {
      if (event.type === "content_block_delta") process.stdout.write(event.delta.text);
    }
  },
  async google() {
    const { GoogleGenAI } = await import("@google/genai");
    const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY });
    const options = { model: "gemini-2.5-flash", contents: "hi" };
    console.log((await client.models.generateContent(options)).text);
    for await (const chunk of await client.models.generateContentStream(options)) process.stdout.write(chunk.text);
  },
  async vercel() {
    const { generateText, streamText } = await import("ai");
    const { openai } = await import("@ai-sdk/openai");
    const { anthropic } = await import("@ai-sdk/anthropic");
    for (const model of [openai.chat("gpt-4o"), anthropic("claude-sonnet-4-5")]) {
      console.log((await generateText({ model, prompt: "hi" })).text);
      for await (const text of streamText({ model, prompt: "hi" }).textStream) process.stdout.write(text);
    }
  },
};

await clients[process.argv[2]]();
