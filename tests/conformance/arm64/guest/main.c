/*
 * Asks a KVM of arm64 guests what becomes of guests' instructions: see guest.h. The argument names sections by letter.
 */
#include "guest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/time.h>

struct guest g;

struct setting {
	u64 at, value;
	int memory;
};
static struct setting settings[256];
static unsigned base_count, count;

static void add(u64 at, u64 value, int memory)
{
	if (count == sizeof settings / sizeof *settings)
		abort();
	settings[count++] = (struct setting){ at, value, memory };
}

void with(u64 id, u64 value)
{
	add(id, value, 0);
}

void with_memory(u64 address, u64 value)
{
	add(address, value, 1);
}

void base(u64 id, u64 value)
{
	add(id, value, 0);
	base_count = count;
}

void base_memory(u64 address, u64 value)
{
	add(address, value, 1);
	base_count = count;
}

void base_forget(void)
{
	base_count = count = 0;
}

static void slot(unsigned number, u64 at, void *memory, u64 size, u32 flags)
{
	struct kvm_userspace_memory_region region = { number, flags, at, size, (uintptr_t)memory };

	if (ioctl(g.vm.fd, KVM_SET_USER_MEMORY_REGION, &region)) {
		perror("KVM_SET_USER_MEMORY_REGION");
		exit(1);
	}
}

