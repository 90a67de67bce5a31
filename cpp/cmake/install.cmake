# The C++ package: find_package(fallline) gives the target fallline::core.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/fallline")

set_target_properties(fallline_core PROPERTIES EXPORT_NAME core)
install(TARGETS fallline_core EXPORT fallline_targets COMPONENT native)
install(DIRECTORY cpp/simd cpp/tensor cpp/ops cpp/autograd cpp/optim cpp/nn cpp/train
  DESTINATION include/fallline COMPONENT native FILES_MATCHING PATTERN "*.h")
install(EXPORT fallline_targets NAMESPACE fallline:: DESTINATION ${package_dir} COMPONENT native)
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/fallline-config.cmake"
  "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\ninclude(\"\${CMAKE_CURRENT_LIST_DIR}/fallline_targets.cmake\")\n")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/fallline-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/fallline-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/fallline-config-version.cmake" DESTINATION ${package_dir} COMPONENT native)
