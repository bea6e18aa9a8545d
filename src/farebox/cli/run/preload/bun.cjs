'use strict';
// Loaded into Bun by `farebox run`. Bun's `fetch` looks at the proxy variables, its WebSocket does not: those to
// hosts that are metered, and only those, are told. Versions without that option go on as they did.

const proxy = process.env.FAREBOX_PROXY;
const patterns = (process.env.FAREBOX_HOSTS || '').split(',').filter(Boolean);

function teach() {
  const { proxied } = require('./proxied.cjs');
  const metered = proxied(patterns, process.env.NO_PROXY);
  globalThis.WebSocket = new Proxy(globalThis.WebSocket, {
    construct(usual, [address, second, ...others], target) {
      const plain = () => Reflect.construct(usual, [address, second, ...others], target === socket ? usual : target);
      try {
        const { protocol, hostname } = new URL(String(address));
        const given = typeof second === 'string' || Array.isArray(second) ? { protocols: second } : second;
        if (protocol !== 'wss:' || !metered(hostname) || (given && (given.proxy || given.tls))) return plain();
        return Reflect.construct(usual, [address, { ...given, proxy }, ...others], target === socket ? usual : target);
      } catch {
        return plain();
      }
    },
  });
  const socket = globalThis.WebSocket;
}

if (proxy && patterns.length > 0) {
  try {
    teach();
  } catch {
    // Not metering is better than not running.
  }
}
