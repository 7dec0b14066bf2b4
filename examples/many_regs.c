/*
 * A vCPU's registers by id, with ioctls alone: KVM_GET_REG_LIST, KVM_GET_ONE_REG and KVM_SET_ONE_REG, and many registers in one call,
 * KVM_GET_MANY_REGS and KVM_SET_MANY_REGS. On x86 no kernel has them; anykvm adds them to the software KVM and to the machine's:
 *
 *     cc many_regs.c $(pkg-config --cflags anykvm)
 *     anykvm run -- ./a.out                   # software KVM
 *     anykvm run --accel kvm -- ./a.out       # the machine's
 *
 * and without `anykvm run`, as a program that is linked with libanykvm (it then takes an argument: soft, kvm or auto):
 *
 *     cc -DWITH_LIBANYKVM many_regs.c $(pkg-config --cflags --libs anykvm)
 *
 * Every way prints the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <anykvm/kvm.h>

/* ---- The only difference that the library makes. ---- */

#ifdef WITH_LIBANYKVM
#include <anykvm/anykvm.h>

static int kvm_open(const char *which)
{
	enum anykvm_accel accel = !which || !strcmp(which, "soft") ? ANYKVM_ACCEL_SOFT : !strcmp(which, "kvm") ? ANYKVM_ACCEL_KVM : ANYKVM_ACCEL_AUTO;

	return anykvm_open_accel(accel, KVM_REG_X86, O_CLOEXEC);
}

static int kvm_ioctl(int fd, unsigned long request, void *argument)
{
	return anykvm_ioctl(fd, request, argument);
}
#else
static int kvm_open(const char *which)
{
	(void)which;
	return open("/dev/kvm", O_RDWR | O_CLOEXEC);
}

static int kvm_ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument);
}
#endif

