target_sources(atrest_harness PRIVATE
  output/csv.c
  output/replace.c
  output/samples.c)
target_link_libraries(atrest_harness PRIVATE csv)
