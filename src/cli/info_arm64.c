/*
 * `anykvm info` of arm64 guests: features of vCPUs, vector lengths, ID registers. Asked with KVM's ioctls, whichever KVM answers.
 */
#include "anykvm/arm64.h"

#include "cli/info_arm64.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "anykvm/anykvm.h"
#include "anykvm/kvm.h"

static const struct {
	const char *name;
	unsigned int bit;
	int capability;
} features[] = {
	{ "psci_0_2", KVM_ARM_VCPU_PSCI_0_2, KVM_CAP_ARM_PSCI_0_2 },
	{ "pmu_v3", KVM_ARM_VCPU_PMU_V3, KVM_CAP_ARM_PMU_V3 },
	{ "sve", KVM_ARM_VCPU_SVE, KVM_CAP_ARM_SVE },
	{ "ptrauth_address", KVM_ARM_VCPU_PTRAUTH_ADDRESS, KVM_CAP_ARM_PTRAUTH_ADDRESS },
	{ "ptrauth_generic", KVM_ARM_VCPU_PTRAUTH_GENERIC, KVM_CAP_ARM_PTRAUTH_GENERIC },
};
#define FEATURES (sizeof features / sizeof *features)

/* Not among the features that a vCPU here is given: it excludes others' registers. */
static bool has_el1_32bit(int vm)
{
	return anykvm_ioctl(vm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_ARM_EL1_32BIT) > 0;
}

static bool has_feature(int vm, size_t i)
{
	return anykvm_ioctl(vm, KVM_CHECK_EXTENSION, (void *)(long)features[i].capability) > 0;
}

int info_arm64_prepare(int vm, int vcpu)
{
	struct kvm_vcpu_init init = { 0 };
	int sve = KVM_ARM_VCPU_SVE;

	if (anykvm_ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init))
		return -1;
	for (size_t i = 0; i < FEATURES; i++)
		if (has_feature(vm, i))
			init.features[0] |= 1u << features[i].bit;
	if (anykvm_ioctl(vcpu, KVM_ARM_VCPU_INIT, &init))
		return -1;
	return init.features[0] & 1u << KVM_ARM_VCPU_SVE ? anykvm_ioctl(vcpu, KVM_ARM_VCPU_FINALIZE, &sve) : 0;
}

/* ---- Vector lengths. ---- */

static bool lengths_get(int vcpu, uint64_t lengths[KVM_ARM64_SVE_VLS_WORDS])
{
	return !anykvm_reg_get(vcpu, KVM_REG_ARM64_SVE_VLS, lengths);
}

static bool length_there(const uint64_t lengths[KVM_ARM64_SVE_VLS_WORDS], unsigned int quads)
{
	return lengths[(quads - 1) / 64] >> (quads - 1) % 64 & 1;
}

static void lengths_print(int vcpu)
{
	uint64_t lengths[KVM_ARM64_SVE_VLS_WORDS];

	if (!lengths_get(vcpu, lengths))
		return;
	printf("  SVE vectors of ");
	for (unsigned int quads = 1, shown = 0; quads <= KVM_ARM64_SVE_VQ_MAX; quads++)
		if (length_there(lengths, quads))
			printf("%s%u", shown++ ? ", " : "", 128 * quads);
	puts(" bits");
}

/* ---- ID registers. ---- */

static void id_print(int vcpu, unsigned int op1, unsigned int crm, unsigned int op2, uint64_t writable)
{
	uint64_t id = ARM64_SYS_REG(3, op1, 0, crm, op2), value;
	char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_VALUE_ROOM];

	if (anykvm_reg_get(vcpu, id, &value) || !value || anykvm_reg_name(id, name, sizeof name))
		return;
	printf("  %-18s 0x%016llx  0x%016llx", name, (unsigned long long)value, (unsigned long long)writable);
	if (!anykvm_reg_explain(id, &value, text, sizeof text) && *text)
		printf("  %s", text);
	putchar('\n');
}

static void ids_print(int vm, int vcpu)
{
	uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE] = { 0 };
	struct reg_mask_range range = { .addr = (uintptr_t)masks, .range = KVM_ARM_FEATURE_ID_RANGE };

	if (anykvm_ioctl(vm, KVM_ARM_GET_REG_WRITABLE_MASKS, &range))
		memset(masks, 0, sizeof masks); /* before Linux 6.7: nothing can be changed */
	puts("\nID registers that are not zero, their values, and bits that can be changed before the first run:");
	for (unsigned int i = 0; i < KVM_ARM_FEATURE_ID_RANGE_SIZE; i++)
		id_print(vcpu, i >> 6 == 2 ? 3 : i >> 6, i >> 3 & 7, i & 7, masks[i]);
}

/* ---- All of it. ---- */

void info_arm64_print(int vm, int vcpu)
{
	printf("\nFeatures that a vCPU can be given:\n ");
	for (size_t i = 0; i < FEATURES; i++)
		if (has_feature(vm, i))
			printf(" %s", features[i].name);
	puts(has_el1_32bit(vm) ? " el1_32bit" : "");
	lengths_print(vcpu);
	ids_print(vm, vcpu);
}

void info_arm64_json(int vm, int vcpu, struct json_object *object)
{
	struct json_object *names = json_object_new_array(), *list = json_object_new_array();
	uint64_t lengths[KVM_ARM64_SVE_VLS_WORDS];
	bool sve = lengths_get(vcpu, lengths);

	for (size_t i = 0; i < FEATURES; i++)
		if (has_feature(vm, i))
			json_object_array_add(names, json_object_new_string(features[i].name));
	if (has_el1_32bit(vm))
		json_object_array_add(names, json_object_new_string("el1_32bit"));
	for (unsigned int quads = 1; sve && quads <= KVM_ARM64_SVE_VQ_MAX; quads++)
		if (length_there(lengths, quads))
			json_object_array_add(list, json_object_new_int((int)(128 * quads)));
	json_object_object_add(object, "features", names);
	json_object_object_add(object, "vector_lengths", list);
}
