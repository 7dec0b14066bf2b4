/*
 * AES on a state of 16 bytes, column by column (vector_aes.c): what the instructions of Advanced SIMD and of SVE share.
 */
#ifndef ANYKVM_ARM64_CPU_AES_H
#define ANYKVM_ARM64_CPU_AES_H

#include <stdbool.h>
#include <stdint.h>

/* AESE, AESD: AddRoundKey, then ShiftRows and SubBytes or their inverses. */
void aes_round_half(uint64_t state[2], const uint64_t key[2], bool inverse);
/* MixColumns and its inverse, of two columns. */
uint64_t aes_mix_columns(uint64_t a);
uint64_t aes_unmix_columns(uint64_t a);

#endif
