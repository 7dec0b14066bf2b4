/*
 * Jumps from block to block that are not known beforehand, and which blocks get native code. Knows no instructions.
 */
#include "arm64/cpu/native.h"

#if NATIVE

#include <stdlib.h>

#include "arm64/cpu/native_maker.h"
#include "arm64/cpu/private.h"

/* a64_block_go_anywhere(), with RAX for cpu->pc. The block itself looks whether it is still there. */
static void go_anywhere_emit(struct arm64_vcpu *cpu, struct a64_native *native, struct emitter *e)
{
	uint8_t *unknown[4];

	native->go_anywhere = e->at;
	emit_move(e, HOST_RCX, HOST_RAX);
	emit_shift(e, SHIFT_RIGHT, 8, HOST_RCX, 2);
	emit_move(e, HOST_RDX, HOST_RAX);
	emit_shift(e, SHIFT_RIGHT, 8, HOST_RDX, 12);
	emit_rr(e, OPCODE_XOR, 4, HOST_RCX, HOST_RDX);
	emit_arithmetic(e, ARITHMETIC_AND, 4, HOST_RCX, RECENT - 1);
	emit_constant(e, HOST_RDX, (uint64_t)a64_block_hints(cpu));
	emit_load(e, 8, HOST_RCX, (struct address){ HOST_RDX, HOST_RCX, 3, 0 });
	emit_rr(e, OPCODE_TEST, 8, HOST_RCX, HOST_RCX);
	unknown[0] = emit_jump_if(e, IF_ZERO);
	emit_rm(e, OPCODE_CMP, 8, HOST_RAX, address_of(HOST_RCX, offsetof(struct a64_block, pc)));
	unknown[1] = emit_jump_if(e, IF_NOT_ZERO);
	emit_load(e, 4, HOST_RAX, cpu_field(CPU_DISP(mode)));
	emit_rm(e, OPCODE_CMP, 4, HOST_RAX, address_of(HOST_RCX, offsetof(struct a64_block, mode)));
	unknown[2] = emit_jump_if(e, IF_NOT_ZERO);
	emit_load(e, 8, HOST_RAX, address_of(HOST_RCX, offsetof(struct a64_block, native_far)));
	emit_rr(e, OPCODE_TEST, 8, HOST_RAX, HOST_RAX);
	unknown[3] = emit_jump_if(e, IF_ZERO);
	emit_rr(e, 0xff, 4, 4, HOST_RAX); /* JMP */
	for (unsigned int i = 0; i < 4; i++)
		jump_set(unknown[i], e->at);
	emit_return(e);
}

void a64_native_prepare(struct arm64_vcpu *cpu)
{
	struct a64_native *native = calloc(1, sizeof *native);
	struct emitter e;

	if (!native || !native_code_prepare(&native->code, &e)) {
		free(native);
		return;
	}
	go_anywhere_emit(cpu, native, &e);
	native->code.first = e.at;
	cpu->native = native;
	a64_native_clear(cpu);
}

void a64_native_discard(struct arm64_vcpu *cpu)
{
	if (!cpu->native)
		return;
	native_code_discard(&cpu->native->code);
	free(cpu->native);
	cpu->native = NULL;
}

void a64_native_clear(struct arm64_vcpu *cpu)
{
	cpu->native_link = 0;
	if (cpu->native)
		native_code_clear(&cpu->native->code);
}

void a64_native_count(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	struct a64_insn *counter = (struct a64_insn *)insn;
	struct a64_block *block = (struct a64_block *)insn->imm;

	if (++counter->word < cpu->native->code.threshold) {
		a64_next(cpu, insn);
		return;
	}
	if (a64_native_make(cpu, block)) {
		counter->run(cpu, counter);
		return;
	}
	block->insns = insn + 1;
	a64_next(cpu, insn);
}

void a64_native_link(struct arm64_vcpu *cpu, const struct a64_block *block)
{
	uint32_t link = cpu->native_link;

	cpu->native_link = 0;
	native_code_lead(&cpu->native->code, link, block->native, block->native_far);
}

#else

/* No host for it, or a build that looks at every access: the interpreter does it all. */
void a64_native_prepare(struct arm64_vcpu *cpu)
{
	(void)cpu;
}

void a64_native_discard(struct arm64_vcpu *cpu)
{
	(void)cpu;
}

void a64_native_clear(struct arm64_vcpu *cpu)
{
	(void)cpu;
}

void a64_native_count(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	a64_next(cpu, insn);
}

void a64_native_link(struct arm64_vcpu *cpu, const struct a64_block *block)
{
	(void)cpu;
	(void)block;
}

#endif
