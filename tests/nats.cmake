# Slices and runs against real servers.
if(ATREST_WITH_NATS)
  atrest_test(test_nats_slices server
    SOURCES compat/test_nats_slices.c unit/harness_fixture.c
    LIBRARIES atrest_harness TIMEOUT 300)
  # a million of 1 KiB under each cipher
  add_test(NAME test_nats_slices_long COMMAND test_nats_slices)
  set_tests_properties(test_nats_slices_long PROPERTIES LABELS "long;server" SKIP_RETURN_CODE 77
    TIMEOUT 1800 ENVIRONMENT ATREST_NATS_MESSAGES=1000000)
endif()
