/*
 * Conversions between integers and floating-point values, and between the sizes of the latter.
 */
#include "x86/cpu/sse.h"

/* Between XMM registers: name, host operation, bytes in memory, the values of the result where they may overflow or underflow. */
#define VECTOR_CONVERSIONS(X) \
	X(CVTDQ2PS, cvtdq2ps, 16, RESULT_OTHER) \
	X(CVTDQ2PD, cvtdq2pd, 8, RESULT_OTHER) \
	X(CVTPS2DQ, cvtps2dq, 16, RESULT_OTHER) \
	X(CVTTPS2DQ, cvttps2dq, 16, RESULT_OTHER) \
	X(CVTPD2DQ, cvtpd2dq, 16, RESULT_OTHER) \
	X(CVTTPD2DQ, cvttpd2dq, 16, RESULT_OTHER) \
	X(CVTPS2PD, cvtps2pd, 8, RESULT_OTHER) \
	X(CVTPD2PS, cvtpd2ps, 16, RESULT_F32X4) \
	X(CVTSS2SD, cvtss2sd, 4, RESULT_OTHER) \
	X(CVTSD2SS, cvtsd2ss, 8, RESULT_F32X1)

/* With an MMX register or two packed integers in memory on one side: the XMM operation on the low halves. */
#define MMX_CONVERSIONS(X) \
	X(CVTPI2PS, cvtpi2ps, SSE_XMM, SSE_MMX, 8) \
	X(CVTPI2PD, cvtpi2pd, SSE_XMM, SSE_MMX, 8) \
	X(CVTPS2PI, cvtps2pi, SSE_MMX, SSE_XMM, 8) \
	X(CVTTPS2PI, cvttps2pi, SSE_MMX, SSE_XMM, 8) \
	X(CVTPD2PI, cvtpd2pi, SSE_MMX, SSE_XMM, 16) \
	X(CVTTPD2PI, cvttpd2pi, SSE_MMX, SSE_XMM, 16)

/* With a general register or an integer in memory on one side: mnemonic, host operation by integer size, to, from, bytes in memory (0: the integer's). */
#define SCALAR_CONVERSIONS(X) \
	X(CVTSI2SS, cvtsi2ss, SSE_XMM, SSE_GPR, 0) \
	X(CVTSI2SD, cvtsi2sd, SSE_XMM, SSE_GPR, 0) \
	X(CVTSS2SI, cvtss2si, SSE_GPR, SSE_XMM, 4) \
	X(CVTSD2SI, cvtsd2si, SSE_GPR, SSE_XMM, 8) \
	X(CVTTSS2SI, cvttss2si, SSE_GPR, SSE_XMM, 4) \
	X(CVTTSD2SI, cvttsd2si, SSE_GPR, SSE_XMM, 8)

/* The upper half of the destination stays. */
static inline v128 host_cvtpi2ps(v128 to, v128 from, unsigned int imm)
{
	v128 both = host_cvtdq2ps(from, from, imm);

	return (v128){ both[0], to[1] };
}

static inline v128 host_cvtpi2pd(v128 to, v128 from, unsigned int imm)
{
	return host_cvtdq2pd(to, from, imm);
}

/* The upper values must not raise exceptions: they are no operands. */
static inline v128 host_cvtps2pi(v128 to, v128 from, unsigned int imm)
{
	return host_cvtps2dq(to, v128_low(from[0]), imm);
}

static inline v128 host_cvttps2pi(v128 to, v128 from, unsigned int imm)
{
	return host_cvttps2dq(to, v128_low(from[0]), imm);
}

static inline v128 host_cvtpd2pi(v128 to, v128 from, unsigned int imm)
{
	return host_cvtpd2dq(to, from, imm);
}

static inline v128 host_cvttpd2pi(v128 to, v128 from, unsigned int imm)
{
	return host_cvttpd2dq(to, from, imm);
}

#define VECTOR_HANDLERS(NAME, name, size, result) FLOAT_OP_HANDLERS(name, SSE_XMM, SSE_XMM, size, host_##name)
VECTOR_CONVERSIONS(VECTOR_HANDLERS)
#define MMX_HANDLERS(NAME, name, to, from, size) FLOAT_OP_HANDLERS(name, to, from, size, host_##name)
MMX_CONVERSIONS(MMX_HANDLERS)
#define SCALAR_HANDLERS(NAME, name, to, from, size) \
	FLOAT_OP_HANDLERS(name##32, to, from, size ? size : 4, host_##name##32) \
	FLOAT_OP_HANDLERS(name##64, to, from, size ? size : 8, host_##name##64)
SCALAR_CONVERSIONS(SCALAR_HANDLERS)

enum {
#define CONVERT_INDEX(NAME, ...) CONVERT_##NAME,
	VECTOR_CONVERSIONS(CONVERT_INDEX)
	MMX_CONVERSIONS(CONVERT_INDEX)
	CONVERT_SCALAR, /* two rows each from here: 32 bits, 64 bits */
	CONVERT_BEFORE_SCALAR = CONVERT_SCALAR - 1,
#define SCALAR_INDEX(NAME, ...) CONVERT_##NAME, CONVERT_##NAME##_64,
	SCALAR_CONVERSIONS(SCALAR_INDEX)
};

static const struct sse_op convert_ops[] = {
#define VECTOR_OP(NAME, name, size, result) \
	[CONVERT_##NAME] = { name##_reg, name##_mem, host_##name, size, SSE_XMM, SSE_XMM, result, false, ARITHMETIC_NARROW },
	VECTOR_CONVERSIONS(VECTOR_OP)
#define MMX_OP(NAME, name, to, from, size) [CONVERT_##NAME] = { name##_reg, name##_mem, host_##name, size, from, to, RESULT_OTHER },
	MMX_CONVERSIONS(MMX_OP)
#define SCALAR_OP(NAME, name, to, from, size) \
	[CONVERT_##NAME] = { name##32_reg, name##32_mem, host_##name##32, size ? size : 4, from, to, RESULT_OTHER }, \
	[CONVERT_##NAME##_64] = { name##64_reg, name##64_mem, host_##name##64, size ? size : 8, from, to, RESULT_OTHER },
	SCALAR_CONVERSIONS(SCALAR_OP)
};

static bool convert_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	unsigned int integer = argument;

	/* REX.W makes the integer, wherever it is, 64 bits wide. */
	if (argument >= CONVERT_SCALAR)
		integer += d->z.attributes & ZYDIS_ATTRIB_HAS_REX && d->z.raw.rex.W;
	return sse_decode_op(d, insn, &convert_ops[integer]);
}

const struct decode_row sse_convert_rows[] = {
#define CONVERT_ROW(NAME, ...) { ZYDIS_MNEMONIC_##NAME, convert_decode, CONVERT_##NAME },
	VECTOR_CONVERSIONS(CONVERT_ROW)
	MMX_CONVERSIONS(CONVERT_ROW)
	SCALAR_CONVERSIONS(CONVERT_ROW)
	{ .decode = NULL }
};
