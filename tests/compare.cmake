# Two results side by side: the analysis, the machine read back, the command.
foreach(name compare compare_cells)
  atrest_test(test_${name} unit SOURCES unit/test_${name}.c unit/compare_fixture.c unit/synthetic.c
    LIBRARIES atrest_harness PkgConfig::JANSSON m)
endforeach()
foreach(name fingerprint cmd_compare)
  atrest_test(test_${name} unit SOURCES unit/test_${name}.c unit/synthetic.c
    LIBRARIES atrest_harness PkgConfig::JANSSON m)
endforeach()
add_dependencies(test_cmd_compare atrest)
atrest_test(test_rows unit SOURCES unit/test_rows.c unit/harness_fixture.c LIBRARIES atrest_harness)
