# The harness: planning, workers, controls, and whole runs of the program.
foreach(file plan generator orders prepare controls slice worker)
  atrest_test(test_${file} unit
    SOURCES unit/test_${file}.c unit/harness_fixture.c LIBRARIES atrest_harness)
endforeach()
target_sources(test_slice PRIVATE unit/slice_fixture.c)

# A worker whose store is wrapped by the linker, so that faults can be planted.
add_executable(faulty_worker smoke/faulty_worker.c)
target_link_libraries(faulty_worker PRIVATE atrest_warnings atrest_harness)
target_include_directories(faulty_worker PRIVATE ${PROJECT_SOURCE_DIR})
target_link_options(faulty_worker PRIVATE
  LINKER:--wrap=atr_keystream_xor LINKER:--wrap=atr_reader_next LINKER:--wrap=atr_store_append)

foreach(file run run_accidents run_plan)
  atrest_test(test_${file} smoke
    SOURCES smoke/test_${file}.c unit/harness_fixture.c unit/run_fixture.c
    LIBRARIES atrest_harness PkgConfig::JANSSON TIMEOUT 300)
  add_dependencies(test_${file} atrest faulty_worker)
endforeach()
# Every workload is a matter of the files; what runs them is under sanitizers in test_run.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_test(test_workloads smoke
    SOURCES smoke/test_workloads.c unit/harness_fixture.c LIBRARIES atrest_harness TIMEOUT 300)
  add_dependencies(test_workloads atrest)
endif()
