# Where do Highway's headers and pybind11 come from?  The system's packages first, then a pinned commit.
find_package(Threads REQUIRED)

# Only Highway's headers are used; nothing of its library is linked. A source tree named by FETCHCONTENT_SOURCE_DIR_HWY
# goes before the system's headers, and CMAKE_DISABLE_FIND_PACKAGE_hwy has them fetched.
if(NOT FETCHCONTENT_SOURCE_DIR_HWY AND NOT CMAKE_DISABLE_FIND_PACKAGE_hwy)
  find_path(FALLLINE_HIGHWAY_INCLUDE hwy/foreach_target.h)
else()
  unset(FALLLINE_HIGHWAY_INCLUDE CACHE)
endif()
if(NOT FALLLINE_HIGHWAY_INCLUDE)
  include(FetchContent)
  FetchContent_Declare(hwy
    GIT_REPOSITORY https://github.com/google/highway.git
    GIT_TAG 2607d3b5b0113992fe84d3848859eae13b3b52c1  # 1.4.0
    SOURCE_SUBDIR fallline_uses_headers_only)
  FetchContent_MakeAvailable(hwy)
  if(NOT EXISTS "${hwy_SOURCE_DIR}/hwy/foreach_target.h")
    message(FATAL_ERROR "fallline needs the headers of Google Highway 1.0.3 or newer: apt-get install libhwy-dev "
      "(or: brew install highway, or set FETCHCONTENT_SOURCE_DIR_HWY to a source tree).")
  endif()
  set(FALLLINE_HIGHWAY_INCLUDE "${hwy_SOURCE_DIR}" CACHE PATH "Highway's headers" FORCE)
endif()

if(FALLLINE_PYTHON)
  set(PYBIND11_FINDPYTHON ON)
  find_package(pybind11 3 CONFIG QUIET)
  if(NOT pybind11_FOUND)
    message(FATAL_ERROR "fallline needs pybind11 3 to build its Python extension: pip install 'pybind11>=3.1' "
      "(pip install . brings it by itself; with --no-build-isolation it must be there already).")
  endif()
endif()
