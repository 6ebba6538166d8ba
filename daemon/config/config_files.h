// Where the configuration is read from.
#pragma once

#include <string>
#include <vector>

namespace hearth {

struct ConfigFiles {
  std::vector<std::string> paths;  // the most important last
  // Asked for by name: one that is not there is an error, also when it is read again. The usual
  // ones need not be there.
  bool must_exist = false;
};

}  // namespace hearth
