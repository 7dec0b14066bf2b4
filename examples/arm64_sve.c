/*
 * An arm64 KVM program: a vCPU with SVE and pointer authentication, as the kernel's virt/kvm/api.rst has it (4.82, 4.119, 4.68): initialised, given
 * its vector lengths, finalized. Its guest computes with vectors and signed pointers; in the middle of that all its registers go into a
 * second vCPU, in two calls, and the work is continued there.
 *
 *     aarch64-linux-gnu-gcc arm64_sve.c $(pkg-config --cflags anykvm)     # on arm64: an ordinary program
 *     gcc arm64_sve.c $(pkg-config --cflags anykvm)                       # elsewhere: anykvm/arm64.h has arm64's ABI
 *     anykvm run --guest arm64 -- ./a.out
 */
#include <anykvm/arm64.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <anykvm/kvm.h>

enum { MEMORY_SIZE = 1 << 20, CODE = 0x1000, RESULT = 0x2000, STACK = 0x8000, MMIO = 0x40000000, ROUNDS = 100, HALF = 40, REGS_MOST = 512 };

/* x0: MMIO, written once a round; x1: a pointer, signed; x3: the round; x4: the sum of z0's lanes; x6: where both go. */
static const uint32_t guest[] = {
	0xd28001e9, /*    mov     x9, #15 */
	0xd5181209, /*    msr     zcr_el1, x9            vectors as long as they may be */
	0xd5033fdf, /*    isb */
	0xd5381009, /*    mrs     x9, sctlr_el1 */
	0xb2610129, /*    orr     x9, x9, #(1 << 31)     EnIA: paciza signs */
	0xd5181009, /*    msr     sctlr_el1, x9 */
	0xd5033fdf, /*    isb */
	0x25d8e3e0, /*    ptrue   p0.d */
	0x04e14021, /*    index   z1.d, #1, #1 */
	0x25f8c000, /*    mov     z0.d, #0 */
	0x10000061, /*    adr     x1, 1f */
	0xdac123e1, /*    paciza  x1 */
	0xd2800003, /*    mov     x3, #0 */
	0x04c00020, /* 1: add     z0.d, p0/m, z0.d, z1.d */
	0xdac133e1, /*    autiza  x1 */
	0xaa0103e5, /*    mov     x5, x1 */
	0xdac123e1, /*    paciza  x1 */
	0x04c12002, /*    uaddv   d2, p0, z0.d */
	0x9e660044, /*    fmov    x4, d2 */
	0x91000463, /*    add     x3, x3, #1 */
	0xa90010c3, /*    stp     x3, x4, [x6] */
	0xf9000003, /*    str     x3, [x0] */
	0xd61f00a0, /*    br      x5                     to 1, if the signature was right */
};

#define CORE(index) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | (index))
#define X(n) CORE(2 * (n))
#define PC CORE(64)
#define CPACR_EL1 ARM64_SYS_REG(3, 0, 1, 0, 2)
#define APIAKEYLO_EL1 ARM64_SYS_REG(3, 0, 2, 1, 0)

struct vm {
	int fd, vcpu;
	struct kvm_run *run;
};

static int kvm(int fd, unsigned long request, const char *name, void *argument)
{
	int result = ioctl(fd, request, argument);

	if (result < 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		exit(1);
	}
	return result;
}

static void reg_set(const struct vm *vm, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { id, (uintptr_t)&value };

	kvm(vm->vcpu, KVM_SET_ONE_REG, "KVM_SET_ONE_REG", &reg);
}

