target_sources(atrest PRIVATE
  cmd_size.c
  size_advice.c
  size_against.c
  size_config.c
  size_input.c
  size_notes.c
  size_plan.c
  size_print.c
  size_text.c)
