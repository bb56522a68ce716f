#!/usr/bin/env bash
# make_env.sh PYTHON VENV EXTRAS : make VENV and install the package with EXTRAS at the pins.
# uv takes half a minute where pip takes several; where uv fails, pip does the same work.
set -eu
python=$1 venv=$2 extras=$3

if ! command -v "$python" > /dev/null; then
  echo "Expected a Python from 3.11.5 to 3.14 under the name '$python', found none;" \
    "install one or say 'make PYTHON=...'." >&2
  exit 1
fi
# Some pins ask for 3.11.5, and none has been tried beyond 3.14.
if ! "$python" -c 'import sys; sys.exit(not (3, 11, 5) <= sys.version_info[:3] < (3, 15))'; then
  echo "Expected a Python from 3.11.5 to 3.14, found $("$python" --version);" \
    "say 'make PYTHON=...' with another one." >&2
  exit 1
fi
# PyTorch has no wheels for Intel Macs, macOS 13, 32 bits, or a C library other than glibc.
if ! machine=$("$python" "$(dirname "$0")/check_platform.py"); then
  echo "Expected Linux with glibc 2.28 (on ARM 2.34), or macOS 14 on Apple silicon, or newer," \
    "found $machine: PyTorch or Warp has no packages for it; see book/setup.md for other ways." >&2
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
