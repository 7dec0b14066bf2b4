/*
 * Instructions made for synchronisation: XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B. On memory they are always atomic here:
 * XCHG has to be (SDM Vol. 2, XCHG), and for the others LOCK is the rule.
 */
#include "x86/cpu/atomic.h"

/* ---- XCHG. ---- */

TEMPLATE enum step exchange_register(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	int64_t value = gpr_get(cpu, insn->reg, size);

	(void)path;
	gpr_set(cpu, insn->reg, size, (uint64_t)gpr_get(cpu, insn->rm, size));
	gpr_set(cpu, insn->rm, size, (uint64_t)value);
	return STEP_NEXT;
}

TEMPLATE enum step exchange_memory(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	struct locked locked;

	(void)path;
	if (!locked_begin(cpu, insn, size, &locked) || !locked_exchange(cpu, insn, size, &locked, (uint64_t)gpr_get(cpu, insn->reg, size)))
		return STEP_LEAVE;
	gpr_set(cpu, insn->reg, size, locked.old);
	return STEP_NEXT;
}

/* ---- XADD. ---- */

TEMPLATE enum step add_register(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	int64_t left = gpr_get(cpu, insn->reg, size), right = gpr_get(cpu, insn->rm, size);

	(void)path;
	/* The sum last: it wins when both are the same register. */
	gpr_set(cpu, insn->rm, size, (uint64_t)left);
	gpr_set(cpu, insn->reg, size, (uint64_t)left + (uint64_t)right);
	flags_lazy(cpu, CC_ADD, size, left, right);
	return STEP_NEXT;
}

TEMPLATE enum step add_memory(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	int64_t right = gpr_get(cpu, insn->reg, size);
	struct locked locked;

	(void)path;
	if (!locked_begin(cpu, insn, size, &locked) || !locked_add(cpu, insn, size, &locked, (uint64_t)right))
		return STEP_LEAVE;
	gpr_set(cpu, insn->reg, size, locked.old);
	flags_lazy(cpu, CC_ADD, size, sign_extend(locked.old, size), right);
	return STEP_NEXT;
}

/* ---- CMPXCHG. ---- */

TEMPLATE enum step compare_register(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	int64_t accumulator = gpr_get(cpu, RAX, size), old = gpr_get(cpu, insn->reg, size);

	(void)path;
	if (accumulator == old)
		gpr_set(cpu, insn->reg, size, (uint64_t)gpr_get(cpu, insn->rm, size));
	else
		gpr_set(cpu, RAX, size, (uint64_t)old);
	flags_lazy(cpu, CC_SUB, size, accumulator, old);
	return STEP_NEXT;
}

TEMPLATE enum step compare_memory(struct x86_vcpu *cpu, const struct insn *insn, enum path path, unsigned int size)
{
	int64_t accumulator = gpr_get(cpu, RAX, size), old;
	struct locked locked;

	(void)path;
	if (!locked_begin(cpu, insn, size, &locked) ||
	    !locked_compare_exchange(cpu, insn, size, &locked, (uint64_t)accumulator, (uint64_t)gpr_get(cpu, insn->reg, size)))
		return STEP_LEAVE;
	old = sign_extend(locked.old, size);
	if (accumulator != old)
		gpr_set(cpu, RAX, size, (uint64_t)old);
	flags_lazy(cpu, CC_SUB, size, accumulator, old);
	return STEP_NEXT;
}

#define FOR_SIZES(X, op) X(op, 1) X(op, 2) X(op, 4) X(op, 8)
#define DEFINE(op, size)                                                        \
	HANDLER_SLOW(op##_register_##size, op##_register, size)                      \
	HANDLER_SLOW(op##_memory_##size, op##_memory, size)
#define ENTRY(op, size) [size] = { op##_register_##size, op##_memory_##size },

FOR_SIZES(DEFINE, exchange)
static insn_fn *const exchange_handlers[9][2] = { FOR_SIZES(ENTRY, exchange) };
FOR_SIZES(DEFINE, add)
static insn_fn *const add_handlers[9][2] = { FOR_SIZES(ENTRY, add) };
FOR_SIZES(DEFINE, compare)
static insn_fn *const compare_handlers[9][2] = { FOR_SIZES(ENTRY, compare) };

static bool decode_by_form(struct decoder *d, struct insn *insn, insn_fn *const handlers[9][2])
{
	enum form form = decode_form(d, insn);

	if (form == FORM_RR && insn->flags & INSN_LOCK)
		return false;
	insn->run = handlers[insn->size][form != FORM_RR];
	return true;
}

bool atomic_exchange_registers(struct insn *insn, uint8_t reg, uint8_t rm)
{
	insn->reg = reg;
	insn->rm = rm;
	insn->run = exchange_handlers[insn->size][0];
	return true;
}

bool atomic_exchange_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	return decode_by_form(d, insn, exchange_handlers);
}

bool atomic_add_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	return decode_by_form(d, insn, add_handlers);
}

bool atomic_compare_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	return decode_by_form(d, insn, compare_handlers);
}

/* ---- CMPXCHG8B, CMPXCHG16B: only ZF changes. ---- */

static void zero_flag_set(struct x86_vcpu *cpu, bool zero)
{
	flags_settle(cpu);
	cpu->rflags = zero ? cpu->rflags | FLAG_ZF : cpu->rflags & ~(uint64_t)FLAG_ZF;
}

static void compare_8b(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t expected = cpu->gpr[RDX] << 32 | (uint32_t)cpu->gpr[RAX], value = cpu->gpr[RCX] << 32 | (uint32_t)cpu->gpr[RBX];
	struct locked locked;

	if (!locked_begin(cpu, insn, 8, &locked) || !locked_compare_exchange(cpu, insn, 8, &locked, expected, value))
		return;
	if (locked.old != expected) {
		cpu->gpr[RAX] = (uint32_t)locked.old;
		cpu->gpr[RDX] = locked.old >> 32;
	}
	zero_flag_set(cpu, locked.old == expected);
	insn_next(cpu, insn);
}

static unsigned __int128 host_compare_exchange_16(uint64_t host, unsigned __int128 expected, unsigned __int128 value)
{
	return __sync_val_compare_and_swap((unsigned __int128 *)host, expected, value);
}

static unsigned __int128 wide(uint64_t high, uint64_t low)
{
	return (unsigned __int128)high << 64 | low;
}

static void compare_16b(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned __int128 expected = wide(cpu->gpr[RDX], cpu->gpr[RAX]), value = wide(cpu->gpr[RCX], cpu->gpr[RBX]), old;
	uint64_t linear = insn_linear(cpu, insn, 16, ACCESS_RMW), host;
	bool split;

	if (linear % 16 != 0) {
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
		return;
	}
	host = (uint64_t)mem_atomic(cpu, insn, linear, 16, &split);
	if (host) {
		old = host_compare_exchange_16(host, expected, value);
	} else {
		/* Not memory: what is there is written back if it is not what was expected. */
		if (!split || !modify_begin_slow(cpu, insn, linear, &old, 16) ||
		    !mem_write_slow(cpu, insn, (enum segment)insn->seg, linear, old == expected ? &value : &old, 16))
			return;
	}
	if (old != expected) {
		cpu->gpr[RAX] = (uint64_t)old;
		cpu->gpr[RDX] = (uint64_t)(old >> 64);
	}
	zero_flag_set(cpu, old == expected);
	insn_next(cpu, insn);
}

bool atomic_compare_wide_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	(void)argument;
	if (!decode_is_memory(d, 0))
		return false;
	insn->run = d->z.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B ? compare_16b : compare_8b;
	return true;
}
