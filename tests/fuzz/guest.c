/*
 * The differential tester's second machine: a guest, through the plain KVM ABI, so that it is /dev/kvm or, under `anykvm run`,
 * the software KVM. The guest has no code of its own but an IRETQ that leads to the case at CPL 3, and for each vector an OUT to the
 * port of the same number, which brings the state out untouched: general registers by KVM_CAP_SYNC_REGS, the rest from the exception frame
 * and KVM_GET_XSAVE.
 *
 * It must never know what a case does, nor which KVM it talks to.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "diff.h"

/* Guest physical layout: one slot. */
enum {
	GPA_PML4 = 0x1000, GPA_PDPT_USER = 0x2000, GPA_PD_USER = 0x3000, GPA_PT_CODE = 0x4000, GPA_PT_DATA = 0x5000,
	GPA_PDPT_KERNEL = 0x6000, GPA_PD_KERNEL = 0x7000, GPA_PT_KERNEL = 0x8000,
	GPA_GDT = 0x9000, GPA_IDT = 0xa000, GPA_TSS = 0xb000, GPA_VECTORS = 0xc000, GPA_ENTRY = 0xd000,
	GPA_STACK = 0xe000, GPA_STACK_TOP = 0xf000,
	GPA_CODE = 0x10000, GPA_DATA = 0x11000, GPA_RO = GPA_DATA + DATA_SIZE,
	MEMORY_SIZE = 0x18000,
	VECTOR_STUB_SIZE = 16,
};

enum { TICK_USEC = 50000, TICKS_MAX = 4 };

/* Supervisor pages are where the native kernel's are, so that user accesses fault alike. */
static const uint64_t kernel_base = 0xffffffff80000000ull;

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4 };
static const uint64_t pte_nx = 1ull << 63;

enum {
	CR0_PE = 1 << 0, CR0_MP = 1 << 1, CR0_ET = 1 << 4, CR0_NE = 1 << 5, CR0_WP = 1 << 16, CR0_AM = 1 << 18,
	CR4_PAE = 1 << 5, CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10, CR4_OSXSAVE = 1 << 18,
	EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NX = 1 << 11,
};
static const uint64_t cr0_pg = 1ull << 31;

struct guest {
	int kvm, vm, vcpu;
	uint8_t *memory;
	struct kvm_run *run;
	size_t run_size;
	struct kvm_sregs sregs;		/* the state every case enters by IRETQ */
	struct kvm_cpuid2 *cpuid;
	uint32_t last_code_at, last_code_len;
};

