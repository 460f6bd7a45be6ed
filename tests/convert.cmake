# Conversions of closed streams: golden ones, kills, every call of the file system failing once.
atrest_test(test_convert compat SOURCES compat/test_convert.c compat/program.c unit/convert_make.c
            unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
add_dependencies(test_convert atrest)
atrest_test(test_convert_kill fault SOURCES fault/test_convert_kill.c fault/fault_files.c
            fault/kill_files.c unit/convert_make.c unit/store_make.c unit/store_fixture.c
            LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
# Sanitizers see nothing of a process that is killed; what comes after it they see in two of each.
if(CMAKE_C_FLAGS MATCHES "-fsanitize")
  set_tests_properties(test_convert_kill PROPERTIES ENVIRONMENT ATREST_CONVERT_KILLS=2)
endif()
if(ATREST_WITH_NATS)
  atrest_test(test_convert_server server
    SOURCES compat/test_convert_server.c compat/server.c compat/contents.c compat/program.c
            compat/fixture_copy.c unit/store_fixture.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON PkgConfig::SODIUM TIMEOUT 300)
  add_dependencies(test_convert_server atrest)
endif()
add_test(NAME test_convert_kill_long
         COMMAND ${CMAKE_COMMAND} -E env ATREST_CONVERT_KILLS=100 $<TARGET_FILE:test_convert_kill>)
set_tests_properties(test_convert_kill_long PROPERTIES LABELS long TIMEOUT 1800)
atrest_test(test_convert_copy unit SOURCES unit/test_convert_copy.c fault/kill_files.c
            unit/convert_make.c unit/store_make.c unit/store_fixture.c
            LIBRARIES atrest_store PkgConfig::JANSSON)
