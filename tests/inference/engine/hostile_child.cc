// An engine that has been taken over: sends the daemon what is no event, and does not exit. What it
// sends is HEARTH_TEST_HOSTILE: "huge", "long" (as only an answer to a query may be) or "garbled".
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

int main() {
  using namespace std::string_view_literals;
  const char* kind = std::getenv("HEARTH_TEST_HOSTILE");
  const bool is_huge = kind && kind == "huge"sv;
  std::string bytes(is_huge ? "\xff\xff\xff\x7f"sv : "\x05\0\0\0\xee\1\2\3\4"sv);
  if (kind && kind == "long"sv) bytes = std::string("\0\0\x20\0"sv) + std::string(2 << 20, '\4');
  if (::write(3, bytes.data(), bytes.size()) < 0) return 1;
  for (;;) ::pause();
}
