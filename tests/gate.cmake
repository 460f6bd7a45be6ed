# Results verified, formats of other tools, instruction counts, the gate.
foreach(name formats verify_results)
  atrest_test(test_${name} unit SOURCES unit/test_${name}.c unit/synthetic.c
    LIBRARIES atrest_harness PkgConfig::JANSSON m)
endforeach()
add_dependencies(test_verify_results atrest)
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_script_test(test_counts smoke tests/smoke/test_counts.sh $<TARGET_FILE:atrest-count>)
  atrest_script_test(test_ci_gate smoke tests/smoke/test_ci_gate.sh)
endif()
