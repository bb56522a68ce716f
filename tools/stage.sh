#!/usr/bin/env bash
# stage.sh TIMINGS "what it does" COMMAND... : run one stage, say what it is, note its seconds.
set -u
timings=$1 title=$2
shift 2
mkdir -p "$(dirname "$timings")"
echo
echo "=== $title"
started=$SECONDS
"$@"
status=$?
took=$((SECONDS - started))
if [ $status -eq 0 ]; then
  printf '%6d  %s\n' "$took" "$title" >> "$timings"
  echo "--- $title: ${took} s"
else
  echo "--- $title: failed after ${took} s (exit status $status)" >&2
fi
exit $status
