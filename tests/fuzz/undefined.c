/*
 * What the manuals leave open, instruction by instruction: flags and x87 condition codes that are undefined afterwards, destinations
 * that are undefined for some operands, and results that are approximations. Each row names the instruction's own page in the Intel SDM
 * vol. 2 and the AMD APM vol. 3 (5 for x87); a flag is open when either manual says so.
 *
 * The comparison ignores what is listed here, and the generator lets no instruction of a case read it. It must never know how a case is run.
 */
#include "insn.h"

enum { CF = FLAG_CF, PF = FLAG_PF, AF = FLAG_AF, ZF = FLAG_ZF, SF = FLAG_SF, OF = FLAG_OF };
enum { C0 = FSW_C0, C1 = FSW_C1, C2 = FSW_C2, C3 = FSW_C3, C_ALL = C0 | C1 | C2 | C3 };

enum rule {
	ALWAYS,		/* the flags named are undefined */
	SHIFT,		/* also OF for counts above 1, and CF for counts at or above the operand's size; nothing for a count of 0 */
	ROTATE,		/* OF for counts above 1; nothing for a count of 0 */
	DOUBLE_SHIFT,	/* as SHIFT; everything for counts above the operand's size */
};

static const struct undefined_flags {
	ZydisMnemonic mnemonic;
	uint32_t flags;
	enum rule rule;
} undefined_flags[] = {
	{ ZYDIS_MNEMONIC_AND, AF, ALWAYS }, { ZYDIS_MNEMONIC_OR, AF, ALWAYS }, { ZYDIS_MNEMONIC_XOR, AF, ALWAYS }, { ZYDIS_MNEMONIC_TEST, AF, ALWAYS },
	{ ZYDIS_MNEMONIC_MUL, SF | ZF | AF | PF, ALWAYS }, { ZYDIS_MNEMONIC_IMUL, SF | ZF | AF | PF, ALWAYS },
	{ ZYDIS_MNEMONIC_DIV, FLAGS_STATUS, ALWAYS }, { ZYDIS_MNEMONIC_IDIV, FLAGS_STATUS, ALWAYS },
	{ ZYDIS_MNEMONIC_SHL, AF, SHIFT }, { ZYDIS_MNEMONIC_SHR, AF, SHIFT }, { ZYDIS_MNEMONIC_SAR, AF, ROTATE },
	{ ZYDIS_MNEMONIC_ROL, 0, ROTATE }, { ZYDIS_MNEMONIC_ROR, 0, ROTATE },
	{ ZYDIS_MNEMONIC_RCL, 0, ROTATE }, { ZYDIS_MNEMONIC_RCR, 0, ROTATE },
	{ ZYDIS_MNEMONIC_SHLD, AF, DOUBLE_SHIFT }, { ZYDIS_MNEMONIC_SHRD, AF, DOUBLE_SHIFT },
	{ ZYDIS_MNEMONIC_BT, OF | SF | AF | PF, ALWAYS }, { ZYDIS_MNEMONIC_BTS, OF | SF | AF | PF, ALWAYS },
	{ ZYDIS_MNEMONIC_BTR, OF | SF | AF | PF, ALWAYS }, { ZYDIS_MNEMONIC_BTC, OF | SF | AF | PF, ALWAYS },
	{ ZYDIS_MNEMONIC_BSF, CF | OF | SF | AF | PF, ALWAYS }, { ZYDIS_MNEMONIC_BSR, CF | OF | SF | AF | PF, ALWAYS },
	{ ZYDIS_MNEMONIC_LZCNT, OF | SF | AF | PF, ALWAYS }, { ZYDIS_MNEMONIC_TZCNT, OF | SF | AF | PF, ALWAYS },
	{ ZYDIS_MNEMONIC_AAA, OF | SF | ZF | PF, ALWAYS }, { ZYDIS_MNEMONIC_AAS, OF | SF | ZF | PF, ALWAYS },
	{ ZYDIS_MNEMONIC_AAM, OF | AF | CF, ALWAYS }, { ZYDIS_MNEMONIC_AAD, OF | AF | CF, ALWAYS },
	{ ZYDIS_MNEMONIC_DAA, OF, ALWAYS }, { ZYDIS_MNEMONIC_DAS, OF, ALWAYS },
};

