/*
 * libanykvm: a guest moves from one KVM to another in the middle of its work. It is captured into a file, and goes on from that file in a
 * fresh VM, on another KVM where the machine has one.
 *
 *     cc save_restore.c $(pkg-config --cflags --libs anykvm)
 *     ./a.out                  # from software KVM to software KVM
 *     ./a.out kvm soft         # from the machine's to software KVM
 *     ./a.out auto soft FILE   # and keeps the file
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <anykvm/kvm.h>
#include <anykvm/state.h>

enum { MEMORY_SIZE = 2 << 20, TABLES = 0x1000, CODE = 0x8000, ROUNDS = 1 << 16, PORT_PROGRESS = 0x80, STOP_AFTER = 5 };

/* What the guest does: a random walk in rax and a sum of it in rbx; a byte to a port now and then. */
__asm__(".pushsection .rodata\n"
	"guest_begin:\n"
	"	movabs $6364136223846793005, %r8\n"
	"	movabs $1442695040888963407, %r9\n"
	"	xor %eax, %eax\n"
	"	xor %ebx, %ebx\n"
	"	xor %ecx, %ecx\n"
	"1:	imul %r8, %rax\n"
	"	add %r9, %rax\n"
	"	mov %rax, %rdx\n"
	"	shr $40, %rdx\n"
	"	add %rdx, %rbx\n"
	"	inc %rcx\n"
	"	test $0xfff, %ecx\n"
	"	jnz 1b\n"
	"	out %al, $0x80\n"
	"	cmp $0x10000, %rcx\n"
	"	jb 1b\n"
	"	hlt\n"
	"guest_end:\n"
	".popsection\n");
extern const char guest_begin[], guest_end[];

/* The same here, to compare. */
static void expected(uint64_t *walk, uint64_t *sum)
{
	*walk = *sum = 0;
	for (int i = 0; i < ROUNDS; i++) {
		*walk = *walk * 6364136223846793005ULL + 1442695040888963407ULL;
		*sum += *walk >> 40;
	}
}

/* ---- VMs. ---- */

struct vm {
	int system, vm, vcpu;
	struct kvm_run *run;
};

static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, *anykvm_refusal()->reason ? anykvm_refusal()->reason : "failed");
	exit(1);
}

