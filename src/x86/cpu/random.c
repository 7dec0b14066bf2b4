/*
 * RDRAND and RDSEED: random numbers of the host's kernel, where the guest's CPUID has the instructions.
 */
#include <sys/random.h>

#include "x86/cpu/operand.h"

static void random_read(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint64_t value = 0;
	bool ready = getrandom(&value, sizeof value, GRND_NONBLOCK) == sizeof value;

	/* CF says whether there was one; without, the destination is 0 (SDM Vol. 2B, RDRAND). */
	gpr_set(cpu, insn->reg, insn->size, ready ? value : 0);
	flags_arithmetic_set(cpu, ready ? FLAG_CF : 0);
	insn_next(cpu, insn);
}

bool random_decode(struct decoder *d, struct insn *insn, unsigned int is_seed)
{
	bool allowed = is_seed ? cpuid_has(d->cpu, 7, 0, RBX, 18) : cpuid_has(d->cpu, 1, 0, RCX, 30);

	if (!allowed || decode_single(d, insn))
		return false;
	insn->run = random_read;
	return true;
}
