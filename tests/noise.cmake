# Noise: the rule that repeats rounds, what a machine can resolve, injected slowdowns, and the lies
# that a benchmark may tell.
foreach(name repeat noise advice selftest)
  atrest_test(test_${name} unit SOURCES unit/test_${name}.c unit/synthetic.c
    LIBRARIES atrest_harness PkgConfig::JANSSON m)
endforeach()
atrest_test(test_inject unit
  SOURCES unit/test_inject.c unit/harness_fixture.c LIBRARIES atrest_harness)
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize") # whole runs, as test_run
  atrest_test(test_noise_commands smoke
    SOURCES smoke/test_noise_commands.c unit/harness_fixture.c
    LIBRARIES atrest_harness PkgConfig::JANSSON TIMEOUT 200)
  add_dependencies(test_noise_commands atrest)
  add_test(NAME test_noise_commands_long
    COMMAND ${CMAKE_COMMAND} -E env ATREST_RIGOROUS=1 $<TARGET_FILE:test_noise_commands>)
  set_tests_properties(test_noise_commands_long PROPERTIES LABELS long SKIP_RETURN_CODE 77 TIMEOUT 1800)
endif()

# Every lie in the table of test_lies.c. The preloaded library is none of ours under sanitizers,
# which want to be the first.
add_library(lying_kernel MODULE fault/lying_kernel.c)
target_link_libraries(lying_kernel PRIVATE atrest_warnings)
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_test(test_lies fault
    SOURCES fault/test_lies.c unit/harness_fixture.c unit/run_fixture.c
    LIBRARIES atrest_harness PkgConfig::JANSSON TIMEOUT 200)
  add_dependencies(test_lies atrest faulty_worker lying_kernel)
  add_test(NAME test_lies_long
    COMMAND ${CMAKE_COMMAND} -E env ATREST_LIES_ROUNDS=100 $<TARGET_FILE:test_lies>)
  set_tests_properties(test_lies_long PROPERTIES LABELS long SKIP_RETURN_CODE 77 TIMEOUT 1800)
endif()
