# Which round runs next, and runs that go on after they were cut short.
atrest_test(test_schedule unit
  SOURCES unit/test_schedule.c unit/harness_fixture.c unit/synthetic.c LIBRARIES atrest_harness m)
atrest_test(test_live unit
  SOURCES unit/test_live.c unit/harness_fixture.c unit/synthetic.c LIBRARIES atrest_harness m util)
atrest_test(test_resume fault
  SOURCES fault/test_resume.c unit/harness_fixture.c unit/run_fixture.c LIBRARIES atrest_harness PkgConfig::JANSSON
  TIMEOUT 300)
add_dependencies(test_resume atrest faulty_worker)
# Killed processes tell a sanitizer nothing.
if(CMAKE_C_FLAGS MATCHES "-fsanitize")
  set_tests_properties(test_resume PROPERTIES ENVIRONMENT ATREST_RESUME_KILLS=3)
endif()
add_test(NAME test_resume_long COMMAND test_resume)
set_tests_properties(test_resume_long PROPERTIES LABELS "long" TIMEOUT 3600
  ENVIRONMENT "ATREST_RESUME_KILLS=200")
# Whole runs, one after the other: test_run and test_resume show sanitizers the same code in less time.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_test(test_run_ends fault
    SOURCES fault/test_run_ends.c unit/harness_fixture.c unit/run_fixture.c LIBRARIES atrest_harness PkgConfig::JANSSON
    TIMEOUT 300)
  add_dependencies(test_run_ends atrest faulty_worker lying_kernel)
endif()