static void die(const char *what)
{
	fprintf(stderr, "cpu_diff: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int must(int result, const char *what)
{
	if (result < 0)
		die(what);
	return result;
}

static void memory_put64(struct guest *g, uint32_t gpa, uint64_t value)
{
	memcpy(g->memory + gpa, &value, sizeof(value));
}

static uint64_t memory_get64(const struct guest *g, uint32_t gpa)
{
	uint64_t value;

	memcpy(&value, g->memory + gpa, sizeof(value));
	return value;
}

static void table_put(struct guest *g, uint32_t table, uint64_t index, uint64_t entry)
{
	memory_put64(g, (uint32_t)(table + (index & 511) * 8), entry);
}

static void paging_build(struct guest *g)
{
	const uint64_t all = PTE_P | PTE_W | PTE_U;

	table_put(g, GPA_PML4, 0, GPA_PDPT_USER | all);
	table_put(g, GPA_PDPT_USER, 0, GPA_PD_USER | all);
	table_put(g, GPA_PD_USER, CODE_BASE >> 21, GPA_PT_CODE | all);
	table_put(g, GPA_PD_USER, DATA_BASE >> 21, GPA_PT_DATA | all);
	table_put(g, GPA_PT_CODE, 0, GPA_CODE | PTE_P | PTE_U);
	for (uint32_t i = 0; i < DATA_SIZE >> 12; i++)
		table_put(g, GPA_PT_DATA, i, (GPA_DATA + (i << 12)) | all | pte_nx);
	table_put(g, GPA_PT_DATA, DATA_SIZE >> 12, GPA_RO | PTE_P | PTE_U | pte_nx);

	table_put(g, GPA_PML4, kernel_base >> 39, GPA_PDPT_KERNEL | PTE_P | PTE_W);
	table_put(g, GPA_PDPT_KERNEL, kernel_base >> 30, GPA_PD_KERNEL | PTE_P | PTE_W);
	table_put(g, GPA_PD_KERNEL, kernel_base >> 21, GPA_PT_KERNEL | PTE_P | PTE_W);
	for (uint32_t i = 0; i < MEMORY_SIZE >> 12; i++)
		table_put(g, GPA_PT_KERNEL, i, (i << 12) | PTE_P | PTE_W);
}

/* Linux's GDT, entry by entry, as LAR, LSL and selector loads of a case see it. */
static void gdt_build(struct guest *g)
{
	static const uint64_t descriptors[] = {
		[1] = 0x00cf9b000000ffff,	/* kernel code, 32 bit */
		[2] = 0x00af9b000000ffff,	/* kernel code */
		[3] = 0x00cf93000000ffff,	/* kernel data */
		[4] = 0x00cffb000000ffff,	/* user code, 32 bit */
		[5] = 0x00cff3000000ffff,	/* user data */
		[6] = 0x00affb000000ffff,	/* user code */
		[15] = 0x0040f50000000000,	/* the CPU's number */
	};
	const uint64_t tss = kernel_base + GPA_TSS;

	memcpy(g->memory + GPA_GDT, descriptors, sizeof(descriptors));
	memory_put64(g, GPA_GDT + 0x40, 0x67 | (tss & 0xffffff) << 16 | 0x8bull << 40 | (tss >> 24 & 0xff) << 56);
	memory_put64(g, GPA_GDT + 0x48, tss >> 32);
}

static void idt_build(struct guest *g)
{
	for (uint32_t v = 0; v < 256; v++) {
		uint64_t stub = kernel_base + GPA_VECTORS + v * VECTOR_STUB_SIZE;
		/* Linux lets user mode raise #BP and #OF itself. */
		uint64_t type = v == 3 || v == 4 ? 0xee : 0x8e;
		const uint8_t code[] = { 0xe6, (uint8_t)v, 0xeb, 0xfc };

		memory_put64(g, GPA_IDT + v * 16, (stub & 0xffff) | 0x10ull << 16 | type << 40 | (stub >> 16 & 0xffff) << 48);
		memory_put64(g, GPA_IDT + v * 16 + 8, stub >> 32);
		memcpy(g->memory + GPA_VECTORS + v * VECTOR_STUB_SIZE, code, sizeof(code));
	}
}

static void memory_build(struct guest *g)
{
	static const uint8_t iretq[] = { 0x48, 0xcf };

	paging_build(g);
	gdt_build(g);
	idt_build(g);
	/* 64-bit TSS: RSP0 at 4, the I/O map's offset at 102, beyond the limit so that every port faults. */
	memory_put64(g, GPA_TSS + 4, kernel_base + GPA_STACK_TOP);
	g->memory[GPA_TSS + 102] = 0x68;
	memcpy(g->memory + GPA_ENTRY, iretq, sizeof(iretq));
	memset(g->memory + GPA_CODE, 0xcc, CODE_SIZE);
	ro_page_fill(g->memory + GPA_RO);
}

static void sregs_build(struct guest *g)
{
	struct kvm_sregs *s = &g->sregs;
	const struct kvm_segment code = { .limit = 0xffffffff, .selector = 0x10, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
	const struct kvm_segment data = { .limit = 0xffffffff, .selector = SEL_USER_DS, .type = 3, .present = 1, .dpl = 3,
					  .db = 1, .s = 1, .g = 1 };
	const struct kvm_segment none = { .unusable = 1, .type = 3, .s = 1, .dpl = 3, .present = 0 };

	must(ioctl(g->vcpu, KVM_GET_SREGS, s), "KVM_GET_SREGS");
	s->cs = code;
	s->ss = data;
	s->ss.selector = 0x18;
	s->ss.dpl = 0;
	s->ds = s->es = data;
	s->fs = s->gs = none;
	s->fs.base = FS_BASE;
	s->gs.base = GS_BASE;
	s->tr = (struct kvm_segment){ .base = kernel_base + GPA_TSS, .limit = 0x67, .selector = 0x40, .type = 11, .present = 1 };
	s->ldt = (struct kvm_segment){ .unusable = 1, .type = 2 };
	s->gdt.base = kernel_base + GPA_GDT;
	s->gdt.limit = 0x7f;
	s->idt.base = kernel_base + GPA_IDT;
	s->idt.limit = 0xfff;
	s->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | cr0_pg;
	s->cr3 = GPA_PML4;
	s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
	s->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
}

static void cpuid_build(struct guest *g)
{
	enum { ENTRIES = 256 };

	g->cpuid = calloc(1, sizeof(*g->cpuid) + ENTRIES * sizeof(g->cpuid->entries[0]));
	if (!g->cpuid)
		die("out of memory");
	g->cpuid->nent = ENTRIES;
	must(ioctl(g->kvm, KVM_GET_SUPPORTED_CPUID, g->cpuid), "KVM_GET_SUPPORTED_CPUID");
	must(ioctl(g->vcpu, KVM_SET_CPUID2, g->cpuid), "KVM_SET_CPUID2");
}

static void vcpu_reset(struct guest *g)
{
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };

	ioctl(g->vcpu, KVM_SET_MP_STATE, &mp);
	if (ioctl(g->vcpu, KVM_GET_VCPU_EVENTS, &events) == 0) {
		memset(&events.exception, 0, sizeof(events.exception));
		memset(&events.interrupt, 0, sizeof(events.interrupt));
		events.flags = 0;
		ioctl(g->vcpu, KVM_SET_VCPU_EVENTS, &events);
	}
	must(ioctl(g->vcpu, KVM_SET_SREGS, &g->sregs), "KVM_SET_SREGS");
}

static void vcpu_create(struct guest *g)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = 3 } } };
	const int sync = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;

	g->vcpu = must(ioctl(g->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	g->run_size = (size_t)must(ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	g->run = mmap(NULL, g->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	if (g->run == MAP_FAILED)
		die("mmap of the vCPU");
	if ((ioctl(g->kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & sync) != sync)
		die("KVM_CAP_SYNC_REGS is missing");
	cpuid_build(g);
	sregs_build(g);
	vcpu_reset(g);
	must(ioctl(g->vcpu, KVM_SET_XCRS, &xcrs), "KVM_SET_XCRS");
	g->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
}

static void tick(int signal)
{
	(void)signal;
}

/* A signal now and then, to get out of a case that loops. */
static void ticks_start(void)
{
	const struct sigaction sa = { .sa_handler = tick };
	const struct itimerval interval = { { 0, TICK_USEC }, { 0, TICK_USEC } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
}

struct guest *guest_start(const char *device)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY_SIZE };

	if (!g)
		die("out of memory");
	g->kvm = must(open(device, O_RDWR | O_CLOEXEC), device);
	g->vm = must(ioctl(g->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	g->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->memory == MAP_FAILED)
		die("mmap");
	memory_build(g);
	slot.userspace_addr = (uintptr_t)g->memory;
	must(ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	vcpu_create(g);
	ticks_start();
	return g;
}

static void case_install(struct guest *g, const struct test_case *c)
{
	uint32_t at = (uint32_t)(c->in.rip - CODE_BASE);
	uint8_t *code = g->memory + GPA_CODE;

	memset(code + g->last_code_at, 0xcc, g->last_code_len);
	memcpy(code + at, c->code, c->code_len);
	g->last_code_at = at;
	g->last_code_len = c->code_len;
	memcpy(g->memory + GPA_DATA, c->data, DATA_SIZE);
}

/* rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8...: struct kvm_regs has an order of its own. */
static void regs_from_gpr(struct kvm_regs *regs, const uint64_t gpr[16])
{
	*regs = (struct kvm_regs){
		.rax = gpr[RAX], .rbx = gpr[RBX], .rcx = gpr[RCX], .rdx = gpr[RDX], .rsi = gpr[RSI], .rdi = gpr[RDI],
		.rsp = gpr[RSP], .rbp = gpr[RBP], .r8 = gpr[R8], .r9 = gpr[R9], .r10 = gpr[R10], .r11 = gpr[R11],
		.r12 = gpr[R12], .r13 = gpr[R13], .r14 = gpr[R14], .r15 = gpr[R15],
	};
}

static void regs_to_gpr(const struct kvm_regs *regs, uint64_t gpr[16])
{
	const uint64_t values[16] = {
		regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp, regs->rsi, regs->rdi,
		regs->r8, regs->r9, regs->r10, regs->r11, regs->r12, regs->r13, regs->r14, regs->r15,
	};

	memcpy(gpr, values, sizeof(values));
}

static void state_load(struct guest *g, const struct cpu_state *in)
{
	const uint32_t frame = GPA_STACK_TOP - 40;
	const uint64_t xstate_bv = 3;
	struct kvm_regs *regs = &g->run->s.regs.regs;
	struct kvm_xsave xsave = { 0 };

	memory_put64(g, frame, in->rip);
	memory_put64(g, frame + 8, in->cs);
	memory_put64(g, frame + 16, in->rflags | FLAG_IF);
	memory_put64(g, frame + 24, in->gpr[RSP]);
	memory_put64(g, frame + 32, in->ss);
	regs_from_gpr(regs, in->gpr);
	regs->rsp = kernel_base + frame;
	regs->rip = kernel_base + GPA_ENTRY;
	regs->rflags = 2;
	g->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;

	memcpy(xsave.region, in->fx, 416);
	memcpy((uint8_t *)xsave.region + FX_SIZE, &xstate_bv, sizeof(xstate_bv));
	must(ioctl(g->vcpu, KVM_SET_XSAVE, &xsave), "KVM_SET_XSAVE");
}

static void fx_store(struct guest *g, uint8_t *fx)
{
	struct kvm_xsave xsave;
	uint64_t xstate_bv;

	must(ioctl(g->vcpu, KVM_GET_XSAVE, &xsave), "KVM_GET_XSAVE");
	memcpy(fx, xsave.region, 416);
	memset(fx + 416, 0, FX_SIZE - 416);
	memcpy(&xstate_bv, (uint8_t *)xsave.region + FX_SIZE, sizeof(xstate_bv));
	fx_normalise(fx, xstate_bv);
}

/* The exception frame, with or without an error code, lies at the top of the stack. */
static void frame_store(struct guest *g, struct test_result *r)
{
	const struct kvm_regs *regs = &g->run->s.regs.regs;
	uint64_t depth = kernel_base + GPA_STACK_TOP - regs->rsp;
	uint32_t frame = GPA_STACK_TOP - 40;

	regs_to_gpr(regs, r->out.gpr);
	r->error = depth == 48 ? memory_get64(g, GPA_STACK_TOP - 48) : 0;
	r->out.rip = memory_get64(g, frame);
	r->out.cs = (uint16_t)memory_get64(g, frame + 8);
	r->out.rflags = memory_get64(g, frame + 16);
	r->out.gpr[RSP] = memory_get64(g, frame + 24);
	r->out.ss = (uint16_t)memory_get64(g, frame + 32);
}

static void segments_store(struct guest *g, struct test_result *r)
{
	struct kvm_sregs *s = &g->run->s.regs.sregs;

	r->out.ds = s->ds.selector;
	r->out.es = s->es.selector;
	r->cr2 = s->cr2;
	if (s->ds.selector == SEL_USER_DS && s->es.selector == SEL_USER_DS)
		return;
	s->ds = g->sregs.ds;
	s->es = g->sregs.es;
	must(ioctl(g->vcpu, KVM_SET_SREGS, s), "KVM_SET_SREGS");
}

static void exit_store(struct guest *g, struct test_result *r, int error)
{
	if (error == EINTR) {
		r->outcome = OUTCOME_TIMEOUT;
	} else {
		r->outcome = OUTCOME_EXIT;
		r->exit_reason = error ? (uint32_t)-error : g->run->exit_reason;
		r->suberror = error ? 0 : g->run->internal.suberror;
	}
	regs_to_gpr(&g->run->s.regs.regs, r->out.gpr);
	r->out.rip = g->run->s.regs.regs.rip;
	r->out.rflags = g->run->s.regs.regs.rflags;
	fx_store(g, r->out.fx);
	vcpu_reset(g);
}

/* Returns 0 or errno; EINTR only when the guest has not come out for several ticks. */
static int vcpu_run(struct guest *g)
{
	for (int ticks = 0; ioctl(g->vcpu, KVM_RUN, 0) < 0; ticks++)
		if (errno != EINTR || ticks >= TICKS_MAX)
			return errno;
	return 0;
}

void guest_run(struct guest *g, const struct test_case *c, struct test_result *r)
{
	int error;

	case_install(g, c);
	state_load(g, &c->in);
	error = vcpu_run(g);
	memset(r, 0, offsetof(struct test_result, data));
	memcpy(r->data, g->memory + GPA_DATA, DATA_SIZE);
	if (error || g->run->exit_reason != KVM_EXIT_IO) {
		exit_store(g, r, error);
		return;
	}
	r->outcome = OUTCOME_FAULT;
	r->vector = g->run->io.port;
	frame_store(g, r);
	segments_store(g, r);
	fx_store(g, r->out.fx);
}

bool guest_cpuid(struct guest *g, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	for (uint32_t i = 0; i < g->cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &g->cpuid->entries[i];

		if (e->function != leaf || ((e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) && e->index != subleaf))
			continue;
		regs[0] = e->eax;
		regs[1] = e->ebx;
		regs[2] = e->ecx;
		regs[3] = e->edx;
		return true;
	}
	return false;
}

void guest_stop(struct guest *g)
{
	munmap(g->run, g->run_size);
	close(g->vcpu);
	close(g->vm);
	munmap(g->memory, MEMORY_SIZE);
	close(g->kvm);
	free(g->cpuid);
	free(g);
}