/*
 * x87 condition codes. Most instructions leave C0, C2 and C3 undefined and use C1 for stack faults and rounding; those named here are
 * the others. FPREM's quotient bits count as defined: with C2 set they are not, but both manuals' processors agree.
 */
static const struct condition_codes {
	ZydisMnemonic mnemonic;
	uint16_t defined, undefined;
} condition_codes[] = {
	{ ZYDIS_MNEMONIC_FCOM, C_ALL, 0 }, { ZYDIS_MNEMONIC_FCOMP, C_ALL, 0 }, { ZYDIS_MNEMONIC_FCOMPP, C_ALL, 0 },
	{ ZYDIS_MNEMONIC_FUCOM, C_ALL, 0 }, { ZYDIS_MNEMONIC_FUCOMP, C_ALL, 0 }, { ZYDIS_MNEMONIC_FUCOMPP, C_ALL, 0 },
	{ ZYDIS_MNEMONIC_FICOM, C_ALL, 0 }, { ZYDIS_MNEMONIC_FICOMP, C_ALL, 0 }, { ZYDIS_MNEMONIC_FTST, C_ALL, 0 },
	{ ZYDIS_MNEMONIC_FXAM, C_ALL, 0 }, { ZYDIS_MNEMONIC_FPREM, C_ALL, 0 }, { ZYDIS_MNEMONIC_FPREM1, C_ALL, 0 },
	{ ZYDIS_MNEMONIC_FCOMI, C1, 0 }, { ZYDIS_MNEMONIC_FCOMIP, C1, 0 },
	{ ZYDIS_MNEMONIC_FUCOMI, C1, 0 }, { ZYDIS_MNEMONIC_FUCOMIP, C1, 0 },
	{ ZYDIS_MNEMONIC_FSIN, C1 | C2, C0 | C3 }, { ZYDIS_MNEMONIC_FCOS, C1 | C2, C0 | C3 },
	{ ZYDIS_MNEMONIC_FSINCOS, C1 | C2, C0 | C3 }, { ZYDIS_MNEMONIC_FPTAN, C1 | C2, C0 | C3 },
	{ ZYDIS_MNEMONIC_FLDENV, C_ALL, 0 }, { ZYDIS_MNEMONIC_FRSTOR, C_ALL, 0 }, { ZYDIS_MNEMONIC_FXRSTOR, C_ALL, 0 },
	{ ZYDIS_MNEMONIC_FXRSTOR64, C_ALL, 0 }, { ZYDIS_MNEMONIC_FNINIT, C_ALL, 0 }, { ZYDIS_MNEMONIC_FNSAVE, C_ALL, 0 },
	{ ZYDIS_MNEMONIC_FXSAVE, 0, 0 }, { ZYDIS_MNEMONIC_FXSAVE64, 0, 0 },
	{ ZYDIS_MNEMONIC_FLDCW, 0, C_ALL }, { ZYDIS_MNEMONIC_FNSTCW, 0, C_ALL }, { ZYDIS_MNEMONIC_FNSTSW, 0, C_ALL },
	{ ZYDIS_MNEMONIC_FNSTENV, 0, C_ALL }, { ZYDIS_MNEMONIC_FNCLEX, 0, C_ALL }, { ZYDIS_MNEMONIC_FNOP, 0, C_ALL },
	{ ZYDIS_MNEMONIC_FFREE, 0, C_ALL }, { ZYDIS_MNEMONIC_FFREEP, 0, C_ALL }, { ZYDIS_MNEMONIC_FWAIT, 0, C_ALL },
};

/* RCPPS, RSQRTPS and their scalar forms are specified by a relative error of 1.5 * 2^-12 (SDM vol. 2), not by a value. */
bool insn_is_approximate(const struct insn *insn)
{
	switch (insn->d.mnemonic) {
	case ZYDIS_MNEMONIC_RCPPS:
	case ZYDIS_MNEMONIC_RCPSS:
	case ZYDIS_MNEMONIC_RSQRTPS:
	case ZYDIS_MNEMONIC_RSQRTSS:
		return true;
	default:
		return false;
	}
}

