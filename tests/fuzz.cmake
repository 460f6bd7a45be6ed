# Fuzz targets: clang's libFuzzer under the preset fuzz. Seeds are in fuzz/corpus/NAME.
# sources are listed by hand, no globbing
if(ATREST_BUILD_FUZZERS)
  add_custom_target(fuzzers)
  function(atrest_fuzzer name)
    add_executable(fuzz_${name} fuzz/fuzz_${name}.c)
    target_link_libraries(fuzz_${name} PRIVATE atrest_warnings ${ARGN})
    target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers fuzz_${name})
  endfunction()

  atrest_fuzzer(record atrest_store)
  atrest_fuzzer(state atrest_store)
  atrest_fuzzer(s2 atrest_store)
  atrest_fuzzer(workload atrest_workloads)
  atrest_fuzzer(samples atrest_harness)
  # The configuration reader belongs to the program, not to a library.
  atrest_fuzzer(nats_config atrest_ciphers)
  target_sources(fuzz_nats_config PRIVATE ${PROJECT_SOURCE_DIR}/cli/nats_config.c
  ${PROJECT_SOURCE_DIR}/cli/nats_syntax.c)
endif()
