#include "wire/carried.h"

namespace hearth::wire {

namespace {
constexpr std::string_view kMark = "hearth:";
}

std::string carry(std::string_view provider, std::string_view part) {
  return std::string(kMark).append(provider).append(":").append(part);
}

std::optional<Opaque> carried(std::string_view signature) {
  if (!signature.starts_with(kMark)) return std::nullopt;
  signature.remove_prefix(kMark.size());
  const size_t colon = signature.find(':');
  if (colon == signature.npos) return std::nullopt;
  return Opaque{std::string(signature.substr(0, colon)),
                {std::string(signature.substr(colon + 1))}};
}

}  // namespace hearth::wire
