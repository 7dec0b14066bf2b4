/*
 * A whole KVM program in one file: a guest that starts where a processor starts, climbs from real mode to long mode,
 * and does some work there.
 *
 * It shows what every KVM program does (open /dev/kvm, make a VM, give it memory, make a vCPU, run it, serve its exits)
 * and one thing many do not know: KVM_CAP_SYNC_REGS. A vCPU's registers can arrive in kvm_run together with the exit
 * (kvm_valid_regs) and go back together with the next KVM_RUN (kvm_dirty_regs), so that no other ioctl is needed.
 *
 * Build it by itself with  cc hello_long_mode.c  and run it on any machine that has /dev/kvm, or where there is none:
 *     anykvm run -- ./a.out
 *
 * It must never know what is behind /dev/kvm.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
	RAM_SIZE = 1 << 20,
	ROM_SIZE = 4096,
	CODE_AT = 0x1000, /* where guest_code[] lies in guest memory */

	PORT_MILESTONE = 0x10, /* the guest has reached milestone AL */
	PORT_QUESTION = 0x11, /* the guest wants a number in RCX */
	PORT_CONSOLE = 0xe9, /* the guest prints the character AL */
	PORT_TICK = 0x12, /* an exit that means nothing: the measurement counts these */
};

/*
 * The guest. It is data to this program; the assembler just happens to sit in the same file. ADDR(x) is where label x
 * lies in guest memory: a difference of labels plus a constant, because the linker of this program must not choose it.
 */
extern const unsigned char guest_code[], guest_code_end[];
extern const unsigned char reset_code[], reset_code_end[];

#define ADDR(label) "(" #label " - guest_code + 0x1000)"

