/*
 * Random numbers with a taste for edges. xoshiro256** by Blackman and Vigna (public domain algorithm), seeded by splitmix64.
 * It must never know about instructions.
 */
#include <string.h>

#include "values.h"

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void rng_seed(struct rng *r, uint64_t seed, uint64_t stream)
{
	uint64_t x = seed;

	x = splitmix(&x) ^ stream;
	for (int i = 0; i < 4; i++)
		r->s[i] = splitmix(&x);
}

static uint64_t rotate(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

uint64_t rng_next(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

bool rng_percent(struct rng *r, uint32_t percent)
{
	return rng_below(r, 100) < percent;
}

uint64_t value_integer(struct rng *r)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 7, 8, 0xf, 0x10, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffffe, 0xffffffffffffffff,
		0xffffffffffffff80, 0xffffffffffff8000, 0xffffffff80000000, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa,
		0x0101010101010101, 0x8080808080808080, 0x7f7f7f7f7f7f7f7f, 0x00ff00ff00ff00ff,
	};
	uint64_t bit;

	switch (rng_below(r, 8)) {
	case 0:
	case 1:
	case 2:
		return edges[rng_below(r, sizeof(edges) / sizeof(edges[0]))];
	case 3:
		bit = 1ull << rng_below(r, 64);
		return bit + rng_below(r, 3) - 1;
	case 4:
		return rng_next(r) >> rng_below(r, 64);
	case 5:
		return 0 - (rng_next(r) >> rng_below(r, 64));
	default:
		return rng_next(r);
	}
}

uint32_t value_f32(struct rng *r)
{
	static const uint32_t edges[] = {
		0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffbfffff, 0x7fffffff,
		1, 0x807fffff, 0x007fffff, 0x00800000, 0x80800001, 0x7f7fffff, 0xff7fffff, 0x3f800000, 0xbf800000,
		0x3f000000, 0x3fffffff, 0x3f7fffff, 0x4b000000, 0x4b7fffff, 0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001,
		0x5effffff, 0x5f000000, 0xdf000000, 0x40490fdb, 0x34000000, 0x33800000,
	};
	uint32_t mantissa = (uint32_t)rng_next(r) & 0x7fffff;

	switch (rng_below(r, 8)) {
	case 0:
	case 1:
	case 2:
	case 3:
		return edges[rng_below(r, sizeof(edges) / sizeof(edges[0]))];
	case 4:
		return (uint32_t)rng_next(r);
	case 5:	/* few significant bits: exact results and ties */
		mantissa &= 0x7fffffu << rng_below(r, 23);
		/* fall through */
	default:
		return (uint32_t)rng_below(r, 2) << 31 | (127 - 12 + rng_below(r, 48)) << 23 | (mantissa & 0x7fffff);
	}
}

uint64_t value_f64(struct rng *r)
{
	static const uint64_t edges[] = {
		0, 0x8000000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000000,
		0x7ff0000000000001, 0xfff7ffffffffffff, 0x7fffffffffffffff, 1, 0x800fffffffffffff, 0x000fffffffffffff,
		0x0010000000000000, 0x8010000000000001, 0x7fefffffffffffff, 0xffefffffffffffff, 0x3ff0000000000000,
		0xbff0000000000000, 0x3fe0000000000000, 0x3fffffffffffffff, 0x3fefffffffffffff, 0x4330000000000000,
		0x433fffffffffffff, 0x41dfffffffc00000, 0x41dfffffffe00000, 0x41e0000000000000, 0xc1e0000000000000,
		0xc1e0000000100000, 0x43dfffffffffffff, 0x43e0000000000000, 0xc3e0000000000000, 0x400921fb54442d18,
		0x3cb0000000000000, 0x47efffffe0000000, 0x47effffff0000000, 0x3690000000000000, 0x3800000000000000,
		0x380fffffffffffff, 0x4340000000000001, 0x40dfffc000000000, 0xc0e0001000000000,
	};
	uint64_t mantissa = rng_next(r) >> 12;

	switch (rng_below(r, 8)) {
	case 0:
	case 1:
	case 2:
	case 3:
		return edges[rng_below(r, sizeof(edges) / sizeof(edges[0]))];
	case 4:
		return rng_next(r);
	case 5:
		mantissa &= UINT64_MAX << rng_below(r, 52);
		/* fall through */
	default:
		return (uint64_t)rng_below(r, 2) << 63 | (1023ull - 30 + rng_below(r, 100)) << 52 | (mantissa & 0xfffffffffffff);
	}
}

