target_sources(atrest_harness PRIVATE
  output/csv.c
  output/headline.c
  output/replace.c
  output/samples.c
  output/table.c)
target_link_libraries(atrest_harness PRIVATE csv)
