/*
 * The list of architectures. A program that makes the index has it too, so it knows nothing but the tables.
 */
#include "reg/index.h"

const struct reg_arch *const reg_arches[REG_ARCHES] = {
	&reg_x86, &reg_arm64, &reg_arm, &reg_riscv, &reg_ppc, &reg_s390, &reg_mips, &reg_loongarch,
};
