target_sources(atrest PRIVATE cmd_report.c cmd_verify_results.c results_read.c)
