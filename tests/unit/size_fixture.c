/* size_fixture.c - see size_fixture.h. */
#include "tests/unit/size_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "harness/measure/machine.h"
#include "harness/output/replace.h"
#include "tests/unit/synthetic.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"

char size_folder[64];

int size_run(const char *arguments, char **out, char **err)
{
	char command[2048];
	size_t bytes;

	snprintf(command, sizeof(command), "cd %s && '%s' size %s > out 2> err", size_folder,
	         ATREST, arguments);
	int status = system(command);
	assert_true(WIFEXITED(status));
	assert_int_equal(read_whole_file(synthetic_path(size_folder, "out"), 1 << 24, out, &bytes),
	                 0);
	assert_int_equal(read_whole_file(synthetic_path(size_folder, "err"), 1 << 24, err, &bytes),
	                 0);
	return WEXITSTATUS(status);
}

void size_write_result(const char *name, const struct samples *s, const char *cpu)
{
	char dir[128], path[160];
	json_t *machine = machine_fingerprint(NULL, 0, NULL);

	snprintf(dir, sizeof(dir), "%s/%s", size_folder, name);
	mkdir(dir, 0755);
	snprintf(path, sizeof(path), "%s/samples.csv", dir);
	assert_int_equal(synthetic_write(path, s, 1), 0);
	if (cpu != NULL)
		json_object_set_new(json_object_get(machine, "cpu"), "model", json_string(cpu));
	json_object_set_new(machine, "run", json_pack("{s[]}", "directories"));
	snprintf(path, sizeof(path), "%s/machine.json", dir);
	assert_int_equal(json_dump_file(machine, path, JSON_INDENT(1)), 0);
	json_decref(machine);
}

void size_set_readers(struct samples *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->rows[i].class_, "read") == 0) {
			s->rows[i].publishers = 0;
			s->rows[i].readers = 1;
		}
}

json_t *size_plan(const char *arguments)
{
	char command[1024];
	char *out, *err;
	json_t *json;
	int code;

	snprintf(command, sizeof(command), "--json %s", arguments);
	code = size_run(command, &out, &err);
	if (code != 0)
		fail_msg("exit %d: %s", code, err);
	json = json_loads(out, 0, NULL);
	assert_non_null(json);
	free(out);
	free(err);
	return json;
}

const json_t *size_cipher_of(const json_t *json, size_t index)
{
	return json_array_get(json_object_get(json, "ciphers"), index);
}

double size_number(const json_t *object, const char *member)
{
	const json_t *v = json_object_get(object, member);

	return json_number_value(json_is_object(v) ? json_object_get(v, "value") : v);
}