void guest_open(u64 features, int vcpus)
{
	g = (struct guest){ .vm = newvm(), .second = -1, .features = features, .answer = 0x8887868584838281, .most = 8 };
	if (vcpus > 1)
		g.second = ioctl(g.vm.fd, KVM_CREATE_VCPU, 1);
	g.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	g.readonly = mmap(NULL, READONLY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	slot(0, RAM, g.ram, RAM_SIZE, 0);
	slot(1, READONLY, g.readonly, READONLY_SIZE, KVM_MEM_READONLY);
}

void guest_close(void)
{
	if (g.second >= 0)
		close(g.second);
	delvm(&g.vm);
	munmap(g.ram, RAM_SIZE);
	munmap(g.readonly, READONLY_SIZE);
	base_forget();
}

void tables_flat(void)
{
	base_memory(TABLES, 0x705 | 1ull << 54);
	base_memory(TABLES + 8, RAM | 0x701);
	base(TTBR0_EL1, TABLES);
	base(TCR_EL1, 25 | 1 << 23 | 2ull << 32);
	base(SCTLR_EL1, SCTLR_RESET | 1);
}

/* ---- Before. ---- */

static u64 first_x(unsigned n)
{
	return 0x1000 * (n + 1ull) + 0x5a5a000000000000;
}

static void must(int result, const char *what)
{
	if (result) {
		printf("!! %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void line(int level)
{
	struct kvm_irq_level irq = { { KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT }, level };

	must(ioctl(g.vm.fd, KVM_IRQ_LINE, &irq), "KVM_IRQ_LINE");
}

static void machine_reset(const struct insn *insns, unsigned length)
{
	struct insn end = g.undebugged ? I(0xf90003bf, "str xzr, [x29]") : BRK;
	unsigned char *vectors = g.ram + (VECTORS - RAM);
	struct kvm_device_attr pmu = { .group = KVM_ARM_VCPU_PMU_V3_CTRL, .attr = KVM_ARM_VCPU_PMU_V3_INIT };

	must(init(g.vm.vcpu, g.features), "KVM_ARM_VCPU_INIT");
	if (g.features & F_SVE)
		finalize(g.vm.vcpu, 4);
	if (g.features & F_PMU)
		ioctl(g.vm.vcpu, KVM_SET_DEVICE_ATTR, &pmu);
	if (g.second >= 0)
		must(init(g.second, g.features | F_OFF), "KVM_ARM_VCPU_INIT");
	line(g.irq);
	for (unsigned i = 0; i < DATA_SIZE / 8; i++)
		((u64 *)(g.ram + (DATA - RAM)))[i] = 0xd0d0d0d0d0d00000 + 8 * i;
	memset(g.readonly, 0x77, READONLY_SIZE);
	for (unsigned i = 0; i < 16; i++)
		memcpy(vectors + 128 * i, &end.word, 4);
	for (unsigned i = 0; i < length; i++)
		memcpy(g.ram + (CODE - RAM) + 4 * i, &insns[i].word, 4);
	for (unsigned i = length; i < length + 16; i++)
		memcpy(g.ram + (CODE - RAM) + 4 * i, &end.word, 4);
	for (unsigned i = 0; i < 31; i++)
		set64(g.vm.vcpu, X(i), first_x(i));
	if (g.undebugged)
		set64(g.vm.vcpu, X(29), DEVICE + 0x8000);
	set64(g.vm.vcpu, PC, CODE);
	set64(g.vm.vcpu, SP_EL1, STACK);
	set64(g.vm.vcpu, SP_EL0, STACK + 0x8000);
	set64(g.vm.vcpu, ELR_EL1, 0);
	set64(g.vm.vcpu, SPSR_EL1, 0);
	set64(g.vm.vcpu, VBAR_EL1, VECTORS);
	set64(g.vm.vcpu, CPACR_EL1, 3 << 20 | 3 << 16);
	set64(g.vm.vcpu, ESR_EL1, 0);
	set64(g.vm.vcpu, FAR_EL1, 0);
	set64(g.vm.vcpu, PAR_EL1, 0);
	set64(g.vm.vcpu, MAIR_EL1, 0x0044ff);
	for (unsigned i = 0; i < count; i++) {
		const struct setting *s = &settings[i];

		if (s->memory)
			memcpy(g.ram + (s->at - RAM), &s->value, 8);
		else if (set64(g.vm.vcpu, s->at, s->value))
			printf("!! %s: %s\n", rname(s->at), strerror(errno));
	}
}

/* ---- After. ---- */

static char text[4096];
static unsigned length_of_text;

static void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	length_of_text += (unsigned)vsnprintf(text + length_of_text, sizeof text - length_of_text, format, list);
	va_end(list);
	if (length_of_text > sizeof text - 200)
		length_of_text = sizeof text - 200;
}

static void say_place(u64 pc)
{
	if (pc - VECTORS < 0x800) {
		say(" vector=0x%llx esr=0x%llx far=0x%llx spsr=0x%llx", (unsigned long long)(pc - VECTORS), (unsigned long long)get64(g.vm.vcpu, ESR_EL1),
		    (unsigned long long)get64(g.vm.vcpu, FAR_EL1), (unsigned long long)get64(g.vm.vcpu, SPSR_EL1));
		pc = get64(g.vm.vcpu, ELR_EL1);
		if (pc - CODE < 0x100)
			say(" elr=+%llu", (unsigned long long)(pc - CODE));
		else
			say(" elr=0x%llx", (unsigned long long)pc);
	} else if (pc - CODE < 0x100) {
		say(" at=+%llu", (unsigned long long)(pc - CODE));
	} else {
		say(" at=0x%llx", (unsigned long long)pc);
	}
}

static int set_before(u64 id, u64 *value)
{
	for (unsigned i = count; i--;)
		if (!settings[i].memory && settings[i].at == id) {
			*value = settings[i].value;
			return 1;
		}
	return 0;
}

static void say_changes(void)
{
	u64 value, before;

	for (unsigned i = 0; i < 31; i++) {
		value = get64(g.vm.vcpu, X(i));
		if (!set_before(X(i), &before))
			before = g.undebugged && i == 29 ? DEVICE + 0x8000 : first_x(i);
		if (value != before)
			say(" x%u=0x%llx", i, (unsigned long long)value);
	}
	value = get64(g.vm.vcpu, PAR_EL1);
	if (value)
		say(" par=0x%llx", (unsigned long long)value);
	value = get64(g.vm.vcpu, PSTATE) & ~0xf0000000ull;
	if (!set_before(PSTATE, &before))
		before = EL1H;
	if (value != before && get64(g.vm.vcpu, PC) - VECTORS >= 0x800)
		say(" pstate=0x%llx", (unsigned long long)value);
	value = get64(g.vm.vcpu, SP_EL1);
	if (value != STACK && !(set_before(SP_EL1, &before) && value == before))
		say(" sp_el1=0x%llx", (unsigned long long)value);
	for (unsigned i = 0; i < DATA_SIZE / 8; i++) {
		memcpy(&value, g.ram + (DATA - RAM) + 8 * i, 8);
		before = 0xd0d0d0d0d0d00000 + 8 * i;
		for (unsigned k = 0; k < count; k++)
			if (settings[k].memory && settings[k].at == DATA + 8 * i)
				before = settings[k].value;
		if (value != before)
			say(" data+0x%x=0x%llx", 8 * i, (unsigned long long)value);
	}
}

static volatile int timeout;

/* When it is asked for; 1. */
static int external_abort(void)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };

	if (g.aborts && ioctl(g.vm.vcpu, KVM_SET_VCPU_EVENTS, &events))
		say(" KVM_SET_VCPU_EVENTS=%s", errno_name(errno));
	return 1;
}

/* One exit; 0: it was the last. */
static int say_exit(int result, int step)
{
	struct kvm_run *run = g.vm.run;
	u64 data = 0;

	if (timeout) {
		say(" timeout");
		return 0;
	}
	if (result) {
		if (errno == EINTR && run->exit_reason == KVM_EXIT_INTR && g.follow) {
			say(" level=%llu", (unsigned long long)run->s.regs.device_irq_level);
			line(run->s.regs.device_irq_level != 0);
			return 1;
		}
		say(" error=%s", errno_name(errno));
		say_place(get64(g.vm.vcpu, PC));
		return 0;
	}
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		if (run->mmio.phys_addr == DEVICE + 0x8000) {
			say_place(get64(g.vm.vcpu, PC));
			return 0;
		}
		memcpy(&data, run->mmio.data, run->mmio.is_write ? run->mmio.len : 0);
		say(" mmio=%c,0x%llx,%u,0x%llx", run->mmio.is_write ? 'w' : 'r', (unsigned long long)run->mmio.phys_addr, run->mmio.len, (unsigned long long)data);
		if (!run->mmio.is_write)
			memcpy(run->mmio.data, &g.answer, 8);
		return external_abort();
	case KVM_EXIT_ARM_NISV:
		/* The level is that of KVM's own tables. */
		say(" nisv=0x%llx,0x%llx", (unsigned long long)run->arm_nisv.esr_iss & ~3ull, (unsigned long long)run->arm_nisv.fault_ipa);
		if (g.aborts)
			return external_abort();
		say_place(get64(g.vm.vcpu, PC));
		return 0;
	case KVM_EXIT_SYSTEM_EVENT:
		say(" event=%u,%u,0x%llx", run->system_event.type, run->system_event.ndata, (unsigned long long)run->system_event.data[0]);
		say_place(get64(g.vm.vcpu, PC));
		return 0;
	case KVM_EXIT_HYPERCALL:
		say(" hypercall=0x%llx,0x%llx", (unsigned long long)run->hypercall.nr, *(unsigned long long *)&run->hypercall.longmode);
		say_place(get64(g.vm.vcpu, PC));
		return 1;
	case KVM_EXIT_DEBUG:
		if (run->debug.arch.hsr >> 26 != 0x3c && !(step && run->debug.arch.hsr >> 26 == 0x32))
			say(" debug=0x%x,0x%llx", run->debug.arch.hsr, run->debug.arch.hsr >> 27 == 0x1a ? (unsigned long long)run->debug.arch.far : 0);
		say_place(get64(g.vm.vcpu, PC));
		return 0;
	default:
		say(" exit=%u", run->exit_reason);
		return 0;
	}
}

