# Dear ImGui, ImPlot, the test engine and portable-file-dialogs out of .deps/imgui (scripts/setup.sh), and GLFW.
# imgui_headers: what first-party code includes; imgui: the product's; imgui_tested: with the hooks of the test
# engine and the null backend, for tests only: the test engine's licence is not that of ImGui, and no program that is
# installed links it. ImPlot is compiled once, and finds its ImGui where a program is linked.
set(DORABOOTH_IMGUI_ROOT "${PROJECT_SOURCE_DIR}/.deps/imgui" CACHE PATH "the desktop program's library sources")
set(DORABOOTH_HAS_DESKTOP OFF)
if(NOT DORABOOTH_DESKTOP)
  message(STATUS "Desktop program: not built (DORABOOTH_DESKTOP=OFF)")
  return()
endif()
find_package(glfw3 3.3 QUIET)
if(NOT EXISTS "${DORABOOTH_IMGUI_ROOT}/imgui/imgui.h" OR NOT glfw3_FOUND)
  message(STATUS "Desktop program: not built (scripts/setup.sh fetches Dear ImGui and GLFW)")
  return()
endif()
set(DORABOOTH_HAS_DESKTOP ON)
message(STATUS "Desktop program: built with ${DORABOOTH_IMGUI_ROOT}")

add_library(imgui_headers INTERFACE)
target_include_directories(imgui_headers SYSTEM INTERFACE
  "${DORABOOTH_IMGUI_ROOT}/imgui" "${DORABOOTH_IMGUI_ROOT}/imgui/backends" "${DORABOOTH_IMGUI_ROOT}/imgui/misc/cpp"
  "${DORABOOTH_IMGUI_ROOT}/implot" "${DORABOOTH_IMGUI_ROOT}/portable_file_dialogs")
target_compile_definitions(imgui_headers INTERFACE IMGUI_DISABLE_DEMO_WINDOWS)

set(imgui_sources "")
# The stack layout is a patch of the bundle that imgui.cpp refers to.
foreach(file imgui imgui_draw imgui_tables imgui_widgets imgui_stacklayout misc/cpp/imgui_stdlib)
  list(APPEND imgui_sources "${DORABOOTH_IMGUI_ROOT}/imgui/${file}.cpp")
endforeach()

add_library(imgui STATIC ${imgui_sources}
  "${DORABOOTH_IMGUI_ROOT}/imgui/backends/imgui_impl_glfw.cpp"
  "${DORABOOTH_IMGUI_ROOT}/imgui/backends/imgui_impl_opengl3.cpp")
target_link_libraries(imgui PUBLIC imgui_headers glfw ${CMAKE_DL_LIBS})

add_library(implot OBJECT "${DORABOOTH_IMGUI_ROOT}/implot/implot.cpp" "${DORABOOTH_IMGUI_ROOT}/implot/implot_items.cpp")
target_link_libraries(implot PRIVATE imgui_headers)
# The types that the desktop's plots have: with all ten of them this is the longest compilation of the tree.
target_compile_definitions(implot PRIVATE "IMPLOT_CUSTOM_NUMERIC_TYPES=(float)(double)")

file(GLOB test_engine_sources "${DORABOOTH_IMGUI_ROOT}/imgui_test_engine/*.cpp")
add_library(imgui_tested STATIC EXCLUDE_FROM_ALL ${imgui_sources} ${test_engine_sources}
  "${DORABOOTH_IMGUI_ROOT}/imgui/backends/imgui_impl_null.cpp")
target_include_directories(imgui_tested SYSTEM PUBLIC "${DORABOOTH_IMGUI_ROOT}/imgui_test_engine")
target_compile_definitions(imgui_tested PUBLIC IMGUI_ENABLE_TEST_ENGINE IMGUI_TEST_ENGINE_ENABLE_STD_FUNCTION=1
  IMGUI_TEST_ENGINE_ENABLE_COROUTINE_STDTHREAD_IMPL=1 IMGUI_TEST_ENGINE_ENABLE_IMPLOT=0)
target_link_libraries(imgui_tested PUBLIC imgui_headers Threads::Threads)

# The window's backends for the tested ImGui: the whole program is driven with them.
add_library(imgui_tested_window STATIC EXCLUDE_FROM_ALL
  "${DORABOOTH_IMGUI_ROOT}/imgui/backends/imgui_impl_glfw.cpp"
  "${DORABOOTH_IMGUI_ROOT}/imgui/backends/imgui_impl_opengl3.cpp")
target_link_libraries(imgui_tested_window PUBLIC imgui_tested glfw ${CMAKE_DL_LIBS})
