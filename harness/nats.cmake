# Which server there is: needs no library.
target_sources(atrest_harness PRIVATE targets/nats_server_find.c)
# Where scripts/get-nats-server is: in the tree that was built, or in the installation.
set_source_files_properties(targets/nats_server_find.c PROPERTIES COMPILE_DEFINITIONS
  "ATREST_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\";ATREST_DATA_DIR=\"${CMAKE_INSTALL_FULL_DATADIR}/atrest\"")
# Real servers: started privately, reached through libnats.
if(ATREST_WITH_NATS)
  target_sources(atrest_harness PRIVATE
    targets/nats_client.c
    targets/nats_link.c
    targets/nats_nkey.c
    targets/nats_publisher.c
    targets/nats_reader.c
    targets/nats_server.c
    targets/nats_server_explain.c
    targets/target_nats.c
    targets/target_server.c)
  target_link_libraries(atrest_harness PRIVATE PkgConfig::NATS)
  target_compile_definitions(atrest_harness PRIVATE ATREST_WITH_NATS)
  install(PROGRAMS ${PROJECT_SOURCE_DIR}/scripts/get-nats-server ${PROJECT_SOURCE_DIR}/scripts/nats-cluster
    DESTINATION ${CMAKE_INSTALL_DATADIR}/atrest/scripts)
endif()
