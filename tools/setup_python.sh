#!/usr/bin/env bash
# Make .venv and install the locked dependencies into it: `setup_python.sh runtime|dev|fuzz`.
# Needs Python 3.11 or newer with venv; installs nothing outside the clone but caches.
# The locks are complete, so pip resolves nothing: every version and hash comes from them.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${FAREBOX_BUILD_CACHE:-$HOME/.cache/farebox-build}"
case "${1:-}" in
  runtime) locks=(-r requirements.lock -r requirements-build.lock) ;;
  dev) locks=(-r requirements-dev.lock) ;;
  fuzz) locks=(-r requirements-dev.lock -r requirements-fuzz.lock) ;;
  *) echo "usage: $0 runtime|dev|fuzz" >&2; exit 64 ;;
esac

# Builds of the same Python differ by a third in speed (some are compiled without profile-guided
# optimisation), so every usable one is tried for a moment. The first found stays unless another
# is clearly quicker; PYTHON=… decides it.
probe='
import ensurepip, os, sys
from time import process_time
assert sys.version_info >= (3, 11) and sys.implementation.name == "cpython"
def turn():
    began, seen, text = process_time(), {}, ""
    for number in range(20_000):
        text = str(number)
        seen[number & 255] = [text, number]
        text.find("7")
    return process_time() - began
print(round(min(turn() for _ in range(7)) * 1e6), os.path.realpath(sys.executable))
'

find_python() {
  local name candidate took path best="" best_took=0
  local -A seen=()
  for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    while IFS= read -r candidate; do
      read -r took path < <("$candidate" -I -c "$probe" 2>/dev/null) || continue
      if [ -n "${seen[$path]:-}" ]; then continue; fi
      seen[$path]=1
      if [ -z "$best" ] || [ $((took * 100)) -lt $((best_took * 85)) ]; then
        best="$candidate" best_took="$took"
      fi
    done < <(type -aP "$name")
  done
  echo "$best"
}

no_python() {
  echo "Farebox needs CPython 3.11 or newer with venv (on Debian and Ubuntu: apt-get install python3-venv)." \
    "None was found. Install one, or name it: make PYTHON=/path/to/python3 …" >&2
  exit 69
}

# A virtual environment made without pip cannot be installed into: it is made again.
venv_works() { .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if ! venv_works; then
  python="$(find_python)"
  if [ -z "$python" ] && [ -z "${PYTHON:-}" ] && command -v apt-get >/dev/null; then
    tools/setup_package.sh venv && python="$(find_python)" # Debian's Python comes without venv
  fi
  [ -n "$python" ] || no_python
  echo "Setting up .venv with $("$python" --version), $python" >&2
  rm -rf .venv
  "$python" -m venv .venv
fi

pip=(.venv/bin/python -m pip --cache-dir "$cache/pip" --disable-pip-version-check --quiet install --no-deps)
"${pip[@]}" --require-hashes "${locks[@]}"
"${pip[@]}" --no-build-isolation --editable .
