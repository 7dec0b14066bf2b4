/*
 * MOVS, CMPS, SCAS, LODS and STOS, with and without REP. Under REP, elements that lie in one page on each side are done at once, at
 * the host's speed; then registers are brought up to date, so that a fault, an interrupt or a signal finds the instruction where it
 * can go on (SDM Vol. 2B, REP). What is not plain memory, and everything in careful mode, goes element by element.
 */
#include "x86/cpu/operand.h"

enum operation { MOVS, CMPS, SCAS, LODS, STOS, OPERATIONS };

TEMPLATE bool uses_source(enum operation operation)
{
	return operation == MOVS || operation == CMPS || operation == LODS;
}

TEMPLATE bool uses_target(enum operation operation)
{
	return operation != LODS;
}

TEMPLATE bool compares(enum operation operation)
{
	return operation == CMPS || operation == SCAS;
}

/* ---- One element. ---- */

TEMPLATE uint64_t address_mask(const struct insn *insn)
{
	return insn->flags & INSN_ADDRESS16 ? UINT16_MAX : insn->flags & INSN_ADDRESS32 ? UINT32_MAX : UINT64_MAX;
}

/* A counter or index register has the address size's width: 32-bit writes clear the upper half, 16-bit ones keep it. */
TEMPLATE void index_set(struct x86_vcpu *cpu, enum gpr reg, uint64_t mask, uint64_t value)
{
	cpu->gpr[reg] = (value & mask) | (mask == UINT16_MAX ? cpu->gpr[reg] & ~mask : 0);
}

/* On the fast path offsets are linear addresses. */
TEMPLATE uint64_t index_linear(struct x86_vcpu *cpu, enum path path, enum segment seg, enum gpr reg, uint64_t mask, unsigned int size, enum access access)
{
	return path == PATH_FAST ? cpu->gpr[reg] : segment_linear(cpu, seg, cpu->gpr[reg] & mask, size, access);
}

TEMPLATE enum step index_load(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum segment seg, enum gpr reg, unsigned int size, int64_t *value)
{
	uint64_t linear = index_linear(cpu, path, seg, reg, address_mask(insn), size, ACCESS_READ), raw = 0;

	if (path == PATH_FAST)
		return load_at(cpu, insn, path, linear, size, value);
	if (!mem_read_seg(cpu, insn, seg, linear, &raw, size))
		return STEP_LEAVE;
	*value = sign_extend(raw, size);
	return STEP_NEXT;
}

TEMPLATE void index_move(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum gpr reg, unsigned int size)
{
	int64_t step = cpu->rflags & FLAG_DF ? -(int64_t)size : size;

	index_set(cpu, reg, path == PATH_FAST ? UINT64_MAX : address_mask(insn), cpu->gpr[reg] + (uint64_t)step);
}

/* What a comparison compares: the flags' operands. */
struct compared {
	int64_t left, right;
};

TEMPLATE enum step element(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum operation operation, unsigned int size, struct compared *compared)
{
	int64_t source = gpr_get(cpu, RAX, size), target = 0; /* AL's offset is RAX's number */
	enum step step = STEP_NEXT;

	if (uses_source(operation))
		step = index_load(cpu, insn, path, (enum segment)insn->seg, RSI, size, &source);
	if (step == STEP_NEXT && compares(operation))
		step = index_load(cpu, insn, path, ES, RDI, size, &target);
	if (step == STEP_NEXT && (operation == MOVS || operation == STOS))
		step = store_at(cpu, insn, path, ES, index_linear(cpu, path, ES, RDI, address_mask(insn), size, ACCESS_WRITE), size, (uint64_t)source);
	if (step != STEP_NEXT)
		return step;
	if (operation == LODS)
		gpr_set(cpu, RAX, size, (uint64_t)source);
	if (uses_source(operation))
		index_move(cpu, insn, path, RSI, size);
	if (uses_target(operation))
		index_move(cpu, insn, path, RDI, size);
	*compared = (struct compared){ source, target };
	return STEP_NEXT;
}

