# How first-party targets are made: one static library a folder, one test program a folder and label.
find_package(Threads REQUIRED)

# Eight files are compiled as one (a unity build): the precompiled torch headers leave templates pending whose
# instantiation costs 7 s in every file that the compiler is given, however little it holds. Six test files one by
# one: 180 s; as one: 34 s. While files are being edited, one by one is the shorter wait.
option(DORABOOTH_UNITY "compile eight files as one: a whole build takes a third of the time" ON)

# dorabooth_settings(TARGET [ALONE]): ALONE where files have equal names inside by habit, as kernels and commands.
function(dorabooth_settings target)
  set(warnings -Wall -Wextra -Wconversion -Werror)
  if(DORABOOTH_UNITY AND NOT "ALONE" IN_LIST ARGN)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    # What is a file's own cannot be told there from what is global.
    list(APPEND warnings -Wshadow=local -Wno-subobject-linkage)
  else()
    list(APPEND warnings -Wshadow)
  endif()
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>")
  target_link_libraries(${target} PUBLIC Threads::Threads)
endfunction()

# One target compiles the torch headers that most files need once a preset; every other torch-using target
# reuses them. Not torch/torch.h: every file would instantiate its pending templates again, 6 s instead of 4.
add_library(dorabooth_torch_pch STATIC "${CMAKE_CURRENT_LIST_DIR}/torch_pch.cpp")
dorabooth_settings(dorabooth_torch_pch)
target_link_libraries(dorabooth_torch_pch PRIVATE LibTorch::torch)
target_precompile_headers(dorabooth_torch_pch PRIVATE
  <ATen/ATen.h> <torch/csrc/autograd/custom_function.h> <torch/nn/module.h>)

function(dorabooth_use_torch target)
  target_link_libraries(${target} PRIVATE LibTorch::torch)
  target_precompile_headers(${target} REUSE_FROM dorabooth_torch_pch)
  add_dependencies(${target} dorabooth_torch_pch)
  # A precompiled header fits one kind of position-independent code only; programs would get -fPIE.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
endfunction()

# dorabooth_library(NAME [TORCH] [PUBLIC libs…] [PRIVATE libs…]): all .cpp files of this folder.
function(dorabooth_library name)
  cmake_parse_arguments(ARG "TORCH" "" "PUBLIC;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  if(NOT sources)
    add_library(dorabooth_${name} INTERFACE)
    target_include_directories(dorabooth_${name} INTERFACE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(dorabooth_${name} INTERFACE ${ARG_PUBLIC} ${ARG_PRIVATE})
    return()
  endif()
  add_library(dorabooth_${name} STATIC ${sources})
  dorabooth_settings(dorabooth_${name})
  target_link_libraries(dorabooth_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  if(ARG_TORCH)
    dorabooth_use_torch(dorabooth_${name})
  endif()
endfunction()

# dorabooth_tests(FOLDER [TORCH] [LIBS libs…]): <noun>_test.cpp is a unit test, <noun>_<label>_test.cpp with
# label golden, kernels, ui, e2e or peers goes into a program and a ctest label of that name.
function(dorabooth_tests folder)
  cmake_parse_arguments(ARG "TORCH" "" "LIBS" ${ARGN})
  file(GLOB all CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.cpp")
  foreach(label golden kernels ui e2e peers unit)
    set(sources ${all})
    if(label STREQUAL "unit")
      list(FILTER sources EXCLUDE REGEX "_(golden|kernels|ui|e2e|peers)_test\\.cpp$")
    else()
      list(FILTER sources INCLUDE REGEX "_${label}_test\\.cpp$")
    endif()
    if(sources)
      set(name test_${folder}_${label})
      add_executable(${name} ${sources})
      dorabooth_settings(${name})
      # The precompiled header is made with -fPIC; CMake would give programs -fPIE.
      set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      # Tests spend their time in what they test.
      target_compile_options(${name} PRIVATE -fPIC $<$<CONFIG:Release>:-O1>)
      target_link_libraries(${name} PRIVATE ${ARG_LIBS} dorabooth_test_support GTest::gtest)
      if(ARG_TORCH)
        target_link_libraries(${name} PRIVATE dorabooth_test_torch)
        dorabooth_use_torch(${name})
      endif()
      set(properties LABELS ${label} ENVIRONMENT "OMP_NUM_THREADS=1")
      if(label STREQUAL "e2e")
        # They measure times and drive whole programs: alone on the machine.
        list(APPEND properties RUN_SERIAL ON)
      endif()
      gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${folder}." PROPERTIES ${properties})
    endif()
  endforeach()
endfunction()
