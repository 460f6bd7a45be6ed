target_sources(atrest PRIVATE cmd_machine.c)
