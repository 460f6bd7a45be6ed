# Installing: libatrest (ciphers and store in one library), its headers, pkg-config file and CMake
# package. Plots and workloads are installed by the parts that read them.
# sources are listed by hand, no globbing
include(CMakePackageConfigHelpers)

# A shared library by default: what it links stays its own affair. -DBUILD_SHARED_LIBS=OFF gives an
# archive, and then users link its libraries too.
if(DEFINED BUILD_SHARED_LIBS AND NOT BUILD_SHARED_LIBS)
  set(package_library_type STATIC)
  set(package_requires_word "Requires")
  set(package_libs "-lhighwayhash -pthread")
else()
  set(package_library_type SHARED)
  set(package_requires_word "Requires.private")
  set(package_libs_private "-lhighwayhash -pthread")
endif()

add_library(libatrest ${package_library_type}
  $<TARGET_OBJECTS:atrest_ciphers> $<TARGET_OBJECTS:atrest_store>)
set_target_properties(libatrest PROPERTIES OUTPUT_NAME atrest EXPORT_NAME atrest LINKER_LANGUAGE C
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_link_libraries(libatrest PRIVATE
  PkgConfig::CRYPTO PkgConfig::SODIUM PkgConfig::JANSSON PkgConfig::SNAPPY
  PkgConfig::ISAL PkgConfig::ARCHIVE ${HIGHWAYHASH_LIBRARY} Threads::Threads)
# Include lines stay "store/store.h", "ciphers/cipher.h".
target_include_directories(libatrest INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/atrest>)

install(TARGETS libatrest EXPORT atrest-targets)
install(FILES ciphers/cipher.h ciphers/prf.h ciphers/secret.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/atrest/ciphers)
install(FILES store/store.h store/inspect.h store/status.h store/file.h store/record.h store/hash.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/atrest/store)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The prefix is found from the file's own place, so that the tree can be moved.
file(RELATIVE_PATH package_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/atrest.pc.in atrest.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/atrest.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/atrest)
configure_package_config_file(cmake/atrest-config.cmake.in atrest-config.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(atrest-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/atrest-config.cmake
        ${PROJECT_BINARY_DIR}/atrest-config-version.cmake DESTINATION ${package_folder})
install(EXPORT atrest-targets NAMESPACE atrest:: DESTINATION ${package_folder})
