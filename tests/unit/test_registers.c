/*
 * Registers by id: KVM_GET_REG_LIST, ONE_REG and MANY_REGS against KVM's other calls, and the promise of KVM_SET_MANY_REGS: all or nothing, in
 * any order. An ordinary KVM program but for MANY_REGS. With hardware KVM (`anykvm run --accel kvm`) the registers that it tells and does not
 * take back are left out, and what it does not have is skipped.
 */
#include <cpuid.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <anykvm/kvm.h>

#include "machine.h"

enum { MOST = 1024, SIZE_MOST = 64, MSR_TSC = 0x10 };

/* ---- A vCPU's whole state, as KVM's other calls have it. ---- */

struct whole {
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	uint64_t tsc_offset;
	struct { struct kvm_msrs header; struct kvm_msr_entry entries[250]; } msrs;
};

static struct { uint64_t n, id[MOST]; } list;
static uint64_t list_length; /* as KVM tells it */

static void check(int vcpu, unsigned long request, void *argument)
{
	assert_int_equal(ioctl_error(vcpu, request, argument), 0);
}

static void offset_move(int vcpu, unsigned long request, uint64_t *offset)
{
	struct kvm_device_attr attribute = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)offset };

	check(vcpu, request, &attribute);
}

static void whole_get(int vcpu, struct whole *w)
{
	memset(w, 0, sizeof *w);
	check(vcpu, KVM_GET_REGS, &w->regs);
	check(vcpu, KVM_GET_SREGS2, &w->sregs);
	check(vcpu, KVM_GET_DEBUGREGS, &w->debugregs);
	check(vcpu, KVM_GET_XCRS, &w->xcrs);
	check(vcpu, KVM_GET_XSAVE, &w->xsave);
	check(vcpu, KVM_GET_VCPU_EVENTS, &w->events);
	check(vcpu, KVM_GET_MP_STATE, &w->mp_state);
	offset_move(vcpu, KVM_GET_DEVICE_ATTR, &w->tsc_offset);
	for (uint32_t i = 0; i < list.n; i++) {
		uint32_t index = (uint32_t)list.id[i];

		if (list.id[i] == KVM_X86_REG_MSR(index) && index != MSR_TSC)
			w->msrs.entries[w->msrs.header.nmsrs++].index = index;
	}
	assert_int_equal(ioctl(vcpu, KVM_GET_MSRS, &w->msrs), w->msrs.header.nmsrs);
}

static void assert_whole_equal(const struct whole *a, const struct whole *b)
{
	assert_memory_equal(&a->regs, &b->regs, sizeof a->regs);
	assert_memory_equal(&a->sregs, &b->sregs, sizeof a->sregs);
	assert_memory_equal(&a->debugregs, &b->debugregs, sizeof a->debugregs);
	assert_memory_equal(&a->xcrs, &b->xcrs, sizeof a->xcrs);
	assert_memory_equal(&a->xsave, &b->xsave, sizeof a->xsave);
	assert_memory_equal(&a->events, &b->events, sizeof a->events);
	assert_memory_equal(&a->mp_state, &b->mp_state, sizeof a->mp_state);
	assert_int_equal(a->tsc_offset, b->tsc_offset);
	assert_memory_equal(&a->msrs, &b->msrs, sizeof a->msrs);
}

/* ---- Sets of registers. ---- */

struct set {
	uint64_t n;
	struct kvm_one_reg reg[MOST];
};
static struct set set;
static uint8_t values[MOST][SIZE_MOST];

static uint32_t size_of(uint64_t id)
{
	return 1u << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
}

static void set_add_bytes(uint64_t id, const void *value)
{
	assert_true(size_of(id) <= SIZE_MOST);
	memcpy(values[set.n], value, size_of(id));
	set.reg[set.n] = (struct kvm_one_reg){ id, (uintptr_t)values[set.n] };
	set.n++;
}

static void set_add(uint64_t id, uint64_t value)
{
	set_add_bytes(id, &value);
}

static void set_shuffle(void)
{
	for (uint64_t i = set.n; i > 1; i--) {
		uint64_t j = (uint64_t)rand() % i;
		struct kvm_one_reg reg = set.reg[i - 1];

		set.reg[i - 1] = set.reg[j];
		set.reg[j] = reg;
	}
}

/* Room for every register of the list. */
static void set_all(void)
{
	set.n = 0;
	memset(values, 0, sizeof values);
	for (uint32_t i = 0; i < list.n; i++)
		set_add_bytes(list.id[i], values[i]);
}

static int one(int vcpu, unsigned long request, uint64_t id, void *value)
{
	struct kvm_one_reg reg = { id, (uintptr_t)value };

	return ioctl_error(vcpu, request, &reg);
}

