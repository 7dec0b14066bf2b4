/*
 * The host's SSE unit: one function an instruction, by the instruction's own name. Guest vectors are computed on it with the
 * guest's MXCSR loaded (fpu.c), so results, rounding and exception flags are a processor's. Another host replaces this file
 * and host_x87.h; the handlers in sse_*.c know only these names. Knows nothing of vCPUs.
 *
 * Inline assembly rather than intrinsics, because a compiler may swap the operands of a commutative operation (and so choose
 * the other NaN), fold it, or move it across a change of MXCSR. The host must be x86-64-v2, the guest's own level.
 */
#ifndef ANYKVM_X86_CPU_HOST_FPU_H
#define ANYKVM_X86_CPU_HOST_FPU_H

#include <stdbool.h>
#include <stdint.h>

#ifndef __x86_64__
#error "host_fpu.h: SSE and x87 are computed on an x86-64 host's own unit; this host needs its own version of the file"
#endif

/* An XMM register. An MMX register is the low half of one. */
typedef uint64_t v128 __attribute__((vector_size(16), may_alias));
typedef uint32_t v128_lanes32 __attribute__((vector_size(16), may_alias));

static inline v128 v128_low(uint64_t low)
{
	return (v128){ low, 0 };
}

/* Whether the host has what the functions below use. */
static inline bool host_fpu_usable(void)
{
	return __builtin_cpu_supports("sse4.2");
}

/* ---- MXCSR. ---- */

#define MXCSR_FLAGS 0x3fu
#define MXCSR_IE (1u << 0)
#define MXCSR_DE (1u << 1)
#define MXCSR_ZE (1u << 2)
#define MXCSR_OE (1u << 3)
#define MXCSR_UE (1u << 4)
#define MXCSR_PE (1u << 5)
#define MXCSR_DAZ (1u << 6)
#define MXCSR_MASKS_SHIFT 7
#define MXCSR_MASKS (0x3fu << MXCSR_MASKS_SHIFT)
#define MXCSR_FTZ (1u << 15)
#define MXCSR_VALID 0xffffu /* MXCSR_MASK: without AMD's misaligned mode */
#define MXCSR_INITIAL 0x1f80u

static inline uint32_t host_mxcsr_get(void)
{
	uint32_t mxcsr;

	asm volatile("stmxcsr %0" : "=m"(mxcsr) : : "memory");
	return mxcsr;
}

static inline void host_mxcsr_set(uint32_t mxcsr)
{
	asm volatile("ldmxcsr %0" : : "m"(mxcsr) : "memory");
}

/* ---- Instructions: host_NAME(destination, source, immediate) returns the new destination. ---- */

