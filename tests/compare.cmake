# Two results side by side: the analysis, the machine read back, the command.
foreach(name fingerprint)
  atrest_test(test_${name} unit SOURCES unit/test_${name}.c unit/synthetic.c
    LIBRARIES atrest_harness PkgConfig::JANSSON m)
endforeach()
atrest_test(test_rows unit SOURCES unit/test_rows.c unit/harness_fixture.c LIBRARIES atrest_harness)
