# Private nats-servers, clusters of them, and what is left of a run that was killed.
if(ATREST_WITH_NATS)
  atrest_test(test_nats_server server SOURCES compat/test_nats_server.c
              LIBRARIES atrest_harness PkgConfig::NATS)
endif()
atrest_test(test_leftovers smoke SOURCES smoke/test_leftovers.c unit/harness_fixture.c
            LIBRARIES atrest_harness)
add_dependencies(test_leftovers atrest)
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_script_test(test_nats_cluster server tests/smoke/test_nats_cluster.sh)
endif()
