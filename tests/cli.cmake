atrest_test(test_options unit SOURCES unit/test_options.c ${PROJECT_SOURCE_DIR}/cli/options.c
  ${PROJECT_SOURCE_DIR}/cli/help.c LIBRARIES m)
# What a run is asked for: with real servers where versions are looked for.
atrest_test(test_run_targets unit SOURCES unit/test_run_targets.c unit/harness_fixture.c
  ${PROJECT_SOURCE_DIR}/cli/run_targets.c ${PROJECT_SOURCE_DIR}/cli/options.c
  ${PROJECT_SOURCE_DIR}/cli/help.c LIBRARIES atrest_harness m)
if(ATREST_WITH_NATS)
  atrest_test(test_run_cells server SOURCES smoke/test_run_cells.c unit/harness_fixture.c
    LIBRARIES atrest_harness PkgConfig::JANSSON)
  add_dependencies(test_run_cells atrest)
endif()