TEMPLATE enum step single(struct x86_vcpu *cpu, const struct insn *insn, enum path path, enum operation operation, unsigned int size)
{
	struct compared compared;
	enum step step = element(cpu, insn, path, operation, size, &compared);

	if (step == STEP_NEXT && compares(operation))
		flags_lazy(cpu, CC_SUB, size, compared.left, compared.right);
	return step;
}

/* `extra` is the operation. */
HANDLER_SLOW(single_slow, single, insn->extra, insn->size)

#define FOR_SIZES(X, operation) X(operation, 1) X(operation, 2) X(operation, 4) X(operation, 8)
#define FOR_ALL(X) FOR_SIZES(X, MOVS) FOR_SIZES(X, CMPS) FOR_SIZES(X, SCAS) FOR_SIZES(X, LODS) FOR_SIZES(X, STOS)
#define DEFINE(operation, size) HANDLER(single_##operation##_##size, single_slow, single, operation, size)
#define ENTRY(operation, size) [operation][size] = single_##operation##_##size,

FOR_ALL(DEFINE)
static insn_fn *const single_handlers[OPERATIONS][9] = { FOR_ALL(ENTRY) };

/* ---- Many at once. ---- */

struct repeat {
	enum operation operation;
	unsigned int size;
	bool backwards, while_equal; /* DF; REPE, not REPNE */
	uint64_t mask;
	bool ended; /* a comparison came out as REPE or REPNE wait for */
	bool any;   /* something was done */
	struct compared compared;
};

/* How many elements starting with the one at `address` end before `limit` (forwards) or begin at 0 or above (backwards). */
static uint64_t elements_within(const struct repeat *r, uint64_t address, uint64_t limit)
{
	if (limit - address < r->size)
		return 0;
	return (r->backwards ? address : limit - address - r->size) / r->size + 1;
}

/*
 * Host address of the first of up to `count` elements, and how many of them it is good for: 0 when the first must be done alone
 * because it crosses a page, has no translation yet, breaks a segment's limit, or is code that is running.
 */
static uint64_t side_prepare(struct x86_vcpu *cpu, const struct repeat *r, enum segment seg, enum gpr reg, enum tlb_access access, uint64_t count, uint64_t *host)
{
	uint64_t offset = cpu->gpr[reg] & r->mask, linear = offset, n, low, bytes;
	enum access kind = access == TLB_WRITE ? ACCESS_WRITE : ACCESS_READ;
	const struct tlb_entry *entry;

	if (seg >= FS || !stack_access_flat(cpu))
		linear = segment_linear(cpu, seg, offset, r->size, kind);
	n = elements_within(r, linear % PAGE_SIZE, PAGE_SIZE);
	n = n < count ? n : count;
	/* Offsets do not wrap on the way, and no segment ends there. */
	if (r->mask != UINT64_MAX && n > elements_within(r, offset, r->mask + 1))
		n = elements_within(r, offset, r->mask + 1);
	if (n == 0)
		return 0;
	bytes = n * r->size;
	low = r->backwards ? bytes - r->size : 0;
	if (!stack_access_flat(cpu) && segment_linear(cpu, seg, offset - low, (unsigned int)bytes, kind) != linear - low)
		return 0;
	entry = tlb_lookup(cpu->tlb, access, linear, 1);
	if (!entry)
		return 0;
	*host = linear + entry->addend;
	if (access == TLB_WRITE && *host - low < cpu->block_host + cpu->block_length && cpu->block_host < *host - low + bytes)
		return 0;
	return n;
}

TEMPLATE void copy_in_turn(uint64_t target, uint64_t source, uint64_t count, int64_t step, unsigned int size)
{
	for (; count > 0; count--, target += (uint64_t)step, source += (uint64_t)step) {
		uint64_t value;

		host_load(&value, source, size);
		host_store(target, &value, size);
	}
}

/* Host memory that is not there must be found before anything overlapping is copied: what was copied cannot be copied again. */
static void pages_touch(uint64_t source, uint64_t target)
{
	(void)*(const volatile uint8_t *)source;
	__atomic_fetch_or((uint8_t *)target, 0, __ATOMIC_RELAXED);
}

