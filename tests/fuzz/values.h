/*
 * Random numbers with a taste for edges: what registers, memory and immediates of a case start out as. Deterministic: the same seed
 * gives the same values on every machine. Nothing here may know about instructions.
 */
#ifndef ANYKVM_TESTS_FUZZ_VALUES_H
#define ANYKVM_TESTS_FUZZ_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "diff.h"

struct rng {
	uint64_t s[4];
};

/* What a stretch of memory or a vector register looks like. */
enum fill { FILL_INT, FILL_F32, FILL_F64, FILL_F80, FILL_TEXT, FILL_RANDOM, FILL_COUNT };

void rng_seed(struct rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *r);
/* 0 <= result < n */
uint32_t rng_below(struct rng *r, uint32_t n);
bool rng_percent(struct rng *r, uint32_t percent);

uint64_t value_integer(struct rng *r);
uint32_t value_f32(struct rng *r);
uint64_t value_f64(struct rng *r);
void value_f80(struct rng *r, uint8_t out[10]);
void value_bcd(struct rng *r, uint8_t out[10]);
uint32_t value_mxcsr(struct rng *r);
uint16_t value_fcw(struct rng *r);
/* A status word whose summary bits agree with the control word. */
uint16_t value_fsw(struct rng *r, uint16_t fcw);

void fill_bytes(struct rng *r, enum fill kind, uint8_t *to, uint32_t n);
void fill_fx(struct rng *r, uint8_t *fx);

#endif