/* Those that neither look at MXCSR nor change it. */
#define HOST_VECTOR(name) \
	static inline v128 host_##name(v128 to, v128 from, unsigned int imm) \
	{ \
		(void)imm; \
		asm(#name " %1, %0" : "+x"(to) : "x"(from)); \
		return to; \
	}

/* Those that do: volatile, so that they stay where they are. */
#define HOST_FLOAT(name) \
	static inline v128 host_##name(v128 to, v128 from, unsigned int imm) \
	{ \
		(void)imm; \
		asm volatile(#name " %1, %0" : "+x"(to) : "x"(from)); \
		return to; \
	}

HOST_FLOAT(addps) HOST_FLOAT(addpd) HOST_FLOAT(addss) HOST_FLOAT(addsd)
HOST_FLOAT(subps) HOST_FLOAT(subpd) HOST_FLOAT(subss) HOST_FLOAT(subsd)
HOST_FLOAT(mulps) HOST_FLOAT(mulpd) HOST_FLOAT(mulss) HOST_FLOAT(mulsd)
HOST_FLOAT(divps) HOST_FLOAT(divpd) HOST_FLOAT(divss) HOST_FLOAT(divsd)
HOST_FLOAT(minps) HOST_FLOAT(minpd) HOST_FLOAT(minss) HOST_FLOAT(minsd)
HOST_FLOAT(maxps) HOST_FLOAT(maxpd) HOST_FLOAT(maxss) HOST_FLOAT(maxsd)
HOST_FLOAT(sqrtps) HOST_FLOAT(sqrtpd) HOST_FLOAT(sqrtss) HOST_FLOAT(sqrtsd)
HOST_FLOAT(addsubps) HOST_FLOAT(addsubpd)
HOST_FLOAT(haddps) HOST_FLOAT(haddpd) HOST_FLOAT(hsubps) HOST_FLOAT(hsubpd)
HOST_FLOAT(cvtdq2ps) HOST_FLOAT(cvtdq2pd)
HOST_FLOAT(cvtps2dq) HOST_FLOAT(cvttps2dq) HOST_FLOAT(cvtpd2dq) HOST_FLOAT(cvttpd2dq)
HOST_FLOAT(cvtps2pd) HOST_FLOAT(cvtpd2ps) HOST_FLOAT(cvtss2sd) HOST_FLOAT(cvtsd2ss)

HOST_VECTOR(rcpps) HOST_VECTOR(rcpss) HOST_VECTOR(rsqrtps) HOST_VECTOR(rsqrtss)
HOST_VECTOR(unpcklps) HOST_VECTOR(unpckhps) HOST_VECTOR(unpcklpd) HOST_VECTOR(unpckhpd)
HOST_VECTOR(movddup) HOST_VECTOR(movshdup) HOST_VECTOR(movsldup)
HOST_VECTOR(paddb) HOST_VECTOR(paddw) HOST_VECTOR(paddd) HOST_VECTOR(paddq)
HOST_VECTOR(psubb) HOST_VECTOR(psubw) HOST_VECTOR(psubd) HOST_VECTOR(psubq)
HOST_VECTOR(paddsb) HOST_VECTOR(paddsw) HOST_VECTOR(paddusb) HOST_VECTOR(paddusw)
HOST_VECTOR(psubsb) HOST_VECTOR(psubsw) HOST_VECTOR(psubusb) HOST_VECTOR(psubusw)
HOST_VECTOR(pmullw) HOST_VECTOR(pmulhw) HOST_VECTOR(pmulhuw) HOST_VECTOR(pmulhrsw) HOST_VECTOR(pmulld)
HOST_VECTOR(pmuludq) HOST_VECTOR(pmuldq) HOST_VECTOR(pmaddwd) HOST_VECTOR(pmaddubsw) HOST_VECTOR(psadbw)
HOST_VECTOR(pand) HOST_VECTOR(pandn) HOST_VECTOR(por) HOST_VECTOR(pxor)
HOST_VECTOR(pavgb) HOST_VECTOR(pavgw)
HOST_VECTOR(pminub) HOST_VECTOR(pminsb) HOST_VECTOR(pminuw) HOST_VECTOR(pminsw) HOST_VECTOR(pminud) HOST_VECTOR(pminsd)
HOST_VECTOR(pmaxub) HOST_VECTOR(pmaxsb) HOST_VECTOR(pmaxuw) HOST_VECTOR(pmaxsw) HOST_VECTOR(pmaxud) HOST_VECTOR(pmaxsd)
HOST_VECTOR(pcmpeqb) HOST_VECTOR(pcmpeqw) HOST_VECTOR(pcmpeqd) HOST_VECTOR(pcmpeqq)
HOST_VECTOR(pcmpgtb) HOST_VECTOR(pcmpgtw) HOST_VECTOR(pcmpgtd) HOST_VECTOR(pcmpgtq)
HOST_VECTOR(psllw) HOST_VECTOR(pslld) HOST_VECTOR(psllq)
HOST_VECTOR(psrlw) HOST_VECTOR(psrld) HOST_VECTOR(psrlq) HOST_VECTOR(psraw) HOST_VECTOR(psrad)
HOST_VECTOR(packsswb) HOST_VECTOR(packssdw) HOST_VECTOR(packuswb) HOST_VECTOR(packusdw)
HOST_VECTOR(punpcklbw) HOST_VECTOR(punpcklwd) HOST_VECTOR(punpckldq) HOST_VECTOR(punpcklqdq)
HOST_VECTOR(punpckhbw) HOST_VECTOR(punpckhwd) HOST_VECTOR(punpckhdq) HOST_VECTOR(punpckhqdq)
HOST_VECTOR(pshufb) HOST_VECTOR(phaddw) HOST_VECTOR(phaddd) HOST_VECTOR(phaddsw)
HOST_VECTOR(phsubw) HOST_VECTOR(phsubd) HOST_VECTOR(phsubsw)
HOST_VECTOR(psignb) HOST_VECTOR(psignw) HOST_VECTOR(psignd)
HOST_VECTOR(pabsb) HOST_VECTOR(pabsw) HOST_VECTOR(pabsd)
HOST_VECTOR(pmovsxbw) HOST_VECTOR(pmovsxbd) HOST_VECTOR(pmovsxbq) HOST_VECTOR(pmovsxwd) HOST_VECTOR(pmovsxwq) HOST_VECTOR(pmovsxdq)
HOST_VECTOR(pmovzxbw) HOST_VECTOR(pmovzxbd) HOST_VECTOR(pmovzxbq) HOST_VECTOR(pmovzxwd) HOST_VECTOR(pmovzxwq) HOST_VECTOR(pmovzxdq)
HOST_VECTOR(phminposuw)

#undef HOST_VECTOR
#undef HOST_FLOAT

/*
 * Immediates are part of the instruction: one case for each value that means something. HOST_CASES_n(CASE, name, 0) is
 * CASE(name, 0) ... CASE(name, n - 1).
 */
#define HOST_CASES_2(CASE, name, at) CASE(name, (at)) CASE(name, (at) + 1)
#define HOST_CASES_4(CASE, name, at) HOST_CASES_2(CASE, name, (at)) HOST_CASES_2(CASE, name, (at) + 2)
#define HOST_CASES_8(CASE, name, at) HOST_CASES_4(CASE, name, (at)) HOST_CASES_4(CASE, name, (at) + 4)
#define HOST_CASES_16(CASE, name, at) HOST_CASES_8(CASE, name, (at)) HOST_CASES_8(CASE, name, (at) + 8)
#define HOST_CASES_32(CASE, name, at) HOST_CASES_16(CASE, name, (at)) HOST_CASES_16(CASE, name, (at) + 16)
#define HOST_CASES_64(CASE, name, at) HOST_CASES_32(CASE, name, (at)) HOST_CASES_32(CASE, name, (at) + 32)
#define HOST_CASES_128(CASE, name, at) HOST_CASES_64(CASE, name, (at)) HOST_CASES_64(CASE, name, (at) + 64)
#define HOST_CASES_256(CASE, name, at) HOST_CASES_128(CASE, name, (at)) HOST_CASES_128(CASE, name, (at) + 128)

/* `values` (a power of two) immediates; higher bits are ignored, as the processor does. */
#define HOST_IMMEDIATE(name, values, CASE) \
	static inline v128 host_##name(v128 to, v128 from, unsigned int imm) \
	{ \
		switch (imm % values) { HOST_CASES_##values(CASE, name, 0) } \
		return to; \
	}

#define HOST_CASE(name, n) case (n): asm volatile(#name " %2, %1, %0" : "+x"(to) : "x"(from), "i"(n)); break;
HOST_IMMEDIATE(cmpps, 8, HOST_CASE) HOST_IMMEDIATE(cmppd, 8, HOST_CASE) HOST_IMMEDIATE(cmpss, 8, HOST_CASE) HOST_IMMEDIATE(cmpsd, 8, HOST_CASE)
HOST_IMMEDIATE(roundps, 16, HOST_CASE) HOST_IMMEDIATE(roundpd, 16, HOST_CASE)
HOST_IMMEDIATE(roundss, 16, HOST_CASE) HOST_IMMEDIATE(roundsd, 16, HOST_CASE)
HOST_IMMEDIATE(dpps, 256, HOST_CASE) HOST_IMMEDIATE(dppd, 64, HOST_CASE)
HOST_IMMEDIATE(shufps, 256, HOST_CASE) HOST_IMMEDIATE(shufpd, 4, HOST_CASE)
HOST_IMMEDIATE(blendps, 16, HOST_CASE) HOST_IMMEDIATE(blendpd, 4, HOST_CASE) HOST_IMMEDIATE(pblendw, 256, HOST_CASE)
HOST_IMMEDIATE(mpsadbw, 8, HOST_CASE) HOST_IMMEDIATE(insertps, 256, HOST_CASE)
HOST_IMMEDIATE(pshufd, 256, HOST_CASE) HOST_IMMEDIATE(pshuflw, 256, HOST_CASE) HOST_IMMEDIATE(pshufhw, 256, HOST_CASE)

/* The value to insert is the low part of `from`. */
#define HOST_CASE_INSERT(name, n) case (n): asm(#name " %2, %k1, %0" : "+x"(to) : "r"(from[0]), "i"(n)); break;
#define HOST_CASE_INSERT64(name, n) case (n): asm(#name " %2, %1, %0" : "+x"(to) : "r"(from[0]), "i"(n)); break;
HOST_IMMEDIATE(pinsrb, 16, HOST_CASE_INSERT) HOST_IMMEDIATE(pinsrw, 8, HOST_CASE_INSERT)
HOST_IMMEDIATE(pinsrd, 4, HOST_CASE_INSERT) HOST_IMMEDIATE(pinsrq, 2, HOST_CASE_INSERT64)

/* Byte shifts: a count beyond the vector leaves nothing. */
#define HOST_SHIFT(name, counts, CASE) \
	static inline v128 host_##name(v128 to, v128 from, unsigned int imm) \
	{ \
		(void)from; \
		switch (imm) { \
		HOST_CASES_##counts(CASE, name, 0) \
		default: return v128_low(0); \
		} \
		return to; \
	}
#define HOST_CASE_SHIFT(name, n) case (n): asm(#name " %1, %0" : "+x"(to) : "i"(n)); break;
HOST_SHIFT(palignr, 32, HOST_CASE) HOST_SHIFT(pslldq, 16, HOST_CASE_SHIFT) HOST_SHIFT(psrldq, 16, HOST_CASE_SHIFT)
#undef HOST_SHIFT

/* ---- Between general registers and vectors: the integer is in the low part of the vector. ---- */

#define HOST_FROM_INTEGER(name, insn, modifier) \
	static inline v128 host_##name(v128 to, v128 from, unsigned int imm) \
	{ \
		(void)imm; \
		asm volatile(insn " %" modifier "1, %0" : "+x"(to) : "r"(from[0])); \
		return to; \
	}
HOST_FROM_INTEGER(cvtsi2ss32, "cvtsi2ssl", "k") HOST_FROM_INTEGER(cvtsi2ss64, "cvtsi2ssq", "q")
HOST_FROM_INTEGER(cvtsi2sd32, "cvtsi2sdl", "k") HOST_FROM_INTEGER(cvtsi2sd64, "cvtsi2sdq", "q")
#undef HOST_FROM_INTEGER

/* A 32-bit result clears the upper half, as it does in a general register. */
#define HOST_TO_INTEGER(name, insn, modifier) \
	static inline v128 host_##name(v128 to, v128 from, unsigned int imm) \
	{ \
		uint64_t result; \
\
		(void)to; \
		(void)imm; \
		asm volatile(insn " %1, %" modifier "0" : "=r"(result) : "x"(from)); \
		return v128_low(result); \
	}
HOST_TO_INTEGER(cvtss2si32, "cvtss2sil", "k") HOST_TO_INTEGER(cvtss2si64, "cvtss2siq", "q")
HOST_TO_INTEGER(cvtsd2si32, "cvtsd2sil", "k") HOST_TO_INTEGER(cvtsd2si64, "cvtsd2siq", "q")
HOST_TO_INTEGER(cvttss2si32, "cvttss2sil", "k") HOST_TO_INTEGER(cvttss2si64, "cvttss2siq", "q")
HOST_TO_INTEGER(cvttsd2si32, "cvttsd2sil", "k") HOST_TO_INTEGER(cvttsd2si64, "cvttsd2siq", "q")
HOST_TO_INTEGER(movmskps, "movmskps", "k") HOST_TO_INTEGER(movmskpd, "movmskpd", "k") HOST_TO_INTEGER(pmovmskb, "pmovmskb", "k")
#undef HOST_TO_INTEGER

/* Comparisons that set EFLAGS: CF, PF and ZF are returned at their places there. */
#define HOST_TO_FLAGS(name) \
	static inline v128 host_##name(v128 to, v128 from, unsigned int imm) \
	{ \
		bool carry, parity, zero; \
\
		(void)imm; \
		asm volatile(#name " %4, %3" : "=@ccc"(carry), "=@ccp"(parity), "=@ccz"(zero) : "x"(to), "x"(from) : "cc"); \
		return v128_low((uint64_t)carry | (uint64_t)parity << 2 | (uint64_t)zero << 6); \
	}
HOST_TO_FLAGS(comiss) HOST_TO_FLAGS(comisd) HOST_TO_FLAGS(ucomiss) HOST_TO_FLAGS(ucomisd) HOST_TO_FLAGS(ptest)
#undef HOST_TO_FLAGS

/* The variable blends take their mask from XMM0. */
#define HOST_BLEND(name) \
	static inline v128 host_##name(v128 to, v128 from, v128 mask) \
	{ \
		asm(#name " %%xmm0, %1, %0" : "+x"(to) : "x"(from), "Yz"(mask)); \
		return to; \
	}
HOST_BLEND(pblendvb) HOST_BLEND(blendvps) HOST_BLEND(blendvpd)
#undef HOST_BLEND

/* ---- String comparison (PCMPxSTRx). ---- */

struct host_string_result {
	uint64_t index; /* ECX of the forms that return an index */
	v128 mask;      /* XMM0 of those that return a mask */
	uint32_t flags; /* CF, ZF, SF, OF at their places in EFLAGS */
};

/* `eax` and `edx` are the lengths of the explicit forms. */
#define HOST_STRING(name, CASE) \
	static inline struct host_string_result host_##name(v128 to, v128 from, uint32_t eax, uint32_t edx, unsigned int imm) \
	{ \
		struct host_string_result result = { .index = 0 }; \
		bool carry = false, zero = false, sign = false, overflow = false; \
\
		(void)eax; \
		(void)edx; \
		switch (imm % 128) { HOST_CASES_128(CASE, name, 0) } \
		result.flags = (uint32_t)carry | (uint32_t)zero << 6 | (uint32_t)sign << 7 | (uint32_t)overflow << 11; \
		return result; \
	}
#define HOST_CASE_STRING(name, n, output, lengths...) \
	case (n): \
		asm(#name " %7, %6, %5" : "=@ccc"(carry), "=@ccz"(zero), "=@ccs"(sign), "=@cco"(overflow), output \
		    : "x"(to), "x"(from), "i"(n), ##lengths : "cc"); \
		break;
#define HOST_CASE_INDEX(name, n) HOST_CASE_STRING(name, n, "=c"(result.index))
#define HOST_CASE_MASK(name, n) HOST_CASE_STRING(name, n, "=Yz"(result.mask))
#define HOST_CASE_INDEX_LENGTHS(name, n) HOST_CASE_STRING(name, n, "=c"(result.index), "a"(eax), "d"(edx))
#define HOST_CASE_MASK_LENGTHS(name, n) HOST_CASE_STRING(name, n, "=Yz"(result.mask), "a"(eax), "d"(edx))
HOST_STRING(pcmpistri, HOST_CASE_INDEX) HOST_STRING(pcmpistrm, HOST_CASE_MASK)
HOST_STRING(pcmpestri, HOST_CASE_INDEX_LENGTHS) HOST_STRING(pcmpestrm, HOST_CASE_MASK_LENGTHS)
#undef HOST_STRING

#endif
