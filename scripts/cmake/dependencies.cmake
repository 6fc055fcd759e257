# Third-party libraries: Debian's packages and the LibTorch inside PyPI's torch wheel (scripts/setup.sh).
# LibTorch: any found through CMAKE_PREFIX_PATH; otherwise the one that the set-up script unpacked.
# find_package(Torch) is not used: it wants a CUDA toolkit even where only libtorch_cpu is linked.
find_path(DORABOOTH_TORCH_ROOT include/torch/csrc/api/include/torch/torch.h
  HINTS ${CMAKE_PREFIX_PATH} PATHS "${PROJECT_SOURCE_DIR}/.deps/libtorch/torch" NO_DEFAULT_PATH)
if(NOT DORABOOTH_TORCH_ROOT)
  message(FATAL_ERROR "LibTorch not found: run scripts/setup.sh, or give its folder in CMAKE_PREFIX_PATH")
endif()
message(STATUS "LibTorch: ${DORABOOTH_TORCH_ROOT}")
add_library(LibTorch::c10 SHARED IMPORTED)
set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${DORABOOTH_TORCH_ROOT}/lib/libc10.so")
add_library(LibTorch::torch SHARED IMPORTED)
set_target_properties(LibTorch::torch PROPERTIES
  IMPORTED_LOCATION "${DORABOOTH_TORCH_ROOT}/lib/libtorch_cpu.so"
  INTERFACE_LINK_LIBRARIES LibTorch::c10
  INTERFACE_INCLUDE_DIRECTORIES
    "${DORABOOTH_TORCH_ROOT}/include;${DORABOOTH_TORCH_ROOT}/include/torch/csrc/api/include")

# OpenMP for the one file that runs loops on LibTorch's pool (src/device/parallel_for.cpp). The run time is LibTorch's
# own where it brings one: two of them would be two pools.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  file(GLOB DORABOOTH_OPENMP_LIBRARY "${DORABOOTH_TORCH_ROOT}/lib/libgomp*.so*")
  if(NOT DORABOOTH_OPENMP_LIBRARY)
    set(DORABOOTH_OPENMP_LIBRARY OpenMP::OpenMP_CXX)
  endif()
else()
  message(FATAL_ERROR "${CMAKE_CXX_COMPILER_ID}: LibTorch's thread pool is GNU's OpenMP; build with GCC")
endif()

# LibTorch has Gloo's code and not its headers; NCCL's header comes with the CUDA side (scripts/setup.sh --cuda) and
# must be of the version that LibTorch was built with, so that no other place is looked at.
find_path(GLOO_INCLUDE_DIR gloo/context.h REQUIRED)
find_path(DORABOOTH_NCCL_INCLUDE_DIR nccl.h PATHS "${DORABOOTH_TORCH_ROOT}/../nvidia/nccl/include" NO_DEFAULT_PATH)

find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
# OpenCV's own CMake package wants every module installed (imgcodecs alone brings 140 libraries); two are used.
find_path(OPENCV_INCLUDE_DIR opencv2/core.hpp PATH_SUFFIXES opencv4 REQUIRED)
foreach(module core imgproc)
  find_library(OPENCV_${module}_LIBRARY opencv_${module} REQUIRED)
  add_library(opencv_${module} SHARED IMPORTED)
  set_target_properties(opencv_${module} PROPERTIES
    IMPORTED_LOCATION "${OPENCV_${module}_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${OPENCV_INCLUDE_DIR}")
endforeach()
find_package(ICU REQUIRED COMPONENTS uc i18n)
find_package(PNG REQUIRED)
find_package(TIFF REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo-svg freetype2)
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
find_path(STB_INCLUDE_DIR stb/stb_image.h REQUIRED)
if(DORABOOTH_TESTS)
  find_package(GTest REQUIRED)
endif()

# tcmalloc serves the programs' allocations where the build machine has it: a step of a small model asks for some
# ten thousand tensors, and glibc takes a tenth of its time for them. A sanitizer brings its own.
find_library(DORABOOTH_TCMALLOC tcmalloc_minimal)
function(dorabooth_fast_malloc target)
  if(DORABOOTH_TCMALLOC AND NOT DORABOOTH_SANITIZE)
    target_link_libraries(${target} PRIVATE -Wl,--push-state,--no-as-needed "${DORABOOTH_TCMALLOC}" -Wl,--pop-state)
  endif()
endfunction()
