target_sources(atrest PRIVATE cmd_report.c)
