// What a client library makes of a call that a budget refuses.
//
//     node refusals.mjs NAME BASE_URL

const [name, base] = process.argv.slice(2);
const ask = [{ role: "user", content: "hi" }];

const clients = {
  async openai() {
    const { default: OpenAI } = await import("openai");
    const client = new OpenAI({ apiKey: "sk-test", baseURL: `${base}/openai/v1` });
    const { RateLimitError } = OpenAI;
    return [
      [RateLimitError, () => client.chat.completions.create({ model: "gpt-4o", messages: ask })],
      [RateLimitError, () => client.chat.completions.create({ model: "gpt-4o", messages: ask, stream: true })],
      [RateLimitError, () => client.responses.create({ model: "gpt-4o", input: "hi" })],
    ];
  },
  async anthropic() {
    const { default: Anthropic } = await import("@anthropic-ai/sdk");
    const client = new Anthropic({ apiKey: "sk-test", baseURL: `${base}/anthropic` });
    const body = { model: "claude-sonnet-4-5", max_tokens: 100, messages: ask };
    const { RateLimitError } = Anthropic;
    return [
      [RateLimitError, () => client.messages.create(body)],
      [RateLimitError, () => client.messages.create({ ...body, stream: true })],
    ];
  },
  async google() {
    const { GoogleGenAI, ApiError } = await import("@google/genai");
    const { models } = new GoogleGenAI({ apiKey: "test", httpOptions: { baseUrl: `${base}/google` } });
    const body = { model: "gemini-2.5-flash", contents: "hi" };
    return [
      [ApiError, () => models.generateContent(body)],
      [ApiError, () => models.generateContentStream(body)],
    ];
  },
};

for (const [kind, call] of await clients[name]()) {
  try {
    await call();
    console.log(JSON.stringify({ raised: null }));
  } catch (error) {
    const { status, code, message } = error;
    console.log(JSON.stringify({ raised: error.constructor.name, expected: error instanceof kind, status, code, message }));
  }
}
