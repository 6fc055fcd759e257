# cmake --install build/release --prefix DIR: one folder that runs after it is moved, with no Python and no
# package of Debian's beyond a bare system: bin/dorabooth, lib/ with every shared library but those of glibc and
# the C++ run time, share/dorabooth/assets, licences. `--component cuda` adds the CUDA side.
set_target_properties(dorabooth PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
# DT_RPATH, not DT_RUNPATH: it also serves what the bundled libraries need themselves.
target_link_options(dorabooth PRIVATE -Wl,--disable-new-dtags)

install(TARGETS dorabooth RUNTIME DESTINATION bin COMPONENT cpu)
install(DIRECTORY assets/ DESTINATION share/dorabooth/assets COMPONENT cpu)

set(DORABOOTH_TORCH_DIST "${DORABOOTH_TORCH_ROOT}/..")
install(CODE "
  set(program \"$<TARGET_FILE:dorabooth>\")
  set(torch_lib \"${DORABOOTH_TORCH_ROOT}/lib\")
  set(torch_dist \"${DORABOOTH_TORCH_DIST}\")
  include(\"${PROJECT_SOURCE_DIR}/scripts/cmake/bundle_libraries.cmake\")" COMPONENT cpu)

if(DORABOOTH_HAS_NVCC)
  set_target_properties(dorabooth_cuda PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS dorabooth_cuda LIBRARY DESTINATION lib COMPONENT cuda EXCLUDE_FROM_ALL)
  # LibTorch's CUDA side and the libraries that its wheel names (scripts/setup.sh --cuda), flat in lib/: each finds
  # its neighbours through the $ORIGIN of LibTorch's own search path.
  install(CODE "
    file(GLOB cuda_libraries \"${DORABOOTH_TORCH_ROOT}/lib/libtorch_cuda*.so\" \"${DORABOOTH_TORCH_ROOT}/lib/libc10_cuda.so\"
      \"${DORABOOTH_TORCH_ROOT}/lib/libtorch_nvshmem.so\" \"${DORABOOTH_TORCH_DIST}/nvidia/*/lib/*.so*\")
    file(INSTALL \${cuda_libraries} DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib\")" COMPONENT cuda EXCLUDE_FROM_ALL)
endif()