#define GENERAL(n) ANYKVM_X86_REG(ANYKVM_X86_TYPE_GENERAL, KVM_REG_SIZE_U64, n)
#define CONTROL(n) ANYKVM_X86_REG(ANYKVM_X86_TYPE_CONTROL, KVM_REG_SIZE_U64, n)
#define EFER CONTROL(ANYKVM_X86_CONTROL_EFER)
#define SEGMENT(segment, part, size) ANYKVM_X86_REG(ANYKVM_X86_TYPE_SEGMENT, size, ANYKVM_X86_SEGMENT_##segment << 4 | ANYKVM_X86_SEGMENT_##part)
#define RIP GENERAL(16)
#define RFLAGS GENERAL(17)

static struct machine machine;

static bool hardware(void)
{
	const char *accel = getenv("ANYKVM_ACCEL");

	return accel && !strcmp(accel, "kvm");
}

/* Hardware KVM lists MSRs that it does not take back, and some that count by themselves. */
static void list_reduce(void)
{
	static uint64_t first[MOST][SIZE_MOST / 8], second[SIZE_MOST / 8];
	uint64_t kept = 0;

	for (uint64_t i = 0; i < list.n; i++) {
		if (list.id[i] == KVM_X86_REG_MSR(MSR_TSC)) /* moves, and the TSC's offset with it */
			continue;
		if (!one(machine.vcpu, KVM_GET_ONE_REG, list.id[i], first[kept]) && !one(machine.vcpu, KVM_SET_ONE_REG, list.id[i], first[kept]))
			list.id[kept++] = list.id[i];
	}
	list.n = kept;
	usleep(1000);
	kept = 0;
	for (uint64_t i = 0; i < list.n; i++) {
		assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, list.id[i], second), 0);
		if (!memcmp(first[i], second, size_of(list.id[i])))
			list.id[kept++] = list.id[i];
	}
	list.n = kept;
}

/* With a CPUID, or Linux 6.12.117 does not take EFER.LME. */
static void machine_open_able(struct machine *m)
{
	struct { struct kvm_cpuid2 header; struct kvm_cpuid_entry2 entries[256]; } cpuid = { .header.nent = 256 };

	machine_open(m);
	check(m->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid);
	check(m->vcpu, KVM_SET_CPUID2, &cpuid);
}

static int setup(void **state)
{
	(void)state;
	machine_open_able(&machine);
	list.n = MOST;
	if (ioctl_error(machine.vcpu, KVM_GET_REG_LIST, &list))
		return -1;
	list_length = list.n;
	if (hardware())
		list_reduce();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	machine_close(&machine);
	return 0;
}

/* Something else than zero wherever it may stand. */
static void vcpu_fill(int vcpu)
{
	struct kvm_xsave xsave = { 0 };
	struct kvm_debugregs debugregs = { 0 };
	struct kvm_regs regs = { 0 };
	uint8_t *area = (uint8_t *)&xsave;
	uint64_t components = 3;

	for (unsigned int i = 0; i < sizeof regs; i++)
		((uint8_t *)&regs)[i] = (uint8_t)(i * 7 + 1);
	regs.rflags = 0x246;
	check(vcpu, KVM_SET_REGS, &regs);
	check(vcpu, KVM_GET_DEBUGREGS, &debugregs);
	for (unsigned int i = 0; i < 4; i++)
		debugregs.db[i] = 0x1000 * (i + 1);
	check(vcpu, KVM_SET_DEBUGREGS, &debugregs);
	check(vcpu, KVM_GET_XSAVE, &xsave);
	for (unsigned int i = 32; i < 416; i++)
		if (i >= 160 || i % 16 < 10)
			area[i] = (uint8_t)(i * 11 + 3);
	memcpy(area + 512, &components, sizeof components);
	check(vcpu, KVM_SET_XSAVE, &xsave);
}

/* ---- The list. ---- */

static bool listed(uint64_t id)
{
	for (uint32_t i = 0; i < list.n; i++)
		if (list.id[i] == id)
			return true;
	return false;
}

static void test_list(void **state)
{
	struct { uint64_t n, id[2]; } little = { .n = 2, .id = { 1, 2 } };

	(void)state;
	assert_int_equal(ioctl_error(machine.vcpu, KVM_GET_REG_LIST, &little), E2BIG);
	assert_int_equal(little.n, list_length);
	assert_int_equal(little.id[0], 1);
	for (uint32_t i = 0; i < list.n; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(list.id[i], list.id[j]);
	for (unsigned int i = 0; i < 18; i++)
		assert_true(listed(GENERAL(i)));
	assert_true(listed(CONTROL(0)) && listed(CONTROL(4)) && listed(CONTROL(8)) && listed(EFER) && !listed(CONTROL(1)));
	assert_true(listed(SEGMENT(CS, WHOLE, KVM_REG_SIZE_U256)) && listed(SEGMENT(IDTR, LIMIT, KVM_REG_SIZE_U16)));
	assert_true(listed(KVM_X86_REG_MSR(0xc0000082)));
	assert_true(listed(ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_U128, ANYKVM_X86_VECTOR_XMM << 8 | 15)));
	assert_int_equal(ioctl_error(machine.vcpu, KVM_GET_REG_LIST, (void *)8), EFAULT);
}