/* A vCPU with SVE and pointer authentication whose vectors have `lengths`, one bit for each multiple of 128 bits; 0: the machine's. */
static struct vm vm_open(int system, uint8_t *memory, uint64_t lengths)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE, .userspace_addr = (uintptr_t)memory };
	struct vm vm = { .fd = kvm(system, KVM_CREATE_VM, "KVM_CREATE_VM", NULL) };
	struct kvm_vcpu_init init = { 0 };
	uint64_t vls[KVM_ARM64_SVE_VLS_WORDS] = { lengths };
	struct kvm_one_reg reg = { KVM_REG_ARM64_SVE_VLS, (uintptr_t)vls };
	int sve = KVM_ARM_VCPU_SVE;

	kvm(vm.fd, KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", &region);
	vm.vcpu = kvm(vm.fd, KVM_CREATE_VCPU, "KVM_CREATE_VCPU", NULL);
	vm.run = mmap(NULL, (size_t)kvm(system, KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE", NULL), PROT_READ | PROT_WRITE, MAP_SHARED, vm.vcpu, 0);
	kvm(vm.fd, KVM_ARM_PREFERRED_TARGET, "KVM_ARM_PREFERRED_TARGET", &init);
	init.features[0] = 1u << KVM_ARM_VCPU_PSCI_0_2 | 1u << KVM_ARM_VCPU_SVE | 1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1u << KVM_ARM_VCPU_PTRAUTH_GENERIC;
	kvm(vm.vcpu, KVM_ARM_VCPU_INIT, "KVM_ARM_VCPU_INIT", &init);
	if (lengths)
		kvm(vm.vcpu, KVM_SET_ONE_REG, "KVM_SET_ONE_REG of the vector lengths", &reg);
	kvm(vm.vcpu, KVM_ARM_VCPU_FINALIZE, "KVM_ARM_VCPU_FINALIZE", &sve);
	return vm;
}

static void vm_start(const struct vm *vm)
{
	reg_set(vm, PC, CODE);
	reg_set(vm, X(0), MMIO);
	reg_set(vm, X(6), RESULT);
	reg_set(vm, CORE(68), STACK); /* SP_EL1 */
	reg_set(vm, CPACR_EL1, 3 << 20 | 3 << 16); /* FPEN, ZEN: neither FP nor SVE traps */
	reg_set(vm, APIAKEYLO_EL1, 0x0123456789abcdef);
}

/* Until the guest has written that round to its device, and the store is over. */
static void vm_run(const struct vm *vm, uint64_t rounds)
{
	uint64_t round = 0;

	while (round < rounds) {
		kvm(vm->vcpu, KVM_RUN, "KVM_RUN", NULL);
		if (vm->run->exit_reason != KVM_EXIT_MMIO) {
			fprintf(stderr, "the guest ended with exit %u\n", vm->run->exit_reason);
			exit(1);
		}
		memcpy(&round, vm->run->mmio.data, sizeof round);
	}
	vm->run->immediate_exit = 1;
	ioctl(vm->vcpu, KVM_RUN, NULL);
	vm->run->immediate_exit = 0;
}

/* ---- All registers, in one call each way. ---- */

static struct {
	uint64_t n;
	struct kvm_one_reg reg[REGS_MOST];
} many;
static uint8_t values[REGS_MOST][256];

static void state_move(const struct vm *from, const struct vm *to)
{
	static struct {
		uint64_t n, reg[REGS_MOST];
	} list = { .n = REGS_MOST };

	kvm(from->vcpu, KVM_GET_REG_LIST, "KVM_GET_REG_LIST", &list);
	for (uint64_t i = 0; i < list.n; i++)
		if (list.reg[i] != KVM_REG_ARM64_SVE_VLS) /* final by now */
			many.reg[many.n++] = (struct kvm_one_reg){ list.reg[i], (uintptr_t)values[i] };
	kvm(from->vcpu, KVM_GET_MANY_REGS, "KVM_GET_MANY_REGS", &many);
	kvm(to->vcpu, KVM_SET_MANY_REGS, "KVM_SET_MANY_REGS", &many);
	printf("%llu registers went over in two calls\n", (unsigned long long)many.n);
}

static uint64_t vector_lengths(const struct vm *vm)
{
	uint64_t vls[KVM_ARM64_SVE_VLS_WORDS] = { 0 };
	struct kvm_one_reg reg = { KVM_REG_ARM64_SVE_VLS, (uintptr_t)vls };

	kvm(vm->vcpu, KVM_GET_ONE_REG, "KVM_GET_ONE_REG of the vector lengths", &reg);
	return vls[0];
}

int main(void)
{
	uint8_t *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int system = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	uint64_t lengths, lanes, result[2];
	struct vm first, second;

	if (system < 0 || memory == MAP_FAILED) {
		perror("/dev/kvm");
		return 1;
	}
	memcpy(memory + CODE, guest, sizeof guest);
	first = vm_open(system, memory, 0);
	lengths = vector_lengths(&first);
	lanes = 2 * (64 - (uint64_t)__builtin_clzll(lengths));
	printf("vectors of up to %llu bits\n", (unsigned long long)lanes * 64);
	vm_start(&first);
	vm_run(&first, HALF);
	second = vm_open(system, memory, lengths);
	state_move(&first, &second);
	vm_run(&second, ROUNDS);
	memcpy(result, memory + RESULT, sizeof result);
	printf("%llu rounds, the sum of %llu lanes is %llu\n", (unsigned long long)result[0], (unsigned long long)lanes, (unsigned long long)result[1]);
	return result[0] == ROUNDS && result[1] == ROUNDS * lanes * (lanes + 1) / 2 ? 0 : 1;
}
