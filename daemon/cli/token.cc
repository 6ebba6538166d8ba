// `hearth token rotate`.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "daemon/protocol/model.h"

namespace hearth::cli {

namespace {

int rotate(const Common& common) {
  auto before = find_daemon(common.folders);
  auto client = connect_to_daemon(common.folders);
  if (!client) return fail(client.error());
  auto rotated = client->call<protocol::TokenRotated>("ops/rotateToken", protocol::Empty{});
  // Every client is dropped, this one too, maybe before its answer has come: daemon.json tells.
  auto now = find_daemon(common.folders);
  if (!rotated && (!before || !now || before->token == now->token)) return fail(rotated.error());
  fmt::print(stderr, "the token is replaced; clients find the new one in daemon.json\n");
  return 0;
}

}  // namespace

Command token_rotate() {
  return command("rotate", "Replace it; clients must read daemon.json again", rotate);
}

}  // namespace hearth::cli