__asm__(
	".pushsection .rodata\n"

	/* A processor's first instruction is at 0xfffffff0, sixteen bytes below 4 GiB. No room there: jump to RAM. */
	"	.code16\n"
	"reset_code:\n"
	"	ljmpw	$0, $0x1000\n"
	"reset_code_end:\n"

	/* Real mode: 16 bits, no protection, no paging. */
	"guest_code:\n"
	"	cli\n"
	"	movw	%cs, %ax\n"
	"	movw	%ax, %ds\n"
	"	movw	%ax, %ss\n"
	"	movw	$0x8000, %sp\n"
	"	movb	$0, %al\n"
	"	outb	%al, $0x10\n" /* PORT_MILESTONE 0 */
	"	lgdtl	" ADDR(gdt_pointer) "\n"
	"	movl	%cr0, %eax\n"
	"	orl	$1, %eax\n" /* CR0.PE */
	"	movl	%eax, %cr0\n"
	"	ljmpl	$0x08, $" ADDR(protected_mode) "\n"

	/* Protected mode: 32 bits. Build the page tables that long mode asks for: one 2 MiB page, address 0 on itself. */
	"	.code32\n"
	"protected_mode:\n"
	"	movl	$0x10, %eax\n"
	"	movl	%eax, %ds\n"
	"	movl	%eax, %es\n"
	"	movl	%eax, %ss\n"
	"	movl	$0x8000, %esp\n"
	"	movb	$1, %al\n"
	"	outb	%al, $0x10\n" /* PORT_MILESTONE 1 */
	"	movl	$0x3003, 0x2000\n" /* PML4[0]: table at 0x3000, writable, present */
	"	movl	$0x4003, 0x3000\n" /* PDPT[0]: table at 0x4000 */
	"	movl	$0x0083, 0x4000\n" /* PD[0]: 2 MiB page at 0 */
	"	movl	$0x2000, %eax\n"
	"	movl	%eax, %cr3\n"
	"	movl	%cr4, %eax\n"
	"	orl	$0x20, %eax\n" /* CR4.PAE */
	"	movl	%eax, %cr4\n"
	"	movl	$0xc0000080, %ecx\n"
	"	rdmsr\n"
	"	orl	$0x100, %eax\n" /* EFER.LME */
	"	wrmsr\n"
	"	movl	%cr0, %eax\n"
	"	orl	$0x80000000, %eax\n" /* CR0.PG: with LME set, this enters long mode */
	"	movl	%eax, %cr0\n"
	"	ljmpl	$0x18, $" ADDR(long_mode) "\n"

	/* Long mode: 64 bits. */
	"	.code64\n"
	"long_mode:\n"
	"	movb	$2, %al\n"
	"	outb	%al, $0x10\n" /* PORT_MILESTONE 2 */

	/* The primes below 100. RBX: candidate, RCX: divisor. */
	"	lea	primes_text(%rip), %rsi\n"
	"	call	print\n"
	"	movl	$2, %ebx\n"
	"next_candidate:\n"
	"	movl	$2, %ecx\n"
	"next_divisor:\n"
	"	movl	%ecx, %eax\n"
	"	mulq	%rcx\n"
	"	cmpq	%rbx, %rax\n"
	"	ja	prime\n"
	"	movq	%rbx, %rax\n"
	"	xorl	%edx, %edx\n"
	"	divq	%rcx\n"
	"	incl	%ecx\n"
	"	testq	%rdx, %rdx\n"
	"	jnz	next_divisor\n"
	"	jmp	not_prime\n"
	"prime:\n"
	"	movb	$' ', %al\n"
	"	outb	%al, $0xe9\n"
	"	movq	%rbx, %rax\n"
	"	call	print_number\n"
	"not_prime:\n"
	"	incl	%ebx\n"
	"	cmpl	$100, %ebx\n"
	"	jb	next_candidate\n"

	/* A factorial: the host says of which number, by writing RCX. */
	"	lea	factorial_text(%rip), %rsi\n"
	"	call	print\n"
	"	xorl	%ecx, %ecx\n"
	"	outb	%al, $0x11\n" /* PORT_QUESTION */
	"	movq	%rcx, %rax\n"
	"	call	print_number\n"
	"	lea	is_text(%rip), %rsi\n"
	"	call	print\n"
	"	movl	$1, %eax\n"
	"multiply:\n"
	"	imulq	%rcx, %rax\n"
	"	decq	%rcx\n"
	"	jnz	multiply\n"
	"	movq	%rax, %r15\n"
	"	call	print_number\n"
	"	movb	$'\\n', %al\n"
	"	outb	%al, $0xe9\n"
	"	hlt\n"

	/* What comes after HLT is for measuring: an exit, and another. */
	"tick:\n"
	"	outb	%al, $0x12\n" /* PORT_TICK */
	"	jmp	tick\n"

	"print:\n" /* the text at RSI, up to its zero */
	"	lodsb\n"
	"	testb	%al, %al\n"
	"	jz	print_done\n"
	"	outb	%al, $0xe9\n"
	"	jmp	print\n"
	"print_done:\n"
	"	ret\n"

	"print_number:\n" /* RAX in decimal: digits are pushed from the last one on, then popped; uses RDX, R8, R9 */
	"	movl	$10, %r8d\n"
	"	xorl	%r9d, %r9d\n"
	"push_digit:\n"
	"	xorl	%edx, %edx\n"
	"	divq	%r8\n"
	"	push	%rdx\n"
	"	incl	%r9d\n"
	"	testq	%rax, %rax\n"
	"	jnz	push_digit\n"
	"pop_digit:\n"
	"	pop	%rax\n"
	"	addb	$'0', %al\n"
	"	outb	%al, $0xe9\n"
	"	decl	%r9d\n"
	"	jnz	pop_digit\n"
	"	ret\n"

	"primes_text:	.asciz	\"primes below 100:\"\n"
	"factorial_text:	.asciz	\"\\nthe factorial of \"\n"
	"is_text:	.asciz	\" is \"\n"

	/* The descriptors: null, 0x08 32-bit code, 0x10 data, 0x18 64-bit code. */
	"	.balign	8\n"
	"gdt:\n"
	"	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff\n"
	"gdt_pointer:\n"
	"	.word	31\n"
	"	.long	" ADDR(gdt) "\n"
	"guest_code_end:\n"
	".popsection\n");

