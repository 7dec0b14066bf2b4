/*
 * What the instructions of Advanced SIMD and of SVE share of AES (vector_aes.c) and SM4 (vector_sm.c).
 */
#ifndef ANYKVM_ARM64_CPU_CRYPTO_H
#define ANYKVM_ARM64_CPU_CRYPTO_H

#include <stdbool.h>
#include <stdint.h>

/* AESE, AESD: AddRoundKey, then ShiftRows and SubBytes or their inverses, on a state of 16 bytes, column by column. */
void aes_round_half(uint64_t state[2], const uint64_t key[2], bool inverse);
/* MixColumns and its inverse, of two columns. */
uint64_t aes_mix_columns(uint64_t a);
uint64_t aes_unmix_columns(uint64_t a);

/* SM4E, SM4EKEY: four rounds, with a round key (of the key schedule: a constant) each. */
void sm4_rounds(uint32_t state[4], const uint32_t keys[4], bool schedule);

#endif
