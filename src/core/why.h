/*
 * Why a call was refused: one line per failed ioctl, built where the rule is checked and printed where the call ends.
 * Costs one predictable branch when off.
 */
#ifndef ANYKVM_CORE_WHY_H
#define ANYKVM_CORE_WHY_H

#include <stdbool.h>

/* Reasons are remembered (on in the library; the preload face turns it off unless they are printed); they are printed too. */
extern bool why_enabled, why_printed;

/* Remembers the reason of the refusal that the caller is about to return (the first one of a call wins). Returns `error`, so that
 * a check reads `return why(-EINVAL, "cr4: bit %d is not in the guest's CPUID", bit)`. */
int why_set(int error, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

#define why(error, ...) (__builtin_expect(why_enabled, 0) ? why_set((error), __VA_ARGS__) : (error))

/* Puts words before the reason that is remembered (or remembers them alone); which of a call's entries it concerns. */
void why_prefix(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
void why_entry(unsigned int entry);

/* The entry that the refusal concerns, or -1. */
int why_entry_get(void);

/* The reason remembered by this thread since why_clear(), or NULL. */
const char *why_get(void);
void why_clear(void);

#endif
