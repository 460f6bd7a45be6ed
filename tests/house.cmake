# The house: layout of the tree and of the sources, scripts, what is installed, real servers.
# sources are listed by hand, no globbing

function(atrest_script_test name label)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${label}" SKIP_RETURN_CODE 77 TIMEOUT 120)
endfunction()

# These do not depend on how the programs were built: once is enough.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_script_test(check_layers smoke scripts/check-layers)
  atrest_script_test(test_check_layers smoke tests/smoke/test_check_layers.sh)
  atrest_script_test(check_format smoke scripts/format --check)
  atrest_script_test(check_shell smoke tests/smoke/test_shell.sh)
  atrest_script_test(test_get_server smoke tests/smoke/test_get_server.sh)
  atrest_script_test(test_publish smoke tests/smoke/test_publish.sh)
  atrest_script_test(test_install smoke tests/smoke/test_install.sh ${PROJECT_BINARY_DIR})
endif()

if(ATREST_WITH_NATS)
  atrest_test(test_server server
    SOURCES compat/test_server.c compat/server.c compat/contents.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON PkgConfig::SODIUM TIMEOUT 300)
  add_dependencies(test_server atrest)
  atrest_test(test_server_repair server
    SOURCES compat/test_server_repair.c compat/server.c compat/contents.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON PkgConfig::SODIUM TIMEOUT 300)
  add_dependencies(test_server_repair atrest)
  atrest_test(test_server_snapshot server
    SOURCES compat/test_server_snapshot.c compat/server.c compat/contents.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON PkgConfig::SODIUM TIMEOUT 300)
  add_dependencies(test_server_snapshot atrest)
  atrest_test(test_server_adopt server
    SOURCES compat/test_server_adopt.c compat/server.c compat/contents.c unit/store_fixture.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON PkgConfig::SODIUM TIMEOUT 300)
  atrest_test(test_server_compressed server
    SOURCES compat/test_server_compressed.c compat/server.c compat/contents.c
            unit/store_compress.c unit/store_fixture.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON PkgConfig::SODIUM TIMEOUT 300)
  atrest_test(test_server_state server
    SOURCES compat/test_server_state.c compat/server.c compat/contents.c unit/state_hide.c
            unit/store_make.c unit/store_fixture.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON PkgConfig::SODIUM TIMEOUT 300)
endif()