/* All classes of the double extended format, the unsupported ones included (SDM vol. 1, 8.2.2). */
void value_f80(struct rng *r, uint8_t out[10])
{
	static const struct { uint16_t exponent; uint64_t mantissa; } edges[] = {
		{ 0, 0 }, { 0, 1 }, { 0, 0x7fffffffffffffff }, { 0, 0x8000000000000000 }, { 0, 0xffffffffffffffff },
		{ 1, 0x8000000000000000 }, { 0x3fff, 0x8000000000000000 }, { 0x3ffe, 0x8000000000000000 },
		{ 0x3fff, 0xffffffffffffffff }, { 0x3ffe, 0xffffffffffffffff }, { 0x7ffe, 0xffffffffffffffff },
		{ 0x7fff, 0x8000000000000000 }, { 0x7fff, 0xc000000000000000 }, { 0x7fff, 0x8000000000000001 },
		{ 0x7fff, 0xbfffffffffffffff }, { 0x7fff, 0xffffffffffffffff }, { 0x7fff, 0 }, { 0x7fff, 0x4000000000000000 },
		{ 0x3fff, 0x4000000000000000 }, { 0x4000, 0 }, { 0x403e, 0x8000000000000000 }, { 0x403d, 0xffffffffffffffff },
		{ 0x403e, 0xffffffffffffffff }, { 0x401e, 0x8000000000000000 }, { 0x401d, 0xfffffffe00000000 },
		{ 0x400e, 0x8000000000000000 }, { 0x4000, 0xc90fdaa22168c235 }, { 0x3fff, 0xb504f333f9de6484 },
		{ 0x403a, 0xde0b6b3a763ffff0 }, { 0x3c00, 0xfffffffffffff800 }, { 0x3f80, 0xffffff0000000000 },
		{ 0x3c01, 0x8000000000000000 }, { 0x43fe, 0xfffffffffffff800 }, { 0x407e, 0xffffff8000000000 },
		{ 0x3fbf, 0x8000000000000000 }, { 0x3fff, 0x8000000000000001 }, { 0x4003, 0xa000000000000000 },
	};
	uint64_t mantissa = rng_next(r) | 1ull << 63;
	uint16_t exponent = (uint16_t)(16383 - 40 + rng_below(r, 110));

	switch (rng_below(r, 10)) {
	case 0:
	case 1:
	case 2:
	case 3: {
		uint32_t i = rng_below(r, sizeof(edges) / sizeof(edges[0]));

		exponent = edges[i].exponent;
		mantissa = edges[i].mantissa;
		break;
	}
	case 4:
		exponent = (uint16_t)rng_below(r, 0x8000);
		break;
	case 5:
	case 6:
		mantissa &= UINT64_MAX << rng_below(r, 64);
		mantissa |= 1ull << 63;
		break;
	case 7:	/* the small integers */
		exponent = (uint16_t)(16383 + rng_below(r, 8));
		mantissa &= 0xffull << 56;
		break;
	}
	exponent |= (uint16_t)(rng_below(r, 2) << 15);
	memcpy(out, &mantissa, 8);
	memcpy(out + 8, &exponent, 2);
}

void value_bcd(struct rng *r, uint8_t out[10])
{
	uint32_t digits = rng_below(r, 10);

	memset(out, 0, 10);
	for (uint32_t i = 0; i < digits; i++)
		out[i] = (uint8_t)(rng_below(r, 10) << 4 | rng_below(r, 10));
	if (rng_percent(r, 15))
		out[rng_below(r, 10)] = (uint8_t)rng_next(r);
	out[9] |= (uint8_t)(rng_below(r, 2) << 7);
}

/* Mostly all masked, as programs have it. */
uint32_t value_mxcsr(struct rng *r)
{
	uint32_t mxcsr = rng_percent(r, 75) ? 0x1f80 : (uint32_t)rng_next(r) & 0x1f80;

	if (rng_percent(r, 40))
		mxcsr |= rng_below(r, 4) << 13;
	if (rng_percent(r, 15))
		mxcsr |= 1 << 15;
	if (rng_percent(r, 15))
		mxcsr |= 1 << 6;
	if (rng_percent(r, 30))
		mxcsr |= rng_below(r, 64);
	return mxcsr;
}

