// Times as people write them on a command line, and as tables show them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "support/result.h"

namespace hearth::cli {

// Unix milliseconds of "2026-11-30", "2026-11-30T12:00[:30][Z]" (UTC), or of an age: "30m", "12h",
// "7d", "2w" before now.
Result<int64_t> parse_time(std::string_view text, int64_t now_ms);

std::string utc_text(int64_t time_ms);  // "2026-11-30 12:00:30"

int64_t now_ms();  // Unix

}  // namespace hearth::cli
