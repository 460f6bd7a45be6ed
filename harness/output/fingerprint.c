/* fingerprint.c - see fingerprint.h. */
#include "harness/output/fingerprint.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/output/replace.h"

#define MACHINE_BYTES_MAX ((size_t)16 << 20)

/* A member by path, "cpu.model". NULL when it is not there. */
static const json_t *member(const json_t *object, const char *path)
{
	char name[64];

	while (object != NULL && *path != '\0') {
		size_t bytes = strcspn(path, ".");
		snprintf(name, sizeof(name), "%.*s", (int)bytes, path);
		object = json_object_get(object, name);
		path += bytes + (path[bytes] == '.');
	}
	return object;
}

/* Texts as they are, numbers in decimal, a list with blanks between; "-" for nothing. */
static void as_text(const json_t *v, char *out, size_t out_bytes)
{
	size_t i, used = 0;
	json_t *each;

	snprintf(out, out_bytes, "-");
	if (json_is_string(v)) {
		snprintf(out, out_bytes, "%s", json_string_value(v));
	} else if (json_is_integer(v)) {
		snprintf(out, out_bytes, "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		snprintf(out, out_bytes, "%g", json_real_value(v));
	} else if (json_is_boolean(v)) {
		snprintf(out, out_bytes, "%s", json_is_true(v) ? "yes" : "no");
	}
	json_array_foreach(v, i, each)
	{
		const char *word = json_string_value(each);
		if (word == NULL || used + strlen(word) + 2 > out_bytes)
			break;
		used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i > 0 ? " " : "",
		                         word);
	}
}

void fingerprint_note(struct fingerprint_facts *out, const char *what, const char *base,
                      const char *new_)
{
	if (strcmp(base, new_) == 0 || out->count == FINGERPRINT_FACTS_MAX)
		return;
	for (size_t i = 0; i < out->count; i++)
		if (strcmp(out->list[i].what, what) == 0 && strcmp(out->list[i].base, base) == 0 &&
		    strcmp(out->list[i].new_, new_) == 0)
			return;
	struct fingerprint_fact *fact = &out->list[out->count++];
	snprintf(fact->what, sizeof(fact->what), "%s", what);
	snprintf(fact->base, sizeof(fact->base), "%s", base);
	snprintf(fact->new_, sizeof(fact->new_), "%s", new_);
}

static void note_values(struct fingerprint_facts *out, const char *what, const json_t *base,
                        const json_t *new_)
{
	char a[256], b[256];

	as_text(base, a, sizeof(a));
	as_text(new_, b, sizeof(b));
	fingerprint_note(out, what, a, b);
}

struct named_path {
	const char *what, *path;
};

static void note_paths(const struct named_path *paths, const json_t *base, const json_t *new_,
                       struct fingerprint_facts *out)
{
	for (; paths->what != NULL; paths++)
		note_values(out, paths->what, member(base, paths->path), member(new_, paths->path));
}

/* ---- what must agree ---- */

/* The kernel keeps some memory to itself, another amount with each version. */
static void note_memory(const json_t *base, const json_t *new_, struct fingerprint_facts *out)
{
	static const char path[] = "memory.limit_bytes";
	double a = json_number_value(member(base, path));
	double b = json_number_value(member(new_, path));
	char x[32], y[32];

	if (fabs(a - b) <= fmax(a, b) * FINGERPRINT_MEMORY_PCT / 100)
		return;
	snprintf(x, sizeof(x), "%.2f GiB", a / (1 << 30));
	snprintf(y, sizeof(y), "%.2f GiB", b / (1 << 30));
	fingerprint_note(out, "memory", x, y);
}

/* What is told of the directory of this name; NULL when the run had none. */
static const json_t *directory_named(const json_t *machine, const char *name)
{
	const json_t *names = member(machine, "run.directories");
	size_t i;
	json_t *each;

	json_array_foreach(names, i, each)
	{
		const char *known = json_string_value(json_object_get(each, "name"));
		if (known != NULL && strcmp(known, name) == 0)
			return json_array_get(member(machine, "directories"), i);
	}
	return NULL;
}

/* A member of each directory that both runs had. */
static void note_directories(const char *what, const char *path, const json_t *base,
                             const json_t *new_, struct fingerprint_facts *out)
{
	size_t i;
	json_t *each;

	json_array_foreach(member(base, "run.directories"), i, each)
	{
		const char *name = json_string_value(json_object_get(each, "name"));
		char text[96];
		if (name == NULL || directory_named(new_, name) == NULL)
			continue;
		snprintf(text, sizeof(text), "%s of directory %.40s", what, name);
		note_values(out, text, member(directory_named(base, name), path),
		            member(directory_named(new_, name), path));
	}
}

