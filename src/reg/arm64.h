/*
 * arm64's pairs of registers over one word, of which one sets bits and the other clears them (Arm ARM, D19.5: PMCNTENSET_EL0 and
 * PMCNTENCLR_EL0, PMINTENSET_EL1 and PMINTENCLR_EL1, PMOVSSET_EL0 and PMOVSCLR_EL0). Both read as the word. Since Linux 6.12 (or earlier)
 * KVM_SET_ONE_REG does as the processor does: to bring a value back, all bits are cleared first.
 */
#ifndef ANYKVM_REG_ARM64_H
#define ANYKVM_REG_ARM64_H

#include <stdbool.h>
#include <stdint.h>

/* The one that clears the bits of a register that sets them; 0: `id` is none of these. */
uint64_t arm64_reg_clearer(uint64_t id);
/* Whether it is one that clears. */
bool arm64_reg_clears(uint64_t id);

#endif
