#!/usr/bin/env bash
# ./dev bench [engine | accuracy | families | serving | agent] ...: figures of this machine, printed and appended to docs/bench.md.
#   (nothing)              the daemon: start, round trips, speed of the default model through HTTP; vocabularies
#   engine [--peers] ...   the engine alone, beside llama.cpp and ik_llama.cpp where they are named
#   accuracy ...           what the fast path's int8 arithmetic costs in accuracy
#   families LABEL=FOLDER  fixtures against their reference's logits, as a table (printed only)
#   serving [MODEL]        many clients on one engine, forecasts
#   agent ...              an agent's day: what is computed again, time to the first token
#   router                 decisions, replay, what the proxy adds to a request, memory of open streams
#   routing [FOLDER...]    the router over simulated agents, recorded loads and recorded outcomes
set -euo pipefail
cd "$(dirname "$0")/../.."
case ${1:-daemon} in
  engine | accuracy | families | serving | agent | router | routing) bench=$1; shift ;;
  *) bench=daemon ;;
esac
case $bench in
  router) cmake --build build/release -- decision_bench proxy_bench >/dev/null ;;
  routing) cmake --build build/release -- decision_bench trace_bench >/dev/null ;;
  daemon) cmake --build build/release -- vocabulary_bench >/dev/null ;;
esac
exec node "tests/bench/${bench}_bench.mjs" "$@"
