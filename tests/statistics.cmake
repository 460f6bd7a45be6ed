# The statistics against another implementation, and whole runs against simulated machines.
atrest_test(test_ranks unit SOURCES unit/test_ranks.c unit/synthetic.c
  LIBRARIES atrest_harness m)
# A sanitizer sees the same functions in test_stats, in a fraction of the time.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  atrest_test(test_stats_vectors vectors SOURCES vectors/test_stats_vectors.c
    LIBRARIES atrest_harness m)
endif()
# 2,000 simulated runs of a kind; the long one has more of them.
atrest_test(test_simulation unit TIMEOUT 300
  SOURCES simulation/test_simulation.c simulation/machine_model.c unit/synthetic.c
  LIBRARIES atrest_harness PkgConfig::JANSSON m)
add_test(NAME test_simulation_long COMMAND test_simulation)
set_tests_properties(test_simulation_long PROPERTIES LABELS long TIMEOUT 3600
  ENVIRONMENT ATREST_SIMULATION_RUNS=20000)
# This machine, alone on it.
atrest_test(test_campaign long TIMEOUT 7200
  SOURCES long/test_campaign.c unit/harness_fixture.c LIBRARIES atrest_harness PkgConfig::JANSSON m)
set_tests_properties(test_campaign PROPERTIES RUN_SERIAL TRUE)
add_dependencies(test_campaign atrest)
# So that it does not rot: one run, of which nothing is concluded.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
  add_test(NAME test_campaign_short COMMAND test_campaign)
  set_tests_properties(test_campaign_short PROPERTIES LABELS smoke TIMEOUT 120
    ENVIRONMENT "ATREST_CAMPAIGN_AA=1;ATREST_CAMPAIGN_INJECTED=0;ATREST_CAMPAIGN_HOGGED=0;ATREST_CAMPAIGN_AA_ROUNDS=8;ATREST_CAMPAIGN_AA_MESSAGES=1000")
endif()
