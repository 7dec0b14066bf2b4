/*
 * What it costs to get and to set all registers of an arm64 vCPU: one by one (KVM_GET_ONE_REG), in one call (KVM_GET_MANY_REGS), and a
 * memcpy() of as many bytes, which nothing can beat; of a plain vCPU and of one with all features. An ordinary KVM program but for MANY_REGS;
 * see bench.h.
 */
#include "arm64_vm.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <anykvm/kvm.h>

enum { MOST = 512, SIZE_MOST = 256, MEMORY_AT = 0x40000000, MEMORY_SIZE = 1 << 20 };

struct set {
	int vcpu_fd;
	size_t bytes; /* of the array and its values */
	struct {
		uint64_t n;
		struct kvm_one_reg reg[MOST];
	} many;
	uint8_t values[MOST][SIZE_MOST];
};

static struct set all, settable; /* of a vCPU: every register; without the vector lengths, which are final */

static void set_add(struct set *set, uint64_t id)
{
	set->many.reg[set->many.n] = (struct kvm_one_reg){ id, (uintptr_t)set->values[set->many.n] };
	set->many.n++;
	set->bytes += sizeof(struct kvm_one_reg) + KVM_REG_SIZE(id);
}

static void registers_find(const struct bench_vm *vm)
{
	static struct {
		uint64_t n, id[MOST];
	} list;

	list.n = MOST;
	bench_ioctl(vm->vcpu_fd, KVM_GET_REG_LIST, "KVM_GET_REG_LIST", &list);
	all = settable = (struct set){ .vcpu_fd = vm->vcpu_fd };
	for (uint64_t i = 0; i < list.n; i++) {
		set_add(&all, list.id[i]);
		if (list.id[i] != KVM_REG_ARM64_SVE_VLS)
			set_add(&settable, list.id[i]);
	}
	bench_ioctl(vm->vcpu_fd, KVM_GET_MANY_REGS, "KVM_GET_MANY_REGS", &settable.many);
}

/* ---- Ways. ---- */

/* Setting sets something else each time, in general and vector registers: nothing is saved because nothing changes. */
static void values_change(struct set *set)
{
	for (uint64_t i = 0; i < set->many.n; i++) {
		uint64_t id = set->many.reg[i].id, class = id & KVM_REG_ARM_COPROC_MASK;

		if (class == KVM_REG_ARM64_SVE || (class == KVM_REG_ARM_CORE && (id & 0xffff) < KVM_REG_ARM_CORE_REG(regs.pc)))
			set->values[i][0] ^= 0x10;
	}
}

static void one_by_one(struct set *set, unsigned long request)
{
	for (uint64_t i = 0; i < set->many.n; i++)
		bench_ioctl(set->vcpu_fd, request, "KVM_GET_ONE_REG or KVM_SET_ONE_REG", &set->many.reg[i]);
}

static void get_one(void *set, unsigned long count)
{
	while (count--)
		one_by_one(set, KVM_GET_ONE_REG);
}

static void set_one(void *set, unsigned long count)
{
	for (; count--; values_change(set))
		one_by_one(set, KVM_SET_ONE_REG);
}

static void get_many(void *set, unsigned long count)
{
	while (count--)
		bench_ioctl(((struct set *)set)->vcpu_fd, KVM_GET_MANY_REGS, "KVM_GET_MANY_REGS", &((struct set *)set)->many);
}

static void set_many(void *set, unsigned long count)
{
	for (; count--; values_change(set))
		bench_ioctl(((struct set *)set)->vcpu_fd, KVM_SET_MANY_REGS, "KVM_SET_MANY_REGS", &((struct set *)set)->many);
}

static void copy(void *set, unsigned long count)
{
	static uint8_t to[sizeof(struct set)];

	while (count--) {
		memcpy(to, ((struct set *)set)->values, ((struct set *)set)->bytes);
		__asm__ volatile("" : : "r"(to) : "memory");
	}
}

/* ---- Results. ---- */

static void measure(const char *kind, uint32_t features)
{
	struct bench_vm vm;

	arm64_vm_create(&vm, MEMORY_AT, MEMORY_SIZE, features);
	registers_find(&vm);
	printf("%s.registers %llu\n", kind, (unsigned long long)all.many.n);
	printf("%s.set_registers %llu\n", kind, (unsigned long long)settable.many.n);
	printf("%s.bytes %zu\n", kind, all.bytes);
	printf("%s.get.one %.1f\n", kind, bench_measure(get_one, &all));
	printf("%s.get.many %.1f\n", kind, bench_measure(get_many, &all));
	printf("%s.set.one %.1f\n", kind, bench_measure(set_one, &settable));
	printf("%s.set.many %.1f\n", kind, bench_measure(set_many, &settable));
	printf("%s.copy %.1f\n", kind, bench_measure(copy, &all));
}

int main(void)
{
	const uint32_t plain = 1u << KVM_ARM_VCPU_PSCI_0_2;

	measure("plain", plain);
	measure("features", plain | 1u << KVM_ARM_VCPU_PMU_V3 | 1u << KVM_ARM_VCPU_SVE | 1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS |
			    1u << KVM_ARM_VCPU_PTRAUTH_GENERIC);
	return 0;
}
