# hearth_module(NAME SOURCES a.cc ... [DEPS hearth::x ...] [PRIVATE_DEPS ...]
#               [INTERNAL_TO dir [FOLDERS folder ...]])
#
# One static library per module. Only include/<module>/ is visible to modules that list it in DEPS:
# an include of an undeclared module does not compile, so the borders in ARCHITECTURE.md hold.
# INTERNAL_TO is for parts of a larger module (inference/gguf, daemon/net, ...): those that list the
# part in DEPS reach its headers as "gguf/reader.h", through an include root that has a link to this
# folder and nothing else. FOLDERS names the part's folders where they are not the current one.
#
# Adding a dependency is a design decision: say why in the commit.
add_library(hearth_flags INTERFACE)
target_compile_features(hearth_flags INTERFACE cxx_std_20)
target_compile_options(hearth_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -fno-math-errno>
  # g++ 12 sees overlapping copies in std::string that are not there (GCC bug 105651).
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>)
if(HEARTH_SANITIZE)
  target_compile_definitions(hearth_flags INTERFACE HEARTH_SANITIZED)
  target_compile_options(hearth_flags INTERFACE -fsanitize=${HEARTH_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(hearth_flags INTERFACE -fsanitize=${HEARTH_SANITIZE})
endif()

function(hearth_module name)
  cmake_parse_arguments(M "" "INTERNAL_TO" "SOURCES;DEPS;PRIVATE_DEPS;FOLDERS" ${ARGN})
  add_library(hearth_${name} STATIC ${M_SOURCES})
  add_library(hearth::${name} ALIAS hearth_${name})
  target_include_directories(hearth_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  if(M_INTERNAL_TO)
    if(NOT M_FOLDERS)
      cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME M_FOLDERS)
    endif()
    set(root ${PROJECT_BINARY_DIR}/borders/${name})
    file(MAKE_DIRECTORY ${root})
    foreach(folder IN LISTS M_FOLDERS)
      file(CREATE_LINK ${M_INTERNAL_TO}/${folder} ${root}/${folder} SYMBOLIC)
    endforeach()
    target_include_directories(hearth_${name} PUBLIC ${root})
  elseif(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/include)
    file(GLOB_RECURSE headers ${CMAKE_CURRENT_SOURCE_DIR}/include/*.h)
    target_sources(hearth_${name} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${headers})
  endif()
  target_link_libraries(hearth_${name} PUBLIC ${M_DEPS} PRIVATE hearth_flags ${M_PRIVATE_DEPS})
endfunction()

# To clang the last word on a warning counts, so this comes behind hearth_flags.
add_library(hearth_test_flags INTERFACE)
target_compile_options(hearth_test_flags INTERFACE "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Wno-missing-field-initializers>")  # SHELL: keeps the second of two

# hearth_test(NAME SOURCES a_test.cc ... DEPS hearth::x ...): one GoogleTest program; each TEST is a ctest.
# Tests find committed data with support/test_data.h: the one object that knows this folder, so that
# clones share the compiler cache.
function(hearth_test name)
  cmake_parse_arguments(T "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE hearth_flags hearth_test_flags ${T_DEPS} hearth_test_data GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  # What is tested is built as it ships; the tests around it compile in two thirds of the time. They may
  # leave members of a record at their defaults.
  target_compile_options(${name} PRIVATE -O0 -Wno-missing-field-initializers)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()

# hearth_fuzz(NAME SOURCES x_fuzz.cc DEPS ... CORPUS dir): with HEARTH_FUZZ a libFuzzer program; always a
# program that replays the corpus in ctest, so that every found input stays a test on any compiler.
function(hearth_fuzz name)
  cmake_parse_arguments(F "" "CORPUS" "SOURCES;DEPS" ${ARGN})
  add_executable(${name}_replay ${F_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  target_link_libraries(${name}_replay PRIVATE hearth_flags ${F_DEPS})
  add_test(NAME ${name}.corpus COMMAND ${name}_replay ${F_CORPUS})
  if(HEARTH_FUZZ)
    add_executable(${name} ${F_SOURCES})
    target_link_libraries(${name} PRIVATE hearth_flags ${F_DEPS})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    if(NOT TARGET fuzzers)
      add_custom_target(fuzzers)
    endif()
    add_dependencies(fuzzers ${name})
  endif()
endfunction()