/* The shift count as the CPU masks it, or -1 when it is not known. */
static int shift_count(const struct insn *insn, const struct cpu_state *in)
{
	int mask = insn->d.operand_width == 64 ? 63 : 31;

	for (int i = 1; i < insn->d.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];

		if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return (int)(op->imm.value.u & (unsigned)mask);
		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && op->reg.value == ZYDIS_REGISTER_CL)
			return in ? (int)(in->gpr[RCX] & (unsigned)mask) : -1;
	}
	return 1;
}

static uint32_t shift_undefined(const struct undefined_flags *row, const struct insn *insn, const struct cpu_state *in)
{
	int count = shift_count(insn, in);
	uint32_t flags = row->flags;

	if (count == 0)
		return 0;
	if (count != 1)
		flags |= OF;
	if (row->rule != ROTATE && (count < 0 || count >= insn->d.operand_width))
		flags |= CF;
	if (row->rule == DOUBLE_SHIFT && (count < 0 || count > insn->d.operand_width))
		flags = FLAGS_STATUS;
	return flags;
}

/* Instructions that may leave the flags alone: a count of 0. */
static bool flags_may_stay(const struct insn *insn, const struct cpu_state *in)
{
	if (insn->d.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		return true;
	if (insn->d.meta.category == ZYDIS_CATEGORY_SHIFT || insn->d.meta.category == ZYDIS_CATEGORY_ROTATE ||
	    insn->d.mnemonic == ZYDIS_MNEMONIC_SHLD || insn->d.mnemonic == ZYDIS_MNEMONIC_SHRD)
		return shift_count(insn, in) <= 0;
	return false;
}

static void flags_effects(const struct insn *insn, const struct cpu_state *in, struct effects *e)
{
	const ZydisAccessedFlags *f = insn->d.cpu_flags;

	if (f) {
		e->flags_read = f->tested & FLAGS_STATUS;
		e->flags_defined = (f->modified | f->set_0 | f->set_1) & FLAGS_STATUS;
	}
	for (size_t i = 0; i < sizeof(undefined_flags) / sizeof(undefined_flags[0]); i++) {
		const struct undefined_flags *row = &undefined_flags[i];

		if (row->mnemonic == insn->d.mnemonic)
			e->flags_undefined = row->rule == ALWAYS ? row->flags : shift_undefined(row, insn, in);
	}
	e->flags_defined &= ~e->flags_undefined;
	if (flags_may_stay(insn, in))
		e->flags_defined = 0;
	/* These hand on all flags. */
	if (insn->d.meta.category == ZYDIS_CATEGORY_FLAGOP || insn->d.mnemonic == ZYDIS_MNEMONIC_PUSHF ||
	    insn->d.mnemonic == ZYDIS_MNEMONIC_PUSHFD || insn->d.mnemonic == ZYDIS_MNEMONIC_PUSHFQ ||
	    insn->d.mnemonic == ZYDIS_MNEMONIC_LAHF)
		e->flags_read |= f ? f->tested & FLAGS_STATUS : 0;
}

static void fsw_effects(const struct insn *insn, struct effects *e)
{
	switch (insn->d.mnemonic) {
	case ZYDIS_MNEMONIC_FNSTSW:
		e->fsw_read = true;
		break;
	default:
		e->fsw_read = insn_saves_state(insn);
	}
	if (insn_group(insn) != GROUP_X87)
		return;
	e->fsw_defined = C1;
	e->fsw_undefined = C0 | C2 | C3;
	for (size_t i = 0; i < sizeof(condition_codes) / sizeof(condition_codes[0]); i++) {
		if (condition_codes[i].mnemonic != insn->d.mnemonic)
			continue;
		e->fsw_defined = condition_codes[i].defined;
		e->fsw_undefined = condition_codes[i].undefined;
	}
}

void insn_effects(const struct insn *insn, const struct cpu_state *in, struct effects *e)
{
	*e = (struct effects){ 0 };
	flags_effects(insn, in, e);
	fsw_effects(insn, e);
}

/* Double shifts of 16 bits by more than 16 have an undefined destination; the count must be known to tell. */
bool insn_result_undefined(const struct insn *insn, const struct cpu_state *in)
{
	if (insn->d.mnemonic != ZYDIS_MNEMONIC_SHLD && insn->d.mnemonic != ZYDIS_MNEMONIC_SHRD)
		return false;
	if (insn->d.operand_width != 16)
		return false;
	return shift_count(insn, in) < 0 || shift_count(insn, in) > 16;
}
