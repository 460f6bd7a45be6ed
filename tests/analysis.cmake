# Samples, statistics, summaries and what is made of them.
foreach(name stats verdict samples summary)
  atrest_test(test_${name} unit SOURCES unit/test_${name}.c unit/synthetic.c
    LIBRARIES atrest_harness m)
endforeach()
