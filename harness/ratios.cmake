# atrest-ratios: the store beside the machine's own speeds; `scripts/bench --ratios`.
add_executable(atrest-ratios micro/ratios.c micro/ratios_parts.c micro/ratios_store.c)
target_link_libraries(atrest-ratios PRIVATE atrest_warnings atrest_harness PkgConfig::JANSSON m)
target_include_directories(atrest-ratios PRIVATE ${PROJECT_SOURCE_DIR})
