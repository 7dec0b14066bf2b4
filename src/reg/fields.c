/*
 * Registers' fields by the manuals' names: SDM Vol. 3A, 2.3, 2.5, 2.6, 17.2; Vol. 1, 3.4.3, 10.2.3; AMD APM Vol. 2, 3.1.7; Arm ARM, D23. Tables, and how
 * a value reads in their words.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "anykvm/kvm.h"
#include "anykvm/reg.h"

#define PUBLIC __attribute__((visibility("default")))

#define X86_64(type, index) ANYKVM_X86_REG(type, KVM_REG_SIZE_U64, index)
#define CONTROL(index) X86_64(ANYKVM_X86_TYPE_CONTROL, index)
/* Documentation/virt/kvm/api.rst, 4.68: the encoding of MRS and MSR. */
#define ARM64_SYSREG(op0, op1, crn, crm, op2)                                                                               \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | 0x130000ULL | (op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

/* "name:low" or "name:low+bits", in ascending order; what has no name is shown as bits. */
static const struct {
	uint64_t id;
	const char *fields;
} rows[] = {
	{ CONTROL(0), "PE:0 MP:1 EM:2 TS:3 ET:4 NE:5 WP:16 AM:18 NW:29 CD:30 PG:31" },
	{ CONTROL(4), "VME:0 PVI:1 TSD:2 DE:3 PSE:4 PAE:5 MCE:6 PGE:7 PCE:8 OSFXSR:9 OSXMMEXCPT:10 UMIP:11 LA57:12 VMXE:13 SMXE:14 FSGSBASE:16 PCIDE:17 "
		      "OSXSAVE:18 KL:19 SMEP:20 SMAP:21 PKE:22 CET:23 PKS:24 UINTR:25 LASS:27 LAM_SUP:28" },
	{ CONTROL(ANYKVM_X86_CONTROL_EFER), "SCE:0 LME:8 LMA:10 NXE:11 SVME:12 LMSLE:13 FFXSR:14 TCE:15 AutoIBRS:21" },
	{ CONTROL(ANYKVM_X86_CONTROL_APIC_BASE), "BSP:8 EXTD:10 EN:11 base:12+40" },
	{ X86_64(ANYKVM_X86_TYPE_GENERAL, 17), "CF:0 PF:2 AF:4 ZF:6 SF:7 TF:8 IF:9 DF:10 OF:11 IOPL:12+2 NT:14 RF:16 VM:17 AC:18 VIF:19 VIP:20 ID:21" },
	{ X86_64(ANYKVM_X86_TYPE_XCR, 0), "x87:0 sse:1 avx:2 bndregs:3 bndcsr:4 opmask:5 zmm_hi256:6 hi16_zmm:7 pkru:9 tilecfg:17 tiledata:18" },
	{ X86_64(ANYKVM_X86_TYPE_XSAVE, ANYKVM_X86_XSAVE_XSTATE_BV), "x87:0 sse:1 avx:2 bndregs:3 bndcsr:4 opmask:5 zmm_hi256:6 hi16_zmm:7 pkru:9 tilecfg:17 tiledata:18" },
	{ X86_64(ANYKVM_X86_TYPE_DEBUG, 6), "B0:0 B1:1 B2:2 B3:3 BLD:11 BD:13 BS:14 BT:15 RTM:16" },
	{ X86_64(ANYKVM_X86_TYPE_DEBUG, 7), "L0:0 G0:1 L1:2 G1:3 L2:4 G2:5 L3:6 G3:7 LE:8 GE:9 RTM:11 GD:13 RW0:16+2 LEN0:18+2 RW1:20+2 LEN1:22+2 RW2:24+2 LEN2:26+2 RW3:28+2 LEN3:30+2" },
	{ ANYKVM_X86_REG(ANYKVM_X86_TYPE_XSAVE, KVM_REG_SIZE_U32, ANYKVM_X86_XSAVE_MXCSR), "IE:0 DE:1 ZE:2 OE:3 UE:4 PE:5 DAZ:6 IM:7 DM:8 ZM:9 OM:10 UM:11 PM:12 RC:13+2 FZ:15" },
	{ ANYKVM_X86_REG(ANYKVM_X86_TYPE_X87, KVM_REG_SIZE_U16, ANYKVM_X86_X87_FCW), "IM:0 DM:1 ZM:2 OM:3 UM:4 PM:5 PC:8+2 RC:10+2" },
	{ ANYKVM_X86_REG(ANYKVM_X86_TYPE_X87, KVM_REG_SIZE_U16, ANYKVM_X86_X87_FSW), "IE:0 DE:1 ZE:2 OE:3 UE:4 PE:5 SF:6 ES:7 C0:8 C1:9 C2:10 TOP:11+3 C3:14 B:15" },
	{ KVM_X86_REG_MSR(0xc0000080), "SCE:0 LME:8 LMA:10 NXE:11 SVME:12 LMSLE:13 FFXSR:14 TCE:15 AutoIBRS:21" },
	{ KVM_X86_REG_MSR(0x1a0), "fast_string:0 tcc:3 perfmon:7 bts_unavail:11 pebs_unavail:12 est:16 monitor:18 limit_cpuid:22 xtpr_disable:23 xd_disable:34" },
	{ KVM_X86_REG_MSR(0x277), "PA0:0+3 PA1:8+3 PA2:16+3 PA3:24+3 PA4:32+3 PA5:40+3 PA6:48+3 PA7:56+3" },

	{ ARM64_SYSREG(3, 0, 1, 0, 0), "M:0 A:1 C:2 SA:3 SA0:4 CP15BEN:5 nAA:6 ITD:7 SED:8 UMA:9 EnRCTX:10 EOS:11 I:12 EnDB:13 DZE:14 UCT:15 nTWI:16 nTWE:18 WXN:19 "
		"TSCXT:20 IESB:21 EIS:22 SPAN:23 E0E:24 EE:25 UCI:26 EnDA:27 nTLSMD:28 LSMAOE:29 EnIB:30 EnIA:31 BT0:35 BT1:36 ITFSB:37 TCF0:38+2 TCF:40+2 ATA0:42 ATA:43 DSSBS:44" },
	{ ARM64_SYSREG(3, 0, 2, 0, 2), "T0SZ:0+6 EPD0:7 IRGN0:8+2 ORGN0:10+2 SH0:12+2 TG0:14+2 T1SZ:16+6 A1:22 EPD1:23 IRGN1:24+2 ORGN1:26+2 SH1:28+2 TG1:30+2 IPS:32+3 AS:36 "
		"TBI0:37 TBI1:38 HA:39 HD:40 HPD0:41 HPD1:42 TBID0:51 TBID1:52 DS:59" },
	{ ARM64_SYSREG(3, 0, 1, 0, 2), "ZEN:16+2 FPEN:20+2 SMEN:24+2 TTA:28" },
	{ ARM64_SYSREG(3, 0, 0, 0, 0), "Revision:0+4 PartNum:4+12 Architecture:16+4 Variant:20+4 Implementer:24+8" },
	{ ARM64_SYSREG(3, 0, 0, 4, 0), "EL0:0+4 EL1:4+4 EL2:8+4 EL3:12+4 FP:16+4 AdvSIMD:20+4 GIC:24+4 RAS:28+4 SVE:32+4 SEL2:36+4 MPAM:40+4 AMU:44+4 DIT:48+4 RME:52+4 CSV2:56+4 CSV3:60+4" },
	{ ARM64_SYSREG(3, 0, 0, 4, 1), "BT:0+4 SSBS:4+4 MTE:8+4 RAS_frac:12+4 MPAM_frac:16+4 SME:24+4 RNDR_trap:28+4 CSV2_frac:32+4 NMI:36+4 MTE_frac:40+4 GCS:44+4 THE:48+4 MTEX:52+4 DF2:56+4 PFAR:60+4" },
	{ ARM64_SYSREG(3, 0, 0, 4, 4), "SVEver:0+4 AES:4+4 BitPerm:16+4 BF16:20+4 B16B16:24+4 SHA3:32+4 SM4:40+4 I8MM:44+4 F32MM:52+4 F64MM:56+4" },
	{ ARM64_SYSREG(3, 0, 0, 5, 0), "DebugVer:0+4 TraceVer:4+4 PMUVer:8+4 BRPs:12+4 PMSS:16+4 WRPs:20+4 SEBEP:24+4 CTX_CMPs:28+4 PMSVer:32+4 DoubleLock:36+4 TraceFilt:40+4 TraceBuffer:44+4 MTPMU:48+4 BRBE:52+4 HPMN0:60+4" },
	{ ARM64_SYSREG(3, 0, 0, 6, 0), "AES:4+4 SHA1:8+4 SHA2:12+4 CRC32:16+4 Atomic:20+4 TME:24+4 RDM:28+4 SHA3:32+4 SM3:36+4 SM4:40+4 DP:44+4 FHM:48+4 TS:52+4 TLB:56+4 RNDR:60+4" },
	{ ARM64_SYSREG(3, 0, 0, 6, 1), "DPB:0+4 APA:4+4 API:8+4 JSCVT:12+4 FCMA:16+4 LRCPC:20+4 GPA:24+4 GPI:28+4 FRINTTS:32+4 SB:36+4 SPECRES:40+4 BF16:44+4 DGH:48+4 I8MM:52+4 XS:56+4 LS64:60+4" },
	{ ARM64_SYSREG(3, 0, 0, 6, 2), "WFxT:0+4 RPRES:4+4 GPA3:8+4 APA3:12+4 MOPS:16+4 BC:20+4 PAC_frac:24+4 CLRBHB:28+4 SYSREG_128:32+4 SYSINSTR_128:36+4 PRFMSLC:40+4 RPRFM:48+4 CSSC:52+4 LUT:56+4 ATS1A:60+4" },
	{ ARM64_SYSREG(3, 0, 0, 7, 0), "PARange:0+4 ASIDBits:4+4 BigEnd:8+4 SNSMem:12+4 BigEndEL0:16+4 TGran16:20+4 TGran64:24+4 TGran4:28+4 TGran16_2:32+4 TGran64_2:36+4 TGran4_2:40+4 ExS:44+4 FGT:56+4 ECV:60+4" },
	{ ARM64_SYSREG(3, 0, 0, 7, 1), "HAFDBS:0+4 VMIDBits:4+4 VH:8+4 HPDS:12+4 LO:16+4 PAN:20+4 SpecSEI:24+4 XNX:28+4 TWED:32+4 ETS:36+4 HCX:40+4 AFP:44+4 nTLBPA:48+4 TIDCP1:52+4 CMOW:56+4 ECBHB:60+4" },
	{ ARM64_SYSREG(3, 0, 0, 7, 2), "CnP:0+4 UAO:4+4 LSM:8+4 IESB:12+4 VARange:16+4 CCIDX:20+4 NV:24+4 ST:28+4 AT:32+4 IDS:36+4 FWB:40+4 TTL:48+4 BBM:52+4 EVT:56+4 E0PD:60+4" },
	{ ARM64_SYSREG(3, 0, 0, 7, 3), "TCRX:0+4 SCTLRX:4+4 S1PIE:8+4 S2PIE:12+4 S1POE:16+4 S2POE:20+4 AIE:24+4 MEC:28+4 D128:32+4 D128_2:36+4 SNERR:40+4 ANERR:44+4 SDERR:52+4 ADERR:56+4 Spec_FPACC:60+4" },
};

