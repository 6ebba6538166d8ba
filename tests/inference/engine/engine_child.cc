// The engine process of the tests: what `hearth engine ...` is in the product.
#include <string>
#include <vector>

#include "inference/entry_points.h"

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 2, argv + argc);  // after "hearth engine"
  return hearth::engine::engine_main(arguments);
}
