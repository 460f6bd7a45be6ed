target_sources(atrest PRIVATE cmd_compare.c compare_workloads.c)
