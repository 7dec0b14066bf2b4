/*
 * SVE's vectors 16 bytes at a time (lanes.h), and predicates as lanes.
 */
#ifndef ANYKVM_ARM64_CPU_SVE_LANES_H
#define ANYKVM_ARM64_CPU_SVE_LANES_H

#include "arm64/cpu/lanes.h"
#include "arm64/cpu/sve.h"

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
static inline lanes_1 sve_lanes_active_1(const union arm64_p *p, unsigned int i)
{
	uint64_t low = p->b[2 * i] * UINT64_C(0x0101010101010101), high = p->b[2 * i + 1] * UINT64_C(0x0101010101010101);

	return (lanes_1)(((lanes_1)(lanes_8){ low, high } & (lanes_1)SVE_LANE_BITS_1) != 0);
}
#define SVE_LANES_ACTIVE(n) \
	static inline lanes_##n sve_lanes_active_##n(const union arm64_p *p, unsigned int i) \
	{ \
		lanes_##n bits = (lanes_##n){ 0 } + sve_lane_bits(p, i); \
 \
		return (lanes_##n)((bits & (lanes_##n)SVE_LANE_BITS_##n) != 0); \
	}
SVE_LANES_ACTIVE(2)
SVE_LANES_ACTIVE(4)
SVE_LANES_ACTIVE(8)

/* The other way: the predicate's 16 bits for what a comparison has given. */
static inline uint16_t sve_lanes_bits_1(lanes_1 lanes)
{
	lanes_8 bytes = (lanes_8)(lanes & (lanes_1)SVE_LANE_BITS_1) * UINT64_C(0x0101010101010101);

	return (uint16_t)(bytes[0] >> 56 | bytes[1] >> 56 << 8);
}
#define SVE_LANES_BITS(n) \
	static inline uint16_t sve_lanes_bits_##n(lanes_##n lanes) \
	{ \
		unsigned int sum = 0; \
 \
		lanes &= (lanes_##n)SVE_LANE_BITS_##n; \
		for (unsigned int i = 0; i < 16 / n; i++) \
			sum |= (unsigned int)lanes[i]; \
		return (uint16_t)sum; \
	}
SVE_LANES_BITS(2)
SVE_LANES_BITS(4)
SVE_LANES_BITS(8)

#endif