static const char *fields_of(uint64_t id)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].id == id)
			return rows[i].fields;
	return NULL;
}

/* The next field of a row; false: there are no more. */
static int field_next(const char **at, char name[32], unsigned int *low, unsigned int *bits)
{
	int length = 0;

	*bits = 1;
	if (sscanf(*at, " %31[^:]:%u%n", name, low, &length) < 2)
		return 0;
	*at += length;
	if (**at == '+' && sscanf(*at, "+%u%n", bits, &length) == 1)
		*at += length;
	return 1;
}

static uint64_t field_value(uint64_t value, unsigned int low, unsigned int bits)
{
	return value >> low & (bits < 64 ? (1ULL << bits) - 1 : ~0ULL);
}

/* ---- SVE's vector lengths: one bit for each multiple of 128 bits (api.rst, KVM_REG_ARM64_SVE_VLS). ---- */

#define SVE_VLS (KVM_REG_ARM64 | KVM_REG_SIZE_U512 | 0x15ffffULL)

/* ---- Text. ---- */

struct text {
	char *to;
	size_t room, at;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text->at < text->room ? text->to + text->at : NULL, text->at < text->room ? text->room - text->at : 0, format, arguments);
	va_end(arguments);
	text->at += length > 0 ? (size_t)length : 0;
}

