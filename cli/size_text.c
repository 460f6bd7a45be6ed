/* size_text.c - see size_text.h. */
#include "cli/size_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DECIMALS_MAX 4 /* a ten thousandth of a processor is nothing */

const char *size_text_count(double n, char text[SIZE_TEXT_BYTES])
{
	char digits[SIZE_TEXT_BYTES / 2];
	size_t used = 0, count;

	if (!isfinite(n) || fabs(n) >= 1e21) {
		snprintf(text, SIZE_TEXT_BYTES, "-");
		return text;
	}
	if (fabs(n) < 100 && n != floor(n)) {
		snprintf(text, SIZE_TEXT_BYTES, "%.3g", n);
		if (strchr(text, 'e') != NULL)
			snprintf(text, SIZE_TEXT_BYTES, "%.6f", n);
		return text;
	}
	snprintf(digits, sizeof(digits), "%.0f", n);
	count = strlen(digits);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0 && digits[i - 1] != '-')
			text[used++] = ',';
		text[used++] = digits[i];
	}
	text[used] = '\0';
	return text;
}

/* No "-0.00". */
static void put_real(double v, int decimals, char text[SIZE_TEXT_BYTES / 4])
{
	snprintf(text, SIZE_TEXT_BYTES / 4, "%.*f", decimals, v);
	if (text[0] == '-' && text[strspn(text, "-0.")] == '\0')
		memmove(text, text + 1, strlen(text));
}

static int decimals_of(double largest)
{
	int decimals = largest > 0 ? 1 - (int)floor(log10(largest)) : 0;

	return decimals < 2 ? 2 : decimals > DECIMALS_MAX ? DECIMALS_MAX : decimals;
}

const char *size_text_interval(struct stats_interval v, double scale, char text[SIZE_TEXT_BYTES])
{
	char estimate[SIZE_TEXT_BYTES / 4], low[SIZE_TEXT_BYTES / 4], high[SIZE_TEXT_BYTES / 4];
	int whole = isfinite(v.low) && isfinite(v.high);
	double largest = scale * fmax(fabs(v.estimate), fmax(fabs(v.low), fabs(v.high)));
	int decimals = decimals_of(largest);

	if (!isfinite(v.estimate)) {
		snprintf(text, SIZE_TEXT_BYTES, "-");
		return text;
	}
	if (largest > 0 && largest < pow(10, -DECIMALS_MAX)) {
		snprintf(text, SIZE_TEXT_BYTES, "< %.*f", DECIMALS_MAX, pow(10, -DECIMALS_MAX));
		return text;
	}
	put_real(v.estimate * scale, decimals, estimate);
	put_real(v.low * scale, decimals, low);
	put_real(v.high * scale, decimals, high);
	if (whole)
		snprintf(text, SIZE_TEXT_BYTES, "%s [%s, %s]", estimate, low, high);
	else
		snprintf(text, SIZE_TEXT_BYTES, "%s", estimate);
	return text;
}

const char *size_text_time(double seconds, char text[SIZE_TEXT_BYTES])
{
	static const struct {
		double seconds;
		char name;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	while (i < 3 && seconds < units[i].seconds)
		i++;
	snprintf(text, SIZE_TEXT_BYTES, seconds >= 1000 * units[i].seconds ? "%.0f%c" : "%.3g%c",
	         seconds / units[i].seconds, units[i].name);
	return text;
}

const char *size_text_bytes(double bytes, char text[SIZE_TEXT_BYTES])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;

	for (; bytes >= 10240 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		bytes /= 1024;
	snprintf(text, SIZE_TEXT_BYTES, "%.*f %s", unit == 0 || bytes >= 1000 ? 0 : 1, bytes,
	         units[unit]);
	return text;
}
