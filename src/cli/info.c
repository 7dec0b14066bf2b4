/*
 * anykvm info: what a KVM is and has: version, capabilities, a fresh vCPU's registers. Everything is asked with KVM's ioctls, whichever KVM
 * answers: nothing here may know which.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anykvm/anykvm.h"
#include "anykvm/kvm.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/info_arm64.h"
#include "cli/info_x86.h"
#include "cli/print.h"
#include "core/names.h"

struct arguments {
	enum anykvm_accel accel;
	uint64_t arch;
	bool json, registers, values;
};

static const struct argp_option options[] = {
	ARGUMENTS_ACCEL,
	{ "arch", 'A', "ARCH", 0, "The guests' architecture", 0 },
	{ "guest", 'g', NULL, OPTION_ALIAS, NULL, 0 },
	{ "json", 'j', NULL, 0, "JSON", 0 },
	{ "values", 'v', NULL, 0, "What registers start with, one a line, and CPUID's entries", 0 },
	{ "registers", 'r', NULL, 0, "Registers only: one a line, with their values", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'a':
		arguments->accel = arguments_accel(state, value);
		return 0;
	case 'A':
	case 'g':
		arguments->arch = arguments_arch(state, value);
		return 0;
	case 'j':
		arguments->json = true;
		return 0;
	case 'v':
		arguments->values = true;
		return 0;
	case 'r':
		arguments->registers = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: there are no arguments", value);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, NULL,
	"Shows what a KVM has: its version, its capabilities, the CPUID that it supports, and the registers of a fresh vCPU, by name."
	"\vExit status: 1 when there is no such KVM.",
	NULL, NULL, NULL,
};

/* Capabilities are small numbers; the highest known one is below. */
enum { CAPABILITIES = 512, LINE_WIDTH = 110 };

struct kvm {
	int system, vm, vcpu;
	uint64_t *ids;
	int count;
};

static bool fail(const char *what)
{
	const char *reason = anykvm_refusal()->reason;

	fprintf(stderr, "anykvm info: %s: %s%s%s\n", what, strerror(errno), *reason ? ": " : "", reason);
	return false;
}

static bool kvm_open(struct kvm *kvm, const struct arguments *arguments)
{
	kvm->system = anykvm_open_accel(arguments->accel, arguments->arch, O_CLOEXEC);
	if (kvm->system < 0)
		return fail("opening KVM");
	kvm->vm = anykvm_ioctl(kvm->system, KVM_CREATE_VM, NULL);
	if (kvm->vm < 0)
		return fail("KVM_CREATE_VM");
	kvm->vcpu = anykvm_ioctl(kvm->vm, KVM_CREATE_VCPU, NULL);
	if (kvm->vcpu < 0)
		return fail("KVM_CREATE_VCPU");
	if (anykvm_arch(kvm->system) == KVM_REG_ARM64 && info_arm64_prepare(kvm->vm, kvm->vcpu))
		return fail("KVM_ARM_VCPU_INIT");
	kvm->count = anykvm_reg_list(kvm->vcpu, NULL, 0);
	if (kvm->count < 0)
		return fail("KVM_GET_REG_LIST");
	kvm->ids = calloc((size_t)kvm->count + 1, sizeof *kvm->ids);
	if (!kvm->ids || anykvm_reg_list(kvm->vcpu, kvm->ids, (size_t)kvm->count) != kvm->count)
		return fail("KVM_GET_REG_LIST");
	return true;
}

static void kvm_close(struct kvm *kvm)
{
	free(kvm->ids);
	anykvm_close(kvm->vcpu);
	anykvm_close(kvm->vm);
	anykvm_close(kvm->system);
}

/* ---- Registers. ---- */

static void register_texts(const struct kvm *kvm, uint64_t id, char name[ANYKVM_REG_NAME_ROOM], char value[ANYKVM_VALUE_ROOM])
{
	uint8_t bytes[ANYKVM_REG_SIZE_MAX];

	print_reg_name(id, name);
	if (anykvm_reg_get(kvm->vcpu, id, bytes) || anykvm_value_print(bytes, anykvm_reg_size(id), value, ANYKVM_VALUE_ROOM))
		snprintf(value, ANYKVM_VALUE_ROOM, "(%s)", strerrorname_np(errno));
}

/* One a line, with their values. */
static void values_print(const struct kvm *kvm)
{
	char name[ANYKVM_REG_NAME_ROOM], value[ANYKVM_VALUE_ROOM];

	for (int i = 0; i < kvm->count; i++) {
		register_texts(kvm, kvm->ids[i], name, value);
		printf("  %-30s %5zu  %s\n", name, 8 * anykvm_reg_size(kvm->ids[i]), value);
	}
}

/* What kind of register it is: the description's words behind the architecture, up to its fields. */
static void kind_of(uint64_t id, char kind[static ANYKVM_REG_TEXT_ROOM])
{
	char text[ANYKVM_REG_TEXT_ROOM], *from;

	anykvm_reg_describe(id, text, sizeof text);
	text[strcspn(text, ",")] = 0;
	from = strchr(text, ' ');
	strcpy(kind, from ? from + 1 : text);
}

