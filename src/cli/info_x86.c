/*
 * The part of `anykvm info` that only KVMs for x86 guests have: which CPUID leaves a guest can be given (KVM_GET_SUPPORTED_CPUID), and the
 * MSRs that tell features (KVM_GET_MSR_FEATURE_INDEX_LIST). Leaves as in SDM Vol. 2A, CPUID, and AMD APM Vol. 3, appendix E.
 */
#include "cli/info_x86.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anykvm/anykvm.h"
#include "anykvm/kvm.h"

/* ---- CPUID. ---- */

/* All entries, to be freed; NULL with errno. How many there will be, no call tells beforehand. */
static struct kvm_cpuid2 *cpuid_get(int system)
{
	for (uint32_t room = 128; room <= 8192; room *= 2) {
		struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + room * sizeof cpuid->entries[0]);

		if (!cpuid)
			return NULL;
		cpuid->nent = room;
		if (anykvm_ioctl(system, KVM_GET_SUPPORTED_CPUID, cpuid) == 0)
			return cpuid;
		free(cpuid);
		if (errno != E2BIG)
			return NULL;
	}
	return NULL;
}

static const struct kvm_cpuid_entry2 *leaf_find(const struct kvm_cpuid2 *cpuid, uint32_t leaf)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == leaf && cpuid->entries[i].index == 0)
			return &cpuid->entries[i];
	return NULL;
}

static bool has_subleaf(const struct kvm_cpuid_entry2 *entry)
{
	return entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
}

/* An entry of zeroes is as one that is not there. */
static bool says_something(const struct kvm_cpuid_entry2 *entry)
{
	return entry->eax || entry->ebx || entry->ecx || entry->edx;
}

/* The brand that leaves 0x80000002 ... 4 spell, without the blanks and zeroes around it. */
static void brand_print(const struct kvm_cpuid2 *cpuid)
{
	char text[3 * 16 + 1] = "";
	size_t end;

	for (uint32_t i = 0; i < 3; i++) {
		const struct kvm_cpuid_entry2 *part = leaf_find(cpuid, 0x80000002 + i);

		if (!part)
			return;
		memcpy(text + 16 * i, &part->eax, 16);
	}
	for (end = strlen(text); end && text[end - 1] == ' '; end--)
		;
	if (end)
		printf(", \"%.*s\"", (int)(end - strspn(text, " ")), text + strspn(text, " "));
}

/* The processor's vendor, family, model, stepping and brand. */
static void processor_print(const struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *vendor = leaf_find(cpuid, 0), *version = leaf_find(cpuid, 1);
	uint32_t family, model;

	if (!vendor || !version)
		return;
	family = version->eax >> 8 & 15;
	model = version->eax >> 4 & 15;
	if (family == 6 || family == 15)
		model |= (version->eax >> 16 & 15) << 4;
	if (family == 15)
		family += version->eax >> 20 & 255;
	printf("  processor   %.4s%.4s%.4s, family %u, model %u, stepping %u", (const char *)&vendor->ebx, (const char *)&vendor->edx,
	       (const char *)&vendor->ecx, family, model, version->eax & 15);
	brand_print(cpuid);
	putchar('\n');
}

/* What XCR0 can be given: leaf 0xd (SDM Vol. 1, 13.1). */
static void components_print(const struct kvm_cpuid2 *cpuid)
{
	static const char *const names[] = { "x87", "sse", "avx", "bndregs", "bndcsr", "opmask", "zmm_hi256", "hi16_zmm", NULL, "pkru", [17] = "tilecfg", "tiledata" };
	const struct kvm_cpuid_entry2 *entry = leaf_find(cpuid, 0xd);

	if (!entry)
		return;
	printf("  xcr0       ");
	for (uint32_t i = 0; i < 32; i++) {
		if (!(entry->eax >> i & 1))
			continue;
		if (i < sizeof names / sizeof *names && names[i])
			printf(" %s", names[i]);
		else
			printf(" bit%u", i);
	}
	printf(": %u bytes of XSAVE\n", entry->ecx);
}

/* Which leaves there are, a line for each range of them. */
static void leaves_print(const struct kvm_cpuid2 *cpuid)
{
	static const struct {
		uint32_t first;
		const char *name;
	} ranges[] = { { 0, "basic" }, { 0x40000000, "hypervisor" }, { 0x80000000, "extended" }, { 0xc0000000, "centaur" } };

	for (size_t range = 0; range < sizeof ranges / sizeof *ranges; range++) {
		int count = 0;

		for (uint32_t i = 0; i < cpuid->nent; i++) {
			const struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

			if (entry->function >> 30 != ranges[range].first >> 30 || !says_something(entry))
				continue;
			if (!count || count % 12 == 0)
				printf("%s  %-11s", count ? "\n" : "", count ? "" : ranges[range].name);
			printf(" 0x%x", entry->function);
			if (has_subleaf(entry))
				printf(".%u", entry->index);
			count++;
		}
		if (count)
			putchar('\n');
	}
}

