/*
 * The list of architectures. A program that makes the index has it too, so it knows nothing but the tables.
 */
#include "reg/index.h"

const struct reg_arch *const reg_arches[REG_ARCHES] = { &reg_x86 };