/* ---- Reading. ---- */

/* A register's bytes in the state of the other calls, which the test looks up in a table of its own. */
static void assert_register(const struct whole *w, uint64_t id, const void *where)
{
	uint8_t value[SIZE_MOST];

	(void)w;
	memset(value, 0xee, sizeof value);
	assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, id, value), 0);
	assert_memory_equal(value, where, size_of(id));
	for (unsigned int i = size_of(id); i < sizeof value; i++)
		assert_int_equal(value[i], 0xee);
}

/* Where a component of the XSAVE area begins: the software KVM's own place, or the processor's. */
static uint32_t component_at(unsigned int component)
{
	unsigned int size, at = 0, ecx, edx;

	if (!hardware())
		return component == 2 ? 0x240 : component == 9 ? 0xa80 : 0;
	return __get_cpuid_count(0xd, component, &size, &at, &ecx, &edx) ? at : 0;
}

#define VECTOR(class, size, n) ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_##size, ANYKVM_X86_VECTOR_##class << 8 | (n))

/* The registers that stand in pieces, and those of AVX-512 where there are any. */
static void assert_components(const struct whole *w)
{
	const uint8_t *area = (const uint8_t *)&w->xsave;
	uint8_t value[64];

	for (uint32_t i = 0; i < 16; i++) {
		memcpy(value, area + 160 + 16 * i, 16);
		memcpy(value + 16, area + component_at(2) + 16 * i, 16);
		assert_register(w, VECTOR(YMM, U256, i), value);
		if (!listed(VECTOR(ZMM, U512, i)))
			continue;
		memcpy(value + 32, area + component_at(6) + 32 * i, 32);
		assert_register(w, VECTOR(ZMM, U512, i), value);
		assert_register(w, VECTOR(ZMM, U512, 16 + i), area + component_at(7) + 64 * i);
		assert_register(w, VECTOR(YMM, U256, 16 + i), area + component_at(7) + 64 * i);
		assert_register(w, VECTOR(XMM, U128, 16 + i), area + component_at(7) + 64 * i);
		if (i < 8)
			assert_register(w, VECTOR(K, U64, i), area + component_at(5) + 8 * i);
	}
	if (listed(ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U32, ANYKVM_X86_XSAVE_PKRU)))
		assert_register(w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U32, ANYKVM_X86_XSAVE_PKRU), area + component_at(9));
}

