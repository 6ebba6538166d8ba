#!/bin/sh
# install_test.sh CMAKE BUILD_DIR: what `cmake --install` gives, and that building `hearth` is enough for it.
set -eu
cmake=$1 build=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "$1" >&2; exit 1; }
for shell in bash zsh fish; do
  ninja -C "$build" -t commands hearth | grep -q "completion $shell" || fail "hearth is built without the completion for $shell"
done
"$cmake" --install "$build" --prefix "$folder" >/dev/null
for file in bin/hearth share/bash-completion/completions/hearth share/zsh/vendor-completions/_hearth \
  share/fish/vendor_completions.d/hearth.fish lib/systemd/user/hearth.service share/doc/hearth/README.md; do
  [ -s "$folder/$file" ] || fail "not installed: $file"
done
"$folder/bin/hearth" --version | grep -q '^hearth '
