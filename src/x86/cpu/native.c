/*
 * Into native code and out of it: its memory, entry and exits, jumps from block to block, host faults in its middle. Knows no
 * instructions of guests.
 */
#include "x86/cpu/native.h"

#if NATIVE

#include <stdlib.h>
#include <ucontext.h>

#include "x86/cpu/flags.h"

/* The calling convention's (System V ABI, AMD64 supplement, 3.2.1): kept by whom is called. */
static const uint8_t kept[] = { RBX, RBP, R12, R13, R14, R15 };

/* All guest registers that have host registers, to or from the vCPU. */
static void registers_emit(struct emitter *e, bool store)
{
	for (uint8_t gpr = RAX; gpr <= R15; gpr++)
		if (host_register(gpr) != REGISTER_NONE)
			emit_rm(e, store ? OPCODE_STORE : OPCODE_LOAD, 8, host_register(gpr), address_of(HOST_CPU, CPU_DISP(gpr[gpr])));
}

/* Out to C. RAX and RDX are the result. */
static void return_emit(struct emitter *e)
{
	for (unsigned int i = sizeof kept; i-- > 0;)
		emit_rr(e, 0x8f, 4, 0, kept[i]); /* POP */
	emit_return(e);
}

static void enter_emit(struct native *native, struct emitter *e)
{
	uint8_t *start = e->at;

	memcpy(&native->enter, &start, sizeof start);
	for (unsigned int i = 0; i < sizeof kept; i++)
		emit_rr(e, 0xff, 4, 6, kept[i]); /* PUSH */
	emit_lea(e, HOST_CPU, address_of(RDI, (int32_t)offsetof(struct x86_vcpu, gpr[GPR_ZERO])));
	emit_move(e, HOST_SCRATCH0, RSI);
	emit_rr(e, OPCODE_XOR, 4, HOST_SCRATCH1, HOST_SCRATCH1); /* no link */
	registers_emit(e, false);
	emit_rr(e, 0xff, 4, 4, HOST_SCRATCH0); /* JMP */
}

static void leave_emit(struct native *native, struct emitter *e)
{
	native->leave_at = e->at;
	registers_emit(e, true);
	emit_move(e, RAX, HOST_SCRATCH0);
	emit_move(e, RDX, HOST_SCRATCH1);
	return_emit(e);

	native->leave = e->at;
	registers_emit(e, true);
	emit_store(e, 8, HOST_SCRATCH0, address_of(HOST_CPU, CPU_DISP(rip)));
	emit_store(e, 4, HOST_SCRATCH1, address_of(HOST_CPU, CPU_DISP(native_link)));
	emit_rr(e, OPCODE_XOR, 4, RAX, RAX);
	return_emit(e);
}

/* To the block that was lately at the address in SCRATCH0: block_go_anywhere() of 64-bit code. The block itself looks whether it is still there. */
static void go_anywhere_emit(struct x86_vcpu *cpu, struct native *native, struct emitter *e)
{
	unsigned int count;
	uint64_t hints = (uint64_t)block_hints(cpu, &count);
	uint8_t *hints_at = e->at, *unknown[3], *changed;

	emit_bytes(e, &hints, 8);
	native->go_anywhere = e->at;
	emit_move(e, HOST_SCRATCH1, HOST_SCRATCH0);
	emit_shift(e, SHIFT_RIGHT, 8, HOST_SCRATCH1, 10);
	emit_rr(e, OPCODE_XOR, 4, HOST_SCRATCH1, HOST_SCRATCH0);
	emit_arithmetic(e, ARITHMETIC_AND, 4, HOST_SCRATCH1, (int32_t)count - 1);
	emit_shift(e, SHIFT_LEFT, 4, HOST_SCRATCH1, 3);
	emit_r_rip(e, (struct opcode){ OPCODE_ADD, 8, 0, false }, HOST_SCRATCH1, hints_at);
	emit_load(e, 8, HOST_SCRATCH1, address_of(HOST_SCRATCH1, 0));
	emit_rr(e, OPCODE_TEST, 8, HOST_SCRATCH1, HOST_SCRATCH1);
	unknown[0] = emit_jump_if(e, IF_ZERO);
	emit_rm(e, OPCODE_CMP, 8, HOST_SCRATCH0, address_of(HOST_SCRATCH1, offsetof(struct block, linear)));
	unknown[1] = emit_jump_if(e, IF_NOT_ZERO);
	emit_rm(e, 0x83, 8, ARITHMETIC_CMP, address_of(HOST_SCRATCH1, offsetof(struct block, native_far)));
	emit_8(e, 0);
	unknown[2] = emit_jump_if(e, IF_ZERO);
	emit_load(e, 4, HOST_SCRATCH0, address_of(HOST_CPU, CPU_DISP(mode)));
	emit_rm(e, OPCODE_CMP, 4, HOST_SCRATCH0, address_of(HOST_SCRATCH1, offsetof(struct block, mode)));
	changed = emit_jump_if(e, IF_NOT_ZERO);
	emit_load(e, 8, HOST_SCRATCH0, address_of(HOST_SCRATCH1, offsetof(struct block, native_far)));
	emit_rr(e, OPCODE_XOR, 4, HOST_SCRATCH1, HOST_SCRATCH1); /* no link */
	emit_rr(e, 0xff, 4, 4, HOST_SCRATCH0);
	jump_set(changed, e->at);
	emit_load(e, 8, HOST_SCRATCH0, address_of(HOST_SCRATCH1, offsetof(struct block, linear)));
	for (unsigned int i = 0; i < 3; i++)
		jump_set(unknown[i], e->at);
	emit_rr(e, OPCODE_XOR, 4, HOST_SCRATCH1, HOST_SCRATCH1);
	jump_set(emit_jump(e), native->leave);
}

