#!/usr/bin/env bash
# offline.sh COMMAND...: runs it where nothing but loopback can be reached, if this machine has network namespaces;
# else as it is. HEARTH_OFFLINE says which.
set -euo pipefail
loopback_up='import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: up, running'
namespace=(unshare --net)
[ "$(id -u)" = 0 ] || namespace=(unshare --net --map-root-user)
if "${namespace[@]}" python3 -c "$loopback_up" 2>/dev/null; then
  export HEARTH_OFFLINE=1
  exec "${namespace[@]}" bash -c 'python3 -c "$1"; shift; exec "$@"' bash "$loopback_up" "$@"
fi
HEARTH_OFFLINE='' exec "$@"
