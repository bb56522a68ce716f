#!/usr/bin/env bash
# make_env.sh PYTHON VENV EXTRAS : make VENV and install the package with EXTRAS at the pins.
# uv takes half a minute where pip takes several; where uv fails, pip does the same work.
set -eu
python=$1 venv=$2 extras=$3

if ! command -v "$python" > /dev/null; then
  echo "Expected a Python 3.11 or newer under the name '$python', found none;" \
    "install one or say 'make PYTHON=...'." >&2
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Expected Python 3.11 or newer, found $("$python" --version);" \
    "say 'make PYTHON=...' with a newer one." >&2
  exit 1
fi

if [ ! -x "$venv/bin/python" ]; then
  echo "Making $venv with $("$python" --version)"
  if ! "$python" -m venv "$venv"; then
    rm -rf "$venv"
    echo "Expected '$python -m venv' to work, and it failed; on Debian and Ubuntu install" \
      "the package python3-venv." >&2
    exit 1
  fi
fi

echo "Installing mtl-helpers[$extras] at the pins of constraints.txt"
started=$SECONDS
install=(install --quiet -e ".[$extras]" -c constraints.txt)
if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt uv \
  && "$venv/bin/uv" pip "${install[@]}" --python "$venv/bin/python"; then
  :
else
  echo "uv did not manage; installing with pip, which takes some minutes"
  "$venv/bin/python" -m pip --disable-pip-version-check "${install[@]}"
fi
echo "Installed in $((SECONDS - started)) s"
