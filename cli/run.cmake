target_sources(atrest PRIVATE cmd_run.c cmd_resume.c cmd_slice.c run_request.c run_targets.c run_cells.c
  run_outcome.c run_finish.c cmd_noise.c cmd_selftest.c selftest_proofs.c)
# Where the ready workloads are: of the tree that was built, or of the installation.
set_source_files_properties(run_cells.c PROPERTIES COMPILE_DEFINITIONS
  "ATREST_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\";ATREST_DATA_DIR=\"${CMAKE_INSTALL_FULL_DATADIR}/atrest\"")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/workloads/ DESTINATION ${CMAKE_INSTALL_DATADIR}/atrest/workloads
  FILES_MATCHING PATTERN "*.ini")