static void test_reads_as_the_other_calls(void **state)
{
	static const uint8_t order[] = { 0, 2, 3, 1, 6, 7, 4, 5 }; /* rax rcx rdx rbx rsp rbp rsi rdi, in struct kvm_regs */
	struct kvm_segment *segments[8];
	struct whole w;

	(void)state;
	vcpu_fill(machine.vcpu);
	whole_get(machine.vcpu, &w);
	for (unsigned int i = 0; i < 8; i++)
		assert_register(&w, GENERAL(i), (const __u64 *)&w.regs + order[i]);
	for (unsigned int i = 8; i < 18; i++)
		assert_register(&w, GENERAL(i), (const __u64 *)&w.regs + i);
	memcpy(segments, (struct kvm_segment *[]){ &w.sregs.es, &w.sregs.cs, &w.sregs.ss, &w.sregs.ds, &w.sregs.fs, &w.sregs.gs, &w.sregs.tr, &w.sregs.ldt }, sizeof segments);
	for (uint32_t i = 0; i < 8; i++) {
		struct kvm_segment *s = segments[i];
		uint32_t rights = s->type | (uint32_t)s->s << 4 | (uint32_t)s->dpl << 5 | (uint32_t)s->present << 7 | (uint32_t)s->avl << 12 | (uint32_t)s->l << 13 |
				  (uint32_t)s->db << 14 | (uint32_t)s->g << 15 | (uint32_t)s->unusable << 16;
		uint8_t whole[32] = { 0 };

		memcpy(whole, s, sizeof *s);
		assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_SEGMENT, KVM_REG_SIZE_U256, i << 4), whole);
		assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_SEGMENT, KVM_REG_SIZE_U16, i << 4 | 1), &s->selector);
		assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_SEGMENT, KVM_REG_SIZE_U64, i << 4 | 2), &s->base);
		assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_SEGMENT, KVM_REG_SIZE_U32, i << 4 | 3), &s->limit);
		assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_SEGMENT, KVM_REG_SIZE_U32, i << 4 | 4), &rights);
	}
	assert_register(&w, SEGMENT(GDTR, WHOLE, KVM_REG_SIZE_U128), &w.sregs.gdt);
	assert_register(&w, SEGMENT(IDTR, BASE, KVM_REG_SIZE_U64), &w.sregs.idt.base);
	assert_register(&w, CONTROL(0), &w.sregs.cr0);
	assert_register(&w, CONTROL(2), &w.sregs.cr2);
	assert_register(&w, CONTROL(3), &w.sregs.cr3);
	assert_register(&w, CONTROL(4), &w.sregs.cr4);
	assert_register(&w, CONTROL(8), &w.sregs.cr8);
	assert_register(&w, EFER, &w.sregs.efer);
	assert_register(&w, CONTROL(ANYKVM_X86_CONTROL_APIC_BASE), &w.sregs.apic_base);
	for (unsigned int i = 0; i < 4; i++)
		assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_DEBUG, KVM_REG_SIZE_U64, i), &w.debugregs.db[i]);
	assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_DEBUG, KVM_REG_SIZE_U64, 6), &w.debugregs.dr6);
	assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_DEBUG, KVM_REG_SIZE_U64, 7), &w.debugregs.dr7);
	assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_XCR, KVM_REG_SIZE_U64, 0), &w.xcrs.xcrs[0].value);
	for (uint32_t i = 0; i < 8; i++) {
		assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_X87, KVM_REG_SIZE_U128, i), (const uint8_t *)&w.xsave + 32 + 16 * i);
		assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_U64, ANYKVM_X86_VECTOR_MM << 8 | i), (const uint8_t *)&w.xsave + 32 + 16 * i);
	}
	for (uint32_t i = 0; i < 16; i++)
		assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_U128, ANYKVM_X86_VECTOR_XMM << 8 | i), (const uint8_t *)&w.xsave + 160 + 16 * i);
	assert_components(&w);
	assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U32, ANYKVM_X86_XSAVE_MXCSR), (const uint8_t *)&w.xsave + 24);
	assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U32, ANYKVM_X86_XSAVE_MXCSR_MASK), (const uint8_t *)&w.xsave + 28);
	assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U64, ANYKVM_X86_XSAVE_XSTATE_BV), (const uint8_t *)&w.xsave + 512);
	assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_EVENTS, KVM_REG_SIZE_U512, ANYKVM_X86_EVENTS_WHOLE), &w.events);
	assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_VCPU, KVM_REG_SIZE_U32, ANYKVM_X86_VCPU_MP_STATE), &w.mp_state);
	assert_register(&w, ANYKVM_X86_REG(ANYKVM_X86_TYPE_VCPU, KVM_REG_SIZE_U64, ANYKVM_X86_VCPU_TSC_OFFSET), &w.tsc_offset);
	for (uint32_t i = 0; i < w.msrs.header.nmsrs; i++)
		assert_register(&w, KVM_X86_REG_MSR(w.msrs.entries[i].index), &w.msrs.entries[i].data);
}

static void test_many_reads_as_one(void **state)
{
	uint8_t value[SIZE_MOST];

	(void)state;
	vcpu_fill(machine.vcpu);
	set_all();
	check(machine.vcpu, KVM_GET_MANY_REGS, &set);
	for (uint32_t i = 0; i < list.n; i++) {
		if (list.id[i] == KVM_X86_REG_MSR(MSR_TSC))
			continue;
		assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, list.id[i], value), 0);
		assert_memory_equal(value, values[i], size_of(list.id[i]));
	}
}

/* What an exit left in kvm_run serves, until something changes the vCPU. */
static void test_reads_after_an_exit(void **state)
{
	static const uint8_t code[] = { 0xb8, 0x34, 0x12, 0xe6, 0x10, 0xf4 }; /* mov $0x1234, %ax; out %al, $0x10; hlt */
	struct kvm_regs regs = { 0 };
	struct whole w;
	uint64_t value = 0;

	(void)state;
	machine_code(&machine, code, sizeof code);
	machine.run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	assert_int_equal(vcpu_run(machine.vcpu), 0);
	assert_int_equal(machine.run->exit_reason, KVM_EXIT_IO);
	for (unsigned int i = 0; i < 2; i++) {
		set.n = 0;
		set_add(GENERAL(0), 0);
		set_add(RIP, 0);
		set_add(CONTROL(0), 0);
		set_add(SEGMENT(SS, BASE, KVM_REG_SIZE_U64), 0);
		check(machine.vcpu, KVM_GET_MANY_REGS, &set);
		whole_get(machine.vcpu, &w);
		assert_memory_equal(values[0], &w.regs.rax, 8);
		assert_memory_equal(values[1], &w.regs.rip, 8);
		assert_memory_equal(values[2], &w.sregs.cr0, 8);
		assert_memory_equal(values[3], &w.sregs.ss.base, 8);
	}
	assert_int_equal(w.regs.rax, 0x1234);
	check(machine.vcpu, KVM_GET_REGS, &regs);
	regs.rax = 0x5678;
	check(machine.vcpu, KVM_SET_REGS, &regs);
	assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, GENERAL(0), &value), 0);
	assert_int_equal(value, 0x5678);
}

