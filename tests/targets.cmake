# Targets nats and server, on real servers.
if(ATREST_WITH_NATS)
  foreach(part nats faults)
    atrest_test(test_target_${part} server
      SOURCES compat/test_target_${part}.c compat/target_fixture.c LIBRARIES atrest_harness)
  endforeach()
  # waits for servers that say nothing, most of its time
  set_tests_properties(test_target_faults PROPERTIES TIMEOUT 300 COST 300)
endif()