/* Names of the registers from `first` on that are of its kind and size; they are marked in `shown`. */
static void group_print(const struct kvm *kvm, int first, bool *shown)
{
	char kind[ANYKVM_REG_TEXT_ROOM], other[ANYKVM_REG_TEXT_ROOM], name[ANYKVM_REG_NAME_ROOM], value[ANYKVM_VALUE_ROOM];
	size_t size = anykvm_reg_size(kvm->ids[first]);
	int start, column;

	kind_of(kvm->ids[first], kind);
	start = column = printf("  %-26s %4zu ", kind, 8 * size);
	for (int i = first; i < kvm->count; i++) {
		kind_of(kvm->ids[i], other);
		if (shown[i] || anykvm_reg_size(kvm->ids[i]) != size || strcmp(kind, other))
			continue;
		shown[i] = true;
		register_texts(kvm, kvm->ids[i], name, value);
		if (column + 1 + (int)strlen(name) > LINE_WIDTH)
			column = printf("\n%*s", start, "") - 1;
		column += printf(" %s", name);
	}
	putchar('\n');
}

/* By kind and size, without values. */
static void names_print(const struct kvm *kvm)
{
	bool *shown = calloc((size_t)kvm->count + 1, sizeof *shown);

	for (int i = 0; shown && i < kvm->count; i++)
		if (!shown[i])
			group_print(kvm, i, shown);
	free(shown);
}

static struct json_object *registers_json(const struct kvm *kvm)
{
	struct json_object *list = json_object_new_array();
	char name[ANYKVM_REG_NAME_ROOM], value[ANYKVM_VALUE_ROOM], id[24];

	for (int i = 0; i < kvm->count; i++) {
		struct json_object *object = json_object_new_object();

		register_texts(kvm, kvm->ids[i], name, value);
		snprintf(id, sizeof id, "0x%016llx", (unsigned long long)kvm->ids[i]);
		json_object_object_add(object, "name", json_object_new_string(name));
		json_object_object_add(object, "id", json_object_new_string(id));
		json_object_object_add(object, "bits", json_object_new_int64(8 * (int64_t)anykvm_reg_size(kvm->ids[i])));
		json_object_object_add(object, "value", json_object_new_string(value));
		json_object_array_add(list, object);
	}
	return list;
}

/* ---- Capabilities. ---- */

static int capability(const struct kvm *kvm, unsigned long number)
{
	return anykvm_ioctl(kvm->vm, KVM_CHECK_EXTENSION, (void *)number);
}

static void capabilities_print(const struct kvm *kvm)
{
	char room[NAME_ROOM];

	for (unsigned long number = 0; number < CAPABILITIES; number++) {
		int value = capability(kvm, number);

		if (value > 0)
			printf("  %-38s %3lu  %d\n", name_or_number(name_capability(number), number, room), number, value);
	}
}

static struct json_object *capabilities_json(const struct kvm *kvm)
{
	struct json_object *object = json_object_new_object();
	char room[NAME_ROOM];

	for (unsigned long number = 0; number < CAPABILITIES; number++) {
		int value = capability(kvm, number);

		if (value > 0)
			json_object_object_add(object, name_or_number(name_capability(number), number, room), json_object_new_int(value));
	}
	return object;
}

/* ---- All of it. ---- */

static const char *accel_name(const struct kvm *kvm)
{
	return anykvm_accel(kvm->system) == ANYKVM_ACCEL_KVM ? "/dev/kvm" : "software";
}

static void info_print(const struct kvm *kvm, bool values)
{
	printf("KVM: %s, %s guests, API version %d, %d bytes of kvm_run\n\nCapabilities, their numbers and values:\n", accel_name(kvm),
	       anykvm_arch_name(anykvm_arch(kvm->system)), anykvm_ioctl(kvm->system, KVM_GET_API_VERSION, NULL),
	       anykvm_ioctl(kvm->system, KVM_GET_VCPU_MMAP_SIZE, NULL));
	capabilities_print(kvm);
	if (anykvm_arch(kvm->system) == KVM_REG_X86)
		info_x86_print(kvm->system, values);
	else if (anykvm_arch(kvm->system) == KVM_REG_ARM64)
		info_arm64_print(kvm->vm, kvm->vcpu);
	printf("\nRegisters of a vCPU (%d), their bits%s:\n", kvm->count, values ? ", what they start with" : " and names");
	if (values)
		values_print(kvm);
	else
		names_print(kvm);
}

static void info_json(const struct kvm *kvm)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "kvm", json_object_new_string(accel_name(kvm)));
	json_object_object_add(object, "arch", json_object_new_string(anykvm_arch_name(anykvm_arch(kvm->system))));
	json_object_object_add(object, "api_version", json_object_new_int(anykvm_ioctl(kvm->system, KVM_GET_API_VERSION, NULL)));
	json_object_object_add(object, "vcpu_mmap_size", json_object_new_int(anykvm_ioctl(kvm->system, KVM_GET_VCPU_MMAP_SIZE, NULL)));
	json_object_object_add(object, "capabilities", capabilities_json(kvm));
	if (anykvm_arch(kvm->system) == KVM_REG_X86)
		info_x86_json(kvm->system, object);
	else if (anykvm_arch(kvm->system) == KVM_REG_ARM64)
		info_arm64_json(kvm->vm, kvm->vcpu, object);
	json_object_object_add(object, "registers", registers_json(kvm));
	print_json(object);
}

int command_info_main(int argc, char **argv)
{
	struct arguments arguments = { .accel = ANYKVM_ACCEL_SOFT };
	struct kvm kvm = { -1, -1, -1, NULL, 0 };
	bool open;

	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	open = kvm_open(&kvm, &arguments);
	if (open && arguments.json)
		info_json(&kvm);
	else if (open && arguments.registers)
		values_print(&kvm);
	else if (open)
		info_print(&kvm, arguments.values);
	kvm_close(&kvm);
	return open ? 0 : 1;
}
