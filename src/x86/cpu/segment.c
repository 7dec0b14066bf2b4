/*
 * Descriptors and the segment registers: reading, checking, loading. SDM Vol. 3A, 3.4 and 5. Knows nothing of who transfers
 * control where: that is transfer.c and event.c.
 */
#include "x86/cpu/segment.h"

#include "x86/cpu/exec.h"
#include "x86/cpu/mem.h"

static bool long_mode(const struct x86_vcpu *cpu)
{
	return cpu->efer & EFER_LMA;
}

bool selector_fault(struct x86_vcpu *cpu, enum vector vector, uint16_t selector)
{
	exception_raise(cpu, vector, true, selector & 0xfffc);
	return false;
}

bool descriptor_read(struct x86_vcpu *cpu, uint16_t selector, enum vector vector, struct descriptor *d)
{
	uint64_t base = cpu->gdt.base, limit = cpu->gdt.limit, offset = selector & 0xfff8;

	if (selector & 4) {
		if (cpu->seg[LDTR].unusable)
			return selector_fault(cpu, vector, selector);
		base = cpu->seg[LDTR].base;
		limit = cpu->seg[LDTR].limit;
	}
	if (offset + 7 > limit)
		return selector_fault(cpu, vector, selector);
	d->linear = base + offset;
	if (!long_mode(cpu))
		d->linear &= UINT32_MAX;
	d->high = 0;
	if (!mem_read_system(cpu, d->linear, &d->low, 8))
		return false;
	if (long_mode(cpu) && !descriptor_code_data(d)) {
		if (offset + 15 > limit)
			return selector_fault(cpu, vector, selector);
		return mem_read_system(cpu, d->linear + 8, &d->high, 8);
	}
	return true;
}

struct kvm_segment segment_of(uint16_t selector, const struct descriptor *d)
{
	uint64_t low = d->low;
	uint32_t limit = (uint32_t)((low & 0xffff) | (low >> 32 & 0xf0000));
	bool granular = low >> 55 & 1;

	return (struct kvm_segment){
		.base = (low >> 16 & 0xffffff) | (low >> 32 & 0xff000000) | (d->high & UINT32_MAX) << 32,
		.limit = granular ? limit << 12 | 0xfff : limit,
		.selector = selector,
		.type = low >> 40 & 15,
		.present = low >> 47 & 1,
		.dpl = low >> 45 & 3,
		.db = low >> 54 & 1,
		.s = low >> 44 & 1,
		.l = low >> 53 & 1,
		.g = granular,
		.avl = low >> 52 & 1,
	};
}

bool descriptor_set_accessed(struct x86_vcpu *cpu, struct descriptor *d)
{
	uint8_t byte = (uint8_t)(d->low >> 40) | 1;

	if (d->low >> 40 & 1)
		return true;
	d->low |= UINT64_C(1) << 40;
	return mem_write_system(cpu, d->linear + 5, &byte, 1);
}

void segment_load_real(struct x86_vcpu *cpu, enum segment seg, uint16_t selector)
{
	struct kvm_segment *segment = &cpu->seg[seg];

	segment->selector = selector;
	segment->base = (uint64_t)selector << 4;
	/* Real mode keeps limit and rights ("unreal mode" lives on that); virtual-8086 mode has fixed ones (SDM Vol. 3B, 20.2.1). */
	if (cpu->rflags & FLAG_VM) {
		segment->limit = 0xffff;
		segment->type = 3;
		segment->s = 1;
		segment->dpl = 3;
		segment->db = segment->l = segment->g = segment->avl = 0;
	}
	segment->present = 1;
	segment->unusable = 0;
	cpu_state_changed(cpu, false);
}

static bool segment_load_null(struct x86_vcpu *cpu, enum segment seg, uint16_t selector)
{
	bool code64 = (cpu->mode & MODE_CODE_MASK) == MODE_CODE64;

	/* A null SS is fine in 64-bit mode below CPL 3. */
	if (seg == SS && (!code64 || cpu->cpl == 3 || (selector & 3) != cpu->cpl))
		return selector_fault(cpu, VECTOR_GP, 0);
	cpu->seg[seg] = (struct kvm_segment){ .selector = selector, .unusable = 1, .dpl = seg == SS ? cpu->cpl : 0 };
	cpu_state_changed(cpu, false);
	return true;
}