static void copy_many(const struct repeat *r, uint64_t source, uint64_t target, uint64_t count)
{
	uint64_t bytes = count * r->size, low = r->backwards ? bytes - r->size : 0, distance = r->backwards ? source - target : target - source;
	int64_t step = r->backwards ? -(int64_t)r->size : r->size;

	if (target - source < bytes || source - target < bytes)
		pages_touch(source, target);
	/* An overlap that the copy runs into repeats what was just written. */
	if (distance == 0 || distance >= bytes) {
		memmove((void *)(target - low), (const void *)(source - low), bytes);
		return;
	}
	switch (r->size) {
	case 1: copy_in_turn(target, source, count, step, 1); break;
	case 2: copy_in_turn(target, source, count, step, 2); break;
	case 4: copy_in_turn(target, source, count, step, 4); break;
	default: copy_in_turn(target, source, count, step, 8); break;
	}
}

static void fill_many(const struct repeat *r, uint64_t target, uint64_t count, uint64_t value)
{
	uint64_t bytes = count * r->size, low = target - (r->backwards ? bytes - r->size : 0), step = 8;

	/* Eight bytes of the pattern. */
	value &= size_mask(r->size);
	for (unsigned int have = r->size; have < 8; have *= 2)
		value |= value << (8 * have);
	if (value == (uint8_t)value * UINT64_C(0x0101010101010101)) {
		memset((void *)low, (uint8_t)value, bytes);
		return;
	}
	for (; bytes >= step; bytes -= step, low += step)
		host_store(low, &value, 8);
	memcpy((void *)low, &value, bytes);
}

/* Elements compared until one of them ends the repetition; `source` is 0 for SCAS. */
TEMPLATE uint64_t compare_in_turn(struct repeat *r, uint64_t source, uint64_t target, uint64_t count, int64_t step, unsigned int size)
{
	int64_t left = r->compared.left, right = 0;
	uint64_t done = 0;

	while (done < count) {
		if (r->operation == CMPS)
			left = host_get(source + (uint64_t)step * done, size);
		right = host_get(target + (uint64_t)step * done, size);
		done++;
		if ((left == right) != r->while_equal) {
			r->ended = true;
			break;
		}
	}
	r->compared = (struct compared){ left, right };
	return done;
}

static uint64_t compare_many(struct repeat *r, uint64_t source, uint64_t target, uint64_t count)
{
	int64_t step = r->backwards ? -(int64_t)r->size : r->size;

	switch (r->size) {
	case 1: return compare_in_turn(r, source, target, count, step, 1);
	case 2: return compare_in_turn(r, source, target, count, step, 2);
	case 4: return compare_in_turn(r, source, target, count, step, 4);
	default: return compare_in_turn(r, source, target, count, step, 8);
	}
}

/* Does up to `count` elements at once; returns how many: 0 if the next must be done alone. */
static uint64_t many(struct x86_vcpu *cpu, const struct insn *insn, struct repeat *r, uint64_t count)
{
	uint64_t source = 0, target = 0, moved;
	int64_t accumulator;

	if (r->operation == LODS) /* nobody repeats that */
		return 0;
	if (uses_source(r->operation))
		count = side_prepare(cpu, r, (enum segment)insn->seg, RSI, TLB_READ, count, &source);
	if (count && uses_target(r->operation))
		count = side_prepare(cpu, r, ES, RDI, compares(r->operation) ? TLB_READ : TLB_WRITE, count, &target);
	if (!count)
		return 0;
	accumulator = sign_extend(cpu->gpr[RAX], r->size);
	*(const struct insn *volatile *)&cpu->insn = insn;
	switch (r->operation) {
	case MOVS: copy_many(r, source, target, count); break;
	case STOS: fill_many(r, target, count, (uint64_t)accumulator); break;
	default:
		r->compared.left = accumulator;
		count = compare_many(r, source, target, count);
		break;
	}
	moved = (r->backwards ? -count : count) * r->size;
	if (uses_source(r->operation))
		index_set(cpu, RSI, r->mask, cpu->gpr[RSI] + moved);
	if (uses_target(r->operation))
		index_set(cpu, RDI, r->mask, cpu->gpr[RDI] + moved);
	return count;
}

/* ---- REP. ---- */

