// An engine that has been taken over: sends the daemon what is no event, and does not exit. What it
// sends is HEARTH_TEST_HOSTILE: "huge" or "garbled".
#include <unistd.h>

#include <cstdlib>
#include <string_view>

int main() {
  using namespace std::string_view_literals;
  const char* kind = std::getenv("HEARTH_TEST_HOSTILE");
  const bool is_huge = kind && kind == "huge"sv;
  const std::string_view bytes = is_huge ? "\xff\xff\xff\x7f"sv : "\x05\0\0\0\xee\1\2\3\4"sv;
  if (::write(3, bytes.data(), bytes.size()) < 0) return 1;
  for (;;) ::pause();
}
