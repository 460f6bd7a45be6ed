target_sources(atrest_harness PRIVATE
  output/baseline.c
  output/compare_data.c
  output/compare_text.c
  output/csv.c
  output/figures.c
  output/fingerprint.c
  output/formats.c
  output/formats_gbench.c
  output/formats_github.c
  output/formats_go.c
  output/formats_openmetrics.c
  output/headline.c
  output/headline_sentence.c
  output/histograms.c
  output/page.c
  output/page_meaning.c
  output/page_selftest.c
  output/page_servers.c
  output/rates.c
  output/rederive.c
  output/replace.c
  output/samples.c
  output/table.c)
target_link_libraries(atrest_harness PRIVATE csv)
# Where the figures' scripts are: of the tree that was built, or of the installation.
set_source_files_properties(output/figures.c PROPERTIES COMPILE_DEFINITIONS
  "ATREST_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\";ATREST_DATA_DIR=\"${CMAKE_INSTALL_FULL_DATADIR}/atrest\"")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/plots/ DESTINATION ${CMAKE_INSTALL_DATADIR}/atrest/plots
  FILES_MATCHING PATTERN "*.gp")
