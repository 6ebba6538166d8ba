// The environment of our children: what a program needs to run, and no variable that might hold a
// key. Names that are not known to be harmless are left out.
#pragma once

#include <vector>

namespace hearth {

// Ends with a null, as exec wants it; points into this process's environment, for the moment.
std::vector<char*> child_environment();

}  // namespace hearth
