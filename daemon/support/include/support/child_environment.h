// The environment of our children: what a program needs to run, and no variable that might hold a
// key. Names that are not known to be harmless are left out.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

namespace hearth {

// Ends with a null, as exec wants it; points into this process's environment, for the moment.
// `further`: starts of names that this child needs beside the common ones.
std::vector<char*> child_environment(std::initializer_list<std::string_view> further = {});

}  // namespace hearth
