# The engine of the page as WebAssembly: `cmake --build BUILD --target fallline_wasm`, where a clang has the target.
# On Debian: apt-get install clang-14 lld-14 libc++-14-dev-wasm32 libc++abi-14-dev-wasm32 wasi-libc libclang-rt-14-dev-wasm32
# The file in python/fallline/playground is kept in the repository and built by clang 14; other versions give other bytes.

find_program(FALLLINE_WASM_CLANG NAMES clang++-14 clang++ DOC "A clang++ with the target wasm32-wasi")
set(FALLLINE_WASM_OUTPUT "${CMAKE_CURRENT_SOURCE_DIR}/python/fallline/playground/fallline.wasm" CACHE FILEPATH
  "Where fallline_wasm puts the module")

if(FALLLINE_WASM_CLANG)
  execute_process(
    COMMAND "${FALLLINE_WASM_CLANG}" --target=wasm32-wasi -stdlib=libc++ -include cmath -x c++ -fsyntax-only /dev/null
    RESULT_VARIABLE no_wasm OUTPUT_QUIET ERROR_QUIET)
endif()
if(FALLLINE_WASM_CLANG AND no_wasm EQUAL 0)
  # From the source folder with relative paths, so that no path of this machine gets into the file.
  add_custom_target(fallline_wasm
    COMMAND "${FALLLINE_WASM_CLANG}" --target=wasm32-wasi -std=c++17 -O2 -DNDEBUG -stdlib=libc++ -fno-exceptions -fno-rtti
      -ffp-contract=off -fno-math-errno -fvisibility=hidden -Wall -Wextra -I cpp -nostartfiles
      -Wl,--no-entry -Wl,--wrap=fma -Wl,--gc-sections -Wl,--strip-all -Wl,-z,stack-size=65536
      cpp/wasm/engine.cpp cpp/optim/schedule.cpp -o "${FALLLINE_WASM_OUTPUT}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    COMMENT "Compiling ${FALLLINE_WASM_OUTPUT}"
    VERBATIM)
endif()