static void entries_print(const struct kvm_cpuid2 *cpuid)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];
		char subleaf[16] = "";

		if (!says_something(entry))
			continue;
		if (has_subleaf(entry))
			snprintf(subleaf, sizeof subleaf, ".%u", entry->index);
		printf("  0x%08x%-3s eax %08x  ebx %08x  ecx %08x  edx %08x\n", entry->function, subleaf, entry->eax, entry->ebx, entry->ecx, entry->edx);
	}
}

static struct json_object *cpuid_json(const struct kvm_cpuid2 *cpuid)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; cpuid && i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];
		const struct {
			const char *name;
			uint32_t value;
		} registers[] = { { "eax", entry->eax }, { "ebx", entry->ebx }, { "ecx", entry->ecx }, { "edx", entry->edx } };
		struct json_object *object = json_object_new_object();
		char text[16];

		snprintf(text, sizeof text, "0x%x", entry->function);
		json_object_object_add(object, "leaf", json_object_new_string(text));
		if (has_subleaf(entry))
			json_object_object_add(object, "subleaf", json_object_new_int64(entry->index));
		for (size_t r = 0; r < sizeof registers / sizeof *registers; r++) {
			snprintf(text, sizeof text, "0x%x", registers[r].value);
			json_object_object_add(object, registers[r].name, json_object_new_string(text));
		}
		json_object_array_add(list, object);
	}
	return list;
}

/* ---- MSRs that tell features. ---- */

/* Their numbers, to be freed; NULL with errno. */
static struct kvm_msr_list *features_get(int system)
{
	struct kvm_msr_list count = { 0 }, *list;

	/* The first call says how many by failing. */
	if (anykvm_ioctl(system, KVM_GET_MSR_FEATURE_INDEX_LIST, &count) < 0 && errno != E2BIG)
		return NULL;
	list = calloc(1, sizeof *list + count.nmsrs * sizeof list->indices[0]);
	if (!list)
		return NULL;
	list->nmsrs = count.nmsrs;
	if (anykvm_ioctl(system, KVM_GET_MSR_FEATURE_INDEX_LIST, list) == 0)
		return list;
	free(list);
	return NULL;
}

static void feature_texts(int system, uint32_t index, char name[ANYKVM_REG_NAME_ROOM], char value[32])
{
	union {
		struct kvm_msrs msrs;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} one = { 0 };

	if (anykvm_reg_name(KVM_X86_REG_MSR(index), name, ANYKVM_REG_NAME_ROOM))
		snprintf(name, ANYKVM_REG_NAME_ROOM, "msr 0x%x", index);
	one.msrs.nmsrs = 1;
	one.msrs.entries[0].index = index;
	/* The call's result is how many it read. */
	if (anykvm_ioctl(system, KVM_GET_MSRS, &one) == 1)
		snprintf(value, 32, "0x%llx", (unsigned long long)one.msrs.entries[0].data);
	else
		strcpy(value, "-");
}

static void features_print(int system)
{
	struct kvm_msr_list *list = features_get(system);
	char name[ANYKVM_REG_NAME_ROOM], value[32];

	if (!list)
		return;
	printf("\nMSRs that tell features (%u):\n", list->nmsrs);
	for (uint32_t i = 0; i < list->nmsrs; i++) {
		feature_texts(system, list->indices[i], name, value);
		printf("  %-30s 0x%-8x  %s\n", name, list->indices[i], value);
	}
	free(list);
}

static struct json_object *features_json(int system)
{
	struct json_object *object = json_object_new_object();
	struct kvm_msr_list *list = features_get(system);
	char name[ANYKVM_REG_NAME_ROOM], value[32];

	for (uint32_t i = 0; list && i < list->nmsrs; i++) {
		feature_texts(system, list->indices[i], name, value);
		json_object_object_add(object, name, json_object_new_string(value));
	}
	free(list);
	return object;
}

/* ---- All of it. ---- */

void info_x86_print(int system, bool values)
{
	struct kvm_cpuid2 *cpuid = cpuid_get(system);

	if (cpuid) {
		printf("\nCPUID that a guest can be given (%u entries; shown: those that are not zero):\n", cpuid->nent);
		processor_print(cpuid);
		components_print(cpuid);
		if (values)
			entries_print(cpuid);
		else
			leaves_print(cpuid);
	}
	free(cpuid);
	features_print(system);
}

void info_x86_json(int system, struct json_object *object)
{
	struct kvm_cpuid2 *cpuid = cpuid_get(system);

	json_object_object_add(object, "cpuid", cpuid_json(cpuid));
	json_object_object_add(object, "feature_msrs", features_json(system));
	free(cpuid);
}
