atrest_test(test_workload_parse unit
  SOURCES unit/test_workload_parse.c LIBRARIES atrest_workloads)
atrest_test(test_workload_check unit
  SOURCES unit/test_workload_check.c LIBRARIES atrest_workloads)
atrest_test(test_workload_write unit
  SOURCES unit/test_workload_write.c LIBRARIES atrest_workloads)
atrest_test(test_workload_ops unit
  SOURCES unit/test_workload_ops.c LIBRARIES atrest_workloads PkgConfig::CRYPTO m)
