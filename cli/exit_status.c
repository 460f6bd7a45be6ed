#include "cli/exit_status.h"

enum exit_code exit_of_status(enum atr_status status)
{
	switch (status) {
	case ATR_OK:
	case ATR_END:
		return EXIT_FINE;
	case ATR_EINVAL:
	case ATR_ENOTSTORE:
	case ATR_EEXISTS:
	case ATR_ENOKEY:
	case ATR_ELIMIT:
	case ATR_ETOOLARGE:
		return EXIT_USAGE;
	case ATR_ENOTFOUND:
	case ATR_EAUTH:
	case ATR_EFORMAT:
	case ATR_ECLEAR:
		return EXIT_VERIFY;
	case ATR_EUNSUPPORTED:
	case ATR_ELOCKED:
	case ATR_EREADONLY:
	case ATR_ENOSPC:
	case ATR_EMFILE:
	case ATR_ENOMEM:
	case ATR_EIO:
	case ATR_ERANDOM:
	case ATR_EPOISONED:
		break;
	}
	return EXIT_SYSTEM;
}

enum exit_code exit_of_finding(enum atr_finding_kind kind)
{
	switch (kind) {
	case ATR_FINDING_NOTE:
		return EXIT_FINE;
	case ATR_FINDING_DAMAGE:
	case ATR_FINDING_CLEAR:
		return EXIT_VERIFY;
	case ATR_FINDING_UNSUPPORTED:
	case ATR_FINDING_SYSTEM:
		break;
	}
	return EXIT_SYSTEM;
}

static int rank(int code)
{
	static const int order[] = {EXIT_FINE,  EXIT_INCONCLUSIVE, EXIT_FAILED,     EXIT_SYSTEM,
	                            EXIT_USAGE, EXIT_VERIFY,       EXIT_INTERRUPTED};

	for (int i = 0; i < (int)(sizeof order / sizeof order[0]); i++)
		if (order[i] == code)
			return i;
	return -1;
}

int exit_worse(int a, int b)
{
	return rank(a) >= rank(b) ? a : b;
}