bool segment_load(struct x86_vcpu *cpu, enum segment seg, uint16_t selector)
{
	unsigned int rpl = selector & 3, type;
	struct descriptor d;

	if (cpu->mode & (MODE_REAL | MODE_VM86)) {
		segment_load_real(cpu, seg, selector);
		return true;
	}
	if (selector_null(selector))
		return segment_load_null(cpu, seg, selector);
	if (!descriptor_read(cpu, selector, VECTOR_GP, &d))
		return false;
	type = descriptor_type(&d);
	if (seg == SS) {
		/* Writable data at exactly our level. */
		if (!descriptor_code_data(&d) || (type & 8) || !(type & 2) || rpl != cpu->cpl || descriptor_dpl(&d) != cpu->cpl)
			return selector_fault(cpu, VECTOR_GP, selector);
		if (!descriptor_present(&d))
			return selector_fault(cpu, VECTOR_SS, selector);
	} else {
		/* Data or readable code, not more privileged than both of us; conforming code from anywhere. */
		if (!descriptor_code_data(&d) || (type & 0xa) == 8)
			return selector_fault(cpu, VECTOR_GP, selector);
		if ((type & 0xc) != 0xc && (rpl > descriptor_dpl(&d) || cpu->cpl > descriptor_dpl(&d)))
			return selector_fault(cpu, VECTOR_GP, selector);
		if (!descriptor_present(&d))
			return selector_fault(cpu, VECTOR_NP, selector);
	}
	if (!descriptor_set_accessed(cpu, &d))
		return false;
	cpu->seg[seg] = segment_of(selector, &d);
	cpu_state_changed(cpu, false);
	return true;
}

/* In long mode a base that is not canonical is refused as a wrong type is. */
static bool base_canonical(const struct x86_vcpu *cpu, const struct descriptor *d)
{
	return address_canonical(cpu, segment_of(0, d).base);
}

bool ldtr_load(struct x86_vcpu *cpu, uint16_t selector)
{
	struct descriptor d;

	if (selector_null(selector)) {
		cpu->seg[LDTR] = (struct kvm_segment){ .selector = selector, .unusable = 1 };
		return true;
	}
	if (selector & 4 || !descriptor_read(cpu, selector, VECTOR_GP, &d))
		return selector & 4 ? selector_fault(cpu, VECTOR_GP, selector) : false;
	if (descriptor_code_data(&d) || descriptor_type(&d) != TYPE_LDT || !base_canonical(cpu, &d))
		return selector_fault(cpu, VECTOR_GP, selector);
	if (!descriptor_present(&d))
		return selector_fault(cpu, VECTOR_NP, selector);
	cpu->seg[LDTR] = segment_of(selector, &d);
	return true;
}

bool tr_load(struct x86_vcpu *cpu, uint16_t selector)
{
	struct descriptor d;
	uint8_t rights;

	if (selector_null(selector))
		return selector_fault(cpu, VECTOR_GP, 0);
	if (selector & 4)
		return selector_fault(cpu, VECTOR_GP, selector);
	if (!descriptor_read(cpu, selector, VECTOR_GP, &d))
		return false;
	if (descriptor_code_data(&d) || (descriptor_type(&d) != TYPE_TSS32 && (long_mode(cpu) || descriptor_type(&d) != TYPE_TSS16)) ||
	    !base_canonical(cpu, &d))
		return selector_fault(cpu, VECTOR_GP, selector);
	if (!descriptor_present(&d))
		return selector_fault(cpu, VECTOR_NP, selector);
	rights = (uint8_t)(d.low >> 40) | 2; /* busy */
	if (!mem_write_system(cpu, d.linear + 5, &rights, 1))
		return false;
	d.low |= UINT64_C(2) << 40;
	cpu->seg[TR] = segment_of(selector, &d);
	return true;
}

void code_segment_set(struct x86_vcpu *cpu, uint16_t selector, const struct descriptor *d, unsigned int cpl)
{
	cpu->seg[CS] = segment_of((uint16_t)((selector & ~3u) | cpl), d);
	/* KVM's notion of CPL is SS.DPL; ours as well: see cpu_state_changed(). */
	cpu->cpl = (uint8_t)cpl;
	cpu->seg[SS].dpl = (uint8_t)cpl;
	cpu_state_changed(cpu, false);
}

