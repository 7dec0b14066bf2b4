/*
 * SSE floating-point arithmetic and comparisons: everything whose result is rounded or that can raise a SIMD floating-point
 * exception, except conversions.
 */
#include "x86/cpu/sse.h"

/* Name, host operation, bytes in memory, the values of the result where they may overflow or underflow, which arithmetic. */
#define FLOAT_OPS(X) \
	X(ADDPS, addps, 16, RESULT_F32X4, ARITHMETIC_ADD) \
	X(ADDPD, addpd, 16, RESULT_F64X2, ARITHMETIC_ADD) \
	X(ADDSS, addss, 4, RESULT_F32X1, ARITHMETIC_ADD) \
	X(ADDSD, addsd, 8, RESULT_F64X1, ARITHMETIC_ADD) \
	X(SUBPS, subps, 16, RESULT_F32X4, ARITHMETIC_SUB) \
	X(SUBPD, subpd, 16, RESULT_F64X2, ARITHMETIC_SUB) \
	X(SUBSS, subss, 4, RESULT_F32X1, ARITHMETIC_SUB) \
	X(SUBSD, subsd, 8, RESULT_F64X1, ARITHMETIC_SUB) \
	X(MULPS, mulps, 16, RESULT_F32X4, ARITHMETIC_MUL) \
	X(MULPD, mulpd, 16, RESULT_F64X2, ARITHMETIC_MUL) \
	X(MULSS, mulss, 4, RESULT_F32X1, ARITHMETIC_MUL) \
	X(MULSD, mulsd, 8, RESULT_F64X1, ARITHMETIC_MUL) \
	X(DIVPS, divps, 16, RESULT_F32X4, ARITHMETIC_DIV) \
	X(DIVPD, divpd, 16, RESULT_F64X2, ARITHMETIC_DIV) \
	X(DIVSS, divss, 4, RESULT_F32X1, ARITHMETIC_DIV) \
	X(DIVSD, divsd, 8, RESULT_F64X1, ARITHMETIC_DIV) \
	X(MINPS, minps, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(MINPD, minpd, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(MINSS, minss, 4, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(MINSD, minsd, 8, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(MAXPS, maxps, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(MAXPD, maxpd, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(MAXSS, maxss, 4, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(MAXSD, maxsd, 8, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(SQRTPS, sqrtps, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(SQRTPD, sqrtpd, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(SQRTSS, sqrtss, 4, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(SQRTSD, sqrtsd, 8, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(ADDSUBPS, addsubps, 16, RESULT_F32X4, ARITHMETIC_ADDSUB) \
	X(ADDSUBPD, addsubpd, 16, RESULT_F64X2, ARITHMETIC_ADDSUB) \
	X(HADDPS, haddps, 16, RESULT_F32X4, ARITHMETIC_HADD) \
	X(HADDPD, haddpd, 16, RESULT_F64X2, ARITHMETIC_HADD) \
	X(HSUBPS, hsubps, 16, RESULT_F32X4, ARITHMETIC_HSUB) \
	X(HSUBPD, hsubpd, 16, RESULT_F64X2, ARITHMETIC_HSUB) \
	X(DPPS, dpps, 16, RESULT_F32X4, ARITHMETIC_DOT) \
	X(DPPD, dppd, 16, RESULT_F64X2, ARITHMETIC_DOT) \
	X(CMPPS, cmpps, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(CMPPD, cmppd, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(CMPSS, cmpss, 4, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(CMPSD, cmpsd, 8, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(ROUNDPS, roundps, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(ROUNDPD, roundpd, 16, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(ROUNDSS, roundss, 4, RESULT_OTHER, ARITHMETIC_OTHER) \
	X(ROUNDSD, roundsd, 8, RESULT_OTHER, ARITHMETIC_OTHER)

/* Comparisons whose result is EFLAGS. */
#define COMPARE_OPS(X) \
	X(COMISS, comiss, 4) \
	X(COMISD, comisd, 8) \
	X(UCOMISS, ucomiss, 4) \
	X(UCOMISD, ucomisd, 8)

#define FLOAT_HANDLERS(NAME, name, size, result, arithmetic) FLOAT_OP_HANDLERS(name, SSE_XMM, SSE_XMM, size, host_##name)
FLOAT_OPS(FLOAT_HANDLERS)
#define COMPARE_HANDLERS(NAME, name, size) FLOAT_OP_HANDLERS(name, SSE_FLAGS, SSE_XMM, size, host_##name)
COMPARE_OPS(COMPARE_HANDLERS)

enum {
#define FLOAT_INDEX(NAME, ...) FLOAT_##NAME,
	FLOAT_OPS(FLOAT_INDEX)
	COMPARE_OPS(FLOAT_INDEX)
};

static const struct sse_op float_ops[] = {
#define FLOAT_OP(NAME, name, size, result, arithmetic) \
	[FLOAT_##NAME] = { name##_reg, name##_mem, host_##name, size, SSE_XMM, SSE_XMM, result, false, arithmetic },
	FLOAT_OPS(FLOAT_OP)
#define COMPARE_OP(NAME, name, size) [FLOAT_##NAME] = { name##_reg, name##_mem, host_##name, size, SSE_XMM, SSE_FLAGS, RESULT_OTHER },
	COMPARE_OPS(COMPARE_OP)
};

static bool float_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	return sse_decode_op(d, insn, &float_ops[argument]);
}

const struct decode_row sse_float_rows[] = {
#define FLOAT_ROW(NAME, ...) { ZYDIS_MNEMONIC_##NAME, float_decode, FLOAT_##NAME },
	FLOAT_OPS(FLOAT_ROW)
	COMPARE_OPS(FLOAT_ROW)
	{ .decode = NULL }
};
