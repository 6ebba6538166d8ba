#!/bin/bash
# dev_test.sh SOURCE_DIR: ./dev in a folder of its own, where packages, builds and `hearth` are doubles
# that write down what they were asked for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$1/dev" "$folder/dev"
mkdir -p "$folder/bin" "$folder/build/bin"
export FOLDER=$folder
fail() { printf '%s\n' "$@" >&2; exit 1; }

double() {  # double NAME BODY
  printf '#!/bin/bash\n%s\n' "$2" >"$folder/bin/$1"
  chmod +x "$folder/bin/$1"
}
for tool in bash cat chmod cut dirname env flock grep head ls mkdir awk nproc readlink rm tail tr uname; do
  ln -s "$(command -v $tool)" "$folder/bin/$tool"
done
double cmake 'exit 0'
double npm 'exit 0'
double df 'printf "head\\nfs 9 9 99999 9 /\\n"'
double python3 'exit 0'
double apt-get 'echo "apt-get $*" >>"$FOLDER/said"'
double apt-cache 'exit 0'
export PATH=$folder/bin
dev() { (cd / && "$folder/dev" "$@"); }

# What is missing is named, and the network left alone, where nobody may install.
double dpkg-query '[ "${!#}" = cmake ] || echo "install ok installed"'
double id 'echo 1000'
out=$(dev run hello 2>&1) && fail "it went on without packages"
grep -q 'installing packages needs root or sudo; have installed: cmake$' <<<"$out" || fail "unclear:" "$out"
[ ! -e "$folder/said" ] || fail "it asked the network: $(cat "$folder/said")"
double id 'echo 0'
dev build >/dev/null 2>&1
grep -q 'apt-get install .* cmake$' "$folder/said" || fail "not installed: $(cat "$folder/said")"

# The prompt is a prompt, whatever it looks like, and what is piped in stays with whoever piped it.
double dpkg-query 'echo "install ok installed"'
printf '#!/bin/bash\n[ "$1" != models ] || echo "\\"name\\""\nprintf "%%s|" "$@"; [ "$1" != chat ] || { printf "stdin:"; cat; }; echo\n' >"$folder/build/bin/hearth"
chmod +x "$folder/build/bin/hearth"
asked() {  # asked EXPECTED ARGUMENTS...
  local expected=$1 out rest
  shift
  exec 8< <(echo "the rest of a script")
  out=$(dev run "$@" <&8 2>/dev/null | grep '^chat')
  read -r rest <&8 || fail "the piped text is gone"
  [ "$out" = "$expected" ] || fail "expected: $expected" "got:      $out"
}
asked 'chat|--stats|--|--help me|stdin:' --help me
asked 'chat|--stats|--|- why?|stdin:' '- why?'
asked 'chat|--stats|--|Say hello in one sentence.|stdin:'
