/*
 * The first of AVX: 128- and 256-bit moves and the clearing of the upper halves, for who manages that state. The rest of AVX is not
 * there, and CPUID says so: what CPUID leaf 0xd offers is the state component. SDM Vol. 1, 14.3; Vol. 2, VMOVDQU, VMOVUPS, VZEROUPPER.
 */
#include "x86/cpu/decode.h"
#include "x86/cpu/mem.h"

#define XCR0_BOTH (XCR0_SSE | XCR0_AVX)

/* The state must be enabled, or the encoding does not exist. */
static bool avx_ready(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!(cpu->mode & MODE_OSXSAVE) || (cpu->xcr0 & XCR0_BOTH) != XCR0_BOTH || cpu->mode & (MODE_REAL | MODE_VM86))
		insn_fault(cpu, insn, VECTOR_UD);
	else if (cpu->mode & MODE_TS)
		insn_fault(cpu, insn, VECTOR_NM);
	else
		return true;
	return false;
}

/* Aligned forms fault before anything else is looked at. */
static bool operand_aligned(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear)
{
	if (!insn->extra || !(linear & (insn->size - 1)))
		return true;
	insn_fault_code(cpu, insn, VECTOR_GP, 0);
	return false;
}

/* A 128-bit write clears the upper half: VEX's rule for all registers. */
static void ymm_set(struct x86_vcpu *cpu, uint8_t reg, const uint8_t value[32], unsigned int size)
{
	memcpy(cpu->xsave.xmm[reg], value, 16);
	if (size == 32)
		memcpy(cpu->xsave.ymmh[reg], value + 16, 16);
	else
		memset(cpu->xsave.ymmh[reg], 0, 16);
}

static void ymm_get(const struct x86_vcpu *cpu, uint8_t reg, uint8_t value[32])
{
	memcpy(value, cpu->xsave.xmm[reg], 16);
	memcpy(value + 16, cpu->xsave.ymmh[reg], 16);
}

static void move_register(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint8_t value[32];

	if (!avx_ready(cpu, insn))
		return;
	ymm_get(cpu, insn->rm, value);
	ymm_set(cpu, insn->reg, value, insn->size);
	insn_next(cpu, insn);
}

static void move_load(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint8_t value[32];
	uint64_t linear;

	if (!avx_ready(cpu, insn))
		return;
	linear = insn_linear(cpu, insn, insn->size, ACCESS_READ);
	if (!operand_aligned(cpu, insn, linear) || !mem_read(cpu, insn, linear, value, insn->size))
		return;
	ymm_set(cpu, insn->reg, value, insn->size);
	insn_next(cpu, insn);
}

static void move_store(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint8_t value[32];
	uint64_t linear;

	if (!avx_ready(cpu, insn))
		return;
	ymm_get(cpu, insn->reg, value);
	linear = insn_linear(cpu, insn, insn->size, ACCESS_WRITE);
	if (!operand_aligned(cpu, insn, linear) || !mem_write(cpu, insn, linear, value, insn->size))
		return;
	insn_next(cpu, insn);
}

static uint8_t vector_register(ZydisRegister reg)
{
	return (uint8_t)(reg >= ZYDIS_REGISTER_YMM0 && reg <= ZYDIS_REGISTER_YMM15 ? reg - ZYDIS_REGISTER_YMM0 : reg - ZYDIS_REGISTER_XMM0);
}

static bool move_decode(struct decoder *d, struct insn *insn, unsigned int aligned)
{
	insn->size = (uint8_t)(d->op[0].size / 8);
	insn->extra = aligned;
	if (decode_is_memory(d, 0)) {
		insn->reg = vector_register(d->op[1].reg.value);
		insn->run = move_store;
	} else if (decode_is_memory(d, 1)) {
		insn->reg = vector_register(d->op[0].reg.value);
		insn->run = move_load;
	} else {
		insn->reg = vector_register(d->op[0].reg.value);
		insn->rm = vector_register(d->op[1].reg.value);
		insn->run = move_register;
	}
	return true;
}

/* In 64-bit mode all sixteen registers, elsewhere the eight that there are. */
static unsigned int registers(const struct x86_vcpu *cpu)
{
	return (cpu->mode & MODE_CODE_MASK) == MODE_CODE64 ? 16 : 8;
}

static void zero_upper(struct x86_vcpu *cpu, const struct insn *insn)
{
	if (!avx_ready(cpu, insn))
		return;
	memset(cpu->xsave.ymmh, 0, 16 * registers(cpu));
	if (insn->extra)
		memset(cpu->xsave.xmm, 0, 16 * registers(cpu));
	insn_next(cpu, insn);
}

static bool zero_decode(struct decoder *d, struct insn *insn, unsigned int all)
{
	(void)d;
	insn->extra = all;
	insn->run = zero_upper;
	return true;
}

const struct decode_row avx_rows[] = {
	{ ZYDIS_MNEMONIC_VMOVDQU, move_decode, false },
	{ ZYDIS_MNEMONIC_VMOVUPS, move_decode, false },
	{ ZYDIS_MNEMONIC_VMOVUPD, move_decode, false },
	{ ZYDIS_MNEMONIC_VMOVDQA, move_decode, true },
	{ ZYDIS_MNEMONIC_VMOVAPS, move_decode, true },
	{ ZYDIS_MNEMONIC_VMOVAPD, move_decode, true },
	{ ZYDIS_MNEMONIC_VZEROUPPER, zero_decode, false },
	{ ZYDIS_MNEMONIC_VZEROALL, zero_decode, true },
	{ 0, NULL, 0 },
};