uint16_t value_fcw(struct rng *r)
{
	static const uint16_t precision[] = { 3, 3, 3, 3, 2, 0, 1 };
	uint16_t fcw = rng_percent(r, 75) ? 0x3f : (uint16_t)(rng_next(r) & 0x3f);

	fcw |= (uint16_t)(precision[rng_below(r, sizeof(precision) / sizeof(precision[0]))] << 8);
	if (rng_percent(r, 40))
		fcw |= (uint16_t)(rng_below(r, 4) << 10);
	return fcw | 0x40;
}

uint16_t value_fsw(struct rng *r, uint16_t fcw)
{
	uint16_t fsw = (uint16_t)(rng_below(r, 8) << 11);

	if (rng_percent(r, 50))
		fsw |= (uint16_t)(rng_next(r) & 0x4700);
	if (rng_percent(r, 25))
		fsw |= (uint16_t)(rng_next(r) & 0x7f);
	/* A pending exception would stop nearly every instruction: seldom. */
	if (rng_percent(r, 85))
		fsw &= fcw | ~0x3f;
	if (fsw & ~fcw & 0x3f)
		fsw |= 0x8080;
	return fsw;
}

static void fill_item(struct rng *r, enum fill kind, uint8_t item[16])
{
	static const uint8_t letters[] = { 0, 'a', 'a', 'b', 'c', 'z', 'A', 'Z', '0', ' ', 0x80, 0xff };
	uint64_t q[2];
	uint32_t d[4];

	switch (kind) {
	case FILL_F32:
		for (int i = 0; i < 4; i++)
			d[i] = value_f32(r);
		memcpy(item, d, 16);
		break;
	case FILL_F80:
		memset(item, 0, 16);
		value_f80(r, item);
		break;
	case FILL_TEXT:
		for (int i = 0; i < 16; i++)
			item[i] = letters[rng_below(r, sizeof(letters))];
		break;
	default:
		for (int i = 0; i < 2; i++)
			q[i] = kind == FILL_F64 ? value_f64(r) : kind == FILL_INT ? value_integer(r) : rng_next(r);
		memcpy(item, q, 16);
	}
}

void fill_bytes(struct rng *r, enum fill kind, uint8_t *to, uint32_t n)
{
	uint8_t item[16];

	for (uint32_t done = 0; done < n; done += 16) {
		fill_item(r, kind, item);
		memcpy(to + done, item, n - done < 16 ? n - done : 16);
	}
}

static uint8_t value_ftw(struct rng *r, uint16_t fsw)
{
	uint32_t top = fsw >> 11 & 7, depth = rng_below(r, 9);
	uint8_t tags = 0;

	switch (rng_below(r, 4)) {
	case 0:
		return 0xff;
	case 1:
		return (uint8_t)rng_next(r);
	default:
		for (uint32_t i = 0; i < depth; i++)
			tags |= (uint8_t)(1 << ((top + i) & 7));
		return tags;
	}
}

/* The FXSAVE image a case starts with; no instruction or data pointers, which the comparison leaves out. */
void fill_fx(struct rng *r, uint8_t *fx)
{
	static const enum fill vectors[] = { FILL_INT, FILL_F32, FILL_F32, FILL_F64, FILL_F64, FILL_TEXT, FILL_RANDOM };
	enum fill kind = vectors[rng_below(r, sizeof(vectors) / sizeof(vectors[0]))];
	bool mmx = rng_percent(r, 30);
	uint16_t fcw = value_fcw(r), fsw = value_fsw(r, fcw);
	uint32_t mxcsr = value_mxcsr(r);

	memset(fx, 0, FX_SIZE);
	memcpy(fx + FX_FCW, &fcw, 2);
	memcpy(fx + FX_FSW, &fsw, 2);
	fx[FX_FTW] = value_ftw(r, fsw);
	memcpy(fx + FX_MXCSR, &mxcsr, 4);
	for (int i = 0; i < 8; i++) {
		uint8_t *st = fx + FX_ST + i * 16;

		value_f80(r, st);
		if (mmx) {
			fill_bytes(r, kind, st, 8);
			st[8] = st[9] = 0xff;
		}
	}
	fill_bytes(r, kind, fx + FX_XMM, 256);
	if (rng_percent(r, 20))
		memmove(fx + FX_XMM + rng_below(r, 16) * 16, fx + FX_XMM + rng_below(r, 16) * 16, 16);
}