/* ---- Writing back. ---- */

static void test_each_writes_back(void **state)
{
	struct whole before, after;
	uint8_t value[SIZE_MOST];

	(void)state;
	vcpu_fill(machine.vcpu);
	whole_get(machine.vcpu, &before);
	for (uint32_t i = 0; i < list.n; i++) {
		if (list.id[i] == KVM_X86_REG_MSR(MSR_TSC))
			continue;
		assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, list.id[i], value), 0);
		assert_int_equal(one(machine.vcpu, KVM_SET_ONE_REG, list.id[i], value), 0);
	}
	whole_get(machine.vcpu, &after);
	assert_whole_equal(&before, &after);
}

static void test_all_move_to_another_vcpu(void **state)
{
	struct machine other;
	struct whole before, after;

	(void)state;
	vcpu_fill(machine.vcpu);
	whole_get(machine.vcpu, &before);
	set_all();
	check(machine.vcpu, KVM_GET_MANY_REGS, &set);
	machine_open_able(&other);
	for (unsigned int round = 0; round < 20; round++) {
		vcpu_start(other.vcpu);
		set_shuffle();
		check(other.vcpu, KVM_SET_MANY_REGS, &set);
		whole_get(other.vcpu, &after);
		assert_whole_equal(&before, &after);
	}
	machine_close(&other);
}

/* ---- Transactions. ---- */

/* A mode's registers, in every form they have ids in. */
static void mode_add(unsigned int mode)
{
	struct kvm_segment code = { .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .g = 1 };
	uint64_t cr0 = mode ? 0x80000031 : 0x10, cr4 = mode >= 2 ? 0x20 : 0, efer = mode == 3 ? 0x500 : 0;
	uint8_t whole[32] = { 0 };

	if (!mode) {
		code.limit = 0xffff;
		code.g = 0;
		code.selector = 0;
	}
	code.l = mode == 3;
	code.db = mode == 1 || mode == 2;
	memcpy(whole, &code, sizeof code);
	set_add(CONTROL(0), cr0);
	set_add(CONTROL(4), cr4);
	set_add(CONTROL(3), 0x2000);
	if (mode == 3 && rand() % 2)
		set_add(KVM_X86_REG_MSR(0xc0000080), 0x100); /* WRMSR's form: LMA follows */
	else
		set_add(EFER, efer);
	if (rand() % 2) {
		set_add_bytes(SEGMENT(CS, WHOLE, KVM_REG_SIZE_U256), whole);
	} else {
		set_add(SEGMENT(CS, BASE, KVM_REG_SIZE_U64), 0);
		set_add(SEGMENT(CS, LIMIT, KVM_REG_SIZE_U32), code.limit);
		set_add(SEGMENT(CS, SELECTOR, KVM_REG_SIZE_U16), code.selector);
		set_add(SEGMENT(CS, ATTRIBUTES, KVM_REG_SIZE_U32), code.type | 0x90u | (uint32_t)code.l << 13 | (uint32_t)code.db << 14 | (uint32_t)code.g << 15);
	}
}

/* The same by the call that has always done it. */
static void mode_set(unsigned int mode)
{
	struct kvm_sregs2 sregs = { 0 };

	check(machine.vcpu, KVM_GET_SREGS2, &sregs);
	sregs.cs = (struct kvm_segment){ .limit = mode ? 0xffffffff : 0xffff, .selector = mode ? 8 : 0, .type = 11, .present = 1, .s = 1, .g = mode != 0,
					 .l = mode == 3, .db = mode == 1 || mode == 2 };
	sregs.cr0 = mode ? 0x80000031 : 0x10;
	sregs.cr3 = 0x2000;
	sregs.cr4 = mode >= 2 ? 0x20 : 0;
	sregs.efer = mode == 3 ? 0x500 : 0;
	sregs.flags = 0;
	check(machine.vcpu, KVM_SET_SREGS2, &sregs);
}

static void test_modes_in_any_order(void **state)
{
	struct whole expected, actual;

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		unsigned int from = i % 4, to = i / 4 % 4;

		mode_set(from);
		mode_set(to);
		whole_get(machine.vcpu, &expected);
		mode_set(from);
		set.n = 0;
		mode_add(to);
		set_shuffle();
		check(machine.vcpu, KVM_SET_MANY_REGS, &set);
		whole_get(machine.vcpu, &actual);
		assert_whole_equal(&expected, &actual);
	}
}

