/*
 * probe_regs [SECTION]: asks /dev/kvm over a thousand questions and prints one named line per answer. The section `xen`, as long again,
 * only by its name.
 * This file has the questions' common words, and main.
 */
#include <fcntl.h>
#include <stdarg.h>

#include "probe.h"

int kvm;
int run_size;

const char *error_name(int error)
{
	const char *name = error ? strerrorname_np(error) : "0";

	return name ? name : "unknown";
}

static void say_line(const char *format, va_list arguments, const char *rest)
{
	vprintf(format, arguments);
	puts(rest);
	fflush(stdout);
}

void say(const char *line, ...)
{
	va_list arguments;

	va_start(arguments, line);
	say_line(line, arguments, "");
	va_end(arguments);
}

/* NAME: rc=RC errno=ERRNO; for calls that return a number. */
long answer(long rc, const char *name, ...)
{
	char rest[64];
	va_list arguments;

	snprintf(rest, sizeof rest, ": rc=%ld errno=%s", rc, rc < 0 ? error_name(errno) : "0");
	va_start(arguments, name);
	say_line(name, arguments, rest);
	va_end(arguments);
	return rc;
}

/* The same for calls that return a descriptor, whose number is of no interest. */
long answer_fd(long rc, const char *name, ...)
{
	char rest[64];
	va_list arguments;

	snprintf(rest, sizeof rest, ": rc=%s errno=%s", rc < 0 ? "-1" : "fd", rc < 0 ? error_name(errno) : "0");
	va_start(arguments, name);
	say_line(name, arguments, rest);
	va_end(arguments);
	return rc;
}

