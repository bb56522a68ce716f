#!/usr/bin/env bash
# nbval.sh BIN PROCESSES : re-execute the first page and the chapters at the preset of the book, as
# many at once as there are processes, and compare strictly.
set -eu
shopt -s nullglob
notebooks=(notebooks/welcome.ipynb notebooks/[0-9]*.ipynb notebooks/a[0-9]*.ipynb)
if [ ${#notebooks[@]} -le 1 ]; then
  echo "Expected chapters in notebooks/, found none." >&2
  exit 1
fi
# What trains live may take minutes; the corpora of the preset are rendered first, once for all.
export MTL_PRESET=laptop MTL_PUBLISH=1
# Threads of several kernels share the cores: those that wait sleep, instead of spinning.
export OMP_WAIT_POLICY=PASSIVE
# Another backend than the notebook's own shows no figures, and then outputs differ.
unset MPLBACKEND
"$1/python" -m mtl_helpers corpus --corpus all
exec "$1/pytest" -n "$2" --dist loadfile --nbval --nbval-kernel-name python3 \
  --nbval-cell-timeout 900 --timeout 1200 "${notebooks[@]}"
