atrest_test(test_options unit SOURCES unit/test_options.c ${PROJECT_SOURCE_DIR}/cli/options.c
  ${PROJECT_SOURCE_DIR}/cli/help.c LIBRARIES m)
