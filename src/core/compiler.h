/*
 * What is told to the compiler, and what it tells: which way a branch goes; whether AddressSanitizer looks on, and how deep calls may be nested then.
 */
#ifndef ANYKVM_CORE_COMPILER_H
#define ANYKVM_CORE_COMPILER_H

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/*
 * How many blocks of guest code an interpreter runs in a row without the loop, which looks at requests. Where calls in tail position may not be
 * jumps (no optimisation, AddressSanitizer), each of them is as many frames as it has instructions.
 */
#if defined(__OPTIMIZE__) && !SANITIZED
#define BLOCKS_IN_A_ROW 64
#else
#define BLOCKS_IN_A_ROW 4
#endif

#endif
