# The stream commands: work on store directories of servers and of our own.
target_sources(atrest PRIVATE
  exit_status.c
  nats_config.c
  nats_syntax.c
  keys.c
  base64.c
  store_dir.c
  stream.c
  cmd_stream_ls.c
  cmd_stream_info.c
  cmd_stream_dump.c
  backup_file.c
  cmd_stream_backup.c
  cmd_stream_restore.c
  cmd_stream_load.c
  load_lines.c
  cmd_stream_verify.c
  cmd_stream_audit.c
  cmd_stream_convert.c
  cmd_stream_repair.c)
