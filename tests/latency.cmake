# Open loops: pacing, slices at a rate, what is kept and said of their latencies, and the proof that
# nothing is left out when a worker stands still.
foreach(file pacing open_loop)
  atrest_test(test_${file} unit
    SOURCES unit/test_${file}.c unit/harness_fixture.c LIBRARIES atrest_harness)
endforeach()
target_sources(test_open_loop PRIVATE unit/slice_fixture.c)
foreach(file histograms rates)
  atrest_test(test_${file} unit
    SOURCES unit/test_${file}.c unit/synthetic.c LIBRARIES atrest_harness m)
endforeach()
atrest_test(test_stall smoke
  SOURCES smoke/test_stall.c unit/harness_fixture.c LIBRARIES atrest_harness)
add_dependencies(test_stall atrest)
# Whole runs: test_stall and test_run show sanitizers the same code in less time.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_test(test_rate_run smoke
    SOURCES smoke/test_rate_run.c unit/harness_fixture.c unit/run_fixture.c
    LIBRARIES atrest_harness PkgConfig::JANSSON)
  add_dependencies(test_rate_run atrest)
endif()
