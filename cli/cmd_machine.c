/* cmd_machine.c - atrest machine: the fingerprint that goes with every result, for people or as
 * JSON.
 */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/options.h"
#include "cli/print_json.h"
#include "harness/measure/machine.h"
#include "harness/output/table.h"

struct machine_options {
	int json;
};

/* Member of a member as text: strings as they are, null as "-". */
static const char *text_of(const json_t *object, const char *name, char out[TABLE_NUMBER_BYTES])
{
	const json_t *v = json_object_get(object, name);

	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_integer(v)) {
		snprintf(out, TABLE_NUMBER_BYTES, "%lld", (long long)json_integer_value(v));
		return out;
	}
	if (json_is_real(v)) {
		snprintf(out, TABLE_NUMBER_BYTES, "%g", json_real_value(v));
		return out;
	}
	return "-";
}

static const char *bytes_of(const json_t *object, const char *name, char out[TABLE_NUMBER_BYTES])
{
	const json_t *v = json_object_get(object, name);

	/* table_bytes writes exact sizes; here nobody wants to know the last KiB. */
	if (!json_is_integer(v))
		return "-";
	snprintf(out, TABLE_NUMBER_BYTES, "%.1f GiB", (double)json_integer_value(v) / (1 << 30));
	return out;
}

static const char *ns_of(const json_t *object, const char *name, char out[TABLE_NUMBER_BYTES])
{
	const json_t *v = json_object_get(object, name);

	return json_is_integer(v) ? table_ns((double)json_integer_value(v), out) : "-";
}

/* The text of a member, behind a comma, when there is one. */
static void print_also(const json_t *object, const char *name, const char *before)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text)
		printf(", %s%s", before, text);
}

static void print_cpu(const json_t *cpu)
{
	char a[TABLE_NUMBER_BYTES], b[TABLE_NUMBER_BYTES];
	json_t *name;
	size_t i;

	printf("cpu           %s, %s processors, %s allowed", text_of(cpu, "model", a),
	       text_of(cpu, "processors", b), text_of(cpu, "processors_allowed", b));
	print_also(cpu, "governor", "governor ");
	printf("\ninstructions ");
	json_array_foreach(json_object_get(cpu, "instructions"), i, name)
	        printf(" %s", json_string_value(name));
	putchar('\n');
}

static void print_system(const json_t *m)
{
	const json_t *memory = json_object_get(m, "memory"), *kernel = json_object_get(m, "kernel");
	const json_t *v = json_object_get(m, "virtualisation"),
	             *c = json_object_get(m, "container");
	char a[TABLE_NUMBER_BYTES], b[TABLE_NUMBER_BYTES], d[TABLE_NUMBER_BYTES];

	printf("memory        %s, limit %s, background write-back from %s\n",
	       bytes_of(memory, "total_bytes", a), bytes_of(memory, "limit_bytes", b),
	       bytes_of(memory, "dirty_background_bytes", d));
	printf("kernel        %s %s", text_of(kernel, "name", a), text_of(kernel, "release", b));
	print_also(kernel, "architecture", "");
	print_also(kernel, "distribution", "");
	printf("\nvirtual       %s", text_of(v, "hypervisor", a));
	print_also(v, "vendor", "");
	print_also(v, "product", "");
	printf("\ncontainer     %s", text_of(c, "kind", a));
	if (json_is_real(json_object_get(c, "quota_processors")))
		printf(", quota of %s processors", text_of(c, "quota_processors", b));
	putchar('\n');
}

static void print_directory(const json_t *d)
{
	char a[TABLE_NUMBER_BYTES], b[TABLE_NUMBER_BYTES];

	printf("directory     %s\n", text_of(d, "path", a));
	if (json_object_get(d, "error")) {
		printf("              %s\n", text_of(d, "error", a));
		return;
	}
	printf("              %s from %s on %s%s%s\n", text_of(d, "type", a),
	       text_of(d, "source", a), text_of(d, "mount", a),
	       json_is_true(json_object_get(d, "durable")) ? "" : ", not durable",
	       json_is_true(json_object_get(d, "network")) ? ", on another machine" : "");
	printf("              encryption %s\n", text_of(d, "encryption", a));
	printf("              %s free of %s\n", bytes_of(d, "free_bytes", a),
	       bytes_of(d, "total_bytes", b));
	printf("              creating a file %s%s, fsync %s\n", ns_of(d, "file_create_ns", a),
	       json_is_true(json_object_get(d, "file_create_slow"))
	               ? " (slow: overhead of encryption will look larger than it is)"
	               : "",
	       ns_of(d, "fsync_ns", b));
}

static void print_build(const json_t *m)
{
	const json_t *libraries = json_object_get(m, "libraries"), *b = json_object_get(m, "build");
	char text[TABLE_NUMBER_BYTES];
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(libraries, "ciphers"), i, c)
	        printf("cipher        %s: %s, %s\n", text_of(c, "cipher", text),
	               text_of(c, "provider", text), text_of(c, "library", text));
	printf("libraries     %s, jansson %s\n", text_of(libraries, "libc", text),
	       text_of(libraries, "jansson", text));
	printf("atrest        %s, commit %s\n", text_of(b, "version", text),
	       text_of(b, "commit", text));
	printf("build         %s (%s), %s, %s\n", text_of(b, "kind", text),
	       text_of(b, "type", text), text_of(b, "compiler", text), text_of(b, "flags", text));
}

static void print_text(const json_t *m)
{
	char a[TABLE_NUMBER_BYTES];
	json_t *d;
	size_t i;

	printf("host          %s, %s\n", text_of(m, "host", a), text_of(m, "time", a));
	print_cpu(json_object_get(m, "cpu"));
	print_system(m);
	json_array_foreach(json_object_get(m, "directories"), i, d) print_directory(d);
	print_build(m);
}

static const struct option_spec option_table[] = {
        {"json", 0, OPTION_FLAG, NULL, "print JSON", offsetof(struct machine_options, json)}, {0}};

extern const struct command command_machine;

static int run(int argc, char **argv)
{
	static const char *const here[] = {"."};
	struct machine_options options = {0};
	json_t *machine;
	int first, code;

	code = options_parse(&command_machine, argc, argv, &options, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	for (int i = first; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) == 0 && !S_ISDIR(st.st_mode))
			errno = ENOTDIR;
		else if (stat(argv[i], &st) == 0)
			continue;
		return complain(EXIT_USAGE, "%s: %s, expected a directory", argv[i],
		                strerror(errno));
	}
	machine = first < argc ? machine_fingerprint((const char *const *)argv + first,
	                                             (size_t)(argc - first), NULL)
	                       : machine_fingerprint(here, 1, NULL);
	if (!machine)
		return complain(EXIT_SYSTEM, "out of memory");
	/* Whether stdout took it all is seen by main, which flushes it. */
	if (!options.json)
		print_text(machine);
	else
		(void)print_json(json_incref(machine), JSON_INDENT(2));
	json_decref(machine);
	return EXIT_FINE;
}

const struct command command_machine = {
        .name = "machine",
        .arguments = "[DIR ...]",
        .summary = "fingerprint of this machine, and of the file system under each directory",
        .details =
                "CPU and its crypto instructions, virtualisation, container limits, kernel, the\n"
                "versions of libraries and of this build; for each DIR (the current one without)\n"
                "its file system, whether that is encrypted, and what creating and syncing a file\n"
                "cost there. Encryption outside of this system, by a disk or by the host of a\n"
                "virtual machine, cannot be seen.",
        .options = option_table,
        .arguments_max = SIZE_MAX,
        .run = run,
};
