/*
 * What is told to the compiler, and what it tells: which way a branch goes, and whether AddressSanitizer looks on.
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

#endif
