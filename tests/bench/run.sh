#!/usr/bin/env bash
# ./dev bench: the foundation's figures on this machine, printed and appended to docs/bench.md.
# Every figure is the median of several runs; the daemon is one of its own, in temporary folders.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec node tests/bench/daemon_bench.mjs "$@"
