# Every third-party library, in one place. Debian packages unless said; ARCHITECTURE.md says why each.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)  # Asio, Beast, JSON: headers only, compiled once in daemon/support/boost_impl.cc
find_package(simdjson REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
find_path(CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
if(HEARTH_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# SQLite 3.54.1: Debian's 3.40 lacks WAL fixes that the event log needs. `./dev build` fetches the
# amalgamation (hash pinned in scripts/fetch_sqlite.sh) into .deps/sqlite.
set(HEARTH_SQLITE_DIR ${PROJECT_SOURCE_DIR}/.deps/sqlite CACHE PATH "Folder of sqlite3.c and sqlite3.h")
if(NOT EXISTS ${HEARTH_SQLITE_DIR}/sqlite3.c)
  execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/fetch_sqlite.sh ${HEARTH_SQLITE_DIR} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "No SQLite amalgamation in ${HEARTH_SQLITE_DIR}; run ./dev build with the network up")
  endif()
endif()
add_library(hearth_sqlite STATIC ${HEARTH_SQLITE_DIR}/sqlite3.c)
target_include_directories(hearth_sqlite SYSTEM PUBLIC ${HEARTH_SQLITE_DIR})
target_compile_definitions(hearth_sqlite PRIVATE SQLITE_THREADSAFE=2 SQLITE_DQS=0 SQLITE_OMIT_DEPRECATED
  SQLITE_OMIT_LOAD_EXTENSION SQLITE_DEFAULT_MEMSTATUS=0 SQLITE_USE_URI=0 HAVE_USLEEP=1)
target_compile_options(hearth_sqlite PRIVATE -O2 -w)
target_link_libraries(hearth_sqlite PRIVATE Threads::Threads)
if(HEARTH_SANITIZE)
  target_compile_options(hearth_sqlite PRIVATE -O1)  # at -O2 clang takes four times as long for the one file
  target_link_libraries(hearth_sqlite PRIVATE hearth_flags)
endif()

# Boost 1.81, headers; the compiled parts of Asio, Beast and JSON are in daemon/support/boost_impl.cc.
add_library(hearth_boost INTERFACE)
target_link_libraries(hearth_boost INTERFACE Boost::headers Threads::Threads OpenSSL::SSL OpenSSL::Crypto)
target_compile_definitions(hearth_boost INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION
  BOOST_BEAST_SEPARATE_COMPILATION BOOST_JSON_NO_LIB BOOST_CONTAINER_NO_LIB BOOST_ALL_NO_LIB)
