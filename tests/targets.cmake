# Targets nats and server, on real servers.
if(ATREST_WITH_NATS)
  atrest_test(test_target_nats server SOURCES compat/test_target_nats.c compat/target_fixture.c
              LIBRARIES atrest_harness)
endif()
