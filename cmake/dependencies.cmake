# Libraries of others, each found once; a missing one is named with the package that has it.
find_package(PkgConfig REQUIRED)

function(atrest_need target module package)
  pkg_check_modules(${target} IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${target}_FOUND)
    message(FATAL_ERROR "atrest needs ${module}: install the package ${package} "
                        "(scripts/bench and scripts/test do this by themselves)")
  endif()
endfunction()

atrest_need(CRYPTO libcrypto libssl-dev)
atrest_need(SODIUM libsodium libsodium-dev)
atrest_need(JANSSON jansson libjansson-dev)
atrest_need(INIH inih libinih-dev)
atrest_need(SNAPPY snappy libsnappy-dev)
atrest_need(ISAL libisal libisal-dev)
atrest_need(ARCHIVE libarchive libarchive-dev)
find_package(Threads REQUIRED)

# libhighwayhash has no pkg-config file.
find_library(HIGHWAYHASH_LIBRARY highwayhash)
find_path(HIGHWAYHASH_INCLUDE highwayhash/c_bindings.h)
if(NOT HIGHWAYHASH_LIBRARY OR NOT HIGHWAYHASH_INCLUDE)
  message(FATAL_ERROR "atrest needs libhighwayhash: install the package libhighwayhash-dev "
                      "(scripts/bench and scripts/test do this by themselves)")
endif()
add_library(highwayhash SHARED IMPORTED GLOBAL)
set_target_properties(highwayhash PROPERTIES IMPORTED_LOCATION "${HIGHWAYHASH_LIBRARY}"
                      INTERFACE_INCLUDE_DIRECTORIES "${HIGHWAYHASH_INCLUDE}")

# libcsv neither.
find_library(CSV_LIBRARY csv)
find_path(CSV_INCLUDE csv.h)
if(NOT CSV_LIBRARY OR NOT CSV_INCLUDE)
  message(FATAL_ERROR "atrest needs libcsv: install the package libcsv-dev "
                      "(scripts/bench and scripts/test do this by themselves)")
endif()
add_library(csv SHARED IMPORTED GLOBAL)
set_target_properties(csv PROPERTIES IMPORTED_LOCATION "${CSV_LIBRARY}"
                      INTERFACE_INCLUDE_DIRECTORIES "${CSV_INCLUDE}")

if(ATREST_WITH_NATS)
  atrest_need(NATS libnats libnats-dev)
endif()
if(ATREST_WITH_GBENCH)
  atrest_need(GBENCH benchmark libbenchmark-dev)
endif()
if(ATREST_BUILD_TESTS)
  atrest_need(CMOCKA cmocka libcmocka-dev)
endif()
