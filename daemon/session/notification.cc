#include "session/notification.h"

#include <fmt/format.h>

#include <chrono>

namespace hearth::session {

Text notification(const protocol::SessionSnapshot& view, uint64_t seq, int64_t t_ms,
                  std::string_view kind, std::string_view data) {
  return std::make_shared<const std::string>(fmt::format(
      R"({{"jsonrpc":"2.0","method":"event","params":{{"session":"{}","seq":{},"epoch":{},"t":{},"kind":"{}","data":{}}}}})",
      view.info.id, seq, view.epoch, t_ms, kind, data));
}

Text notification(const protocol::SessionSnapshot& view, const Event& event) {
  LoggedEvent logged = encode(event);
  return notification(view, event.seq, event.t_ms, logged.kind, logged.data);
}

int64_t now_ms() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace hearth::session
