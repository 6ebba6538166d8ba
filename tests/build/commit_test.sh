#!/bin/sh
# commit_test.sh CMAKE SOURCE_DIR: what --version shows follows every commit, and a build that has
# none of its own compiles nothing for it.
set -eu
cmake=$1 source=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "$1" >&2; exit 1; }
write() { "$cmake" -D "SOURCE_DIR=$folder" -D "OUT=$folder/commit.cc" "-DBUILD=GNU 1, Release" -P "$source/cmake/WriteCommit.cmake"; }
commit() { git -C "$folder" -c user.name=test -c user.email=test@example.org commit -q --allow-empty -m "$1"; }
shows() { grep -q "kCommit = \"$1\"" "$folder/commit.cc" || fail "expected $1: $(cat "$folder/commit.cc")"; }

export GIT_CEILING_DIRECTORIES=$(dirname "$folder")
write
shows unknown
git init -q "$folder"
for which in one two; do
  commit $which
  write
  shows "$(git -C "$folder" rev-parse --short=12 HEAD)"
done
touch -d '2001-01-01' "$folder/commit.cc"
write
[ "$(stat -c %Y "$folder/commit.cc")" = "$(date -d '2001-01-01' +%s)" ] || fail "the same commit was written anew"
