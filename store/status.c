#include "store/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *atr_status_text(enum atr_status status)
{
	switch (status) {
	case ATR_OK:
		return "fine";
	case ATR_END:
		return "nothing more";
	case ATR_ENOTFOUND:
		return "not found";
	case ATR_EINVAL:
		return "bad argument";
	case ATR_ENOTSTORE:
		return "not a stream directory";
	case ATR_EEXISTS:
		return "exists already";
	case ATR_ENOKEY:
		return "encrypted, and no key was given";
	case ATR_EAUTH:
		return "authentication failed";
	case ATR_EFORMAT:
		return "damaged";
	case ATR_ECLEAR:
		return "clear text where ciphertext was promised";
	case ATR_EUNSUPPORTED:
		return "not supported";
	case ATR_ELIMIT:
		return "limit of the stream reached";
	case ATR_ETOOLARGE:
		return "too large";
	case ATR_ELOCKED:
		return "locked by another process";
	case ATR_EREADONLY:
		return "no permission to write";
	case ATR_ENOSPC:
		return "no space";
	case ATR_EMFILE:
		return "too many open files";
	case ATR_ENOMEM:
		return "out of memory";
	case ATR_EIO:
		return "input/output error";
	case ATR_ERANDOM:
		return "no random bytes";
	case ATR_EPOISONED:
		return "an earlier write or sync failed";
	}
	return "unknown status";
}

enum atr_status atr_error_set(struct atr_error *err, enum atr_status status, const char *path,
                              int64_t offset, const char *format, ...)
{
	va_list args;

	if (err == NULL)
		return status;
	err->status = status;
	err->error_number = 0;
	err->offset = offset;
	err->sequence = 0;
	(void)snprintf(err->path, sizeof err->path, "%s", path != NULL ? path : "");
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return status;
}

enum atr_status atr_status_from_errno(int error_number)
{
	switch (error_number) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ATR_ENOSPC;
	case EMFILE:
	case ENFILE:
		return ATR_EMFILE;
	case EACCES:
	case EPERM:
	case EROFS:
		return ATR_EREADONLY;
	case ENOMEM:
		return ATR_ENOMEM;
	default:
		return ATR_EIO;
	}
}

void atr_error_line(const struct atr_error *err, char *line, uint64_t line_bytes)
{
	const char *text = err->text[0] != '\0' ? err->text : atr_status_text(err->status);

	if (err->path[0] == '\0')
		(void)snprintf(line, line_bytes, "%s", text);
	else if (err->offset < 0)
		(void)snprintf(line, line_bytes, "%s: %s", err->path, text);
	else
		(void)snprintf(line, line_bytes, "%s:%lld: %s", err->path, (long long)err->offset,
		               text);
}
