#!/usr/bin/env bash
# Fetches the SQLite amalgamation into DIR: scripts/fetch_sqlite.sh DIR
# It comes out of the npm package better-sqlite3, which carries it unmodified; both hashes are pinned.
set -euo pipefail
dir=$1
package=better-sqlite3@13.2.0
sqlite_c_sha256=75a4760a7b9727a4c4c877aec92eacf39e52a8f2921ce00bd33be6d3a8e8e254
sqlite_h_sha256=d6c84557261893439b341d2e6c35187ae3ea24fbfd843ad94616f72d89242b8c

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! (cd "$work" && npm pack --silent "$package" >/dev/null); then
  echo "fetch_sqlite: npm could not download $package: check the network and that npm is installed" >&2
  exit 1
fi
tar -xzf "$work"/better-sqlite3-*.tgz -C "$work" package/deps/sqlite3
c=$work/package/deps/sqlite3/sqlite3.c h=$work/package/deps/sqlite3/sqlite3.h
if ! printf '%s\n' "$sqlite_c_sha256  $c" "$sqlite_h_sha256  $h" | sha256sum --check --quiet; then
  echo "fetch_sqlite: $package does not hold the expected SQLite; nothing was installed" >&2
  exit 1
fi
mkdir -p "$dir"
cp "$h" "$dir/sqlite3.h"
cp "$c" "$dir/sqlite3.c.part" && mv "$dir/sqlite3.c.part" "$dir/sqlite3.c"
