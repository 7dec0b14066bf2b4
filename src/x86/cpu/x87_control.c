/*
 * x87 instructions about the unit itself: control and status words, environment, the whole state. Computes nothing.
 */
#include "x86/cpu/x87.h"

#define ENVIRONMENT16 14
#define ENVIRONMENT32 28
#define STATE_REGISTERS 80

/* ---- The environment in memory: SDM Vol. 1, 8.1.10. ---- */

/* The seven fields are 16 bits or 32 bits wide each. In 32-bit form upper halves that mean nothing are ones. */
struct environment {
	uint32_t field[7];
};
enum { FIELD_CONTROL, FIELD_STATUS, FIELD_TAGS, FIELD_IP, FIELD_OPCODE, FIELD_DATA, FIELD_DATA_HIGH };

/* Selectors are those of a processor that does not keep them (CPUID.7:EBX[13]): zero. */
static void environment_get(const struct x86_vcpu *cpu, bool wide, struct environment *environment)
{
	const struct x86_xsave *state = &cpu->xsave;
	uint32_t unused = wide ? 0xffff0000 : 0;

	environment->field[FIELD_CONTROL] = unused | state->fcw;
	environment->field[FIELD_STATUS] = unused | x87_status(cpu);
	environment->field[FIELD_TAGS] = unused | x87_tags_full(cpu);
	if (!(cpu->mode & (MODE_REAL | MODE_VM86))) {
		environment->field[FIELD_IP] = (uint32_t)state->fip;
		environment->field[FIELD_OPCODE] = wide ? (uint32_t)state->fop << 16 : 0;
		environment->field[FIELD_DATA] = (uint32_t)state->fdp;
		environment->field[FIELD_DATA_HIGH] = unused;
	} else {
		uint32_t high = wide ? 0xffff : 0xf; /* address bits 31:16, or 19:16 */

		environment->field[FIELD_IP] = unused | (uint16_t)state->fip;
		environment->field[FIELD_OPCODE] = ((uint32_t)(state->fip >> 16) & high) << 12 | state->fop;
		environment->field[FIELD_DATA] = unused | (uint16_t)state->fdp;
		environment->field[FIELD_DATA_HIGH] = ((uint32_t)(state->fdp >> 16) & high) << 12;
	}
}

static void environment_set(struct x86_vcpu *cpu, bool wide, const struct environment *environment)
{
	struct x86_xsave *state = &cpu->xsave;

	state->fcw = x87_control((uint16_t)environment->field[FIELD_CONTROL]);
	state->fsw = (uint16_t)environment->field[FIELD_STATUS];
	state->ftw = x87_tags_abridge((uint16_t)environment->field[FIELD_TAGS]);
	state->fsw = x87_status(cpu);
	if (!(cpu->mode & (MODE_REAL | MODE_VM86))) {
		state->fip = environment->field[FIELD_IP];
		state->fdp = environment->field[FIELD_DATA];
		state->fop = wide ? environment->field[FIELD_OPCODE] >> 16 & 0x7ff : 0;
	} else {
		uint32_t high = wide ? 0xffff : 0xf;

		state->fip = (uint16_t)environment->field[FIELD_IP] | (environment->field[FIELD_OPCODE] >> 12 & high) << 16;
		state->fdp = (uint16_t)environment->field[FIELD_DATA] | (environment->field[FIELD_DATA_HIGH] >> 12 & high) << 16;
		state->fop = environment->field[FIELD_OPCODE] & 0x7ff;
	}
}

/* To and from bytes; both return how many. */
static unsigned int environment_pack(const struct environment *environment, bool wide, uint8_t *bytes)
{
	unsigned int size = wide ? 4 : 2;

	for (unsigned int i = 0; i < 7; i++)
		memcpy(bytes + i * size, &environment->field[i], size); /* little-endian */
	return 7 * size;
}

static unsigned int environment_unpack(struct environment *environment, bool wide, const uint8_t *bytes)
{
	unsigned int size = wide ? 4 : 2;

	*environment = (struct environment){ { 0 } };
	for (unsigned int i = 0; i < 7; i++)
		memcpy(&environment->field[i], bytes + i * size, size);
	return 7 * size;
}

