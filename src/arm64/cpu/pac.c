/*
 * Pointer authentication (D8.9; the shared pseudocode's AddPAC, Auth, Strip). The algorithm is our own (IMPLEMENTATION DEFINED: ID_AA64ISAR1_EL1.API
 * and GPI): a 64-bit mixing function of pointer, modifier and key. FEAT_FPAC is not there: a failed authentication makes the pointer
 * non-canonical. FEAT_PAuth2 is: codes are XORed in, so that adding one to a pointer that has one corrupts it.
 */
#include "arm64/cpu/decode.h"
#include "arm64/cpu/pac.h"
#include "arm64/cpu/translation.h"

/* Finaliser of the splitmix64 generator: every bit of the result depends on every bit of the argument. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static uint64_t pac_compute(uint64_t data, uint64_t modifier, uint64_t key_low, uint64_t key_high)
{
	return mix(mix(mix(data ^ key_low) + modifier) ^ key_high);
}

static uint64_t code(const struct arm64_vcpu *cpu, uint64_t pointer, uint64_t modifier, enum pac_key key)
{
	static const enum sysreg keys[] = { [PAC_IA] = SYS_APIAKEYLO_EL1, [PAC_IB] = SYS_APIBKEYLO_EL1, [PAC_DA] = SYS_APDAKEYLO_EL1,
					    [PAC_DB] = SYS_APDBKEYLO_EL1 };

	return pac_compute(pointer, modifier, cpu->sys[keys[key]], cpu->sys[keys[key] + 1]);
}

static bool enabled(const struct arm64_vcpu *cpu, enum pac_key key)
{
	static const uint64_t enables[] = { [PAC_IA] = SCTLR_ENIA, [PAC_IB] = SCTLR_ENIB, [PAC_DA] = SCTLR_ENDA, [PAC_DB] = SCTLR_ENDB };

	return cpu->sys[SYS_SCTLR_EL1] & enables[key];
}

/* The bits of a code: from the size of addresses up to bit 54, and the top byte unless it is a tag. Bit 55 says which half. */
static uint64_t code_bits(const struct arm64_vcpu *cpu, uint64_t pointer, bool data)
{
	unsigned int size = a64_address_bits(cpu, pointer >> 55 & 1);
	uint64_t mask = (UINT64_C(1) << 55) - (UINT64_C(1) << size);

	return a64_tagged(cpu, pointer >> 55 & 1, !data) ? mask : mask | UINT64_C(0xff) << 56;
}

static uint64_t extended(uint64_t pointer, uint64_t mask)
{
	return pointer >> 55 & 1 ? pointer | mask : pointer & ~mask;
}

uint64_t pac_toggle(const struct arm64_vcpu *cpu, uint64_t pointer, uint64_t modifier, enum pac_key key)
{
	uint64_t mask, bare;

	if (!enabled(cpu, key))
		return pointer;
	mask = code_bits(cpu, pointer, key >= PAC_DA);
	bare = extended(pointer, mask);
	return pointer ^ (code(cpu, bare, modifier, key) & mask);
}

uint64_t pac_strip(const struct arm64_vcpu *cpu, uint64_t pointer, bool data)
{
	return extended(pointer, code_bits(cpu, pointer, data));
}

/* ---- Instructions. `shift` is the key; `n` the modifier, of the hints the pointer stands in `d`. ---- */

/* PACIA ... AUTDB. */
static void pac(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t pointer = cpu->x[insn->d == X_SINK ? X_ZERO : insn->d];

	cpu->x[insn->d] = pac_toggle(cpu, pointer, cpu->x[insn->n], (enum pac_key)insn->shift);
	a64_next(cpu, insn);
}

static void xpac(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t pointer = cpu->x[insn->d == X_SINK ? X_ZERO : insn->d];

	cpu->x[insn->d] = pac_strip(cpu, pointer, insn->shift);
	a64_next(cpu, insn);
}

/* The generic code: the upper half alone. */
static void pacga(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t result = pac_compute(cpu->x[insn->n], cpu->x[insn->m], cpu->sys[SYS_APGAKEYLO_EL1], cpu->sys[SYS_APGAKEYHI_EL1]);

	cpu->x[insn->d] = result & ~UINT64_C(0xffffffff);
	a64_next(cpu, insn);
}

/* With d, n and m set as for any data processing of registers. */
a64_fn *decode_pac_one(struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int op = bits(insn->word, 15, 10), number = bits(insn->word, 9, 5);

	if (!(decode->mode & A64_MODE_PAC) || !bit(insn->word, 31))
		return NULL;
	if (!bit(insn->word, 30)) {
		insn->m = reg_sp(decode, bits(insn->word, 20, 16));
		return pacga;
	}
	if (op >= 18 || (op >= 8 && number != 31))
		return NULL;
	if (op >= 16) {
		insn->shift = op == 17;
		return xpac;
	}
	insn->shift = op & 3;
	insn->n = op >= 8 ? X_ZERO : reg_sp(decode, number);
	return pac;
}

/* Hints: HINT #7 XPACLRI; 8, 10, 12, 14 PACIA1716 ...; 24 ... 31 PACIAZ, PACIASP ... NULL: no such hint, or pointer authentication is not there. */
a64_fn *decode_pac_hint(struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int hint = bits(insn->word, 11, 5);

	if (!(decode->mode & A64_MODE_PAC))
		return NULL;
	if (hint == 7) {
		insn->d = X_LR;
		insn->shift = 0;
		return xpac;
	}
	if (hint >= 8 && hint < 16 && !(hint & 1)) {
		insn->d = 17;
		insn->n = 16;
	} else if (hint >= 24 && hint < 32) {
		insn->d = X_LR;
		insn->n = hint & 1 ? reg_sp(decode, 31) : X_ZERO;
	} else {
		return NULL;
	}
	insn->shift = hint & 2 ? PAC_IB : PAC_IA;
	return pac;
}
