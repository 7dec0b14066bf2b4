/*
 * Stand-ins for the groups of instructions that other files bring: without those, their encodings are UNDEFINED.
 */
#include "arm64/cpu/insn.h"

__attribute__((weak)) a64_fn *decode_vector(struct a64_decode *decode, struct a64_insn *insn)
{
	(void)decode, (void)insn;
	return NULL;
}

__attribute__((weak)) a64_fn *decode_vector_memory(struct a64_decode *decode, struct a64_insn *insn)
{
	(void)decode, (void)insn;
	return NULL;
}

__attribute__((weak)) a64_fn *decode_sve(struct a64_decode *decode, struct a64_insn *insn)
{
	(void)decode, (void)insn;
	return NULL;
}