static struct vm vm_create(enum anykvm_accel accel, uint64_t address, uint64_t size, void *memory)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = address, .memory_size = size, .userspace_addr = (uintptr_t)memory };
	struct vm vm;

	check(vm.system = anykvm_open_accel(accel, KVM_REG_X86, O_CLOEXEC), "opening KVM");
	check(vm.vm = anykvm_ioctl(vm.system, KVM_CREATE_VM, NULL), "KVM_CREATE_VM");
	check(anykvm_ioctl(vm.vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	check(vm.vcpu = anykvm_ioctl(vm.vm, KVM_CREATE_VCPU, NULL), "KVM_CREATE_VCPU");
	vm.run = mmap(NULL, (size_t)anykvm_ioctl(vm.system, KVM_GET_VCPU_MMAP_SIZE, NULL), PROT_READ | PROT_WRITE, MAP_SHARED, vm.vcpu, 0);
	if (vm.run == MAP_FAILED)
		exit(1);
	return vm;
}

static void vm_close(const struct vm *vm)
{
	munmap(vm->run, (size_t)anykvm_ioctl(vm->system, KVM_GET_VCPU_MMAP_SIZE, NULL));
	anykvm_close(vm->vcpu);
	anykvm_close(vm->vm);
	anykvm_close(vm->system);
}

/* Features of the software KVM: every KVM has them. */
static void cpuid_set(const struct vm *vm)
{
	enum { ROOM = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + ROOM * sizeof cpuid->entries[0]);
	int soft = anykvm_open(O_CLOEXEC);

	check(soft, "opening software KVM");
	if (!cpuid)
		exit(1);
	cpuid->nent = ROOM;
	check(anykvm_ioctl(soft, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	check(anykvm_ioctl(vm->vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	anykvm_close(soft);
	free(cpuid);
}

/* The guest in long mode at its first instruction, its memory mapped as it is. */
static void guest_place(const struct vm *vm, uint8_t *memory)
{
	uint64_t *tables = (uint64_t *)(memory + TABLES);
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsp = TABLES };
	struct kvm_segment code = { .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };

	memcpy(memory + CODE, guest_begin, (size_t)(guest_end - guest_begin));
	tables[0] = (TABLES + 0x1000) | 3;
	tables[512] = (TABLES + 0x2000) | 3;
	tables[1024] = 0x83; /* 2 MiB from 0 on */
	check(anykvm_ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr3 = TABLES;
	sregs.cr4 = 0x620; /* PAE, OSFXSR, OSXMMEXCPT */
	sregs.cr0 = 0x80000033;
	sregs.efer = 0x500;
	check(anykvm_ioctl(vm->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(anykvm_ioctl(vm->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* Until the guest halts, or has written to its port so many times. Returns how many times it did. */
static int vm_run(const struct vm *vm, int most)
{
	for (int count = 0;;) {
		check(anykvm_ioctl(vm->vcpu, KVM_RUN, NULL), "KVM_RUN");
		if (vm->run->exit_reason == KVM_EXIT_HLT)
			return count;
		if (vm->run->exit_reason != KVM_EXIT_IO || vm->run->io.port != PORT_PROGRESS) {
			fprintf(stderr, "unexpected exit %u\n", vm->run->exit_reason);
			exit(1);
		}
		if (++count == most)
			return count;
	}
}

/* The instruction that made the last exit is done when KVM_RUN is called the next time: it must be before the registers are taken. */
static void vm_settle(const struct vm *vm)
{
	vm->run->immediate_exit = 1;
	if (!anykvm_ioctl(vm->vcpu, KVM_RUN, NULL))
		exit(1);
	vm->run->immediate_exit = 0;
}

/* ---- Moving. ---- */

/* Registers of one KVM that the other has not are counted; CPUID is the KVMs' own. */
static void difference_show(void *one_sided, const struct anykvm_difference *difference)
{
	char a[ANYKVM_VALUE_ROOM], b[ANYKVM_VALUE_ROOM];

	if (!strncmp(difference->name, "cpuid.", 6))
		return;
	if (!difference->a || !difference->b) {
		++*(int *)one_sided;
		return;
	}
	if (difference->size > 32) { /* a structure: the clock goes on */
		printf("  %s: other bytes\n", difference->name);
		return;
	}
	anykvm_value_print(difference->a, difference->size, a, sizeof a);
	anykvm_value_print(difference->b, difference->size, b, sizeof b);
	printf("  %s: %s, was %s\n", difference->name, b, a);
}

static void leave(enum anykvm_accel accel, const char *path)
{
	uint8_t *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vm vm = vm_create(accel, 0, MEMORY_SIZE, memory);
	struct anykvm_state_memory piece = { .address = 0, .size = MEMORY_SIZE, .host = memory };
	struct anykvm_state *state;

	if (memory == MAP_FAILED)
		exit(1);
	cpuid_set(&vm);
	guest_place(&vm, memory);
	check(anykvm_reg_set_text(vm.vcpu, "xmm7", "0x0f0e0d0c0b0a0908_0706050403020100"), "xmm7");
	printf("%s KVM: the guest has told its progress %d times;", anykvm_accel(vm.vcpu) == ANYKVM_ACCEL_KVM ? "the machine's" : "software", vm_run(&vm, STOP_AFTER));
	vm_settle(&vm);
	state = anykvm_state_capture(vm.vm, &vm.vcpu, 1);
	check(state ? 0 : -1, "capture");
	check(anykvm_state_memory_add(state, &piece), "memory");
	check(anykvm_state_save(state, path, NULL), "save");
	printf(" captured in mid-loop\n");
	anykvm_state_free(state);
	vm_close(&vm);
	munmap(memory, MEMORY_SIZE);
}

static int arrive(enum anykvm_accel accel, const char *path)
{
	/* Some KVMs cannot hide from a guest what the processor has. This guest does not ask. */
	struct anykvm_policy *policy = anykvm_policy_parse("ignore cpuid.*\n");
	struct anykvm_state *state = anykvm_state_load(path, NULL), *again;
	struct anykvm_report *report = anykvm_report_new();
	const struct anykvm_state_memory *memory;
	uint64_t walk, walked, sum, summed;
	char xmm7[ANYKVM_VALUE_ROOM];
	size_t count;
	struct vm vm;
	int result, one_sided = 0;

	check(state && policy && report ? 0 : -1, path);
	memory = anykvm_state_memory(state, &count);
	vm = vm_create(accel, memory->address, memory->size, memory->host);
	result = anykvm_state_restore(state, vm.vm, &vm.vcpu, 1, policy, 0, report);
	for (size_t i = 0; i < anykvm_report_count(report); i++)
		printf("  %s: %s\n", anykvm_report_at(report, i)->name, anykvm_report_at(report, i)->rule);
	check(result, "restore");
	printf("%s KVM: restored; what differs:\n", anykvm_accel(vm.vcpu) == ANYKVM_ACCEL_KVM ? "the machine's" : "software");
	again = anykvm_state_capture(vm.vm, &vm.vcpu, 1);
	check(again ? 0 : -1, "capture");
	anykvm_state_diff(state, again, difference_show, &one_sided);
	printf("  registers and parts that only one of the two KVMs has: %d\n", one_sided);
	printf("the guest told its progress another %d times, and halted\n", vm_run(&vm, ROUNDS));
	check(anykvm_reg_get(vm.vcpu, ANYKVM_X86_REG(ANYKVM_X86_TYPE_GENERAL, KVM_REG_SIZE_U64, 0), &walked), "rax");
	check(anykvm_reg_get(vm.vcpu, ANYKVM_X86_REG(ANYKVM_X86_TYPE_GENERAL, KVM_REG_SIZE_U64, 3), &summed), "rbx");
	check(anykvm_reg_get_text(vm.vcpu, "xmm7", xmm7, sizeof xmm7), "xmm7");
	expected(&walk, &sum);
	printf("rax  0x%016llx, %s\nrbx  0x%016llx, %s\nxmm7 %s\n", (unsigned long long)walked, walked == walk ? "right" : "WRONG", (unsigned long long)summed,
	       summed == sum ? "right" : "WRONG", xmm7);
	anykvm_state_free(again);
	vm_close(&vm);
	anykvm_report_free(report);
	anykvm_policy_free(policy);
	anykvm_state_free(state);
	return walked == walk && summed == sum ? 0 : 1;
}

static enum anykvm_accel accel_of(const char *name)
{
	return !strcmp(name, "kvm") ? ANYKVM_ACCEL_KVM : !strcmp(name, "auto") ? ANYKVM_ACCEL_AUTO : ANYKVM_ACCEL_SOFT;
}

int main(int argc, char **argv)
{
	char made[] = "save_restore.XXXXXX";
	const char *path = argc > 3 ? argv[3] : made;
	int fd = argc > 3 ? -1 : mkstemp(made), status;

	if (argc <= 3 && fd < 0)
		return 1;
	leave(accel_of(argc > 1 ? argv[1] : "soft"), path);
	status = arrive(accel_of(argc > 2 ? argv[2] : "soft"), path);
	if (fd >= 0) {
		close(fd);
		unlink(made);
	}
	return status;
}
