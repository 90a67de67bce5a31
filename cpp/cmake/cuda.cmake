# The formulas compiled by nvcc: fallline_cuda, linked into fallline_core. Nothing here needs a GPU to build.
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  message(FATAL_ERROR "FALLLINE_CUDA needs nvcc (tried: CUDA 13.0), and there is none on the PATH: install the CUDA "
    "toolkit, or name its nvcc with -DCMAKE_CUDA_COMPILER=/usr/local/cuda/bin/nvcc.")
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 75 80 90 CACHE STRING "Compute capabilities to compile for")
endif()
enable_language(CUDA)

add_library(fallline_cuda STATIC cpp/ops/elementwise.cu cpp/optim/rules.cu)
set_target_properties(fallline_cuda PROPERTIES
  CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_EXTENSIONS OFF CUDA_VISIBILITY_PRESET hidden EXPORT_NAME cuda)
target_include_directories(fallline_cuda PRIVATE cpp)

# --fmad is nvcc's contraction. Rules count subnormals as zero on the CPU too; eager operations keep them.
target_compile_options(fallline_cuda PRIVATE --fmad=false)
set_source_files_properties(cpp/optim/rules.cu PROPERTIES COMPILE_OPTIONS --ftz=true)
if(NOT MSVC)
  target_compile_options(fallline_cuda PRIVATE -Xcompiler=-ffp-contract=off,-Wall,-Wextra)
endif()

find_package(CUDAToolkit REQUIRED)
target_link_libraries(fallline_cuda PRIVATE CUDA::cudart_static)
target_link_libraries(fallline_core PUBLIC fallline_cuda)
install(TARGETS fallline_cuda EXPORT fallline_targets COMPONENT native DESTINATION ${CMAKE_INSTALL_LIBDIR})
