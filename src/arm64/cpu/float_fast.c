/*
 * The scalar instructions that programs of floating point consist of, on the host's own unit where that gives the very bits and flags (fp_host.h): arithmetic,
 * comparison, and conversion of singles and doubles. A handler that finds anything else goes on as the one it stands for, which insn->imm holds.
 */
#include "arm64/cpu/fp_host.h"
#include "arm64/cpu/vector.h"

static void slow(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	((a64_fn *)(uintptr_t)insn->imm)(cpu, insn);
}

TEMPLATE uint64_t operand(const struct arm64_vcpu *cpu, unsigned int reg, unsigned int size)
{
	return size == 64 ? cpu->z[reg].d[0] : cpu->z[reg].s[0];
}

/* ---- Arithmetic. ---- */

TEMPLATE void compute(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum host_operation operation, unsigned int size)
{
	const struct fp_env env = fp_begin(cpu);
	uint64_t result;

	if (unlikely(!host_compute(&env, operation, size, operand(cpu, rn(insn->word), size), operand(cpu, rm(insn->word), size), &result))) {
		slow(cpu, insn);
		return;
	}
	v_set_scalar(cpu, rd(insn->word), result);
	a64_next(cpu, insn);
}

#define COMPUTE_HANDLERS(name, operation) \
	static void name##_single(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		compute(cpu, insn, operation, 32); \
	} \
	static void name##_double(struct arm64_vcpu *cpu, const struct a64_insn *insn) \
	{ \
		compute(cpu, insn, operation, 64); \
	}
COMPUTE_HANDLERS(fmul, HOST_MUL)
COMPUTE_HANDLERS(fdiv, HOST_DIV)
COMPUTE_HANDLERS(fadd, HOST_ADD)
COMPUTE_HANDLERS(fsub, HOST_SUB)

/* ---- Comparison: no flags come of it. ---- */

TEMPLATE void compare(struct arm64_vcpu *cpu, const struct a64_insn *insn, unsigned int size)
{
	uint64_t a = operand(cpu, rn(insn->word), size), b = bit(insn->word, 3) ? 0 : operand(cpu, rm(insn->word), size);
	int order;

	if (unlikely(!host_compare(size, a, b, &order))) {
		slow(cpu, insn);
		return;
	}
	cpu->flag_n = (uint64_t)(order < 0) << 63;
	cpu->flag_z = order != 0;
	cpu->flag_c = order >= 0;
	cpu->flag_v = 0;
	a64_next(cpu, insn);
}

static void compare_single(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	compare(cpu, insn, 32);
}

static void compare_double(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	compare(cpu, insn, 64);
}

/* ---- Conversion. ---- */

/* SCVTF of integers that a double holds exactly. */
static void scvtf_double(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t x = cpu->x[rn(insn->word)];
	int64_t value = bit(insn->word, 31) ? (int64_t)x : (int32_t)x;

	if (unlikely(value >= INT64_C(1) << 53 || value <= -(INT64_C(1) << 53))) {
		slow(cpu, insn);
		return;
	}
	v_set_scalar(cpu, rd(insn->word), host_double_bits((double)value));
	a64_next(cpu, insn);
}

static void fcvtzs_double(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct fp_env env = fp_begin(cpu);
	bool wide = bit(insn->word, 31);
	uint64_t value;

	if (unlikely(!host_to_integer(&env, 64, cpu->z[rn(insn->word)].d[0], wide ? 64 : 32, &value))) {
		slow(cpu, insn);
		return;
	}
	cpu->x[insn->d] = wide ? value : (uint32_t)value;
	a64_next(cpu, insn);
}

static void fcvt_single_to_double(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint32_t a = cpu->z[rn(insn->word)].s[0];

	if (unlikely(!host_operand(32, a))) {
		slow(cpu, insn);
		return;
	}
	v_set_scalar(cpu, rd(insn->word), host_double_bits((double)host_single(a)));
	a64_next(cpu, insn);
}

static void fcvt_double_to_single(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	const struct fp_env env = fp_begin(cpu);
	uint64_t a = cpu->z[rn(insn->word)].d[0], result = host_single_bits((float)host_double(a));

	if (unlikely(!host_ready(&env, 32) || !host_is_normal(64, a) || !host_result(32, result))) {
		slow(cpu, insn);
		return;
	}
	v_set_scalar(cpu, rd(insn->word), result);
	a64_next(cpu, insn);
}

static const struct {
	uint32_t mask, value;
	a64_fn *run;
} rows[] = {
	{ 0xffe0fc00, 0x1e200800, fmul_single },
	{ 0xffe0fc00, 0x1e600800, fmul_double },
	{ 0xffe0fc00, 0x1e201800, fdiv_single },
	{ 0xffe0fc00, 0x1e601800, fdiv_double },
	{ 0xffe0fc00, 0x1e202800, fadd_single },
	{ 0xffe0fc00, 0x1e602800, fadd_double },
	{ 0xffe0fc00, 0x1e203800, fsub_single },
	{ 0xffe0fc00, 0x1e603800, fsub_double },
	{ 0xffe0fc07, 0x1e202000, compare_single },
	{ 0xffe0fc07, 0x1e602000, compare_double },
	{ 0x7ffffc00, 0x1e620000, scvtf_double },
	{ 0x7ffffc00, 0x1e780000, fcvtzs_double },
	{ 0xfffffc00, 0x1e22c000, fcvt_single_to_double },
	{ 0xfffffc00, 0x1e624000, fcvt_double_to_single },
};

a64_fn *float_fast(struct a64_insn *insn, a64_fn *general)
{
	if (!general)
		return NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((insn->word & rows[i].mask) == rows[i].value) {
			insn->imm = (uintptr_t)general;
			return rows[i].run;
		}
	return general;
}
