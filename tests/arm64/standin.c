/*
 * The interpreter's surroundings for one instruction: see standin.h. Memory is DATA_SIZE bytes at DATA_BASE; some cases reach it by a translation
 * entry, as most accesses of real guests do, and the others on the slow path.
 */
#include <stdlib.h>
#include <string.h>

#include "arm64/cpu/fp.h"
#include "arm64/cpu/mem.h"
#include "standin.h"

static struct {
	uint8_t page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE))); /* the data is its beginning */
	bool fault;
	bool ended; /* the instruction went on to the next one */
} run;

static struct tlb tlb;

static uint8_t *memory_at(uint64_t address, unsigned int size)
{
	uint64_t offset = address - DATA_BASE;

	if (offset <= PAGE_SIZE - size)
		return run.page + offset;
	run.fault = true;
	return NULL;
}

bool a64_read_slow(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, void *to, unsigned int size, unsigned int flags)
{
	const uint8_t *from = memory_at(address, size);

	(void)cpu, (void)insn, (void)flags;
	if (!from)
		return false;
	memcpy(to, from, size);
	return true;
}

bool a64_write_slow(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, const void *from, unsigned int size, unsigned int flags)
{
	uint8_t *to = memory_at(address, size);

	(void)cpu, (void)insn, (void)flags;
	if (!to)
		return false;
	memcpy(to, from, size);
	return true;
}

void a64_careful(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	(void)cpu, (void)insn;
	abort(); /* there is no code to store into */
}

void a64_exception(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t syndrome)
{
	(void)insn;
	cpu->exception.syndrome = syndrome;
	run.fault = true;
}

static void block_end(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	(void)cpu, (void)insn;
	run.ended = true;
}

struct arm64_vcpu *standin_create(void)
{
	struct arm64_vcpu *cpu = calloc(1, sizeof(*cpu));

	if (!cpu)
		abort();
	cpu->vl_max = VECTOR_BYTES;
	for (unsigned int i = 0; i < TLB_ACCESSES; i++)
		tlb_set(&tlb, (enum tlb_access)i, DATA_BASE, (uint64_t)(uintptr_t)run.page);
	return cpu;
}

bool standin_decode(const struct arm64_vcpu *cpu, uint32_t word, uint64_t pc, struct a64_insn block[2])
{
	struct a64_decode decode = { .mode = cpu->mode, .pc = pc };

	memset(block, 0, 2 * sizeof(*block));
	block[0].word = word;
	block[0].run = bits(word, 27, 25) == 7 ? a64_decode_vector(&decode, &block[0]) : a64_decode_vector_memory(&decode, &block[0]);
	block[1].run = block_end;
	return block[0].run != NULL;
}

static void machine_load(struct arm64_vcpu *cpu, const struct machine *in)
{
	memcpy(cpu->x, in->x, sizeof(in->x));
	cpu->x[X_ZERO] = 0;
	cpu->x[X_SP_EL0] = in->sp;
	pstate_set(cpu, in->nzcv);
	cpu->fpcr = (uint32_t)in->fpcr;
	cpu->fpsr = (uint32_t)in->fpsr;
	for (unsigned int i = 0; i < 32; i++)
		memcpy(&cpu->z[i], in->z[i], VECTOR_BYTES);
	memset(run.page, 0, sizeof(run.page));
	memcpy(run.page, in->data, DATA_SIZE);
}

static void machine_store(const struct arm64_vcpu *cpu, struct machine *out)
{
	memcpy(out->x, cpu->x, sizeof(out->x));
	out->sp = cpu->x[X_SP_EL0];
	out->nzcv = pstate_get(cpu) & PSTATE_NZCV;
	out->fpcr = cpu->fpcr;
	out->fpsr = cpu->fpsr;
	for (unsigned int i = 0; i < 32; i++)
		memcpy(out->z[i], &cpu->z[i], VECTOR_BYTES);
	memcpy(out->data, run.page, DATA_SIZE);
}

enum outcome standin_run(struct arm64_vcpu *cpu, const struct vector_case *c, uint64_t pc, struct machine *out)
{
	struct a64_insn block[2];

	*out = c->in;
	cpu->block_pc = pc;
	cpu->tlb = c->in.fpsr & FPSR_IOC ? &tlb : &cpu->tlb_empty;
	cpu->mode = c->in.fpsr & FPSR_DZC ? A64_MODE_ALIGN : 0; /* alignment is not checked here: it decides how structures are accessed */
	if (!standin_decode(cpu, c->word, pc, block))
		return OUTCOME_UNDEFINED;
	machine_load(cpu, &c->in);
	run.fault = run.ended = false;
	block[0].run(cpu, block);
	machine_store(cpu, out);
	if (cpu->x[X_ZERO] != 0 || run.fault == run.ended)
		abort();
	return run.fault ? OUTCOME_FAULT : OUTCOME_DONE;
}
