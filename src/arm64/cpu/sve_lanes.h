/*
 * SVE's vectors 16 bytes at a time, for the operations that are frequent and simple enough to be computed of all elements at once: the compiler's
 * vectors, which every host has.
 */
#ifndef ANYKVM_ARM64_CPU_SVE_LANES_H
#define ANYKVM_ARM64_CPU_SVE_LANES_H

#include "arm64/cpu/sve.h"

/* By the bytes of an element: lanes, and the same signed, as comparisons give them. */
typedef uint8_t sve_lanes_1 __attribute__((vector_size(16), may_alias));
typedef uint16_t sve_lanes_2 __attribute__((vector_size(16), may_alias));
typedef uint32_t sve_lanes_4 __attribute__((vector_size(16), may_alias));
typedef uint64_t sve_lanes_8 __attribute__((vector_size(16), may_alias));
typedef int8_t sve_signed_1 __attribute__((vector_size(16), may_alias));
typedef int16_t sve_signed_2 __attribute__((vector_size(16), may_alias));
typedef int32_t sve_signed_4 __attribute__((vector_size(16), may_alias));
typedef int64_t sve_signed_8 __attribute__((vector_size(16), may_alias));

/* A predicate's bit of each lane. */
#define SVE_LANE_BITS_1 { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 }
#define SVE_LANE_BITS_2 { 1, 4, 16, 64, 256, 1024, 4096, 16384 }
#define SVE_LANE_BITS_4 { 1, 16, 256, 4096 }
#define SVE_LANE_BITS_8 { 1, 256 }

/* The predicate's 16 bits for the i-th 16 bytes. */
static inline uint16_t sve_lane_bits(const union arm64_p *p, unsigned int i)
{
	return (uint16_t)(p->b[2 * i] | p->b[2 * i + 1] << 8);
}

/* All ones in active lanes. */
static inline sve_lanes_1 sve_lanes_active_1(const union arm64_p *p, unsigned int i)
{
	uint64_t low = p->b[2 * i] * UINT64_C(0x0101010101010101), high = p->b[2 * i + 1] * UINT64_C(0x0101010101010101);

	return (sve_lanes_1)(((sve_lanes_1)(sve_lanes_8){ low, high } & (sve_lanes_1)SVE_LANE_BITS_1) != 0);
}
#define SVE_LANES_ACTIVE(n)                                                                                           \
	static inline sve_lanes_##n sve_lanes_active_##n(const union arm64_p *p, unsigned int i)                      \
	{                                                                                                             \
		sve_lanes_##n bits = (sve_lanes_##n){ 0 } + sve_lane_bits(p, i);                                      \
                                                                                                                      \
		return (sve_lanes_##n)((bits & (sve_lanes_##n)SVE_LANE_BITS_##n) != 0);                               \
	}
SVE_LANES_ACTIVE(2)
SVE_LANES_ACTIVE(4)
SVE_LANES_ACTIVE(8)

/* The other way: the predicate's 16 bits for what a comparison has given. */
static inline uint16_t sve_lanes_bits_1(sve_lanes_1 lanes)
{
	sve_lanes_8 bytes = (sve_lanes_8)(lanes & (sve_lanes_1)SVE_LANE_BITS_1) * UINT64_C(0x0101010101010101);

	return (uint16_t)(bytes[0] >> 56 | bytes[1] >> 56 << 8);
}
#define SVE_LANES_BITS(n)                                                             \
	static inline uint16_t sve_lanes_bits_##n(sve_lanes_##n lanes)                \
	{                                                                             \
		unsigned int sum = 0;                                                 \
                                                                                      \
		lanes &= (sve_lanes_##n)SVE_LANE_BITS_##n;                            \
		for (unsigned int i = 0; i < 16 / n; i++)                             \
			sum |= (unsigned int)lanes[i];                                \
		return (uint16_t)sum;                                                 \
	}
SVE_LANES_BITS(2)
SVE_LANES_BITS(4)
SVE_LANES_BITS(8)

/* Runs X(n) for the element's size, n being its bytes. */
#define SVE_LANES_BY_SIZE(bytes, X)     \
	switch (bytes) {                \
	case 1: X(1) break;             \
	case 2: X(2) break;             \
	case 4: X(4) break;             \
	default: X(8) break;            \
	}

#endif