static const char *exit_name(u32 reason)
{
	static const char *const names[] = {
		[KVM_EXIT_UNKNOWN] = "UNKNOWN",
		[KVM_EXIT_EXCEPTION] = "EXCEPTION",
		[KVM_EXIT_IO] = "IO",
		[KVM_EXIT_HYPERCALL] = "HYPERCALL",
		[KVM_EXIT_DEBUG] = "DEBUG",
		[KVM_EXIT_HLT] = "HLT",
		[KVM_EXIT_MMIO] = "MMIO",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
		[KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
		[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
		[KVM_EXIT_INTR] = "INTR",
		[KVM_EXIT_SET_TPR] = "SET_TPR",
		[KVM_EXIT_TPR_ACCESS] = "TPR_ACCESS",
		[KVM_EXIT_NMI] = "NMI",
		[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
		[KVM_EXIT_X86_RDMSR] = "X86_RDMSR",
		[KVM_EXIT_X86_WRMSR] = "X86_WRMSR",
		[KVM_EXIT_XEN] = "XEN",
	};
	static char number[16];

	if (reason < sizeof names / sizeof *names && names[reason])
		return names[reason];
	snprintf(number, sizeof number, "%u", reason);
	return number;
}

/* NAME: rc=RC errno=ERRNO exit=REASON, with what the exit is about. */
void answer_run(long rc, struct vcpu *c, const char *name)
{
	const struct kvm_run *run = c->run;

	if (rc < 0) {
		say("%s: rc=%ld errno=%s exit=-", name, rc, error_name(errno));
		return;
	}
	printf("%s: rc=%ld errno=0 exit=%s", name, rc, exit_name(run->exit_reason));
	if (run->exit_reason == KVM_EXIT_IO)
		printf(" io(port=%#x dir=%d size=%d count=%u off=%#llx data=%#x)", run->io.port, run->io.direction, run->io.size,
		       run->io.count, run->io.data_offset, *((const u8 *)run + run->io.data_offset));
	if (run->exit_reason == KVM_EXIT_MMIO)
		printf(" mmio(addr=%#llx len=%u w=%d)", run->mmio.phys_addr, run->mmio.len, run->mmio.is_write);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		printf(" suberror=%u ndata=%u", run->internal.suberror, run->internal.ndata);
	say("%s", "");
}

/* Rows of 16 bytes in which any is set. */
void say_bytes(const char *name, const void *bytes, size_t n)
{
	const u8 *b = bytes;

	for (size_t row = 0; row < n; row += 16) {
		size_t end = row + 16 < n ? row + 16 : n;
		int any = 0;

		for (size_t i = row; i < end; i++)
			any |= b[i];
		if (!any)
			continue;
		printf("%s+%#zx:", name, row);
		for (size_t i = row; i < end; i++)
			printf(" %02x", b[i]);
		say("%s", "");
	}
}

void say_regs(const char *name, const struct kvm_regs *r)
{
	say("%s: rax=%#llx rbx=%#llx rcx=%#llx rdx=%#llx rsi=%#llx rdi=%#llx rsp=%#llx rbp=%#llx r8=%#llx r9=%#llx r10=%#llx "
	    "r11=%#llx r12=%#llx r13=%#llx r14=%#llx r15=%#llx rip=%#llx rflags=%#llx",
	    name, r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rsp, r->rbp, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13,
	    r->r14, r->r15, r->rip, r->rflags);
}

static void say_segment(const char *name, const char *which, const struct kvm_segment *s)
{
	say("%s.%s: base=%#llx limit=%#x sel=%#x type=%u present=%u dpl=%u db=%u s=%u l=%u g=%u avl=%u unusable=%u", name, which,
	    s->base, s->limit, s->selector, s->type, s->present, s->dpl, s->db, s->s, s->l, s->g, s->avl, s->unusable);
}

void say_sregs(const char *name, const struct kvm_sregs *s)
{
	const __u64 *b = s->interrupt_bitmap;

	say_segment(name, "cs", &s->cs);
	say_segment(name, "ds", &s->ds);
	say_segment(name, "es", &s->es);
	say_segment(name, "fs", &s->fs);
	say_segment(name, "gs", &s->gs);
	say_segment(name, "ss", &s->ss);
	say_segment(name, "tr", &s->tr);
	say_segment(name, "ldt", &s->ldt);
	say("%s: gdt=%#llx/%#x idt=%#llx/%#x cr0=%#llx cr2=%#llx cr3=%#llx cr4=%#llx cr8=%#llx efer=%#llx apic_base=%#llx "
	    "bitmap=%#llx,%#llx,%#llx,%#llx",
	    name, s->gdt.base, s->gdt.limit, s->idt.base, s->idt.limit, s->cr0, s->cr2, s->cr3, s->cr4, s->cr8, s->efer,
	    s->apic_base, b[0], b[1], b[2], b[3]);
}

void say_events(const char *name, const struct kvm_vcpu_events *e)
{
	say("%s: exc(inj=%u nr=%u hasec=%u pend=%u ec=%#x haspl=%u pl=%#llx) int(inj=%u nr=%u soft=%u shadow=%u) nmi(inj=%u "
	    "pend=%u mask=%u) sipi=%#x flags=%#x smi(smm=%u pend=%u in_nmi=%u latched=%u) tf=%u",
	    name, e->exception.injected, e->exception.nr, e->exception.has_error_code, e->exception.pending,
	    e->exception.error_code, e->exception_has_payload, e->exception_payload, e->interrupt.injected, e->interrupt.nr,
	    e->interrupt.soft, e->interrupt.shadow, e->nmi.injected, e->nmi.pending, e->nmi.masked, e->sipi_vector, e->flags,
	    e->smi.smm, e->smi.pending, e->smi.smm_inside_nmi, e->smi.latched_init, e->triple_fault.pending);
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		fail("calloc");
	return memory;
}

struct kvm_cpuid2 *cpuid_table(u32 n)
{
	struct kvm_cpuid2 *table = allocate(sizeof *table + n * sizeof table->entries[0]);

	table->nent = n;
	return table;
}

struct kvm_cpuid2 *cpuid_supported(void)
{
	static struct kvm_cpuid2 *table;

	if (table)
		return table;
	table = cpuid_table(256);
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, table))
		fail("KVM_GET_SUPPORTED_CPUID");
	return table;
}

struct kvm_msr_list *msr_list(void)
{
	struct kvm_msr_list *list = allocate(sizeof *list + 1024 * sizeof list->indices[0]);

	list->nmsrs = 1024;
	if (ioctl(kvm, KVM_GET_MSR_INDEX_LIST, list))
		fail("KVM_GET_MSR_INDEX_LIST");
	return list;
}

/* Identity page tables for the first 4 MiB, and a flat GDT: null, 64-bit code (8), data (16), 32-bit code (24). */
static void memory_init(u8 *mem)
{
	u64 *pml4 = (u64 *)(mem + 0x1000), *pdpt = (u64 *)(mem + 0x2000), *pd = (u64 *)(mem + 0x3000), *gdt = (u64 *)(mem + 0x4000);

	pml4[0] = 0x2007;
	pdpt[0] = 0x3007;
	pd[0] = 0x87;
	pd[1] = 0x200087;
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	gdt[3] = 0x00cf9b000000ffff;
}

struct vm *vm_create(int irqchip)
{
	struct vm *v = allocate(sizeof *v);
	struct kvm_userspace_memory_region slot = {.memory_size = MEMORY_SIZE};

	v->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (v->fd < 0)
		fail("KVM_CREATE_VM");
	ioctl(v->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	if (irqchip && ioctl(v->fd, KVM_CREATE_IRQCHIP, 0))
		perror("KVM_CREATE_IRQCHIP");
	v->mem = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v->mem == MAP_FAILED)
		fail("mmap");
	slot.userspace_addr = (u64)v->mem;
	if (ioctl(v->fd, KVM_SET_USER_MEMORY_REGION, &slot))
		perror("KVM_SET_USER_MEMORY_REGION");
	memory_init(v->mem);
	return v;
}

struct vcpu *vcpu_create(struct vm *vm, int id, int set_cpuid)
{
	struct vcpu *c = allocate(sizeof *c);

	c->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (c->fd < 0)
		fail("KVM_CREATE_VCPU");
	c->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->run == MAP_FAILED)
		fail("mmap of a vCPU");
	if (set_cpuid && ioctl(c->fd, KVM_SET_CPUID2, cpuid_supported()))
		perror("KVM_SET_CPUID2");
	return c;
}

