# The statistics against another implementation, and whole runs against simulated machines.
atrest_test(test_ranks unit SOURCES unit/test_ranks.c unit/synthetic.c
  LIBRARIES atrest_harness m)