/* What no final state has. */
static void broken_add(unsigned int what)
{
	switch (what) {
	case 0: set_add(CONTROL(0), 0x80000000); break; /* paging without protection */
	case 1: set_add(KVM_X86_REG_MSR(0xc0000082), UINT64_C(1) << 62); break; /* not canonical */
	case 2: set_add(EFER, 0x500); set_add(CONTROL(0), 0x10); break; /* LMA without paging */
	case 3: set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_XCR, KVM_REG_SIZE_U64, 0), 2); break; /* XCR0 without x87 */
	case 4: set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_DEBUG, KVM_REG_SIZE_U64, 7), UINT64_C(1) << 32); break;
	case 5: set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U32, ANYKVM_X86_XSAVE_MXCSR), 0x10000); break;
	case 6: set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_VCPU, KVM_REG_SIZE_U32, ANYKVM_X86_VCPU_MP_STATE), 77); break;
	case 7: set_add(CONTROL(ANYKVM_X86_CONTROL_APIC_BASE), 0xfee00400); break; /* x2APIC mode, and disabled */
	case 8: set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U32, ANYKVM_X86_XSAVE_MXCSR_MASK), 0); break; /* read-only */
	case 9: set_add(KVM_X86_REG_MSR(0xdead0000), 0); break; /* not there */
	case 10: set_add(SEGMENT(DS, ATTRIBUTES, KVM_REG_SIZE_U32), 0x100); break; /* reserved */
	case 11: set_add(KVM_X86_REG_MSR(0x830), 0); break; /* sends an interrupt */
	}
}

static void good_add(void)
{
	static const uint32_t msrs[] = { 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000102, 0x174, 0x175, 0x176, 0x277 };

	switch (rand() % 8) {
	case 0: set_add(GENERAL((uint32_t)rand() % 17), (uint64_t)rand()); break;
	case 1: set_add(RFLAGS, 2 | (rand() & 0xcd5)); break;
	case 2: set_add(SEGMENT(FS, BASE, KVM_REG_SIZE_U64), (uint64_t)rand()); break;
	case 3: set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_DEBUG, KVM_REG_SIZE_U64, (uint32_t)rand() % 4), (uint64_t)rand()); break;
	case 4: set_add_bytes(ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_U128, ANYKVM_X86_VECTOR_XMM << 8 | (uint32_t)rand() % 16), values[rand() % MOST]); break;
	case 5: set_add(KVM_X86_REG_MSR(msrs[rand() % 7]), (uint64_t)rand()); break;
	case 6: set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_X87, KVM_REG_SIZE_U16, ANYKVM_X86_X87_FCW), 0x300 | (rand() & 0x3f)); break;
	case 7: mode_add((unsigned int)rand() % 4); break;
	}
}

static void test_all_or_nothing(void **state)
{
	struct whole before, after;

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		whole_get(machine.vcpu, &before);
		set.n = 0;
		for (unsigned int good = 1 + (unsigned int)rand() % 30; good; good--)
			good_add();
		broken_add(i % 12);
		/* A broken value counts only as the last of its register. */
		if (i % 12 > 2)
			set_shuffle();
		if (!ioctl_error(machine.vcpu, KVM_SET_MANY_REGS, &set))
			fail_msg("round %u: broken in way %u, and not refused", i, i % 12);
		whole_get(machine.vcpu, &after);
		assert_whole_equal(&before, &after);
		/* Now something that goes, so that the next round starts elsewhere. */
		set.n = 0;
		for (unsigned int good = 0; good < 5; good++)
			good_add();
		ioctl_error(machine.vcpu, KVM_SET_MANY_REGS, &set);
	}
}

static void test_events_and_registers(void **state)
{
	struct whole before, after;

	(void)state;
	whole_get(machine.vcpu, &before);
	set.n = 0;
	set_add(GENERAL(0), 1);
	set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_EVENTS, KVM_REG_SIZE_U8, ANYKVM_X86_EVENTS_EXCEPTION_INJECTED), 1);
	set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_EVENTS, KVM_REG_SIZE_U8, ANYKVM_X86_EVENTS_EXCEPTION_NR), 13);
	set_add(ANYKVM_X86_REG(ANYKVM_X86_TYPE_EVENTS, KVM_REG_SIZE_U8, ANYKVM_X86_EVENTS_NMI_MASKED), 1);
	for (unsigned int i = 0; i < 20; i++) {
		set_shuffle();
		check(machine.vcpu, KVM_SET_MANY_REGS, &set);
		whole_get(machine.vcpu, &after);
		assert_int_equal(after.events.exception.injected, 1);
		assert_int_equal(after.events.exception.nr, 13);
		assert_int_equal(after.events.nmi.masked, 1);
		assert_int_equal(after.regs.rax, 1);
		check(machine.vcpu, KVM_SET_VCPU_EVENTS, &before.events);
	}
}

/* ---- Bad input. ---- */