static int end(const struct text *text)
{
	return text->at < text->room ? 0 : -ENOSPC;
}

/* A number of up to 64 bits; others have no fields. */
static uint64_t number(uint64_t id, const void *value)
{
	uint64_t result = 0;
	size_t size = anykvm_reg_size(id);

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(&result, value, size <= 8 ? size : 8);
#else
	if (size <= 8)
		memcpy((uint8_t *)&result + 8 - size, value, size);
#endif
	return result;
}

static void fields_add(struct text *text, const char *fields, uint64_t value)
{
	unsigned int low, bits;
	uint64_t known = 0;
	char name[32];

	while (field_next(&fields, name, &low, &bits)) {
		uint64_t field = field_value(value, low, bits);

		known |= (field_value(~0ULL, low, bits)) << low;
		if (!field)
			continue;
		if (bits == 1)
			add(text, "%s%s", text->at ? " " : "", name);
		else
			add(text, "%s%s=%llu", text->at ? " " : "", name, (unsigned long long)field);
	}
	if (value & ~known)
		add(text, "%s0x%llx", text->at ? " " : "", (unsigned long long)(value & ~known));
}

static void lengths_add(struct text *text, const void *value)
{
	uint64_t words[8];
	unsigned int known = 0;

	memcpy(words, value, sizeof words);
	for (unsigned int i = 0; i < 512; i++)
		if (words[i / 64] >> i % 64 & 1)
			add(text, "%s%u", known++ ? " " : "", 128 * (i + 1));
	add(text, known ? " bits" : "none");
}

