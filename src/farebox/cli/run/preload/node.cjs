'use strict';
// Loaded into Node by `farebox run`. Programs that look at no proxy variable (every `fetch` and `https`
// before Node 22.21, and in any version http2, ws, undici with a dispatcher of its own, sockets) make their TLS
// connections with `tls.connect`: here those to hosts that are metered, and only those, go through the proxy.
// Whatever goes wrong in here leaves Node as it was.

const proxy = process.env.FAREBOX_PROXY;
const patterns = (process.env.FAREBOX_HOSTS || '').split(',').filter(Boolean);

/** Return the options that a call of `tls.connect` names, and its callback. */
function read(parameters) {
  const done = parameters.find((parameter) => typeof parameter === 'function');
  const given = parameters.find((parameter) => typeof parameter === 'object' && parameter !== null);
  const options = { ...given };
  if (typeof parameters[0] !== 'object') {
    options.port = parameters[0];
    if (typeof parameters[1] === 'string') options.host = parameters[1];
  }
  return { options, done };
}

/** A connection to `host` through the proxy. It can be written to at once: what is written waits for the tunnel. */
function tunnel(host, port) {
  const net = require('node:net');
  const { Duplex } = require('node:stream');
  const to = new URL(proxy);
  let open = false;
  let head = '';
  let waiting = null;
  const below = net.connect({ host: to.hostname, port: Number(to.port) });
  const above = new Duplex({
    allowHalfOpen: true,
    read() {
      if (open) below.resume();
    },
    write(piece, encoding, written) {
      if (open) below.write(piece, encoding, written);
      else waiting = { piece, encoding, written };
    },
    final(ended) {
      below.end(ended);
    },
    destroy(error, destroyed) {
      below.destroy();
      destroyed(error);
    },
  });
  const take = (piece) => {
    if (!above.push(piece)) below.pause();
  };
  below.setNoDelay(true);
  below.on('connect', () => {
    const lines = [`CONNECT ${host}:${port} HTTP/1.1`, `Host: ${host}:${port}`, `User-Agent: node/${process.versions.node}`];
    if (to.username) {
      const pair = `${decodeURIComponent(to.username)}:${decodeURIComponent(to.password)}`;
      lines.push(`Proxy-Authorization: Basic ${Buffer.from(pair).toString('base64')}`);
    }
    below.write(`${lines.join('\r\n')}\r\n\r\n`);
  });
  below.on('data', (piece) => {
    if (open) return take(piece);
    head += piece.toString('latin1');
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const status = Number(head.split(' ', 2)[1]);
    if (status !== 200) return above.destroy(new Error(`Farebox: no tunnel to ${host}:${port} (${status})`));
    open = true;
    const rest = Buffer.from(head.slice(end + 4), 'latin1');
    if (rest.length > 0) take(rest);
    if (waiting) below.write(waiting.piece, waiting.encoding, waiting.written);
    waiting = null;
    return undefined;
  });
  below.on('end', () => (open ? above.push(null) : above.destroy(new Error(`Farebox: no tunnel to ${host}:${port}`))));
  below.on('error', (error) => above.destroy(error));
  below.on('close', () => above.destroy());
  return { above, below };
}

/** Let `tls.connect` use a tunnel for metered hosts; all that speaks TLS in Node calls it. */
function teach(metered) {
  const tls = require('node:tls');
  const usual = tls.connect;
  tls.connect = function connect(...parameters) {
    let options;
    let done;
    try {
      ({ options, done } = read(parameters));
      const host = options.host;
      // A socket of the program's own is its own proxy, and with its own roots it would not trust ours.
      if (options.socket || options.path || options.socketPath || options.ca || !metered(host)) {
        return usual.apply(this, parameters);
      }
    } catch {
      return usual.apply(this, parameters);
    }
    const { above, below } = tunnel(options.host, options.port || 443);
    const { lookup, ...others } = options;
    const servername = options.servername === undefined ? options.host : options.servername;
    const secured = usual.call(this, { ...others, servername, socket: above }, done);
    for (const name of ['ref', 'unref', 'setKeepAlive', 'setNoDelay']) {
      const own = secured[name];
      secured[name] = function forwarded(...values) {
        below[name](...values);
        return own.apply(this, values);
      };
    }
    return secured;
  };
  require('node:module').syncBuiltinESMExports();
}

if (proxy && patterns.length > 0) {
  try {
    teach(require('./proxied.cjs').proxied(patterns, process.env.NO_PROXY));
  } catch {
    // Not metering is better than not running.
  }
}
