# Reading closed stores: state files, boundaries, whole directories, damage; the stream commands.
foreach(file seqset index state_versions consumer boundary tally inspect)
  atrest_test(test_${file} unit SOURCES unit/test_${file}.c unit/store_fixture.c
              LIBRARIES atrest_store PkgConfig::JANSSON)
endforeach()
foreach(file nats_config base64 store_dir keys)
  atrest_test(test_${file} unit SOURCES unit/test_${file}.c unit/store_fixture.c
              LIBRARIES atrest_store PkgConfig::JANSSON m)
endforeach()
target_sources(test_nats_config PRIVATE ${PROJECT_SOURCE_DIR}/cli/nats_config.c
  ${PROJECT_SOURCE_DIR}/cli/nats_syntax.c)
target_sources(test_base64 PRIVATE ${PROJECT_SOURCE_DIR}/cli/base64.c)
target_sources(test_store_dir PRIVATE ${PROJECT_SOURCE_DIR}/cli/store_dir.c
  ${PROJECT_SOURCE_DIR}/cli/exit_status.c ${PROJECT_SOURCE_DIR}/cli/options.c
  ${PROJECT_SOURCE_DIR}/cli/help.c)
target_sources(test_keys PRIVATE ${PROJECT_SOURCE_DIR}/cli/keys.c
  ${PROJECT_SOURCE_DIR}/cli/nats_config.c
  ${PROJECT_SOURCE_DIR}/cli/nats_syntax.c ${PROJECT_SOURCE_DIR}/cli/options.c
  ${PROJECT_SOURCE_DIR}/cli/help.c)

atrest_test(test_damage fault SOURCES fault/test_damage.c fault/overlay.c
            LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)

# Through the program, as people run it.
atrest_test(test_fixtures compat SOURCES compat/test_fixtures.c compat/program.c unit/store_fixture.c
            LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
add_dependencies(test_fixtures atrest)
atrest_test(test_stream_commands compat SOURCES compat/test_stream_commands.c compat/program.c
            unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
add_dependencies(test_stream_commands atrest)
atrest_test(test_adopt_golden compat SOURCES compat/test_adopt_golden.c compat/fixture_copy.c
            compat/program.c unit/store_fixture.c LIBRARIES atrest_store PkgConfig::JANSSON
            TIMEOUT 300)
add_dependencies(test_adopt_golden atrest)
foreach(command verify audit repair)
  atrest_test(test_${command}_command compat SOURCES compat/test_${command}_command.c
              compat/fixture_copy.c compat/program.c unit/store_fixture.c
              LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
  add_dependencies(test_${command}_command atrest)
endforeach()
atrest_test(test_backup compat SOURCES compat/test_backup.c compat/program.c unit/store_fixture.c
            LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
add_dependencies(test_backup atrest)
add_test(NAME test_backup_all COMMAND test_backup --all)
set_tests_properties(test_backup_all PROPERTIES LABELS long TIMEOUT 600)
atrest_test(test_snapshot unit SOURCES unit/test_snapshot.c unit/store_make.c unit/store_fixture.c
            fault/fault_files.c LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
atrest_test(test_repair fault SOURCES fault/test_repair.c fault/fault_files.c unit/store_fixture.c
            LIBRARIES atrest_store PkgConfig::JANSSON TIMEOUT 300)
