# cmake --install build/release --prefix DIR: one folder that runs after it is moved, with no Python and no
# package of Debian's beyond a bare system: bin/ with the programs, lib/ with every shared library but those of glibc and
# the C++ run time, share/dorabooth/assets, licences. `--component cuda` adds the CUDA side.
set(DORABOOTH_PROGRAMS dorabooth)
if(DORABOOTH_HAS_DESKTOP)
  list(APPEND DORABOOTH_PROGRAMS dorabooth-desktop)
endif()
set(program_files "")
set(rpath_of_dorabooth "$ORIGIN/../lib:$ORIGIN/../lib/headless")
set(rpath_of_dorabooth-desktop "$ORIGIN/../lib")
foreach(program IN LISTS DORABOOTH_PROGRAMS)
  set_target_properties(${program} PROPERTIES INSTALL_RPATH "${rpath_of_${program}}")
  # DT_RPATH, not DT_RUNPATH: it also serves what the bundled libraries need themselves.
  target_link_options(${program} PRIVATE -Wl,--disable-new-dtags)
  list(APPEND program_files "$<TARGET_FILE:${program}>")
endforeach()

install(TARGETS ${DORABOOTH_PROGRAMS} RUNTIME DESTINATION bin COMPONENT cpu)
install(DIRECTORY assets/ DESTINATION share/dorabooth/assets COMPONENT cpu)
install(DIRECTORY configs/ DESTINATION share/dorabooth/configs COMPONENT cpu)

set(DORABOOTH_TORCH_DIST "${DORABOOTH_TORCH_ROOT}/..")
install(CODE "
  set(programs \"${program_files}\")
  set(imgui_root \"$<$<BOOL:${DORABOOTH_HAS_DESKTOP}>:${DORABOOTH_IMGUI_ROOT}>\")
  set(torch_lib \"${DORABOOTH_TORCH_ROOT}/lib\")
  set(torch_dist \"${DORABOOTH_TORCH_DIST}\")
  include(\"${PROJECT_SOURCE_DIR}/scripts/cmake/bundle_libraries.cmake\")" COMPONENT cpu)

if(DORABOOTH_HAS_NVCC)
  set_target_properties(dorabooth_cuda PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS dorabooth_cuda LIBRARY DESTINATION lib COMPONENT cuda EXCLUDE_FROM_ALL)
  if(TARGET dorabooth_nccl)
    set_target_properties(dorabooth_nccl PROPERTIES INSTALL_RPATH "$ORIGIN")
    install(TARGETS dorabooth_nccl LIBRARY DESTINATION lib COMPONENT cuda EXCLUDE_FROM_ALL)
  endif()
  # LibTorch's CUDA side and the libraries that its wheel names (scripts/setup.sh --cuda), flat in lib/: each finds
  # its neighbours through the $ORIGIN of LibTorch's own search path.
  install(CODE "
    file(GLOB cuda_libraries \"${DORABOOTH_TORCH_ROOT}/lib/libtorch_cuda*.so\" \"${DORABOOTH_TORCH_ROOT}/lib/libc10_cuda.so\"
      \"${DORABOOTH_TORCH_ROOT}/lib/libtorch_nvshmem.so\" \"${DORABOOTH_TORCH_DIST}/nvidia/*/lib/*.so*\")
    file(INSTALL \${cuda_libraries} DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib\")" COMPONENT cuda EXCLUDE_FROM_ALL)
endif()