static void attempt(const struct insn *insns, unsigned length, int step)
{
	struct itimerval limit = { { 2, 0 }, { 2, 0 } }, none = { { 0, 0 }, { 0, 0 } };
	struct kvm_guest_debug debug = g.debug;
	int result, left = g.most;

	machine_reset(insns, length);
	if (!g.undebugged)
		debug.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | (step ? KVM_GUESTDBG_SINGLESTEP : 0);
	must(ioctl(g.vm.vcpu, KVM_SET_GUEST_DEBUG, &debug), "KVM_SET_GUEST_DEBUG");
	must(ioctl(g.vm.vcpu, KVM_SET_VCPU_EVENTS, &g.events), "KVM_SET_VCPU_EVENTS");
	text[length_of_text = 0] = 0;
	timeout = 0;
	setitimer(ITIMER_REAL, &limit, NULL);
	do
		result = ioctl(g.vm.vcpu, KVM_RUN, 0);
	while (say_exit(result, step) && --left);
	setitimer(ITIMER_REAL, &none, NULL);
	/* A store is over, and a load has its register, when KVM_RUN is called again. */
	g.vm.run->immediate_exit = 1;
	ioctl(g.vm.vcpu, KVM_RUN, 0);
	g.vm.run->immediate_exit = 0;
	say_changes();
}

void several(const char *name, const struct insn *insns, unsigned length)
{
	char first[sizeof text];

	first[0] = 0;
	if (!g.step_only) {
		attempt(insns, length, 0);
		printf("%s:%s\n", name, text);
		strcpy(first, text);
	}
	if (length == 1 && !g.run_only) {
		attempt(insns, length, 1);
		if (strcmp(first, text))
			printf("%s.step:%s\n", name, text);
	}
	fflush(stdout);
	count = base_count;
	g.irq = 0;
	memset(&g.events, 0, sizeof g.events);
}

void one(const char *name, struct insn insn)
{
	several(name, &insn, 1);
}

static void on_alarm(int signal)
{
	(void)signal;
	timeout = 1; /* and KVM_RUN ends with EINTR */
}

int main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "PATFDIMRC";

	if (!probe_open())
		return 1;
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
	if (strchr(which, 'P'))
		sec_attributes();
	if (strchr(which, 'A'))
		sec_mmio();
	if (strchr(which, 'T'))
		sec_translation();
	if (strchr(which, 'F'))
		sec_firmware();
	if (strchr(which, 'D'))
		sec_debug();
	if (strchr(which, 'I'))
		sec_interrupts();
	if (strchr(which, 'M'))
		sec_timers();
	if (strchr(which, 'R'))
		sec_traps();
	if (strchr(which, 'C'))
		sec_monitors();
	printf("# done\n");
	return 0;
}