#if defined(__x86_64__) || defined(__i386__)
/* The structures that x86 has whole: <asm/kvm.h>. */
static int structure_add(struct text *text, uint64_t id, const void *value)
{
	uint32_t type = (uint32_t)(id >> 32) & 0xff, index = (uint32_t)id;

	if ((id & KVM_REG_ARCH_MASK) != KVM_REG_X86)
		return -ENOENT;
	if (type == ANYKVM_X86_TYPE_SEGMENT && !(index & 15) && index >> 4 < ANYKVM_X86_SEGMENT_GDTR) {
		struct kvm_segment s;

		memcpy(&s, value, sizeof s);
		add(text, "selector 0x%x base 0x%llx limit 0x%x type %u s %u dpl %u present %u avl %u l %u db %u g %u", s.selector, (unsigned long long)s.base, s.limit, s.type, s.s,
		    s.dpl, s.present, s.avl, s.l, s.db, s.g);
		if (s.unusable)
			add(text, " unusable");
		return 0;
	}
	if (type == ANYKVM_X86_TYPE_SEGMENT && !(index & 15)) {
		struct kvm_dtable d;

		memcpy(&d, value, sizeof d);
		add(text, "base 0x%llx limit 0x%x", (unsigned long long)d.base, d.limit);
		return 0;
	}
	if (type == ANYKVM_X86_TYPE_EVENTS && index == ANYKVM_X86_EVENTS_WHOLE) {
		struct kvm_vcpu_events e;

		memcpy(&e, value, sizeof e);
		add(text, "exception injected %u pending %u nr %u error %u 0x%x, interrupt injected %u nr %u soft %u shadow %u, nmi injected %u pending %u masked %u, smm %u pending %u", e.exception.injected,
		    e.exception.pending, e.exception.nr, e.exception.has_error_code, e.exception.error_code, e.interrupt.injected, e.interrupt.nr, e.interrupt.soft, e.interrupt.shadow,
		    e.nmi.injected, e.nmi.pending, e.nmi.masked, e.smi.smm, e.smi.pending);
		return 0;
	}
	return -ENOENT;
}
#else
static int structure_add(struct text *text, uint64_t id, const void *value)
{
	(void)text, (void)id, (void)value;
	return -ENOENT;
}
#endif

PUBLIC int anykvm_reg_explain(uint64_t id, const void *value, char *to, size_t room)
{
	struct text text = { to, room, 0 };
	const char *fields = fields_of(id);

	if (room)
		*to = 0;
	if (id == SVE_VLS)
		lengths_add(&text, value);
	else if (!fields)
		return structure_add(&text, id, value) ? -ENOENT : end(&text);
	if (!fields)
		return end(&text);
	fields_add(&text, fields, number(id, value));
	return end(&text);
}

PUBLIC int anykvm_reg_explain_difference(uint64_t id, const void *a, const void *b, char *to, size_t room)
{
	struct text text = { to, room, 0 };
	const char *fields = fields_of(id);
	uint64_t value_a = number(id, a), value_b = number(id, b), known = 0;
	unsigned int low, bits;
	char name[32];

	if (room)
		*to = 0;
	if (id == SVE_VLS) {
		lengths_add(&text, a);
		add(&text, " -> ");
		lengths_add(&text, b);
		return end(&text);
	}
	if (!fields)
		return -ENOENT;
	while (field_next(&fields, name, &low, &bits)) {
		uint64_t field_a = field_value(value_a, low, bits), field_b = field_value(value_b, low, bits);

		known |= field_value(~0ULL, low, bits) << low;
		if (field_a != field_b)
			add(&text, "%s%s %llu -> %llu", text.at ? ", " : "", name, (unsigned long long)field_a, (unsigned long long)field_b);
	}
	if ((value_a ^ value_b) & ~known)
		add(&text, "%sother bits 0x%llx -> 0x%llx", text.at ? ", " : "", (unsigned long long)(value_a & ~known), (unsigned long long)(value_b & ~known));
	return end(&text);
}
