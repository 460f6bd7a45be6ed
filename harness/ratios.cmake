# atrest-ratios: the store beside the machine's own speeds; `scripts/bench --ratios`.
add_executable(atrest-ratios micro/ratios.c micro/bench.c micro/ratios_parts.c micro/ratios_store.c)
target_link_libraries(atrest-ratios PRIVATE atrest_warnings atrest_harness PkgConfig::JANSSON m)
target_include_directories(atrest-ratios PRIVATE ${PROJECT_SOURCE_DIR})
# atrest-large: long streams, many subjects; `scripts/bench --large`.
add_executable(atrest-large micro/large.c micro/bench.c)
target_link_libraries(atrest-large PRIVATE atrest_warnings atrest_harness PkgConfig::JANSSON m)
target_include_directories(atrest-large PRIVATE ${PROJECT_SOURCE_DIR})
