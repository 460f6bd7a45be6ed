# Noise: the rule that repeats rounds, what a machine can resolve, injected slowdowns, and the lies
# that a benchmark may tell.
foreach(name repeat)
  atrest_test(test_${name} unit SOURCES unit/test_${name}.c unit/synthetic.c
    LIBRARIES atrest_harness PkgConfig::JANSSON m)
endforeach()
atrest_test(test_inject unit
  SOURCES unit/test_inject.c unit/harness_fixture.c LIBRARIES atrest_harness)
