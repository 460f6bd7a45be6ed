# Sizing: costs from rows, plans from costs, and that a server takes what comes out.
atrest_test(test_sizing unit SOURCES unit/test_sizing.c unit/synthetic.c LIBRARIES atrest_harness m)
foreach(name cmd_size size_figures)
  atrest_test(test_${name} unit SOURCES unit/test_${name}.c unit/size_fixture.c unit/synthetic.c
    LIBRARIES atrest_harness PkgConfig::JANSSON m)
  add_dependencies(test_${name} atrest)
endforeach()
atrest_test(test_size_text unit SOURCES unit/test_size_text.c ${PROJECT_SOURCE_DIR}/cli/size_text.c
  LIBRARIES m)
if(ATREST_WITH_NATS)
  atrest_test(test_size_server server SOURCES compat/test_size_server.c compat/server.c
    compat/program.c unit/synthetic.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON m)
  add_dependencies(test_size_server atrest)
endif()
atrest_test(test_cmd_ciphers unit SOURCES unit/test_cmd_ciphers.c compat/program.c
  LIBRARIES PkgConfig::JANSSON)
add_dependencies(test_cmd_ciphers atrest)
atrest_test(test_size_against smoke SOURCES smoke/test_size_against.c compat/program.c unit/synthetic.c
  LIBRARIES atrest_harness PkgConfig::JANSSON m)
add_dependencies(test_size_against atrest)
atrest_test(test_footprint_golden compat SOURCES compat/test_footprint_golden.c
  LIBRARIES atrest_harness PkgConfig::JANSSON)
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_script_test(test_size_check smoke tests/smoke/test_size_check.sh)
endif()