void fingerprint_differences(const json_t *base, const json_t *new_, struct fingerprint_facts *out)
{
	static const struct named_path paths[] = {{"CPU model", "cpu.model"},
	                                          {"CPU instructions", "cpu.instructions"},
	                                          {"processors", "cpu.processors"},
	                                          {"processors allowed", "cpu.processors_allowed"},
	                                          {"virtualisation", "virtualisation.hypervisor"},
	                                          {NULL, NULL}};

	note_paths(paths, base, new_, out);
	note_memory(base, new_, out);
	note_directories("file system", "type", base, new_, out);
}

/* ---- what may change ---- */

/* Libraries by cipher and provider. */
static const char *library_of(const json_t *machine, const char *cipher, const char *provider)
{
	size_t i;
	json_t *each;

	json_array_foreach(member(machine, "libraries.ciphers"), i, each)
	{
		const char *c = json_string_value(json_object_get(each, "cipher"));
		const char *p = json_string_value(json_object_get(each, "provider"));
		const char *library = json_string_value(json_object_get(each, "library"));
		if (c != NULL && p != NULL && library != NULL && strcmp(c, cipher) == 0 &&
		    strcmp(p, provider) == 0)
			return library;
	}
	return "-";
}

static void note_libraries(const json_t *base, const json_t *new_, struct fingerprint_facts *out)
{
	size_t i;
	json_t *each;

	json_array_foreach(member(base, "libraries.ciphers"), i, each)
	{
		const char *c = json_string_value(json_object_get(each, "cipher"));
		const char *p = json_string_value(json_object_get(each, "provider"));
		char what[96];
		if (c == NULL || p == NULL)
			continue;
		snprintf(what, sizeof(what), "library of %.30s (%.30s)", c, p);
		fingerprint_note(out, what, library_of(base, c, p), library_of(new_, c, p));
	}
}

void fingerprint_changes(const json_t *base, const json_t *new_, struct fingerprint_facts *out)
{
	static const struct named_path paths[] = {{"label", "host"},
	                                          {"kernel", "kernel.release"},
	                                          {"distribution", "kernel.distribution"},
	                                          {"governor", "cpu.governor"},
	                                          {"boost", "cpu.boost"},
	                                          {"container", "container.kind"},
	                                          {"CPU quota", "container.quota_processors"},
	                                          {"libc", "libraries.libc"},
	                                          {"jansson", "libraries.jansson"},
	                                          {"atrest version", "build.version"},
	                                          {"atrest commit", "build.commit"},
	                                          {"compiler", "build.compiler"},
	                                          {"compiler flags", "build.flags"},
	                                          {"scratch image", "run.scratch_image.bytes"},
	                                          {NULL, NULL}};

	note_paths(paths, base, new_, out);
	note_libraries(base, new_, out);
	note_directories("encryption", "encryption", base, new_, out);
	note_directories("mount options", "options", base, new_, out);
}

/* ---- the file ---- */

/* What must be there, or two files without it would be of the same machine; a text or
 * number may be null, what a machine does not tell. NULL, or the path of what is missing. */
static const char *lacks(const json_t *machine, char path[64])
{
	static const struct {
		const char *path;
		json_type type;
	} members[] = {
	        {"cpu.model", JSON_STRING},           {"cpu.instructions", JSON_ARRAY},
	        {"cpu.processors", JSON_INTEGER},     {"cpu.processors_allowed", JSON_INTEGER},
	        {"memory.limit_bytes", JSON_INTEGER}, {"virtualisation.hypervisor", JSON_STRING},
	        {"directories", JSON_ARRAY},          {"run.directories", JSON_ARRAY}};
	size_t i;
	json_t *each;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const json_t *found = member(machine, members[i].path);
		json_type type = members[i].type;
		if (found != NULL &&
		    (json_typeof(found) == type || (json_is_null(found) && type != JSON_ARRAY)))
			continue;
		snprintf(path, 64, "%s", members[i].path);
		return path;
	}
	json_array_foreach(member(machine, "run.directories"), i, each)
	{
		const json_t *directory = json_array_get(member(machine, "directories"), i);
		if (json_is_string(json_object_get(each, "name")) &&
		    json_object_get(directory, "type") != NULL)
			continue;
		snprintf(path, 64, "directories[%zu].type", i);
		return path;
	}
	return NULL;
}

json_t *fingerprint_read(const char *path, int *missing, char error[512])
{
	json_error_t at;
	char *text;
	char lacking[64];
	size_t bytes;
	int rc = read_whole_file(path, MACHINE_BYTES_MAX, &text, &bytes);

	if (missing != NULL)
		*missing = rc == -ENOENT || rc == -ENOTDIR;
	if (rc != 0) {
		snprintf(error, 512, "%.300s: %s, expected the machine of the run", path,
		         strerror(-rc));
		return NULL;
	}
	json_t *machine = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &at);
	free(text);
	if (machine == NULL) {
		snprintf(error, 512, "%.300s:%d: %.100s, expected JSON", path, at.line, at.text);
		return NULL;
	}
	if (lacks(machine, lacking) != NULL) {
		snprintf(error, 512, "%.300s: no member \"%s\", expected the machine of a run",
		         path, lacking);
		json_decref(machine);
		return NULL;
	}
	return machine;
}
