// An ordinary Node program: the built-in fetch, a stream, and https with an agent of its own.
import https from 'node:https';

const url = 'https://api.openai.com/v1/chat/completions';
const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-test' };
const messages = [{ role: 'user', content: 'hi' }];

const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ model: 'gpt-4o', messages }) });
console.log((await answer.json()).choices[0].message.content);

const body = JSON.stringify({ model: 'gpt-4o', messages, stream: true, stream_options: { include_usage: true } });
const stream = await fetch(url, { method: 'POST', headers, body });
let text = '';
for await (const piece of stream.body) text += new TextDecoder().decode(piece);
if (!text.endsWith('data: [DONE]\n\n')) throw new Error('the stream has no end');

await new Promise((done, failed) => {
  const agent = new https.Agent({ keepAlive: true });
  const request = https.request(url, { method: 'POST', headers, agent }, (reply) => {
    reply.resume();
    reply.on('end', () => { agent.destroy(); done(); });
  });
  request.on('error', failed);
  request.end(JSON.stringify({ model: 'gpt-4o', messages }));
});
