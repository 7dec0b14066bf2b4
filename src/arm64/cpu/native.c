/*
 * Native code's memory, jumps from block to block, and which blocks get it. Knows no instructions.
 */
#include "arm64/cpu/native.h"

#if A64_NATIVE

#include <stdlib.h>
#include <sys/mman.h>

#include "arm64/cpu/native_maker.h"
#include "arm64/cpu/private.h"

enum { HOT = 16 };

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

/* ANYKVM_NATIVE: "off", or "always" for blocks that run for the first time (tests). 0: off. */
static unsigned int threshold_wanted(void)
{
	const char *wish = getenv("ANYKVM_NATIVE");

	if (wish && strcmp(wish, "off") == 0)
		return 0;
	return wish && strcmp(wish, "always") == 0 ? 1 : HOT;
}

void a64_native_prepare(struct arm64_vcpu *cpu)
{
	unsigned int threshold = threshold_wanted();
	struct a64_native *native;
	struct emitter e;

	if (!threshold)
		return;
	native = calloc(1, sizeof *native);
	if (!native)
		return;
	/* Private, so that a fork has its own. Where memory may not be both written and executed, there is only the interpreter. */
	native->memory = mmap(NULL, A64_NATIVE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (native->memory == MAP_FAILED) {
		free(native);
		return;
	}
	native->threshold = threshold;
	e = (struct emitter){ .at = native->memory, .end = native->memory + PAGE_SIZE };
	go_anywhere_emit(cpu, native, &e);
	native->first = e.at;
	cpu->native = native;
	a64_native_clear(cpu);
}

void a64_native_discard(struct arm64_vcpu *cpu)
{
	if (!cpu->native)
		return;
	munmap(cpu->native->memory, A64_NATIVE_SIZE);
	free(cpu->native);
	cpu->native = NULL;
}

void a64_native_clear(struct arm64_vcpu *cpu)
{
	cpu->native_link = 0;
	if (!cpu->native)
		return;
	cpu->native->free = cpu->native->first;
	cpu->native->full = false;
}


void a64_native_count(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	struct a64_insn *counter = (struct a64_insn *)insn;
	struct a64_block *block = (struct a64_block *)insn->imm;

	if (++counter->word < cpu->native->threshold) {
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
	if (block->native)
		jump_set(cpu->native->memory + (link & ~LINK_FAR), link & LINK_FAR ? block->native_far : block->native);
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
