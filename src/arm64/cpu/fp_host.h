/*
 * The host's own floating-point unit, for the common case: singles and doubles, all operands normal or zero, rounding to nearest, IXC already
 * set, the result normal. Nothing but IXC can then be raised, and every IEEE 754 unit gives the same bits. A result at or below the least normal
 * number may have been tiny before rounding, so it is left to fp.c. All functions answer false when they have no result.
 *
 * The host's rounding mode is taken to be to nearest, as in every program that has not changed it.
 */
#ifndef ANYKVM_ARM64_CPU_FP_HOST_H
#define ANYKVM_ARM64_CPU_FP_HOST_H

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "arm64/cpu/fp.h"
#include "arm64/cpu/insn.h"

enum host_operation { HOST_ADD, HOST_SUB, HOST_MUL, HOST_DIV };

static inline float host_single(uint64_t a)
{
	uint32_t bits32 = (uint32_t)a;
	float value;

	memcpy(&value, &bits32, sizeof(value));
	return value;
}

static inline double host_double(uint64_t a)
{
	double value;

	memcpy(&value, &a, sizeof(value));
	return value;
}

static inline uint64_t host_single_bits(float value)
{
	uint32_t a;

	memcpy(&a, &value, sizeof(a));
	return a;
}

static inline uint64_t host_double_bits(double value)
{
	uint64_t a;

	memcpy(&a, &value, sizeof(a));
	return a;
}

/* 2^-exponent. */
static inline float host_power_single(unsigned int exponent)
{
	return host_single((uint64_t)(127 - exponent) << 23);
}

static inline double host_power_double(unsigned int exponent)
{
	return host_double((uint64_t)(1023 - exponent) << 52);
}

static inline bool host_ready(const struct fp_env *env, unsigned int size)
{
	return size != 16 && (env->fpcr >> FPCR_RMODE_SHIFT & 3) == FP_TIEEVEN && env->flags & FPSR_IXC;
}

static inline bool host_is_zero(unsigned int size, uint64_t a)
{
	return size == 32 ? (uint32_t)a << 1 == 0 : a << 1 == 0;
}

static inline bool host_is_normal(unsigned int size, uint64_t a)
{
	return size == 32 ? ((uint32_t)a >> 23 & 0xff) - 1 < 0xfe : (a >> 52 & 0x7ff) - 1 < 0x7fe;
}

static inline bool host_operand(unsigned int size, uint64_t a)
{
	return host_is_normal(size, a) || host_is_zero(size, a);
}

static inline bool host_result(unsigned int size, uint64_t a)
{
	return host_is_normal(size, a) && fp_abs(size, a) != (size == 32 ? UINT64_C(0x00800000) : UINT64_C(0x0010000000000000));
}

static inline __attribute__((always_inline)) float host_compute_single(enum host_operation operation, float a, float b)
{
	return operation == HOST_ADD ? a + b : operation == HOST_SUB ? a - b : operation == HOST_MUL ? a * b : a / b;
}

static inline __attribute__((always_inline)) double host_compute_double(enum host_operation operation, double a, double b)
{
	return operation == HOST_ADD ? a + b : operation == HOST_SUB ? a - b : operation == HOST_MUL ? a * b : a / b;
}

static inline __attribute__((always_inline)) bool host_compute(const struct fp_env *env, enum host_operation operation, unsigned int size, uint64_t a,
							       uint64_t b, uint64_t *result)
{
	if (!host_ready(env, size) || !host_operand(size, a) || !(operation == HOST_DIV ? host_is_normal(size, b) : host_operand(size, b)))
		return false;
	if (size == 32)
		*result = host_single_bits(host_compute_single(operation, host_single(a), host_single(b)));
	else
		*result = host_double_bits(host_compute_double(operation, host_double(a), host_double(b)));
	/* A sum is zero, or a product has a zero factor, exactly. */
	return host_result(size, *result) || (host_is_zero(size, *result) && (operation <= HOST_SUB || host_is_zero(size, a) || host_is_zero(size, b)));
}

/* Towards zero, to a signed integer that has that width: IXC must be set, or the number integral. */
static inline bool host_to_integer(const struct fp_env *env, unsigned int size, uint64_t a, unsigned int width, uint64_t *value)
{
	double number;

	if (size == 16 || !host_operand(size, a))
		return false;
	number = size == 32 ? (double)host_single(a) : host_double(a);
	if ((host_double_bits(number) >> 52 & 0x7ff) >= 1023 + width - 1)
		return false;
	*value = (uint64_t)(int64_t)number;
	return env->flags & FPSR_IXC || (double)(int64_t)number == number;
}

/* -1, 0 or 1: no flags come of comparing such numbers. */
static inline bool host_compare(unsigned int size, uint64_t a, uint64_t b, int *order)
{
	if (size == 16 || !host_operand(size, a) || !host_operand(size, b))
		return false;
	if (size == 32)
		*order = (host_single(a) > host_single(b)) - (host_single(a) < host_single(b));
	else
		*order = (host_double(a) > host_double(b)) - (host_double(a) < host_double(b));
	return true;
}

#if defined(__x86_64__)
static inline float host_sqrt_single(float a)
{
	return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a)));
}

static inline double host_sqrt_double(double a)
{
	return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(a)));
}

static inline bool host_has_fma(void)
{
	return __builtin_cpu_supports("fma");
}

static __attribute__((target("fma"), noinline, unused)) float host_fma_single(float addend, float a, float b)
{
	return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(addend)));
}

static __attribute__((target("fma"), noinline, unused)) double host_fma_double(double addend, double a, double b)
{
	return _mm_cvtsd_f64(_mm_fmadd_sd(_mm_set_sd(a), _mm_set_sd(b), _mm_set_sd(addend)));
}
#elif defined(__aarch64__)
static inline float host_sqrt_single(float a)
{
	return vget_lane_f32(vsqrt_f32(vdup_n_f32(a)), 0);
}

static inline double host_sqrt_double(double a)
{
	return vget_lane_f64(vsqrt_f64(vdup_n_f64(a)), 0);
}

static inline bool host_has_fma(void)
{
	return true;
}

static inline float host_fma_single(float addend, float a, float b)
{
	return vget_lane_f32(vfma_f32(vdup_n_f32(addend), vdup_n_f32(a), vdup_n_f32(b)), 0);
}

static inline double host_fma_double(double addend, double a, double b)
{
	return vget_lane_f64(vfma_f64(vdup_n_f64(addend), vdup_n_f64(a), vdup_n_f64(b)), 0);
}
#endif

static inline bool host_sqrt(const struct fp_env *env, unsigned int size, uint64_t a, uint64_t *result)
{
	if (!host_ready(env, size) || a >> (size - 1) || !host_is_normal(size, a))
		return false;
	*result = size == 32 ? host_single_bits(host_sqrt_single(host_single(a))) : host_double_bits(host_sqrt_double(host_double(a)));
	return true;
}

static inline bool host_muladd(const struct fp_env *env, unsigned int size, uint64_t addend, uint64_t a, uint64_t b, uint64_t *result)
{
	if (!host_ready(env, size) || !host_operand(size, addend) || !host_operand(size, a) || !host_operand(size, b) || !host_has_fma())
		return false;
	if (size == 32)
		*result = host_single_bits(host_fma_single(host_single(addend), host_single(a), host_single(b)));
	else
		*result = host_double_bits(host_fma_double(host_double(addend), host_double(a), host_double(b)));
	return host_result(size, *result);
}

#endif
