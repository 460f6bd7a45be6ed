# A stream changed on one side and read on the other; what encryption at rest must keep.
# sources are listed by hand, no globbing
atrest_test(test_scenarios compat SOURCES compat/test_scenarios.c unit/store_make.c
            unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
if(ATREST_WITH_NATS)
  atrest_test(test_both_ways server
    SOURCES compat/test_both_ways.c compat/ways.c compat/way_ours.c compat/way_theirs.c
            compat/server.c compat/contents.c compat/program.c unit/store_fixture.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON PkgConfig::SODIUM TIMEOUT 600)
  add_dependencies(test_both_ways atrest)
  # one seed, so that the same code has the same result; the 216 of the long run draw theirs
  set_tests_properties(test_both_ways PROPERTIES ENVIRONMENT ATREST_SEED=1795660610000)
  add_test(NAME test_both_ways_long COMMAND test_both_ways)
  set_tests_properties(test_both_ways_long PROPERTIES LABELS "long;server" SKIP_RETURN_CODE 77
    TIMEOUT 1800 ENVIRONMENT ATREST_WAYS=12)
  atrest_test(test_grown compat
    SOURCES compat/test_grown.c compat/ways.c compat/server.c compat/contents.c compat/program.c
            unit/store_fixture.c
    LIBRARIES atrest_harness PkgConfig::NATS PkgConfig::JANSSON PkgConfig::SODIUM TIMEOUT 300)
  add_dependencies(test_grown atrest)
endif()
