/*
 * Which instructions the differential tester compares. An instruction is fit when it belongs to an extension that host and guest CPUID
 * both report (or that every x86-64 has), and when its result depends on nothing but the case: no clocks, identities, random numbers,
 * descriptor table addresses, system calls.
 *
 * It must never know how a case is made or run.
 */
#include <cpuid.h>
#include <string.h>

#include "insn.h"

enum cpuid_reg { EAX, EBX, ECX, EDX };

/* Part of every x86-64. */
static const ZydisISASet baseline[] = {
	ZYDIS_ISA_SET_I86, ZYDIS_ISA_SET_I186, ZYDIS_ISA_SET_I286PROTECTED, ZYDIS_ISA_SET_I286REAL, ZYDIS_ISA_SET_I386,
	ZYDIS_ISA_SET_I486, ZYDIS_ISA_SET_I486REAL, ZYDIS_ISA_SET_PENTIUMREAL, ZYDIS_ISA_SET_PPRO, ZYDIS_ISA_SET_CMOV,
	ZYDIS_ISA_SET_FCMOV, ZYDIS_ISA_SET_X87, ZYDIS_ISA_SET_LONGMODE, ZYDIS_ISA_SET_FAT_NOP, ZYDIS_ISA_SET_PREFETCH_NOP,
	ZYDIS_ISA_SET_PAUSE, ZYDIS_ISA_SET_PENTIUMMMX, ZYDIS_ISA_SET_FXSAVE, ZYDIS_ISA_SET_FXSAVE64, ZYDIS_ISA_SET_SSE,
	ZYDIS_ISA_SET_SSEMXCSR, ZYDIS_ISA_SET_SSE_PREFETCH, ZYDIS_ISA_SET_SSE2, ZYDIS_ISA_SET_SSE2MMX,
};

/* Extensions and the CPUID bit that reports them. Those in neither list are never compared. */
static const struct feature {
	ZydisISASet set;
	uint32_t leaf, subleaf;
	enum cpuid_reg reg;
	uint32_t bit;
} features[] = {
	{ ZYDIS_ISA_SET_CLFSH, 1, 0, EDX, 19 },
	{ ZYDIS_ISA_SET_LAHF, 0x80000001, 0, ECX, 0 },
	{ ZYDIS_ISA_SET_SSE3, 1, 0, ECX, 0 }, { ZYDIS_ISA_SET_SSE3X87, 1, 0, ECX, 0 },
	{ ZYDIS_ISA_SET_SSSE3, 1, 0, ECX, 9 }, { ZYDIS_ISA_SET_SSSE3MMX, 1, 0, ECX, 9 },
	{ ZYDIS_ISA_SET_CMPXCHG16B, 1, 0, ECX, 13 },
	{ ZYDIS_ISA_SET_SSE4, 1, 0, ECX, 19 }, { ZYDIS_ISA_SET_SSE42, 1, 0, ECX, 20 },
	{ ZYDIS_ISA_SET_MOVBE, 1, 0, ECX, 22 }, { ZYDIS_ISA_SET_POPCNT, 1, 0, ECX, 23 },
	{ ZYDIS_ISA_SET_XSAVE, 1, 0, ECX, 26 }, { ZYDIS_ISA_SET_XSAVEOPT, 13, 1, EAX, 0 }, { ZYDIS_ISA_SET_XSAVEC, 13, 1, EAX, 1 },
	{ ZYDIS_ISA_SET_PCLMULQDQ, 1, 0, ECX, 1 }, { ZYDIS_ISA_SET_AES, 1, 0, ECX, 25 },
	{ ZYDIS_ISA_SET_LZCNT, 0x80000001, 0, ECX, 5 },
	{ ZYDIS_ISA_SET_AMD3DNOW, 0x80000001, 0, EDX, 31 },
	{ ZYDIS_ISA_SET_ADOX_ADCX, 7, 0, EBX, 19 }, { ZYDIS_ISA_SET_SHA, 7, 0, EBX, 29 },
};

