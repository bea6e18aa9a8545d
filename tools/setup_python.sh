#!/usr/bin/env bash
# Make .venv and install the locked dependencies into it: `setup_python.sh runtime|dev|fuzz`.
# Needs Python 3.11 or newer with venv, or uv; installs nothing outside the clone but caches.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${FAREBOX_BUILD_CACHE:-$HOME/.cache/farebox-build}"
case "${1:-}" in
  runtime) locks=(-r requirements.lock -r requirements-build.lock) ;;
  dev) locks=(-r requirements-dev.lock) ;;
  fuzz) locks=(-r requirements-dev.lock -r requirements-fuzz.lock) ;;
  *) echo "usage: $0 runtime|dev|fuzz" >&2; exit 64 ;;
esac

find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 python; do
    if command -v "$candidate" >/dev/null && "$candidate" -c \
      'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo "Farebox needs Python 3.11 or newer; none was found. Install one, or name it: make PYTHON=/path/to/python3 …" >&2
  exit 69
}

venv_works() { .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if ! venv_works; then
  python="$(find_python)"
  echo "Setting up .venv with $("$python" --version)" >&2
  rm -rf .venv
  if command -v uv >/dev/null; then
    uv venv --quiet --python "$python" .venv
  elif ! "$python" -m venv .venv 2>/dev/null; then
    echo "$python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 69
  fi
fi

if command -v uv >/dev/null; then
  uv pip install --quiet --python .venv/bin/python --require-hashes "${locks[@]}"
  uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
else
  .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
  pip=(.venv/bin/python -m pip --cache-dir "$cache/pip" --disable-pip-version-check --quiet install)
  "${pip[@]}" --require-hashes "${locks[@]}"
  "${pip[@]}" --no-deps --no-build-isolation --editable .
fi
