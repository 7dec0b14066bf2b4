/*
 * Executes one instruction with a64_decode_sve() and its handler. What the interpreter has outside its SVE files is simple here: memory is the
 * case's data at DATA_BASE, and leaving a handler is a value of enum outcome.
 */
#include "machine.h"

#include <stdlib.h>

#include "arm64/cpu/mem.h"

static struct arm64_vcpu *cpu;
static struct test_case *running;

/* ---- What handlers call. ---- */

static bool data_has(uint64_t address, unsigned int size)
{
	return address >= DATA_BASE && size <= DATA_SIZE && address - DATA_BASE <= DATA_SIZE - size;
}

static void data_fault(uint64_t address)
{
	running->outcome = OUTCOME_FAULT;
	running->far_away = address + 4096 - DATA_BASE > DATA_SIZE + 8192;
}

bool a64_readable(struct arm64_vcpu *c, uint64_t address)
{
	(void)c;
	return data_has(address, 1);
}

bool a64_read_slow(struct arm64_vcpu *c, const struct a64_insn *insn, uint64_t address, void *to, unsigned int size, unsigned int flags)
{
	(void)c, (void)insn, (void)flags;
	if (!data_has(address, size)) {
		data_fault(address);
		return false;
	}
	memcpy(to, running->data + (address - DATA_BASE), size);
	return true;
}

bool a64_write_slow(struct arm64_vcpu *c, const struct a64_insn *insn, uint64_t address, const void *from, unsigned int size, unsigned int flags)
{
	(void)c, (void)insn, (void)flags;
	if (!data_has(address, size)) {
		data_fault(address);
		return false;
	}
	memcpy(running->data + (address - DATA_BASE), from, size);
	return true;
}

void a64_careful(struct arm64_vcpu *c, const struct a64_insn *insn)
{
	(void)c, (void)insn;
	abort();
}

void a64_exception(struct arm64_vcpu *c, const struct a64_insn *insn, uint64_t syndrome)
{
	(void)c, (void)insn, (void)syndrome;
	running->outcome = OUTCOME_FAULT;
}

void a64_undefined(struct arm64_vcpu *c, const struct a64_insn *insn)
{
	(void)c, (void)insn;
	running->outcome = OUTCOME_UNDEFINED;
}

static void done(struct arm64_vcpu *c, const struct a64_insn *insn)
{
	(void)c, (void)insn;
	running->outcome = OUTCOME_DONE;
}

/* ---- Registers. ---- */

static void state_load(const struct state *state)
{
	memcpy(cpu->x, state->x, sizeof(state->x));
	cpu->x[X_ZERO] = 0;
	cpu->x[X_SP_EL0] = state->sp;
	pstate_set(cpu, state->nzcv);
	cpu->fpsr = (uint32_t)state->fpsr;
	cpu->fpcr = (uint32_t)state->fpcr;
	for (unsigned int i = 0; i < 32; i++)
		memcpy(&cpu->z[i], state->z[i], cpu->vl);
	for (unsigned int i = 0; i < 17; i++)
		memcpy(&cpu->p[i], state->p[i], cpu->vl / 8);
}

static void state_store(struct state *state)
{
	memcpy(state->x, cpu->x, sizeof(state->x));
	state->sp = cpu->x[X_SP_EL0];
	state->nzcv = pstate_get(cpu);
	state->fpsr = cpu->fpsr;
	state->fpcr = cpu->fpcr;
	for (unsigned int i = 0; i < 32; i++)
		memcpy(state->z[i], &cpu->z[i], cpu->vl);
	for (unsigned int i = 0; i < 17; i++)
		memcpy(state->p[i], &cpu->p[i], cpu->vl / 8);
}

void machine_run(struct test_case *c, unsigned int vl)
{
	struct a64_decode decode = { .mode = A64_MODE_SVE };
	struct a64_insn insns[2] = { { .word = c->word }, { .run = done } };

	if (!cpu) {
		cpu = aligned_alloc(64, (sizeof(*cpu) + 63) / 64 * 64);
		if (!cpu)
			abort();
		memset(cpu, 0, sizeof(*cpu));
		cpu->tlb = &cpu->tlb_empty;
		cpu->mode = A64_MODE_SVE;
	}
	cpu->vl = (uint16_t)vl;
	running = c;
	state_load(&c->state);
	insns[0].run = a64_decode_sve(&decode, &insns[0]);
	if (insns[0].run)
		insns[0].run(cpu, &insns[0]);
	else
		c->outcome = OUTCOME_UNDEFINED;
	state_store(&c->state);
}
