foreach(file histogram cpu disk filesystem cgroup)
  atrest_test(test_${file} unit SOURCES unit/test_${file}.c LIBRARIES atrest_harness)
endforeach()
target_link_libraries(test_histogram PRIVATE m)
atrest_test(test_machine unit
  SOURCES unit/test_machine.c LIBRARIES atrest_harness PkgConfig::JANSSON)
