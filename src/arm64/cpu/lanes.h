/*
 * Sixteen bytes as lanes: for vector operations that are frequent and simple enough to be computed of all elements at once. They are the compiler's
 * vectors, which every host has.
 */
#ifndef ANYKVM_ARM64_CPU_LANES_H
#define ANYKVM_ARM64_CPU_LANES_H

#include <stdint.h>

/* By the bytes of an element: lanes, and the same signed, as comparisons give them. */
typedef uint8_t lanes_1 __attribute__((vector_size(16), may_alias));
typedef uint16_t lanes_2 __attribute__((vector_size(16), may_alias));
typedef uint32_t lanes_4 __attribute__((vector_size(16), may_alias));
typedef uint64_t lanes_8 __attribute__((vector_size(16), may_alias));
typedef int8_t signed_1 __attribute__((vector_size(16), may_alias));
typedef int16_t signed_2 __attribute__((vector_size(16), may_alias));
typedef int32_t signed_4 __attribute__((vector_size(16), may_alias));
typedef int64_t signed_8 __attribute__((vector_size(16), may_alias));

/* Runs X(n) for the element's size, n being its bytes. */
#define LANES_BY_SIZE(bytes, X) \
	switch (bytes) { \
	case 1: X(1) break; \
	case 2: X(2) break; \
	case 4: X(4) break; \
	default: X(8) break; \
	}

#endif