/* One element, and whether it ends a REPE or REPNE. False: leave. */
static bool one(struct x86_vcpu *cpu, const struct insn *insn, struct repeat *r)
{
	if (element(cpu, insn, PATH_SLOW, r->operation, r->size, &r->compared) != STEP_NEXT)
		return false;
	r->ended = compares(r->operation) && (r->compared.left == r->compared.right) != r->while_equal;
	return true;
}

static void repeat_flags(struct x86_vcpu *cpu, const struct repeat *r)
{
	flags_lazy(cpu, CC_SUB, 1, r->compared.left, r->compared.right);
	cpu->cc_op = CC_SUB * 4 + (unsigned int)__builtin_ctz(r->size);
}

/* How many elements done one by one lie between two looks at the request word. */
#define ELEMENTS_A_LOOK 256

/*
 * True: done. A fault on the way leaves the flags of the last comparison, as processors do; that they be those of before (SDM Vol. 2B,
 * REP) makes no difference to who goes on.
 */
static bool repeat(struct x86_vcpu *cpu, const struct insn *insn)
{
	struct repeat r = { .operation = (enum operation)insn->extra, .size = insn->size, .backwards = cpu->rflags & FLAG_DF,
			    .while_equal = !(insn->flags & INSN_REPNE), .mask = address_mask(insn) };
	unsigned int alone = 0;
	uint64_t count, done;

	while ((count = cpu->gpr[RCX] & r.mask) != 0) {
		if (r.any && (cpu->careful || (alone % ELEMENTS_A_LOOK == 0 && atomic_load_explicit(&cpu->vcpu.kick.request, memory_order_relaxed)))) {
			/* Somebody waits, or watches each step. */
			insn_sync(cpu, insn);
			return false;
		}
		done = many(cpu, insn, &r, count);
		alone = done ? 0 : alone + 1;
		if (!done) {
			if (!one(cpu, insn, &r))
				return false;
			done = 1;
		}
		r.any = true;
		index_set(cpu, RCX, r.mask, count - done);
		if (compares(r.operation))
			repeat_flags(cpu, &r);
		if (r.ended)
			break;
	}
	return true;
}

static void repeat_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (repeat(cpu, insn))
		insn_next(cpu, insn);
}

/* ---- Decoding. ---- */

static bool string_decode(struct decoder *d, struct insn *insn, unsigned int operation)
{
	bool simple = (d->mode & MODE_CODE_MASK) == MODE_CODE64 && d->z.address_width == 64;

	insn->size = (uint8_t)(d->z.operand_width / 8);
	insn->extra = operation;
	/* The one that a prefix can override is DS:rSI. */
	for (unsigned int i = 0; uses_source(operation) && i < d->z.operand_count; i++)
		if (decode_is_memory(d, i) && decode_gpr(d->op[i].mem.base) == RSI)
			insn->seg = decode_segment(d->op[i].mem.segment);
	if (insn->flags & (INSN_REP | INSN_REPNE))
		insn->run = repeat_run;
	else
		insn->run = simple && insn->seg < FS ? single_handlers[operation][insn->size] : single_slow;
	return true;
}

#define M(name) ZYDIS_MNEMONIC_##name

const struct decode_row string_rows[] = {
	{ M(MOVSB), string_decode, MOVS }, { M(MOVSW), string_decode, MOVS }, { M(MOVSD), string_decode, MOVS }, { M(MOVSQ), string_decode, MOVS },
	{ M(CMPSB), string_decode, CMPS }, { M(CMPSW), string_decode, CMPS }, { M(CMPSD), string_decode, CMPS }, { M(CMPSQ), string_decode, CMPS },
	{ M(SCASB), string_decode, SCAS }, { M(SCASW), string_decode, SCAS }, { M(SCASD), string_decode, SCAS }, { M(SCASQ), string_decode, SCAS },
	{ M(LODSB), string_decode, LODS }, { M(LODSW), string_decode, LODS }, { M(LODSD), string_decode, LODS }, { M(LODSQ), string_decode, LODS },
	{ M(STOSB), string_decode, STOS }, { M(STOSW), string_decode, STOS }, { M(STOSD), string_decode, STOS }, { M(STOSQ), string_decode, STOS },
	{ 0 },
};
