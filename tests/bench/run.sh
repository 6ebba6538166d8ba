#!/usr/bin/env bash
# ./dev bench [engine | accuracy] ...: figures of this machine, printed and appended to docs/bench.md.
#   (nothing)              the daemon: start, round trips, speed of the default model through HTTP
#   engine [--peers] ...   the engine alone, beside llama.cpp and ik_llama.cpp where they are named
#   accuracy ...           what the fast path's int8 arithmetic costs in accuracy
set -euo pipefail
cd "$(dirname "$0")/../.."
case ${1:-daemon} in
  engine | accuracy) bench=$1; shift ;;
  *) bench=daemon ;;
esac
exec node "tests/bench/${bench}_bench.mjs" "$@"
