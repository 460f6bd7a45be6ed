# Open loops: pacing, slices at a rate, what is kept and said of their latencies, and the proof that
# nothing is left out when a worker stands still.
foreach(file pacing open_loop)
  atrest_test(test_${file} unit
    SOURCES unit/test_${file}.c unit/harness_fixture.c LIBRARIES atrest_harness)
endforeach()
foreach(file histograms rates)
  atrest_test(test_${file} unit
    SOURCES unit/test_${file}.c unit/synthetic.c LIBRARIES atrest_harness m)
endforeach()
foreach(file stall rate_run)
  atrest_test(test_${file} smoke
    SOURCES smoke/test_${file}.c unit/harness_fixture.c LIBRARIES atrest_harness)
  add_dependencies(test_${file} atrest)
endforeach()
