#!/usr/bin/env bash
# ensure_chromium.sh BIN : make sure that there is a Chromium for the browser tests.
set -u
bin=$1
found() { "$bin/python" tools/local_browser.py; }

if name=$(found); then
  echo "Browser: $name"
  exit 0
fi
if [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
  echo "No Chromium here; installing Debian's"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium < /dev/null \
    > /dev/null
else
  echo "No Chromium here; asking Playwright for its own"
  "$bin/playwright" install chromium < /dev/null
fi
if name=$(found); then
  echo "Browser: $name"
else
  echo "Expected a Chromium for the browser tests, found none and could not install one;" \
    "install chromium, or set MTL_CHROMIUM to the path of one." >&2
  exit 1
fi
