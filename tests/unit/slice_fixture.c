/* slice_fixture.c - see slice_fixture.h. */
#include "tests/unit/slice_fixture.h"

#include <string.h>

#include "ciphers/cipher.h"

const uint8_t fixture_key[] = "k0123456789abcdef0123456789abcdef";

void fixture_setup(struct order *setup, const char *target, const char *cipher,
                   enum workload_operation operation, uint64_t messages, uint64_t fill)
{
	struct workload *w = &setup->workload;

	memset(setup, 0, sizeof(*setup));
	snprintf(setup->target, sizeof(setup->target), "%s", target);
	snprintf(setup->cipher, sizeof(setup->cipher), "%s", cipher);
	snprintf(setup->provider, sizeof(setup->provider), "%s",
	         atr_cipher_provider(atr_cipher_find(cipher, NULL)));
	setup->seed = 11;
	setup->key_bytes = sizeof(fixture_key) - 1;
	workload_init(w);
	snprintf(w->name, sizeof(w->name), "w");
	w->operation = operation;
	w->messages = messages;
	w->fill_messages = fill;
	w->subjects = 7;
}

struct session *fixture_session(const struct order *setup)
{
	struct target_error error;
	struct session *session;

	if (session_open(setup, fixture_key, &session, &error) != 0)
		fail_msg("%s", error.text);
	return session;
}