static void test_numbers(void **state)
{
	static const uint64_t too_many[] = { 1025, 0x10000001, UINT64_MAX / 16 + 1, UINT64_MAX / 16 + 2, UINT64_C(1) << 60, UINT64_C(1) << 63, UINT64_MAX };

	(void)state;
	for (unsigned int i = 0; i < sizeof too_many / sizeof *too_many; i++) {
		set.n = too_many[i];
		assert_int_equal(ioctl_error(machine.vcpu, KVM_GET_MANY_REGS, &set), E2BIG);
		assert_int_equal(ioctl_error(machine.vcpu, KVM_SET_MANY_REGS, &set), E2BIG);
	}
	set.n = 0;
	check(machine.vcpu, KVM_GET_MANY_REGS, &set);
	check(machine.vcpu, KVM_SET_MANY_REGS, &set);
	for (unsigned int i = 0; i < MOST; i++)
		set_add(GENERAL(i % 16), i);
	check(machine.vcpu, KVM_SET_MANY_REGS, &set);
	check(machine.vcpu, KVM_GET_MANY_REGS, &set);
	assert_int_equal(values[0][0], (uint8_t)(MOST - 16)); /* the last of sixteen registers' 64 values each */
	assert_int_equal(values[MOST - 1][0], (uint8_t)(MOST - 1));
}

static void test_addresses(void **state)
{
	uint8_t *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct set *at;
	struct whole before, after;

	(void)state;
	assert_ptr_not_equal(pages, MAP_FAILED);
	munmap(pages + 4096, 4096);
	whole_get(machine.vcpu, &before);
	assert_int_equal(ioctl_error(machine.vcpu, KVM_GET_MANY_REGS, (void *)8), EFAULT);
	assert_int_equal(ioctl_error(machine.vcpu, KVM_SET_MANY_REGS, (void *)UINT64_C(0xffffffffffffff00)), EFAULT);
	/* The number stands at the end of a page, its array in the hole; then half of the array. */
	at = (struct set *)(pages + 4096 - 8);
	at->n = 1;
	assert_int_equal(ioctl_error(machine.vcpu, KVM_SET_MANY_REGS, at), EFAULT);
	at = (struct set *)(pages + 4096 - 8 - 16);
	at->n = 2;
	at->reg[0] = (struct kvm_one_reg){ GENERAL(0), (uintptr_t)values };
	assert_int_equal(ioctl_error(machine.vcpu, KVM_SET_MANY_REGS, at), EFAULT);
	at->n = 1;
	check(machine.vcpu, KVM_GET_MANY_REGS, at);
	/* Values: half in the hole, in the hole, in read-only memory, outside the user's half. */
	set.n = 0;
	set_add(GENERAL(1), 1);
	set_add(GENERAL(2), 1);
	set.reg[1].addr = (uintptr_t)(pages + 4096 - 4);
	assert_int_equal(ioctl_error(machine.vcpu, KVM_SET_MANY_REGS, &set), EFAULT);
	assert_int_equal(ioctl_error(machine.vcpu, KVM_GET_MANY_REGS, &set), EFAULT);
	set.reg[1].addr = 8;
	assert_int_equal(ioctl_error(machine.vcpu, KVM_SET_MANY_REGS, &set), EFAULT);
	set.reg[1].addr = UINT64_MAX - 3;
	assert_int_equal(ioctl_error(machine.vcpu, KVM_SET_MANY_REGS, &set), EFAULT);
	assert_int_equal(ioctl_error(machine.vcpu, KVM_GET_MANY_REGS, &set), EFAULT);
	mprotect(pages, 4096, PROT_READ);
	set.reg[1].addr = (uintptr_t)pages;
	assert_int_equal(ioctl_error(machine.vcpu, KVM_GET_MANY_REGS, &set), EFAULT);
	whole_get(machine.vcpu, &after);
	assert_whole_equal(&before, &after);
	check(machine.vcpu, KVM_SET_MANY_REGS, &set);
	munmap(pages, 4096);
	munmap(pages + 2 * 4096, 4096);
}