/* ---- Memory. ---- */

static struct native_point *points_end(const struct native *native)
{
	return (struct native_point *)(native->code.memory + NATIVE_CODE_SIZE);
}

void native_prepare(struct x86_vcpu *cpu)
{
	struct native *native = calloc(1, sizeof *native);
	struct emitter e;

	if (!native || !native_code_prepare(&native->code, &e)) {
		free(native);
		return;
	}
	enter_emit(native, &e);
	leave_emit(native, &e);
	go_anywhere_emit(cpu, native, &e);
	native->code.first = e.at;
	cpu->native = native;
	native_clear(cpu);
}

void native_discard(struct x86_vcpu *cpu)
{
	if (!cpu->native)
		return;
	native_code_discard(&cpu->native->code);
	free(cpu->native);
	cpu->native = NULL;
}

void native_clear(struct x86_vcpu *cpu)
{
	struct native *native = cpu->native;

	cpu->native_link = 0;
	if (!native)
		return;
	native_code_clear(&native->code);
	native->points = points_end(native);
}

/* ---- Running. ---- */

void native_enter(struct x86_vcpu *cpu, const struct insn *insn)
{
	struct native_exit next;

	flags_host_prepare(cpu);
	next = cpu->native->enter(cpu, (const uint8_t *)insn->disp);
	if (!next.insn)
		return;
	cpu->rip = cpu->block_rip = next.block->linear;
	cpu->block_host = next.block->host;
	cpu->block_length = next.block->length;
	next.insn->run(cpu, next.insn);
}

/* `imm` is the block, `extra` how often it has run. */
void native_count(struct x86_vcpu *cpu, const struct insn *insn)
{
	struct block *block = (struct block *)insn->imm;
	struct insn *counter = (struct insn *)insn;

	if (++counter->extra < cpu->native->code.threshold) {
		insn_next(cpu, insn);
		return;
	}
	if (native_make(cpu, block)) {
		counter->run = native_enter;
		counter->disp = (int64_t)block->native;
	} else {
		block->insns = insn + 1;
	}
	insn_next(cpu, insn);
}

void native_link(struct x86_vcpu *cpu, const struct block *block)
{
	uint32_t link = cpu->native_link;

	cpu->native_link = 0;
	native_code_lead(&cpu->native->code, link, block->native, block->native_far);
}

/* ---- Host faults. ---- */

static const struct native_point *point_find(const struct native *native, const uint8_t *code)
{
	/* The order is downwards: the first one that is not behind `code`. */
	const struct native_point *first = native->points, *end = points_end(native);

	while (first < end) {
		const struct native_point *middle = first + (end - first) / 2;

		if (middle->code > code)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

void native_interrupted(void *context, const void *signal_context)
{
	static const uint8_t places[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
					    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
	const greg_t *registers = ((const ucontext_t *)signal_context)->uc_mcontext.gregs;
	const uint8_t *code = (const uint8_t *)registers[REG_RIP];
	struct x86_vcpu *cpu = context;
	const struct native_point *point;

	if (!cpu->native || code < cpu->native->code.first || code >= cpu->native->code.free)
		return;
	point = point_find(cpu->native, code);
	for (uint8_t gpr = RAX; gpr <= R15; gpr++)
		if (host_register(gpr) != REGISTER_NONE)
			cpu->gpr[gpr] = (uint64_t)registers[places[host_register(gpr)]];
	cpu->rip = cpu->block_rip = point->block->linear;
	cpu->insn = point->insn;
}

#else

/* No host for it, or a build that looks at every access: the interpreter does it all. */
void native_prepare(struct x86_vcpu *cpu)
{
	(void)cpu;
}

void native_discard(struct x86_vcpu *cpu)
{
	(void)cpu;
}

void native_clear(struct x86_vcpu *cpu)
{
	(void)cpu;
}

void native_count(struct x86_vcpu *cpu, const struct insn *insn)
{
	insn_next(cpu, insn);
}

void native_link(struct x86_vcpu *cpu, const struct block *block)
{
	(void)cpu;
	(void)block;
}

void native_interrupted(void *cpu, const void *context)
{
	(void)cpu;
	(void)context;
}

#endif
