/* size_text.h - the figures of a plan as people read them. All return text. */
#ifndef ATREST_CLI_SIZE_TEXT_H
#define ATREST_CLI_SIZE_TEXT_H

#include "harness/analysis/stats.h"

#define SIZE_TEXT_BYTES 64

/* "12,393,452", below 100 "20.5": rounded, never an exponent; "-" when not finite. */
const char *size_text_count(double n, char text[SIZE_TEXT_BYTES]);

/* "0.84 [0.76, 0.90]", the value alone without a whole interval, "-" without a value. Two decimals,
 * and more of them where two would show less than two digits of the largest; four are the most:
 * what is less is "< 0.0001". */
const char *size_text_interval(struct stats_interval v, double scale, char text[SIZE_TEXT_BYTES]);

/* "3.2s", "12h", "6.9d": a time as demands are written. */
const char *size_text_time(double seconds, char text[SIZE_TEXT_BYTES]);

/* "929 B", "1800 KiB", "11.8 TiB": bytes up to 10 KiB, then three or four figures. */
const char *size_text_bytes(double bytes, char text[SIZE_TEXT_BYTES]);

#endif
