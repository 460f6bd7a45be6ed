# Samples, statistics, summaries, and what is made of them.
foreach(name stats verdict samples summary summary_file transfer table headline page cmd_report)
  atrest_test(test_${name} unit SOURCES unit/test_${name}.c unit/synthetic.c
    LIBRARIES atrest_harness PkgConfig::JANSSON m)
endforeach()
add_dependencies(test_cmd_report atrest)
