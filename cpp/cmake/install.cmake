# The C++ package: find_package(fallline) gives the target fallline::core.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/fallline")

add_library(fallline::core ALIAS fallline_core)
set_target_properties(fallline_core PROPERTIES EXPORT_NAME core)
target_compile_features(fallline_core PUBLIC cxx_std_17)
install(TARGETS fallline_core EXPORT fallline_targets COMPONENT native DESTINATION ${CMAKE_INSTALL_LIBDIR})

# The headers that mention no SIMD type, and those of CUDA's tables only where these were built.
if(NOT FALLLINE_CUDA)
  set(without_cuda PATTERN "*_cuda.h" EXCLUDE)
endif()
install(DIRECTORY cpp/simd cpp/tensor cpp/ops cpp/record cpp/primitives cpp/plan cpp/optim cpp/nn cpp/train
  DESTINATION include/fallline COMPONENT native
  FILES_MATCHING PATTERN "*.h" PATTERN "*-inl.h" EXCLUDE PATTERN "each_target.h" EXCLUDE ${without_cuda})

install(EXPORT fallline_targets NAMESPACE fallline:: DESTINATION ${package_dir} COMPONENT native)
set(dependencies "find_dependency(Threads)\n")
if(FALLLINE_CUDA)
  string(APPEND dependencies "find_dependency(CUDAToolkit)\n")
endif()
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/fallline-config.cmake"
  "include(CMakeFindDependencyMacro)\n${dependencies}include(\"\${CMAKE_CURRENT_LIST_DIR}/fallline_targets.cmake\")\n")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/fallline-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/fallline-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/fallline-config-version.cmake" DESTINATION ${package_dir} COMPONENT native)
