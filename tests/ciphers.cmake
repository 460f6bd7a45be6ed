atrest_test(test_cipher unit
  SOURCES unit/test_cipher.c LIBRARIES atrest_ciphers PkgConfig::CRYPTO Threads::Threads)
atrest_test(test_prf unit SOURCES unit/test_prf.c LIBRARIES atrest_ciphers Threads::Threads)
atrest_test(test_secret unit SOURCES unit/test_secret.c LIBRARIES atrest_ciphers Threads::Threads)
atrest_test(test_known_answers vectors
  SOURCES vectors/test_known_answers.c vectors/vectors.c LIBRARIES atrest_ciphers PkgConfig::JANSSON)
atrest_test(test_providers unit SOURCES unit/test_providers.c LIBRARIES atrest_harness)
if(ATREST_WITH_GBENCH)
  # Every micro-benchmark once, briefly; the program returns 1 when one of them failed.
  add_test(NAME micro_benchmarks COMMAND atrest-micro --benchmark_min_time=0 --benchmark_format=json)
  set_tests_properties(micro_benchmarks PROPERTIES LABELS smoke TIMEOUT 60)
endif()