void vm_free(struct vm *vm, struct vcpu *vcpu)
{
	if (vcpu) {
		munmap(vcpu->run, run_size);
		close(vcpu->fd);
		free(vcpu);
	}
	if (vm) {
		close(vm->fd);
		munmap(vm->mem, MEMORY_SIZE);
		free(vm);
	}
}

/* 64-bit mode, flat, with paging, at CPL 0. */
static void vcpu_enter_long_mode(struct vcpu *c)
{
	struct kvm_segment segment = {.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
	struct kvm_sregs s;

	ioctl(c->fd, KVM_GET_SREGS, &s);
	s.ds = s.es = s.fs = s.gs = s.ss = segment;
	segment.selector = 8;
	segment.type = 11;
	segment.db = 0;
	segment.l = 1;
	s.cs = segment;
	s.gdt.base = 0x4000;
	s.gdt.limit = 31;
	s.cr0 = 0x80050033;
	s.cr3 = 0x1000;
	s.cr4 = 0x220;
	s.efer = 0x500;
	if (ioctl(c->fd, KVM_SET_SREGS, &s))
		perror("KVM_SET_SREGS");
}

/* A VM with one vCPU in 64-bit mode, before a loop that counts in RBX and exits each time round. */
struct vcpu *guest_create(struct vm **vm, int irqchip)
{
	static const u8 loop[] = {0x48, 0xff, 0xc3, 0xe6, 0xf1, 0xeb, 0xf9}; /* 1: inc %rbx; out %al,$0xf1; jmp 1b */
	const struct kvm_regs r = {.rip = CODE, .rflags = 2, .rsp = STACK};
	struct vcpu *c;

	*vm = vm_create(irqchip);
	c = vcpu_create(*vm, 0, 1);
	memcpy((*vm)->mem + CODE, loop, sizeof loop);
	vcpu_enter_long_mode(c);
	ioctl(c->fd, KVM_SET_REGS, &r);
	return c;
}

long vcpu_run(struct vcpu *c)
{
	return CALL(c->fd, KVM_RUN, 0);
}

long msr_get(struct vcpu *c, u32 index, u64 *value)
{
	struct msr_one a = {.m.nmsrs = 1, .e[0].index = index};
	long rc = CALL(c->fd, KVM_GET_MSRS, &a);

	*value = a.e[0].data;
	return rc;
}

long msr_set(struct vcpu *c, u32 index, u64 value)
{
	struct msr_one a = {.m.nmsrs = 1, .e[0] = {.index = index, .data = value}};

	return CALL(c->fd, KVM_SET_MSRS, &a);
}

void msr_try(struct vcpu *c, const char *name, u32 index, u64 value)
{
	long set = msr_set(c, index, value), get;
	int error = errno;
	u64 now;

	get = msr_get(c, index, &now);
	say("msr.set.%s[%#x]=%#lx: rc=%ld errno=%s get=%ld val=%#lx", name, index, value, set, set < 0 ? error_name(error) : "0",
	    get, now);
}

/* Those that count time: TSC, its adjustment and deadline, Hyper-V's counters and reference TSC, the TSC ratio. */
int msr_is_volatile(u32 index)
{
	return index == 0x10 || index == 0x3b || index == 0x6e0 || index == 0x40000020 || index == 0x40000010 ||
	       index == 0x40000022 || index == 0xc0000104;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*probe)(void);
	} sections[] = {
		{"system", probe_system}, {"vm", probe_vm},	{"memory", probe_memory}, {"fresh", probe_fresh},
		{"cpuid", probe_cpuid},	  {"regs", probe_regs}, {"events", probe_events}, {"dr", probe_debugregs},
		{"xsave", probe_fpu},	  {"msrs", probe_msrs}, {"mp", probe_mp_state},	  {"lapic", probe_lapic},
		{"sync", probe_sync},	  {"onereg", probe_onereg}, {"run", probe_run},	  {"exits", probe_exits},
	};
	int xen = argc > 1 && !strcmp(argv[1], "xen"); /* a file of its own */

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		fail("/dev/kvm");
	run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (xen) {
		alarm(60);
		probe_xen();
	}
	for (size_t i = 0; !xen && i < sizeof sections / sizeof *sections; i++) {
		if (argc > 1 && strcmp(argv[1], sections[i].name))
			continue;
		alarm(60); /* ends a section that hangs, and with it the program */
		sections[i].probe();
	}
	say("## done");
	return 0;
}
