# Runs against nats-servers that die, hang, refuse or have no space, and runs that are killed.
if(ATREST_WITH_NATS)
  foreach(file nats_faults nats_hangs nats_there)
    atrest_test(test_${file} "fault;server" SOURCES fault/test_${file}.c fault/server_run.c
                unit/harness_fixture.c LIBRARIES atrest_harness TIMEOUT 600)
    add_dependencies(test_${file} atrest)
  endforeach()
  add_test(NAME test_nats_faults_long
           COMMAND ${CMAKE_COMMAND} -E env ATREST_SERVER_KILLS=25 $<TARGET_FILE:test_nats_faults>)
  set_tests_properties(test_nats_faults_long PROPERTIES LABELS "long;server" SKIP_RETURN_CODE 77
    TIMEOUT 1800)
endif()
