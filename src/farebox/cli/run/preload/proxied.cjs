'use strict';

/** Return whether connections to a host go through the proxy: a host that is metered and that NO_PROXY leaves. */
exports.proxied = function proxied(patterns, except) {
  const excepted = (except || '').toLowerCase().split(/[\s,]+/).filter(Boolean);
  const escaped = patterns.map((pattern) => pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*'));
  const expression = new RegExp(`^(?:${escaped.join('|')})$`, 'i');
  return (host) => {
    if (typeof host !== 'string' || !expression.test(host)) return false;
    const name = host.toLowerCase();
    return !excepted.some((entry) => entry === '*' || name === entry || name.endsWith(`.${entry.replace(/^\*?\./, '')}`));
  };
};
