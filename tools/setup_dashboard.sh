#!/usr/bin/env bash
# Build the dashboard into src/farebox/server/web. Needs Node 20 or newer with npm.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v npm >/dev/null || ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'; then
  echo "Building the dashboard needs Node 20 or newer with npm; $(node --version 2>/dev/null || echo no Node) was found." >&2
  exit 69
fi
export npm_config_cache="${FAREBOX_BUILD_CACHE:-$HOME/.cache/farebox-build}/npm"
export PATH="$PWD/.venv/bin:$PATH" # the build asks the server for its API
cd dashboard
lock="$(cksum < package-lock.json)"
if [ ! -d node_modules ] || [ "$(cat node_modules/.lock-sum 2>/dev/null)" != "$lock" ]; then
  # Not `npm ci`: it refuses a lock without an entry for every other platform's optional binaries,
  # and not every registry has them all. Versions and hashes of the lock hold here, too.
  npm install --no-save --silent --no-audit --no-fund
  echo "$lock" > node_modules/.lock-sum
fi
npm run --silent build
