/*
 * SYS (C5.3 ... C5.5): caches, which need none, but must fault where memory does; DC ZVA; address translation; TLB maintenance. There is one
 * translation cache for all ASIDs: each TLBI empties it.
 */
#include "arm64/cpu/mem.h"
#include "arm64/cpu/private.h"
#include "arm64/cpu/system.h"
#include "arm64/cpu/walk.h"

#define ZVA_SIZE 64u /* DCZID_EL0 */
#define SCTLR_ENRCTX (UINT64_C(1) << 10)

static void nothing(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_next(cpu, insn);
}

static bool user_allowed(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t bit)
{
	if (cpu->el || cpu->sys[SYS_SCTLR_EL1] & bit)
		return true;
	a64_system_trap(cpu, insn);
	return false;
}

/* DC and IC by address: the translation's faults, and nothing else. */
static bool cache_check(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	enum tlb_access access = system_encoding(insn->word) == SYSTEM_ENCODING(1, 0, 7, 6, 1) ? TLB_WRITE : TLB_READ; /* DC IVAC */

	return user_allowed(cpu, insn, SCTLR_UCI) && a64_cache_check(cpu, insn, cpu->x[insn->n], access);
}

static void cache(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (cache_check(cpu, insn))
		a64_next(cpu, insn);
}

/* CFP, DVP and CPP RCTX: nothing was predicted. */
static void restrict_prediction(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (user_allowed(cpu, insn, SCTLR_ENRCTX))
		a64_next(cpu, insn);
}

static bool zero(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	static const uint8_t zeros[ZVA_SIZE];

	uint64_t address = cpu->x[insn->n] & ~(uint64_t)(ZVA_SIZE - 1);

	if (!user_allowed(cpu, insn, SCTLR_DZE))
		return false;
	/* Without translation all is device memory, though translations are at hand. */
	return cpu->sys[SYS_SCTLR_EL1] & SCTLR_M ? a64_write(cpu, insn, address, zeros, ZVA_SIZE, MEM_CLEAR) :
						   a64_write_slow(cpu, insn, address, zeros, ZVA_SIZE, MEM_CLEAR);
}

static void dc_zva(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	if (zero(cpu, insn))
		a64_next(cpu, insn);
}

static void tlbi(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_tlb_flush(cpu);
	a64_done(cpu, insn, ARM64_STOP_NONE);
}

static void tlbi_shareable(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_tlb_shootdown(cpu);
	a64_done(cpu, insn, ARM64_STOP_NONE);
}

/* ---- AT: the answer goes to PAR_EL1 (D17.2.107). ---- */

#define PAR_RES1 (UINT64_C(1) << 11)
#define PAR_NS (UINT64_C(1) << 9) /* UNKNOWN */

/* Device memory and what is not cached at all are outer shareable, whatever the tables say. */
static uint64_t par_shareability(const struct a64_walk *walk)
{
	return (uint64_t)(!(walk->attributes >> 4) || walk->attributes == 0x44 ? 2 : walk->shareability) << 7;
}

static __attribute__((noinline)) bool translate_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int op2 = bits(insn->word, 7, 5);
	struct a64_walk walk = { .access = op2 & 1 ? TLB_WRITE : TLB_READ, .user = op2 & 2, .pretend = true,
				 .pan = bit(insn->word, 8) && cpu->pstate & PSTATE_PAN };
	enum a64_walk_result result = a64_walk(cpu, &walk, cpu->x[insn->n]);

	/* Tables that are not there: to KVM that is an abort of AT itself. */
	if ((result == WALK_HOLE || (result == WALK_FAULT && walk.fsc == FSC_EXTERNAL)) && !a64_cache_check(cpu, insn, cpu->x[insn->n], walk.access))
		return false;
	if (result == WALK_OK)
		cpu->sys[SYS_PAR_EL1] = (walk.ipa & UINT64_C(0xffffffffff000)) | (uint64_t)walk.attributes << 56 | PAR_RES1 | PAR_NS | par_shareability(&walk);
	else
		cpu->sys[SYS_PAR_EL1] = PAR_RES1 | (uint64_t)(result == WALK_FAULT ? walk.fsc : FSC_EXTERNAL) << 1 | 1;
	return true;
}

HANDLER_IF(translate, translate_done(cpu, insn))

/* C5.5. CRn 9 is FEAT_XS' nXS, which may be done earlier. */
static a64_fn *decode_tlbi(struct a64_decode *decode, unsigned int crm, unsigned int op2)
{
	decode->ends = true;
	switch (crm) {
	case 1: case 3: case 7: /* outer shareable, inner shareable, this processor's: VMALLE1, VAE1, ASIDE1, VAAE1, VALE1, VAALE1 */
		if (op2 == 4 || op2 == 6)
			return NULL;
		break;
	case 2: case 5: case 6: /* the same by range: RVAE1, RVAAE1, RVALE1, RVAALE1 */
		if (!(op2 & 1))
			return NULL;
		break;
	default:
		return NULL;
	}
	return crm < 6 ? tlbi_shareable : tlbi;
}

a64_fn *decode_maintenance(struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int op1 = bits(insn->word, 18, 16), crm = bits(insn->word, 11, 8), op2 = bits(insn->word, 7, 5);
	bool el1 = decode->mode & A64_MODE_EL1;

	if (bit(insn->word, 21) || (op1 == 0 && !el1) || (op1 != 0 && op1 != 3)) /* SYSL has no use here */
		return NULL;
	insn->n = reg_read(bits(insn->word, 4, 0));
	if (bits(insn->word, 15, 12) == 8 || bits(insn->word, 15, 12) == 9)
		return op1 == 0 ? decode_tlbi(decode, crm, op2) : NULL;
	if (bits(insn->word, 15, 12) != 7)
		return NULL;
	switch (op1 << 7 | crm << 3 | op2) {
	case 0 << 7 | 1 << 3 | 0: case 0 << 7 | 5 << 3 | 0: /* IC IALLUIS, IALLU */
	case 0 << 7 | 6 << 3 | 2: case 0 << 7 | 10 << 3 | 2: case 0 << 7 | 14 << 3 | 2: /* DC by set and way */
		return nothing;
	case 0 << 7 | 6 << 3 | 1: /* DC IVAC */
	case 3 << 7 | 5 << 3 | 1: /* IC IVAU */
	case 3 << 7 | 10 << 3 | 1: case 3 << 7 | 11 << 3 | 1: case 3 << 7 | 12 << 3 | 1: case 3 << 7 | 13 << 3 | 1: case 3 << 7 | 14 << 3 | 1:
		return cache;
	case 3 << 7 | 3 << 3 | 4: case 3 << 7 | 3 << 3 | 5: case 3 << 7 | 3 << 3 | 7:
		return restrict_prediction;
	case 3 << 7 | 4 << 3 | 1:
		return dc_zva;
	case 0 << 7 | 8 << 3 | 0: case 0 << 7 | 8 << 3 | 1: case 0 << 7 | 8 << 3 | 2: case 0 << 7 | 8 << 3 | 3: /* AT S1E1R ... S1E0W */
	case 0 << 7 | 9 << 3 | 0: case 0 << 7 | 9 << 3 | 1:                                                     /* S1E1RP, S1E1WP */
		return translate;
	default:
		return NULL;
	}
}