/* For calls that must succeed. */
static int kvm(int fd, unsigned long request, const char *name, void *argument)
{
	int result = kvm_ioctl(fd, request, argument);

	if (result < 0) {
		fprintf(stderr, "many_regs: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return result;
}

/* ---- The registers that are used here. `anykvm regs rax cr0 ...` tells the ids of others. ---- */

#define GENERAL(index) ANYKVM_X86_REG(ANYKVM_X86_TYPE_GENERAL, KVM_REG_SIZE_U64, index)
#define CONTROL(index) ANYKVM_X86_REG(ANYKVM_X86_TYPE_CONTROL, KVM_REG_SIZE_U64, index)

static const uint64_t RAX = GENERAL(0), RIP = GENERAL(16);
static const uint64_t CR0 = CONTROL(0), CR3 = CONTROL(3), CR4 = CONTROL(4), EFER = CONTROL(ANYKVM_X86_CONTROL_EFER);
static const uint64_t CS_ATTRIBUTES = ANYKVM_X86_REG(ANYKVM_X86_TYPE_SEGMENT, KVM_REG_SIZE_U32, ANYKVM_X86_SEGMENT_CS << 4 | ANYKVM_X86_SEGMENT_ATTRIBUTES);
static const uint64_t XMM7 = ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_U128, ANYKVM_X86_VECTOR_XMM << 8 | 7);
static const uint64_t LSTAR = KVM_X86_REG_MSR(0xc0000082);

/* ---- A vCPU. ---- */

static int vcpu_create(const char *which)
{
	enum { ROOM = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + ROOM * sizeof cpuid->entries[0]);
	int system = kvm_open(which), vm, vcpu;

	if (!cpuid || system < 0) {
		fprintf(stderr, "many_regs: opening KVM: %s\n", strerror(errno));
		exit(1);
	}
	vm = kvm(system, KVM_CREATE_VM, "KVM_CREATE_VM", NULL);
	vcpu = kvm(vm, KVM_CREATE_VCPU, "KVM_CREATE_VCPU", NULL);
	cpuid->nent = ROOM;
	kvm(system, KVM_GET_SUPPORTED_CPUID, "KVM_GET_SUPPORTED_CPUID", cpuid);
	kvm(vcpu, KVM_SET_CPUID2, "KVM_SET_CPUID2", cpuid);
	free(cpuid);
	return vcpu;
}

/* ---- One register. ---- */

static uint64_t get(int vcpu, uint64_t id)
{
	uint64_t value = 0;
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	kvm(vcpu, KVM_GET_ONE_REG, "KVM_GET_ONE_REG", &reg);
	return value;
}

static void set(int vcpu, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	kvm(vcpu, KVM_SET_ONE_REG, "KVM_SET_ONE_REG", &reg);
}

/* ---- Many. ---- */

enum { MOST = KVM_MANY_REGS_MAX_SIZE / sizeof(struct kvm_one_reg) };

/* The argument of KVM_GET_MANY_REGS and KVM_SET_MANY_REGS, with the values behind it. */
struct set {
	struct kvm_many_regs *regs;
	uint64_t values[16][2]; /* 128 bits each: room for xmm7 */
};

static void set_begin(struct set *s)
{
	s->regs = calloc(1, sizeof *s->regs + MOST * sizeof s->regs->reg[0]);
	if (!s->regs)
		exit(1);
	memset(s->values, 0, sizeof s->values);
}

static void set_add(struct set *s, uint64_t id, uint64_t value)
{
	s->values[s->regs->n][0] = value;
	s->regs->reg[s->regs->n] = (struct kvm_one_reg){ .id = id, .addr = (uintptr_t)s->values[s->regs->n] };
	s->regs->n++;
}

/* ---- What is shown. ---- */

/* How many there are, differs from KVM to KVM; whether those that are used here are among them, does not. */
static void list_show(int vcpu)
{
	const uint64_t used[] = { RAX, RIP, CR0, CR3, CR4, EFER, CS_ATTRIBUTES, XMM7, LSTAR };
	struct kvm_reg_list count = { .n = 0 }, *list;
	unsigned int found = 0;

	kvm_ioctl(vcpu, KVM_GET_REG_LIST, &count); /* E2BIG, and how many there are */
	list = calloc(1, sizeof *list + count.n * sizeof list->reg[0]);
	if (!list)
		exit(1);
	list->n = count.n;
	kvm(vcpu, KVM_GET_REG_LIST, "KVM_GET_REG_LIST", list);
	for (uint64_t i = 0; i < list->n; i++)
		for (unsigned int j = 0; j < sizeof used / sizeof *used; j++)
			found += list->reg[i] == used[j];
	printf("%u of the %zu registers used here are in KVM_GET_REG_LIST\n", found, sizeof used / sizeof *used);
	free(list);
}

static void one_show(int vcpu)
{
	set(vcpu, RAX, 0x1122334455667788);
	set(vcpu, LSTAR, 0xffffffff81000000);
	printf("one by one: rax 0x%llx, lstar 0x%llx\n", (unsigned long long)get(vcpu, RAX), (unsigned long long)get(vcpu, LSTAR));
}

/*
 * From real mode to long mode in one call. A guest does this step by step in an order that the processor prescribes: cr4, cr3, efer, cr0, cs.
 * Here they stand in some other order: what counts is that they fit together in the end.
 */
static void long_mode_show(int vcpu)
{
	struct set s;

	set_begin(&s);
	set_add(&s, CR0, 0x80000033); /* PG, NE, ET, MP, PE */
	set_add(&s, CS_ATTRIBUTES, 0xa09b); /* present code of 64 bits (L) */
	set_add(&s, RIP, 0x100000);
	set_add(&s, XMM7, 0x0706050403020100);
	set_add(&s, EFER, 0x500); /* LMA, LME */
	set_add(&s, CR4, 0x20); /* PAE */
	set_add(&s, CR3, 0x2000);
	kvm(vcpu, KVM_SET_MANY_REGS, "KVM_SET_MANY_REGS", s.regs);

	memset(s.values, 0xee, sizeof s.values);
	kvm(vcpu, KVM_GET_MANY_REGS, "KVM_GET_MANY_REGS", s.regs);
	printf("long mode: cr0 0x%llx, cs attributes 0x%x, rip 0x%llx, xmm7 0x%016llx%016llx, efer 0x%llx, cr4 0x%llx, cr3 0x%llx\n",
	       (unsigned long long)s.values[0][0], (unsigned int)s.values[1][0], (unsigned long long)s.values[2][0], (unsigned long long)s.values[3][1],
	       (unsigned long long)s.values[3][0], (unsigned long long)s.values[4][0], (unsigned long long)s.values[5][0],
	       (unsigned long long)s.values[6][0]);
	free(s.regs);
}

/* All or nothing: rax stands before the register that is refused, and keeps its value all the same. */
static void refused_show(int vcpu)
{
	struct set s;

	set_begin(&s);
	set_add(&s, RAX, 1);
	set_add(&s, CR4, 0); /* long mode cannot be without PAE */
	printf("PAE taken away in long mode: %s", kvm_ioctl(vcpu, KVM_SET_MANY_REGS, s.regs) ? strerror(errno) : "done");
	printf("; rax 0x%llx, cr4 0x%llx\n", (unsigned long long)get(vcpu, RAX), (unsigned long long)get(vcpu, CR4));
	free(s.regs);
}

static void limits_show(int vcpu)
{
	struct set s;

	set_begin(&s);
	printf("no register: %s\n", kvm_ioctl(vcpu, KVM_GET_MANY_REGS, s.regs) ? strerror(errno) : "done");
	for (int i = 0; i < MOST; i++)
		s.regs->reg[i] = (struct kvm_one_reg){ .id = RAX, .addr = (uintptr_t)s.values };
	s.regs->n = MOST;
	printf("%d times the same register: %s\n", MOST, kvm_ioctl(vcpu, KVM_GET_MANY_REGS, s.regs) ? strerror(errno) : "done");
	s.regs->n = MOST + 1;
	printf("one more: %s\n", kvm_ioctl(vcpu, KVM_GET_MANY_REGS, s.regs) ? strerror(errno) : "done");
	s.regs->n = UINT64_MAX / sizeof(struct kvm_one_reg) + 2; /* in bytes that would be 16 */
	printf("so many that 64 bits do not hold their bytes: %s\n", kvm_ioctl(vcpu, KVM_GET_MANY_REGS, s.regs) ? strerror(errno) : "done");
	s.regs->n = 1;
	s.regs->reg[0].id = RAX + 0x100;
	printf("a register that there is not: %s\n", kvm_ioctl(vcpu, KVM_GET_MANY_REGS, s.regs) ? strerror(errno) : "done");
	s.regs->reg[0] = (struct kvm_one_reg){ .id = RAX, .addr = 16 };
	printf("a value at a bad address: %s\n", kvm_ioctl(vcpu, KVM_GET_MANY_REGS, s.regs) ? strerror(errno) : "done");
	free(s.regs);
}

int main(int argc, char **argv)
{
	int vcpu = vcpu_create(argc > 1 ? argv[1] : NULL);

	list_show(vcpu);
	one_show(vcpu);
	long_mode_show(vcpu);
	refused_show(vcpu);
	limits_show(vcpu);
	return 0;
}
