# What the machine tells: clocks, processors, disks, file systems, and its fingerprint.
target_sources(atrest_harness PRIVATE
  measure/cgroup.c
  measure/cpu.c
  measure/disk.c
  measure/filesystem.c
  measure/filesystem_files.c
  measure/histogram.c
  measure/machine.c
  measure/mounts.c
  measure/proc_stat.c
  measure/providers.c
  measure/tree.c)

find_program(ATREST_GIT git)
mark_as_advanced(ATREST_GIT)
string(TOUPPER "${CMAKE_BUILD_TYPE}" atrest_build_type)
set(atrest_build_info ${PROJECT_BINARY_DIR}/generated/harness/measure/build_info.h)
add_custom_target(atrest_build_info BYPRODUCTS ${atrest_build_info}
  COMMAND ${CMAKE_COMMAND} -D OUT=${atrest_build_info} -D SOURCE=${PROJECT_SOURCE_DIR}
    -D VERSION=${PROJECT_VERSION} -D TYPE=${CMAKE_BUILD_TYPE}
    -D "COMPILER=${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}"
    -D "FLAGS=${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${atrest_build_type}}"
    -D "GIT=$<$<NOT:$<STREQUAL:${ATREST_GIT},ATREST_GIT-NOTFOUND>>:${ATREST_GIT}>"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/measure/build_info.cmake
  COMMENT "Noting commit and flags" VERBATIM)
add_dependencies(atrest_harness atrest_build_info)
target_include_directories(atrest_harness PRIVATE ${PROJECT_BINARY_DIR}/generated)