/* insn->size is the size of the operand in memory. Its first word is looked at first, then its last byte. */
static bool operand_linear_probe(struct x86_vcpu *cpu, const struct insn *insn, enum access access, uint64_t *linear)
{
	unsigned int alignment = insn->size == ENVIRONMENT16 || insn->size == ENVIRONMENT16 + STATE_REGISTERS ? 2 : 4;
	enum segment seg = (enum segment)insn->seg;

	*linear = insn_linear(cpu, insn, insn->size, access);
	if (likely(tlb_lookup(cpu->tlb, access == ACCESS_READ ? TLB_READ : TLB_WRITE, *linear, insn->size)))
		return true;
	*linear = insn_linear(cpu, insn, alignment, access);
	if (!mem_address_check(cpu, insn, seg, *linear, alignment, alignment) || !mem_probe(cpu, insn, seg, *linear, alignment, access))
		return false;
	*linear = insn_linear(cpu, insn, insn->size, access);
	return mem_probe(cpu, insn, seg, *linear + insn->size - 1, 1, access);
}

static bool operand_read(struct x86_vcpu *cpu, const struct insn *insn, void *to)
{
	uint64_t linear;

	return operand_linear_probe(cpu, insn, ACCESS_READ, &linear) && mem_read(cpu, insn, linear, to, insn->size);
}

static bool operand_write(struct x86_vcpu *cpu, const struct insn *insn, const void *from)
{
	uint64_t linear;

	return operand_linear_probe(cpu, insn, ACCESS_WRITE, &linear) && mem_write(cpu, insn, linear, from, insn->size);
}

X87_STEP bool environment_store(struct x86_vcpu *cpu, const struct insn *insn)
{
	bool wide = insn->size == ENVIRONMENT32;
	struct environment environment;
	uint8_t bytes[ENVIRONMENT32];

	environment_get(cpu, wide, &environment);
	environment_pack(&environment, wide, bytes);
	if (!operand_write(cpu, insn, bytes))
		return false;
	cpu->xsave.fcw |= X87_FLAGS; /* all exceptions are masked then */
	cpu->xsave.fsw = x87_status(cpu);
	return true;
}

X87_STEP bool environment_load(struct x86_vcpu *cpu, const struct insn *insn)
{
	bool wide = insn->size == ENVIRONMENT32;
	struct environment environment;
	uint8_t bytes[ENVIRONMENT32];

	if (!x87_wait(cpu, insn) || !operand_read(cpu, insn, bytes))
		return false;
	environment_unpack(&environment, wide, bytes);
	x87_top_change(cpu, environment.field[FIELD_STATUS] >> 11 & 7); /* the registers stay what they are */
	environment_set(cpu, wide, &environment);
	return true;
}

X87_STEP bool state_store(struct x86_vcpu *cpu, const struct insn *insn)
{
	bool wide = insn->size == ENVIRONMENT32 + STATE_REGISTERS;
	struct environment environment;
	uint8_t bytes[ENVIRONMENT32 + STATE_REGISTERS], *registers = bytes;

	environment_get(cpu, wide, &environment);
	registers += environment_pack(&environment, wide, bytes);
	for (unsigned int i = 0; i < 8; i++)
		memcpy(registers + 10 * i, cpu->xsave.st[i], 10);
	if (!operand_write(cpu, insn, bytes))
		return false;
	x87_init(cpu);
	return true;
}

X87_STEP bool state_load(struct x86_vcpu *cpu, const struct insn *insn)
{
	bool wide = insn->size == ENVIRONMENT32 + STATE_REGISTERS;
	struct environment environment;
	uint8_t bytes[ENVIRONMENT32 + STATE_REGISTERS], *registers = bytes;

	if (!x87_wait(cpu, insn) || !operand_read(cpu, insn, bytes))
		return false;
	registers += environment_unpack(&environment, wide, bytes);
	environment_set(cpu, wide, &environment);
	for (unsigned int i = 0; i < 8; i++)
		memcpy(cpu->xsave.st[i], registers + 10 * i, 10);
	return true;
}

/* ---- Words. ---- */

