#include "inference/engine_messages.h"

#include "support/binary.h"

namespace hearth::engine {

namespace {

template <class Message>
std::string frame(const Message& message) {
  std::string out(4, '\0');
  binary::detail::Writer{out}.write(message);
  uint32_t size = static_cast<uint32_t>(out.size() - 4);
  std::memcpy(out.data(), &size, 4);
  return out;
}

}  // namespace

std::string encode_frame(const ToEngine& message) { return frame(message); }
std::string encode_frame(const FromEngine& message) { return frame(message); }

Result<ToEngine> decode_to_engine(std::string_view payload) {
  return binary::decode<ToEngine>(payload);
}
Result<FromEngine> decode_from_engine(std::string_view payload) {
  return binary::decode<FromEngine>(payload);
}

}  // namespace hearth::engine
