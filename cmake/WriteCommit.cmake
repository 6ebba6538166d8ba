# cmake -D SOURCE_DIR=... -D OUT=... -D BUILD=... -P WriteCommit.cmake: writes the source behind
# daemon/commit.h. A file that would stay the same is left alone, so that nothing is compiled for it.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND git -C ${SOURCE_DIR} rev-parse --short=12 HEAD
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "// Made by cmake/WriteCommit.cmake.
#include \"daemon/commit.h\"

namespace hearth {

const char* const kCommit = \"${commit}\";
const char* const kBuild = \"${BUILD}\";

}  // namespace hearth
")
