# atrest-micro: Google Benchmark, a program of its own so that atrest stays plain C.
if(ATREST_WITH_GBENCH)
  add_executable(atrest-micro
    micro/gbench.cc micro/micro_main.c micro/micro_cipher.c micro/micro_store.c)
  target_link_libraries(atrest-micro PRIVATE
    atrest_warnings atrest_store atrest_ciphers PkgConfig::GBENCH)
  install(TARGETS atrest-micro)
endif()
# atrest-count: fixed work for counting instructions; scripts/count-instructions.
add_executable(atrest-count micro/count.c micro/bench.c)
target_link_libraries(atrest-count PRIVATE atrest_warnings atrest_store atrest_ciphers PkgConfig::JANSSON)
target_include_directories(atrest-count PRIVATE ${PROJECT_SOURCE_DIR})