struct machine {
	int system_fd, vm_fd, vcpu_fd;
	struct kvm_run *run;
	unsigned long exits; /* number of KVM_RUNs that came back */
	unsigned long printed; /* how many of those printed a character */
};

static _Noreturn void fail(const char *what, const char *hint)
{
	fflush(stdout);
	fprintf(stderr, "hello_long_mode: %s: %s\n%s%s", what, strerror(errno), hint, *hint ? "\n" : "");
	exit(1);
}

static int kvm(int fd, unsigned long request, const char *name, void *argument)
{
	int result = ioctl(fd, request, argument);

	if (result < 0)
		fail(name, "");
	return result;
}

/* ---- Setting up ------------------------------------------------------------------------------------------------- */

static unsigned char *memory_add(struct machine *m, unsigned slot, uint64_t guest_address, size_t size)
{
	unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = guest_address,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	if (memory == MAP_FAILED)
		fail("mmap of guest memory", "");
	kvm(m->vm_fd, KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", &region);
	return memory;
}

/* A guest may only use what CPUID tells it; without this call even long mode is missing. */
static void cpuid_offer_all(struct machine *m)
{
	enum { ROOM = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + ROOM * sizeof(cpuid->entries[0]));

	if (!cpuid)
		fail("calloc", "");
	cpuid->nent = ROOM;
	kvm(m->system_fd, KVM_GET_SUPPORTED_CPUID, "KVM_GET_SUPPORTED_CPUID", cpuid);
	kvm(m->vcpu_fd, KVM_SET_CPUID2, "KVM_SET_CPUID2", cpuid);
	free(cpuid);
}

static void machine_create(struct machine *m)
{
	const int wanted = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	int run_size;

	m->system_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m->system_fd < 0)
		fail("open /dev/kvm", "This machine has no KVM, or none for you. Try: anykvm run -- hello_long_mode");
	if (kvm(m->system_fd, KVM_GET_API_VERSION, "KVM_GET_API_VERSION", NULL) != KVM_API_VERSION)
		fail("KVM_GET_API_VERSION", "This is not the KVM API known since Linux 2.6.22.");
	if ((ioctl(m->system_fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & wanted) != wanted) {
		errno = ENOTSUP;
		fail("KVM_CAP_SYNC_REGS", "This KVM does not give registers with its exits (x86: Linux 4.17 and later do).");
	}
	m->vm_fd = kvm(m->system_fd, KVM_CREATE_VM, "KVM_CREATE_VM", NULL);
	m->vcpu_fd = kvm(m->vm_fd, KVM_CREATE_VCPU, "KVM_CREATE_VCPU", NULL);
	run_size = kvm(m->system_fd, KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE", NULL);
	m->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu_fd, 0);
	if (m->run == MAP_FAILED)
		fail("mmap of kvm_run", "");
	cpuid_offer_all(m);
}

/* RAM from address 0, and the last page below 4 GiB, where the processor looks for its first instruction. */
static void guest_load(struct machine *m)
{
	unsigned char *ram = memory_add(m, 0, 0, RAM_SIZE);
	unsigned char *rom = memory_add(m, 1, 0x100000000 - ROM_SIZE, ROM_SIZE);

	memcpy(ram + CODE_AT, guest_code, guest_code_end - guest_code);
	memcpy(rom + ROM_SIZE - 16, reset_code, reset_code_end - reset_code);
}

/* ---- Showing registers ------------------------------------------------------------------------------------------ */

static const struct register_name {
	const char *name;
	size_t offset; /* in struct kvm_regs */
} register_names[] = {
	{ "rax", offsetof(struct kvm_regs, rax) }, { "rbx", offsetof(struct kvm_regs, rbx) },
	{ "rcx", offsetof(struct kvm_regs, rcx) }, { "rdx", offsetof(struct kvm_regs, rdx) },
	{ "rsi", offsetof(struct kvm_regs, rsi) }, { "rdi", offsetof(struct kvm_regs, rdi) },
	{ "rsp", offsetof(struct kvm_regs, rsp) }, { "rbp", offsetof(struct kvm_regs, rbp) },
	{ "r8", offsetof(struct kvm_regs, r8) }, { "r9", offsetof(struct kvm_regs, r9) },
	{ "r10", offsetof(struct kvm_regs, r10) }, { "r11", offsetof(struct kvm_regs, r11) },
	{ "r12", offsetof(struct kvm_regs, r12) }, { "r13", offsetof(struct kvm_regs, r13) },
	{ "r14", offsetof(struct kvm_regs, r14) }, { "r15", offsetof(struct kvm_regs, r15) },
	{ "rip", offsetof(struct kvm_regs, rip) }, { "rflags", offsetof(struct kvm_regs, rflags) },
};

static void registers_show(const struct kvm_regs *regs)
{
	size_t count = sizeof(register_names) / sizeof(register_names[0]);
	uint64_t value;

	for (size_t i = 0; i < count; i++) {
		memcpy(&value, (const char *)regs + register_names[i].offset, sizeof(value));
		printf("  %-6s %016llx%s", register_names[i].name, (unsigned long long)value, i % 4 == 3 ? "\n" : "");
	}
	printf("\n");
}

static void milestone_show(const struct machine *m, unsigned number)
{
	static const char *const names[] = { "real mode", "protected mode", "long mode" };
	const struct kvm_regs *regs = &m->run->s.regs.regs;
	const struct kvm_sregs *sregs = &m->run->s.regs.sregs;

	printf("%4lu  OUT  %-15s rip %04llx  cs %02x  cr0 %08llx  cr3 %04llx  cr4 %02llx  efer %03llx\n", m->exits,
	       number < sizeof(names) / sizeof(names[0]) ? names[number] : "?", (unsigned long long)regs->rip,
	       sregs->cs.selector, (unsigned long long)sregs->cr0, (unsigned long long)sregs->cr3,
	       (unsigned long long)sregs->cr4, (unsigned long long)sregs->efer);
}

/* ---- Running ---------------------------------------------------------------------------------------------------- */

static void machine_run(struct machine *m)
{
	while (ioctl(m->vcpu_fd, KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			fail("KVM_RUN", "");
	m->exits++;
}

/* An exit this program cannot serve: say what it was and where. */
static _Noreturn void exit_unexpected(const struct machine *m)
{
	const struct kvm_run *run = m->run;

	fflush(stdout);
	fprintf(stderr, "hello_long_mode: exit %lu is one no ordinary KVM gives here: ", m->exits);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		fprintf(stderr, "KVM_EXIT_INTERNAL_ERROR, suberror %u%s", run->internal.suberror,
			run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ? " (an instruction this KVM cannot emulate)" : "");
	else if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		fprintf(stderr, "KVM_EXIT_FAIL_ENTRY, hardware reason %#llx",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	else if (run->exit_reason == KVM_EXIT_SHUTDOWN)
		fprintf(stderr, "KVM_EXIT_SHUTDOWN (a triple fault)");
	else if (run->exit_reason == KVM_EXIT_IO)
		fprintf(stderr, "KVM_EXIT_IO, port %#x", run->io.port);
	else
		fprintf(stderr, "exit reason %u", run->exit_reason);
	fprintf(stderr, "\nat cs %#x rip %#llx, cr0 %#llx, efer %#llx\n", run->s.regs.sregs.cs.selector,
		(unsigned long long)run->s.regs.regs.rip, (unsigned long long)run->s.regs.sregs.cr0,
		(unsigned long long)run->s.regs.sregs.efer);
	exit(1);
}

/* The number behind an OUT, whatever its size. */
static unsigned out_value(const struct kvm_run *run)
{
	unsigned value = 0;

	memcpy(&value, (const char *)run + run->io.data_offset, run->io.size <= sizeof(value) ? run->io.size : 1);
	return value;
}

static void console_put(struct machine *m, char c)
{
	static int in_line;

	if (!in_line)
		printf("      guest prints:  ");
	putchar(c);
	in_line = c != '\n';
	m->printed++;
}

/* Runs the guest until its HLT, serving what it asks. */
static void guest_serve(struct machine *m)
{
	struct kvm_run *run = m->run;

	run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS; /* bring these with every exit */
	for (;;) {
		machine_run(m);
		if (run->exit_reason == KVM_EXIT_HLT)
			return;
		if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT)
			exit_unexpected(m);
		switch (run->io.port) {
		case PORT_MILESTONE:
			milestone_show(m, out_value(run));
			break;
		case PORT_CONSOLE:
			console_put(m, out_value(run));
			break;
		case PORT_QUESTION: /* answered in RCX, with no ioctl: the next KVM_RUN takes the registers along */
			run->s.regs.regs.rcx = 20;
			run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
			break;
		default:
			exit_unexpected(m);
		}
	}
}

/* ---- Measuring what sync regs save ------------------------------------------------------------------------------ */

enum how { BARE, SYNC_REGS, TWO_IOCTLS, HOWS };

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Nanoseconds an exit takes, its registers fetched in the way asked for. */
static double exit_cost(struct machine *m, enum how how, int exits)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	double start;

	m->run->kvm_valid_regs = how == SYNC_REGS ? KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS : 0;
	start = now_ns();
	for (int i = 0; i < exits; i++) {
		machine_run(m);
		if (m->run->exit_reason != KVM_EXIT_IO)
			exit_unexpected(m);
		if (how == TWO_IOCTLS) {
			kvm(m->vcpu_fd, KVM_GET_REGS, "KVM_GET_REGS", &regs);
			kvm(m->vcpu_fd, KVM_GET_SREGS, "KVM_GET_SREGS", &sregs);
		}
	}
	return (now_ns() - start) / exits;
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The three ways take turns, so that whatever else the machine does hits them alike; the median of the rounds counts. */
static void saving_show(struct machine *m)
{
	enum { ROUNDS = 21 };
	double cost[HOWS][ROUNDS], bare, sync, two;
	int exits = 1e8 / ROUNDS / exit_cost(m, BARE, 100); /* about 0.1 s for each way */

	if (exits < 10)
		exits = 10;
	for (int round = 0; round < ROUNDS; round++)
		for (int how = 0; how < HOWS; how++)
			cost[how][round] = exit_cost(m, how, exits);
	for (int how = 0; how < HOWS; how++)
		qsort(cost[how], ROUNDS, sizeof(double), double_compare);
	bare = cost[BARE][ROUNDS / 2];
	sync = cost[SYNC_REGS][ROUNDS / 2];
	two = cost[TWO_IOCTLS][ROUNDS / 2];
	printf("sync regs saved %.0f ns per exit: %.0f ns with REGS and SREGS in kvm_run, %.0f ns with GET_REGS + GET_SREGS, %.0f ns with neither\n",
	       two - sync, sync, two, bare);
}

int main(void)
{
	struct machine m = { 0 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	machine_create(&m);
	guest_load(&m);
	printf("exit       what            registers, as they came with the exit\n");
	guest_serve(&m);
	printf("%4lu  HLT  (%lu of these exits printed a character) and all registers:\n", m.exits, m.printed);
	registers_show(&m.run->s.regs.regs);
	saving_show(&m);
	return 0;
}