X87_STEP bool control_load(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint16_t value;

	if (!x87_wait(cpu, insn) || !mem_read(cpu, insn, insn_linear(cpu, insn, 2, ACCESS_READ), &value, 2))
		return false;
	cpu->xsave.fcw = x87_control(value);
	cpu->xsave.fsw = x87_status(cpu);
	return true;
}

static bool control_store(struct x86_vcpu *cpu, const struct insn *insn)
{
	return mem_write(cpu, insn, insn_linear(cpu, insn, 2, ACCESS_WRITE), &cpu->xsave.fcw, 2);
}

X87_STEP bool status_store(struct x86_vcpu *cpu, const struct insn *insn)
{
	uint16_t status = x87_status(cpu);

	return mem_write(cpu, insn, insn_linear(cpu, insn, 2, ACCESS_WRITE), &status, 2);
}

static bool status_to_ax(struct x86_vcpu *cpu, const struct insn *insn)
{
	(void)insn;
	gpr_set(cpu, RAX, 2, x87_status(cpu));
	return true;
}

static bool exceptions_clear(struct x86_vcpu *cpu, const struct insn *insn)
{
	(void)insn;
	cpu->xsave.fsw &= (uint16_t)~(X87_FLAGS | X87_STATUS_SF | X87_STATUS_ES | X87_STATUS_B);
	return true;
}

static bool unit_init(struct x86_vcpu *cpu, const struct insn *insn)
{
	(void)insn;
	x87_init(cpu);
	return true;
}

/* FENI, FDISI and FSETPM: nothing since the 80387. */
static bool nothing(struct x86_vcpu *cpu, const struct insn *insn)
{
	(void)cpu, (void)insn;
	return true;
}

/* ---- Handlers. ---- */

#define CONTROL_HANDLER(name, step)                                               \
	static void name(struct x86_vcpu *cpu, const struct insn *insn)           \
	{                                                                         \
		if (step(cpu, insn))                                              \
			insn_next(cpu, insn);                                     \
	}
CONTROL_HANDLER(fldenv, environment_load)
CONTROL_HANDLER(fnstenv, environment_store)
CONTROL_HANDLER(frstor, state_load)
CONTROL_HANDLER(fnsave, state_store)
CONTROL_HANDLER(fldcw, control_load)
CONTROL_HANDLER(fnstcw, control_store)
CONTROL_HANDLER(fnstsw, status_store)
CONTROL_HANDLER(fnstsw_ax, status_to_ax)
CONTROL_HANDLER(fnclex, exceptions_clear)
CONTROL_HANDLER(fninit, unit_init)
CONTROL_HANDLER(fwait, x87_wait)
CONTROL_HANDLER(fnop8087, nothing)

bool x87_control_decode(const struct decoder *d, struct insn *insn)
{
	bool memory = decode_is_memory(d, 0) || decode_is_memory(d, 1);

	/* FNSTENV and its kin have operands of their own sizes: 14, 28, 94, 108 bytes. */
	if (memory)
		insn->size = (uint8_t)(d->op[decode_is_memory(d, 0) ? 0 : 1].size / 8);
	switch (d->z.mnemonic) {
	case ZYDIS_MNEMONIC_FLDENV: insn->run = fldenv; break;
	case ZYDIS_MNEMONIC_FNSTENV: insn->run = fnstenv; break;
	case ZYDIS_MNEMONIC_FRSTOR: insn->run = frstor; break;
	case ZYDIS_MNEMONIC_FNSAVE: insn->run = fnsave; break;
	case ZYDIS_MNEMONIC_FLDCW: insn->run = fldcw; break;
	case ZYDIS_MNEMONIC_FNSTCW: insn->run = fnstcw; break;
	case ZYDIS_MNEMONIC_FNSTSW: insn->run = memory ? fnstsw : fnstsw_ax; break;
	case ZYDIS_MNEMONIC_FNCLEX: insn->run = fnclex; break;
	case ZYDIS_MNEMONIC_FNINIT: insn->run = fninit; break;
	case ZYDIS_MNEMONIC_FWAIT: insn->run = fwait; break;
	case ZYDIS_MNEMONIC_FENI8087_NOP:
	case ZYDIS_MNEMONIC_FDISI8087_NOP:
	case ZYDIS_MNEMONIC_FSETPM287_NOP: insn->run = fnop8087; break;
	default: return false;
	}
	return true;
}