/* Not comparable, whatever CPUID says. insn_allowed() has more. */
static const ZydisMnemonic denied[] = {
	/* other on every run or every machine */
	ZYDIS_MNEMONIC_CPUID, ZYDIS_MNEMONIC_RDTSC, ZYDIS_MNEMONIC_RDPMC, ZYDIS_MNEMONIC_XGETBV, ZYDIS_MNEMONIC_SGDT,
	ZYDIS_MNEMONIC_SIDT, ZYDIS_MNEMONIC_SLDT, ZYDIS_MNEMONIC_STR, ZYDIS_MNEMONIC_SMSW,
	/* leave for the kernel or the hypervisor, which in a virtual machine gives INT1's #DB either RIP */
	ZYDIS_MNEMONIC_INT1, ZYDIS_MNEMONIC_SYSCALL, ZYDIS_MNEMONIC_SYSENTER, ZYDIS_MNEMONIC_SYSEXIT, ZYDIS_MNEMONIC_SYSRET,
	/* FS and GS are the case's base registers */
	ZYDIS_MNEMONIC_LFS, ZYDIS_MNEMONIC_LGS,
	/* undocumented, or with a length that vendors disagree on */
	ZYDIS_MNEMONIC_SALC, ZYDIS_MNEMONIC_UD0, ZYDIS_MNEMONIC_UD1,
	ZYDIS_MNEMONIC_INVALID,
};

static struct {
	bool set[ZYDIS_ISA_SET_MAX_VALUE + 1];
	ZydisDecoder decoder64, decoder32;
} policy;

static bool host_has(const struct feature *f)
{
	uint32_t r[4];

	return __get_cpuid_count(f->leaf, f->subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]) && (r[f->reg] >> f->bit & 1);
}

static bool guest_has(struct guest *guest, const struct feature *f)
{
	uint32_t r[4];

	return guest_cpuid(guest, f->leaf, f->subleaf, r) && (r[f->reg] >> f->bit & 1);
}

void insn_features_init(struct guest *guest)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		const struct feature *f = &features[i];

		policy.set[f->set] = host_has(f) && (!guest || guest_has(guest, f));
	}
	for (size_t i = 0; i < sizeof(baseline) / sizeof(baseline[0]); i++)
		policy.set[baseline[i]] = true;
	ZydisDecoderInit(&policy.decoder64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderInit(&policy.decoder32, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
}

bool insn_decode(struct insn *insn, int bits, const uint8_t *bytes, size_t length)
{
	insn->status = ZydisDecoderDecodeFull(bits == 64 ? &policy.decoder64 : &policy.decoder32, bytes, length,
					      &insn->d, insn->ops);
	return ZYAN_SUCCESS(insn->status);
}

int gpr_index(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (ZydisRegisterGetClass(whole) != ZYDIS_REGCLASS_GPR64)
		return -1;
	return ZydisRegisterGetId(whole);
}

static bool insn_writes_fs_gs(const struct insn *insn)
{
	for (int i = 0; i < insn->d.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
		    (op->reg.value == ZYDIS_REGISTER_FS || op->reg.value == ZYDIS_REGISTER_GS))
			return true;
	}
	return false;
}

static bool insn_is_branch(const struct insn *insn)
{
	switch (insn->d.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
		return true;
	default:
		return false;
	}
}

static bool insn_repeated(const struct insn *insn)
{
	for (int i = 0; i < insn->d.raw.prefix_count; i++)
		if (insn->d.raw.prefixes[i].value == 0xf2 || insn->d.raw.prefixes[i].value == 0xf3)
			return true;
	return false;
}

/*
 * What Intel's and AMD's processors do differently: REP before LOOPcc (AMD's lets it choose the condition), prefetches of registers; in
 * 64-bit mode near branches with an operand size prefix.
 */
static bool insn_is_vendors_choice(const struct insn *insn)
{
	if ((insn->d.mnemonic == ZYDIS_MNEMONIC_LOOPE || insn->d.mnemonic == ZYDIS_MNEMONIC_LOOPNE) && insn_repeated(insn))
		return true;
	if (insn->d.opcode_map == ZYDIS_OPCODE_MAP_0F && insn->d.opcode == 0x0d && insn->d.raw.modrm.mod == 3)
		return true;
	return insn->d.machine_mode == ZYDIS_MACHINE_MODE_LONG_64 && insn_is_branch(insn) && (insn->d.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE);
}

/*
 * Far transfers and far pointers go through the kernel's own descriptor tables, which no guest's are like; and which word of a frame or
 * pointer is read first is each processor's choice. The tour of tests/guest/system_code.S checks them.
 */
static bool insn_is_far(const struct insn *insn)
{
	switch (insn->d.mnemonic) {
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_LDS: case ZYDIS_MNEMONIC_LES: case ZYDIS_MNEMONIC_LSS:
		return true;
	default:
		return insn->d.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
	}
}

