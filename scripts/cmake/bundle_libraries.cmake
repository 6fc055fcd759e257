# Part of the install script: copies the shared libraries that `programs` need into lib/, and their licences.
# Given: programs, torch_lib (LibTorch's libraries), torch_dist (the folder with its *.dist-info), imgui_root (the
# sources of Dear ImGui and its kin, "" without the desktop program).
file(GET_RUNTIME_DEPENDENCIES
  EXECUTABLES ${programs}
  RESOLVED_DEPENDENCIES_VAR libraries
  UNRESOLVED_DEPENDENCIES_VAR missing
  CONFLICTING_DEPENDENCIES_PREFIX conflict
  DIRECTORIES "${torch_lib}" "${torch_lib}/../../nvidia/cu13/lib"
  PRE_EXCLUDE_REGEXES
    "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|util)\\.so" "^libstdc\\+\\+\\.so" "^libgcc_s\\.so" "^linux-vdso")
if(missing)
  message(FATAL_ERROR "shared libraries not found: ${missing}")
endif()
# Several OpenMP run times would be several thread pools: LibTorch's own is the one.
foreach(name IN LISTS conflict_FILENAMES)
  if(EXISTS "${torch_lib}/${name}")
    list(APPEND libraries "${torch_lib}/${name}")
  else()
    list(GET conflict_${name} 0 first)
    list(APPEND libraries "${first}")
  endif()
endforeach()
list(REMOVE_DUPLICATES libraries)

set(licences "${CMAKE_INSTALL_PREFIX}/share/dorabooth/licences")
set(packages "")
foreach(library IN LISTS libraries)
  # OpenCV and Cairo are linked with X11, OpenCV with OpenGL, which a machine without a display lacks. The desktop
  # program must take those of the machine's own display and graphics driver: it does not look into lib/headless. What
  # Cairo alone wants of X11 is no part of a driver, and a machine with a display may lack it.
  get_filename_component(name "${library}" NAME)
  set(folder lib)
  if(name MATCHES "^lib(X|xcb|GL|OpenGL|EGL)" AND NOT name MATCHES "^lib(Xrender|xcb-render|xcb-shm)\\.")
    set(folder lib/headless)
  endif()
  file(INSTALL "${library}" DESTINATION "${CMAKE_INSTALL_PREFIX}/${folder}" TYPE SHARED_LIBRARY FOLLOW_SYMLINK_CHAIN)
  if(library MATCHES "^/(usr/)?lib/")
    # Debian keeps the copyright of a package beside its documentation. dpkg may know the file under /lib only.
    file(REAL_PATH "${library}" real)
    string(REGEX REPLACE "^/usr/" "/" without_usr "${real}")
    execute_process(COMMAND dpkg-query -S "${real}" OUTPUT_VARIABLE owner ERROR_QUIET RESULT_VARIABLE unknown)
    if(unknown)
      execute_process(COMMAND dpkg-query -S "${without_usr}" OUTPUT_VARIABLE owner ERROR_QUIET RESULT_VARIABLE unknown)
    endif()
    string(REGEX MATCH "^[^:]+" package "${owner}")
    if(package AND EXISTS "/usr/share/doc/${package}/copyright")
      list(APPEND packages "${package}")
      file(INSTALL "/usr/share/doc/${package}/copyright" DESTINATION "${licences}" RENAME "${package}")
    else()
      message(FATAL_ERROR "no licence found for ${library}")
    endif()
  endif()
endforeach()
file(GLOB dist_infos "${torch_dist}/*.dist-info")
foreach(dist_info IN LISTS dist_infos)
  get_filename_component(name "${dist_info}" NAME)
  string(REPLACE ".dist-info" "" name "${name}")
  file(INSTALL "${dist_info}/licenses/" DESTINATION "${licences}/${name}")
endforeach()
# Header-only libraries that are compiled into the program.
foreach(package nlohmann-json3-dev libcli11-dev libstb-dev)
  file(INSTALL "/usr/share/doc/${package}/copyright" DESTINATION "${licences}" RENAME "${package}")
endforeach()
if(imgui_root)
  file(INSTALL "${imgui_root}/imgui/LICENSE.txt" DESTINATION "${licences}" RENAME imgui)
  file(INSTALL "${imgui_root}/implot/LICENSE" DESTINATION "${licences}" RENAME implot)
  # Its licence is what its header opens with.
  file(READ "${imgui_root}/portable_file_dialogs/portable_file_dialogs.h" text LIMIT 2000)
  string(REGEX REPLACE "\n#pragma once.*" "" text "${text}")
  file(WRITE "${licences}/portable-file-dialogs" "${text}")
endif()