void data_segments_check(struct x86_vcpu *cpu)
{
	static const enum segment segments[] = { DS, ES, FS, GS };

	for (unsigned int i = 0; i < 4; i++) {
		struct kvm_segment *segment = &cpu->seg[segments[i]];

		if (segment->dpl < cpu->cpl && (segment->type & 0xc) != 0xc && !segment->unusable)
			*segment = (struct kvm_segment){ .unusable = 1 };
	}
}

/* ---- The TSS: SDM Vol. 3A, 7.2 and 7.7. ---- */

static bool tss_read(struct x86_vcpu *cpu, uint32_t offset, void *to, unsigned int size)
{
	if ((uint64_t)offset + size - 1 > cpu->seg[TR].limit)
		return selector_fault(cpu, VECTOR_TS, cpu->seg[TR].selector);
	return mem_read_system(cpu, cpu->seg[TR].base + offset, to, size);
}

bool tss_stack(struct x86_vcpu *cpu, unsigned int level, uint16_t *ss, uint64_t *sp)
{
	*sp = 0;
	*ss = 0;
	if (long_mode(cpu)) {
		*ss = (uint16_t)level;
		return tss_read(cpu, 4 + 8 * level, sp, 8);
	}
	if (cpu->seg[TR].type == TYPE_TSS32_BUSY || cpu->seg[TR].type == TYPE_TSS32)
		return tss_read(cpu, 4 + 8 * level, sp, 4) && tss_read(cpu, 8 + 8 * level, ss, 2);
	return tss_read(cpu, 2 + 4 * level, sp, 2) && tss_read(cpu, 4 + 4 * level, ss, 2);
}

bool tss_ist(struct x86_vcpu *cpu, unsigned int index, uint64_t *sp)
{
	return tss_read(cpu, 0x1c + 8 * index, sp, 8);
}

/* ---- Stacks. ---- */

struct stack stack_current(struct x86_vcpu *cpu)
{
	bool code64 = (cpu->mode & MODE_CODE_MASK) == MODE_CODE64;

	return (struct stack){ .ss = cpu->seg[SS], .sp = cpu->gpr[RSP], .mask = stack_mask(cpu), .user = cpu->cpl == 3, .flat = code64,
			       .vector = VECTOR_SS };
}

/* Linear address of `size` bytes at the stack's `sp`. */
static bool stack_at(struct x86_vcpu *cpu, const struct stack *stack, uint64_t sp, unsigned int size, uint64_t *linear)
{
	uint64_t offset = sp & stack->mask, last = offset + size - 1;
	bool expand_down = (stack->ss.type & 0xc) == 4;

	if (stack->flat) {
		*linear = sp;
		if (address_canonical(cpu, sp))
			return true;
	} else if (expand_down ? offset > stack->ss.limit && last <= (stack->ss.db ? UINT32_MAX : UINT16_MAX) : last <= stack->ss.limit) {
		*linear = (uint32_t)(stack->ss.base + offset);
		return true;
	}
	exception_raise(cpu, stack->vector, true, stack->selector & 0xfffc);
	return false;
}

bool stack_push(struct x86_vcpu *cpu, struct stack *stack, uint64_t value, unsigned int size)
{
	uint64_t sp = (stack->sp & ~stack->mask) | ((stack->sp - size) & stack->mask), linear;

	if (!stack_at(cpu, stack, sp, size, &linear) || !mem_write_privilege(cpu, linear, &value, size, stack->user))
		return false;
	stack->sp = sp;
	return true;
}

void stack_release(struct stack *stack, unsigned int bytes)
{
	stack->sp = (stack->sp & ~stack->mask) | ((stack->sp + bytes) & stack->mask);
}

bool stack_peek(struct x86_vcpu *cpu, const struct stack *stack, unsigned int n, uint64_t *value, unsigned int size)
{
	struct stack from = *stack;

	stack_release(&from, n * size);
	return stack_pop(cpu, &from, value, size);
}

bool stack_pop(struct x86_vcpu *cpu, struct stack *stack, uint64_t *value, unsigned int size)
{
	uint64_t linear;

	*value = 0;
	if (!stack_at(cpu, stack, stack->sp, size, &linear) || !mem_read_privilege(cpu, linear, value, size, stack->user))
		return false;
	stack_release(stack, size);
	return true;
}
