# cmake --install, and ./dev package. What is installed has been built: neither builds the tests for it.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
install(FILES README.md ARCHITECTURE.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES packaging/hearth.service DESTINATION lib/systemd/user)

# Completion files, each under the name that its shell looks for: made with the binary (daemon/CMakeLists.txt),
# so that whoever has it can install it.
set(completions ${CMAKE_BINARY_DIR}/completions)
install(FILES ${completions}/bash/hearth DESTINATION share/bash-completion/completions)
install(FILES ${completions}/zsh/_hearth DESTINATION share/zsh/vendor-completions)
install(FILES ${completions}/fish/hearth.fish DESTINATION share/fish/vendor_completions.d)

set(CPACK_PACKAGE_NAME hearth)
set(CPACK_PACKAGE_CONTACT "Hearth developers <hearth@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Language models for editors: own inference engine and remote APIs behind one policy")
set(CPACK_GENERATOR DEB)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "python3-pip, ca-certificates")
set(CPACK_STRIP_FILES ON)
include(CPack)