bool insn_allowed(const struct insn *insn)
{
	if (!policy.set[insn->d.meta.isa_set])
		return false;
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
		if (insn->d.mnemonic == denied[i])
			return false;
	/* INT 0x80 is a system call. */
	if (insn->d.mnemonic == ZYDIS_MNEMONIC_INT && insn->ops[0].imm.value.u == 0x80)
		return false;
	/* AMD's LOCK MOV CR0, which is MOV CR8. */
	if (insn->d.meta.isa_ext == ZYDIS_ISA_EXT_BASE && (insn->d.attributes & ZYDIS_ATTRIB_HAS_LOCK) &&
	    insn->d.mnemonic == ZYDIS_MNEMONIC_MOV)
		return false;
	return !insn_writes_fs_gs(insn) && !insn_is_vendors_choice(insn) && !insn_is_far(insn);
}

static bool insn_uses_mmx(const struct insn *insn)
{
	for (int i = 0; i < insn->d.operand_count; i++)
		if (insn->ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(insn->ops[i].reg.value) == ZYDIS_REGCLASS_MMX)
			return true;
	return false;
}

enum group insn_group(const struct insn *insn)
{
	switch (insn->d.meta.isa_set) {
	case ZYDIS_ISA_SET_X87:
	case ZYDIS_ISA_SET_FCMOV:
	case ZYDIS_ISA_SET_SSE3X87:
	case ZYDIS_ISA_SET_FXSAVE:
	case ZYDIS_ISA_SET_FXSAVE64:
		return GROUP_X87;
	case ZYDIS_ISA_SET_PENTIUMMMX:
	case ZYDIS_ISA_SET_SSE2MMX:
	case ZYDIS_ISA_SET_SSSE3MMX:
	case ZYDIS_ISA_SET_AMD3DNOW:
		return GROUP_MMX;
	case ZYDIS_ISA_SET_SSE:
	case ZYDIS_ISA_SET_SSEMXCSR:
	case ZYDIS_ISA_SET_SSE2:
	case ZYDIS_ISA_SET_SSE3:
	case ZYDIS_ISA_SET_SSSE3:
	case ZYDIS_ISA_SET_SSE4:
	case ZYDIS_ISA_SET_SSE42:
	case ZYDIS_ISA_SET_AES:
	case ZYDIS_ISA_SET_PCLMULQDQ:
	case ZYDIS_ISA_SET_SHA:
	case ZYDIS_ISA_SET_XSAVE:
	case ZYDIS_ISA_SET_XSAVEC:
	case ZYDIS_ISA_SET_XSAVEOPT:
		return insn_uses_mmx(insn) ? GROUP_MMX : GROUP_SSE;
	default:
		return GROUP_INTEGER;
	}
}

uint32_t insn_gpr_written(const struct insn *insn)
{
	uint32_t written = 0;

	for (int i = 0; i < insn->d.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];
		int index = op->type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr_index(op->reg.value) : -1;

		if (index >= 0 && (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			written |= 1u << index;
	}
	/* Stack and string instructions move registers that are not always listed. */
	if (insn->d.mnemonic == ZYDIS_MNEMONIC_POPA || insn->d.mnemonic == ZYDIS_MNEMONIC_POPAD)
		written |= 0xff;
	return written;
}

bool insn_is_string(const struct insn *insn)
{
	return insn->d.meta.category == ZYDIS_CATEGORY_STRINGOP || insn->d.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

bool insn_saves_state(const struct insn *insn)
{
	switch (insn->d.mnemonic) {
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FNSAVE:
	case ZYDIS_MNEMONIC_FXSAVE:
	case ZYDIS_MNEMONIC_FXSAVE64:
	case ZYDIS_MNEMONIC_XSAVE:
	case ZYDIS_MNEMONIC_XSAVE64:
	case ZYDIS_MNEMONIC_XSAVEC:
	case ZYDIS_MNEMONIC_XSAVEC64:
	case ZYDIS_MNEMONIC_XSAVEOPT:
	case ZYDIS_MNEMONIC_XSAVEOPT64:
		return true;
	default:
		return false;
	}
}

const char *insn_name(const struct insn *insn)
{
	const char *name = ZydisMnemonicGetString(insn->d.mnemonic);

	return name ? name : "invalid";
}