static void test_ids(void **state)
{
	static const struct { uint64_t id; int error; } ids[] = {
		{ (GENERAL(0) & ~KVM_REG_ARCH_MASK) | KVM_REG_ARM64, EINVAL },
		{ GENERAL(0) & ~KVM_REG_ARCH_MASK, EINVAL },
		{ GENERAL(0) | UINT64_C(1) << 40, EINVAL },
		{ GENERAL(0) | UINT64_C(1) << 51, EINVAL },
		{ (GENERAL(0) & ~KVM_REG_SIZE_MASK) | KVM_REG_SIZE_U32, EINVAL },
		{ (GENERAL(0) & ~KVM_REG_SIZE_MASK) | KVM_REG_SIZE_U2048, EINVAL },
		{ GENERAL(0) | KVM_REG_SIZE_MASK, EINVAL },
		{ (GENERAL(0) & ~KVM_REG_SIZE_MASK) | UINT64_C(9) << KVM_REG_SIZE_SHIFT, EINVAL },
		{ GENERAL(18), ENOENT },
		{ GENERAL(0xffffffff), ENOENT },
		{ CONTROL(1), ENOENT },
		{ CONTROL(ANYKVM_X86_CONTROL_PDPTR), ENOENT }, /* no PAE paging */
		{ SEGMENT(GDTR, SELECTOR, KVM_REG_SIZE_U16), ENOENT },
		{ ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_U512, ANYKVM_X86_VECTOR_ZMM << 8), ENOENT },
		{ ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_U128, ANYKVM_X86_VECTOR_XMM << 8 | 0xff), ENOENT },
		{ ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_U128, 0xffffff00), ENOENT },
		{ ANYKVM_X86_REG(0xaa, KVM_REG_SIZE_U64, 0), EINVAL },
		{ ANYKVM_X86_REG(0x9f, KVM_REG_SIZE_U64, 0), EINVAL },
		{ KVM_X86_REG_MSR(0xdead0000), EINVAL },
		{ KVM_X86_REG_KVM(KVM_REG_GUEST_SSP), EINVAL },
		{ KVM_X86_REG_KVM(1), EINVAL },
	};

	(void)state;
	mode_set(0);
	for (unsigned int i = 0; i < sizeof ids / sizeof *ids; i++) {
		uint8_t value[256] = { 0 };

		if (hardware() && ids[i].id == ANYKVM_X86_REG(ANYKVM_X86_TYPE_VECTOR, KVM_REG_SIZE_U512, ANYKVM_X86_VECTOR_ZMM << 8))
			continue; /* it may well be there */
		assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, ids[i].id, value), ids[i].error);
		if (ids[i].id != CONTROL(ANYKVM_X86_CONTROL_PDPTR))
			assert_int_equal(one(machine.vcpu, KVM_SET_ONE_REG, ids[i].id, value), ids[i].error);
		set.n = 0;
		set_add(GENERAL(3), 5);
		set.reg[1] = (struct kvm_one_reg){ ids[i].id, (uintptr_t)value };
		set.n = 2;
		values[0][0] = 0xaa;
		assert_int_equal(ioctl_error(machine.vcpu, KVM_GET_MANY_REGS, &set), ids[i].error);
		assert_int_equal(values[0][0], 0xaa); /* nothing was written */
	}
}

static void test_duplicates(void **state)
{
	uint64_t value;

	(void)state;
	set.n = 0;
	set_add(GENERAL(0), 1);
	set_add(KVM_X86_REG_MSR(0xc0000081), 1);
	set_add(GENERAL(0), 2);
	set_add(KVM_X86_REG_MSR(0xc0000081), 2);
	check(machine.vcpu, KVM_SET_MANY_REGS, &set);
	check(machine.vcpu, KVM_GET_MANY_REGS, &set);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(values[i][0], 2);
	assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, GENERAL(0), &value), 0);
	assert_int_equal(value, 2);
}

/* The PDPTRs are registers while PAE paging is on. */
static void test_pdptrs(void **state)
{
	uint64_t *table = (uint64_t *)(machine.memory + 0x2000), value, id = CONTROL(ANYKVM_X86_CONTROL_PDPTR + 1);

	(void)state;
	if (hardware())
		skip(); /* where they are depends on the processor's paging of guests */
	for (unsigned int i = 0; i < 4; i++)
		table[i] = 0x3001 + 0x1000 * i;
	mode_set(2);
	assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, id, &value), 0);
	assert_int_equal(value, 0x4001);
	value = 0x9001;
	assert_int_equal(one(machine.vcpu, KVM_SET_ONE_REG, id, &value), 0);
	value = 0;
	assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, id, &value), 0);
	assert_int_equal(value, 0x9001);
	/* A new cr3 loads them anew. */
	value = 0x2000;
	assert_int_equal(one(machine.vcpu, KVM_SET_ONE_REG, CONTROL(3), &value), 0);
	assert_int_equal(one(machine.vcpu, KVM_GET_ONE_REG, id, &value), 0);
	assert_int_equal(value, 0x4001);
	mode_set(0);
	assert_int_equal(one(machine.vcpu, KVM_SET_ONE_REG, id, &value), EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_list), TEST(test_reads_as_the_other_calls), TEST(test_many_reads_as_one), TEST(test_reads_after_an_exit), TEST(test_each_writes_back),
		TEST(test_all_move_to_another_vcpu), TEST(test_modes_in_any_order), TEST(test_all_or_nothing), TEST(test_events_and_registers),
		TEST(test_numbers), TEST(test_addresses), TEST(test_ids), TEST(test_duplicates), TEST(test_pdptrs),
	};

	if (hardware() && access("/dev/kvm", R_OK | W_OK)) {
		printf("no /dev/kvm\n");
		return 77; /* skipped */
	}
	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
