# Private nats-servers and what is left of them.
if(ATREST_WITH_NATS)
  atrest_test(test_nats_server server SOURCES compat/test_nats_server.c
              LIBRARIES atrest_harness PkgConfig::NATS)
endif()
