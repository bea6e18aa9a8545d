#!/usr/bin/env bash
# Make sure one program is there: `setup_package.sh chromium|nginx|wrk|php|ruby|go|tmux|venv`, from the system's packages
# when it is missing and this user may install them, else with a word on what to do.
set -euo pipefail

program="${1:?which program}"
export PATH="$PATH:/usr/sbin:/sbin"
case "$program" in
  chromium) package=chromium; names=(chromium chromium-browser google-chrome) ;;
  nginx) package=nginx-light; names=(nginx) ;;
  wrk) package=wrk; names=(wrk) ;;
  php) package="php-cli php-curl"; names=(php) ;;
  go) package=golang-go; names=(go) ;;
  ruby) package=ruby; names=(ruby) ;;
  tmux) package=tmux; names=(tmux) ;;
  venv) package=python3-venv; names=() ;; # asked for only where Python has no working venv
  *) echo "unknown program $program" >&2; exit 64 ;;
esac

for name in "${names[@]}"; do
  if command -v "$name" >/dev/null; then exit 0; fi
done

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then
    sudo=(sudo -n)
  else
    echo "$program is needed here and missing. Install it, for example: sudo apt-get install $package" >&2
    exit 69
  fi
fi
if ! command -v apt-get >/dev/null; then
  echo "$program is needed here and missing, and there is no apt-get. Install it with your system's packages." >&2
  exit 69
fi
echo "Installing $package" >&2
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
install() {
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $package >"$log" 2>&1
}
install || { "${sudo[@]}" apt-get update >"$log" 2>&1 && install; } || { cat "$log" >&2; exit 69; }
