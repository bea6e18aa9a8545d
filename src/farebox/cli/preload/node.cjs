'use strict';
// Loaded into Node by `farebox run`. Versions that do not know NODE_USE_ENV_PROXY ignore the proxy
// variables; here their `fetch` and `https` find the proxy for hosts that are metered, and only for those.
// Whatever goes wrong in here leaves Node as it was.

const proxy = process.env.FAREBOX_PROXY;
const patterns = (process.env.FAREBOX_HOSTS || '').split(',').filter(Boolean);

/** Whether this Node does it by itself (fetch since 22.21 and 24.0, http and https since 22.21 and 24.5). */
function knowsTheVariables() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return (major === 22 && minor >= 21) || (major === 24 && minor >= 5) || major > 24;
}

function matcher() {
  const escaped = patterns.map((pattern) => pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*'));
  const expression = new RegExp(`^(?:${escaped.join('|')})$`, 'i');
  return (host) => typeof host === 'string' && expression.test(host);
}

/** Open a tunnel through the proxy and hand its socket to `done(error, socket)`. */
function tunnel(host, port, done) {
  const http = require('node:http');
  const to = new URL(proxy);
  const headers = { host: `${host}:${port}`, 'user-agent': `node/${process.versions.node}` };
  if (to.username) {
    const pair = `${decodeURIComponent(to.username)}:${decodeURIComponent(to.password)}`;
    headers['proxy-authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  const request = http.request({
    host: to.hostname, port: to.port, method: 'CONNECT', path: `${host}:${port}`, headers, agent: false,
  });
  request.once('connect', (answer, socket) => {
    if (answer.statusCode === 200) {
      done(null, socket);
    } else {
      socket.destroy();
      done(new Error(`Farebox: no tunnel to ${host}:${port} (${answer.statusCode})`));
    }
  });
  request.once('error', done);
  request.end();
}

/** Let `fetch` use the tunnel: its dispatcher can be replaced without the undici package. */
function teachFetch(metered) {
  const before = globalThis.fetch;
  if (typeof before !== 'function') return;
  let taught = false;
  function teach() {
    taught = true;
    const name = Symbol.for('undici.globalDispatcher.1');
    void new globalThis.Headers(); // loads the built-in undici, which sets its dispatcher
    const usual = globalThis[name];
    if (!usual || typeof usual.dispatch !== 'function') return;
    const tls = require('node:tls');
    const through = new usual.constructor({
      connect(options, done) {
        const host = options.hostname;
        tunnel(host, options.port || 443, (error, socket) => {
          if (error) return done(error, null);
          const servername = options.servername || host;
          const secured = tls.connect({ socket, servername, ALPNProtocols: ['http/1.1'] });
          secured.once('error', (problem) => done(problem, null));
          secured.once('secureConnect', () => {
            secured.removeAllListeners('error');
            done(null, secured);
          });
        });
      },
    });
    const chosen = Object.create(usual);
    chosen.dispatch = function dispatch(options, handler) {
      const origin = new URL(String(options.origin));
      const ours = origin.protocol === 'https:' && metered(origin.hostname);
      return (ours ? through : usual).dispatch(options, handler);
    };
    globalThis[name] = chosen;
  }
  globalThis.fetch = function fetch(...parameters) {
    if (!taught) {
      try {
        teach();
      } catch {
        // `fetch` works as it always did; the call is not seen.
      }
    }
    return before.apply(this, parameters);
  };
}

/** Let agents of `https` use the tunnel, also those that a library makes for itself. */
function teachHttps(metered) {
  const https = require('node:https');
  const before = https.Agent.prototype.createConnection;
  https.Agent.prototype.createConnection = function createConnection(...parameters) {
    const [options] = parameters;
    const done = parameters[parameters.length - 1];
    const host = options && (options.servername || options.host);
    if (typeof done !== 'function' || !host || options.socketPath || !metered(host)) {
      return before.apply(this, parameters);
    }
    tunnel(host, options.port || 443, (error, socket) => {
      if (error) return done(error);
      const { path, host: _host, port, ...others } = options;
      done(null, require('node:tls').connect({ ...others, socket, servername: host }));
    });
    return undefined;
  };
}

if (proxy && patterns.length > 0 && !knowsTheVariables()) {
  try {
    const metered = matcher();
    teachFetch(metered);
    teachHttps(metered);
  } catch {
    // Not metering is better than not running.
  }
}
