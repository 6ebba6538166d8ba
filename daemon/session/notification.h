// Events as the text that clients get.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "session/fold.h"
#include "support/json.h"

namespace hearth::session {

using Text = std::shared_ptr<const std::string>;  // shared between clients

// The notification `event` around data that is JSON already.
Text notification(const protocol::SessionSnapshot& view, uint64_t seq, int64_t t_ms,
                  std::string_view kind, std::string_view data);

Text notification(const protocol::SessionSnapshot& view, const Event& event);

int64_t now_ms();  // unix time

// A record of the kinds that change no state: it repeats the last event's seq.
template <class Kind>
Text passing_notification(const protocol::SessionSnapshot& view, const Kind& data) {
  return notification(view, view.info.seq, now_ms(), Kind::kType, json::encode(data));
}

}  // namespace hearth::session
