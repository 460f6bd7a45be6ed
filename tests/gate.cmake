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
foreach(which clock counts same)
  add_test(NAME test_gate_${which}_long COMMAND tests/long/test_gate.sh ${which}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(test_gate_${which}_long PROPERTIES LABELS long SKIP_RETURN_CODE 77 TIMEOUT 7200
    RUN_SERIAL TRUE)
endforeach()
