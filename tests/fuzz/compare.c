/*
 * The verdict on one case. Compared are general registers, RIP, RFLAGS, segment selectors, x87, MMX, MXCSR, XMM, the memory, and the exception
 * with its error code and address. Left out is what analyse.c found undefined, and what a host's processor model decides: the x87 instruction and
 * data pointers (AMD stores them only with a pending exception) and the registers that a 32-bit program cannot see.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "compare.h"

struct verdict {
	bool equal;
	FILE *out;
};

static const char *const gpr_names[16] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

static void check(struct verdict *v, const char *what, uint64_t native, uint64_t guest)
{
	if (native == guest)
		return;
	v->equal = false;
	if (v->out)
		fprintf(v->out, "    %-8s native %016" PRIx64 "  guest %016" PRIx64 "\n", what, native, guest);
}

static void bytes_print(FILE *out, const uint8_t *bytes, uint32_t n)
{
	while (n--)
		fprintf(out, "%02x", bytes[n]);
}

/* Bytes are shown as one number, the highest first. */
static void check_bytes(struct verdict *v, const char *what, const uint8_t *native, const uint8_t *guest, uint32_t n)
{
	if (!memcmp(native, guest, n))
		return;
	v->equal = false;
	if (!v->out)
		return;
	fprintf(v->out, "    %-8s native ", what);
	bytes_print(v->out, native, n);
	fprintf(v->out, "  guest ");
	bytes_print(v->out, guest, n);
	fputc('\n', v->out);
}

static void flow_add(struct flow *to, const struct flow *from)
{
	to->flags_undefined |= from->flags_undefined;
	to->fsw_undefined |= from->fsw_undefined;
}

/* What is undefined where the native run ended. */
static struct flow undefined_at_end(const struct test_case *c, const struct analysis *a, const struct test_result *native)
{
	const struct step *s = analysis_step_at(a, c, native->out.rip);
	uint64_t offset = native->out.rip - c->in.rip;
	struct flow undefined = { 0 };

	/* Behind an INT3 in front of the case. */
	if (native->vector == 3 && offset == 0)
		s = NULL;

	if (offset == c->code_len || offset == c->code_len + 1) {
		flow_add(&undefined, &a->end);
	} else if (s) {
		flow_add(&undefined, &s->in);
		if (native->vector == 0)	/* a division that faults may still change the flags */
			undefined.flags_undefined |= s->effects.flags_undefined;
		return undefined;
	}
	/* Control went elsewhere. */
	if (!s && offset != c->code_len && offset != c->code_len + 1) {
		for (uint32_t i = 0; i < a->count; i++) {
			flow_add(&undefined, &a->steps[i].in);
			undefined.flags_undefined |= a->steps[i].effects.flags_undefined;
			undefined.fsw_undefined |= a->steps[i].effects.fsw_undefined;
		}
	}
	return undefined;
}

static const char *outcome_name(const struct test_result *r, char buffer[64])
{
	switch (r->outcome) {
	case OUTCOME_FAULT:
		snprintf(buffer, 64, "exception %u", r->vector);
		break;
	case OUTCOME_EXIT:
		snprintf(buffer, 64, "exit %d suberror %u", (int)r->exit_reason, r->suberror);
		break;
	default:
		snprintf(buffer, 64, "%s", r->outcome == OUTCOME_TIMEOUT ? "endless" : r->outcome == OUTCOME_CRASH ? "crash" : "none");
	}
	return buffer;
}

static void check_outcome(struct verdict *v, const struct test_result *native, const struct test_result *guest)
{
	char a[64], b[64];

	if (native->outcome == guest->outcome && native->vector == guest->vector)
		return;
	v->equal = false;
	if (v->out)
		fprintf(v->out, "    outcome  native %s  guest %s\n", outcome_name(native, a), outcome_name(guest, b));
}

/* Page fault error codes for addresses above user space: Linux hides from programs whether a page is there. */
static uint64_t error_mask(const struct test_result *r)
{
	const uint64_t user_end = 0x7ffffffff000;

	return r->vector == 14 && r->cr2 >= user_end ? ~1ull : ~0ull;
}

static void check_fault(struct verdict *v, const struct test_result *native, const struct test_result *guest)
{
	static const uint32_t with_error = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;

	check_outcome(v, native, guest);
	if (native->outcome != OUTCOME_FAULT || guest->outcome != OUTCOME_FAULT || native->vector != guest->vector)
		return;
	if (with_error >> (native->vector & 31) & 1)
		check(v, "error", native->error & error_mask(native), guest->error & error_mask(native));
	if (native->vector == 14)
		check(v, "cr2", native->cr2, guest->cr2);
}

/* The kernel's return to the program makes any null selector 0. */
static uint64_t selector_seen(uint64_t selector)
{
	return selector & ~UINT64_C(3) ? selector : 0;
}

static void check_integer(struct verdict *v, const struct test_case *c, const struct cpu_state *n, const struct cpu_state *g,
			  uint32_t undefined)
{
	uint64_t mask = case_bits(c) == 64 ? UINT64_MAX : UINT32_MAX;

	for (int i = 0; i < (case_bits(c) == 64 ? 16 : 8); i++)
		check(v, gpr_names[i], n->gpr[i] & mask, g->gpr[i] & mask);
	check(v, "rip", n->rip, g->rip);
	check(v, "rflags", n->rflags & ~(uint64_t)undefined, g->rflags & ~(uint64_t)undefined);
	check(v, "cs", n->cs, g->cs);
	check(v, "ss", n->ss, g->ss);
	check(v, "ds", selector_seen(n->ds), selector_seen(g->ds));
	check(v, "es", selector_seen(n->es), selector_seen(g->es));
}

static uint64_t fx_get(const struct cpu_state *s, uint32_t offset, uint32_t n)
{
	uint64_t value = 0;

	memcpy(&value, s->fx + offset, n);
	return value;
}

static bool approximately(const uint8_t *native, const uint8_t *guest)
{
	float n, g;

	memcpy(&n, native, 4);
	memcpy(&g, guest, 4);
	/* Both may be off by 1.5 * 2^-12 of the true value. */
	return !memcmp(&n, &g, 4) || (isfinite(n) && isfinite(g) && fabsf(n - g) <= fabsf(n) * (3.0f / 4096));
}

static void check_xmm(struct verdict *v, const struct analysis *a, const struct cpu_state *n, const struct cpu_state *g)
{
	for (uint32_t i = 0; i < 16; i++) {
		const uint8_t *x = n->fx + FX_XMM + i * 16, *y = g->fx + FX_XMM + i * 16;
		char name[16];

		if (a->approximate && approximately(x, y) && approximately(x + 4, y + 4) && approximately(x + 8, y + 8) &&
		    approximately(x + 12, y + 12))
			continue;
		snprintf(name, sizeof(name), "xmm%u", i);
		check_bytes(v, name, x, y, 16);
	}
}

static void check_float(struct verdict *v, const struct analysis *a, const struct cpu_state *n, const struct cpu_state *g,
			uint16_t undefined)
{
	check(v, "fcw", fx_get(n, FX_FCW, 2), fx_get(g, FX_FCW, 2));
	check(v, "fsw", fx_get(n, FX_FSW, 2) & ~(uint64_t)undefined, fx_get(g, FX_FSW, 2) & ~(uint64_t)undefined);
	check(v, "ftw", fx_get(n, FX_FTW, 1), fx_get(g, FX_FTW, 1));
	check(v, "mxcsr", fx_get(n, FX_MXCSR, 4), fx_get(g, FX_MXCSR, 4));
	for (uint32_t i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "st%u", i);
		check_bytes(v, name, n->fx + FX_ST + i * 16, g->fx + FX_ST + i * 16, 10);
	}
	check_xmm(v, a, n, g);
}

static bool offset_ignored(const struct analysis *a, uint32_t offset)
{
	for (uint32_t i = 0; i < a->ignored_count; i++)
		if (offset - a->ignored[i].from < a->ignored[i].length)
			return true;
	return false;
}

static void check_memory(struct verdict *v, const struct analysis *a, const uint8_t *native, const uint8_t *guest)
{
	uint32_t shown = 0;

	if (!memcmp(native, guest, DATA_SIZE))
		return;
	for (uint32_t i = 0; i < DATA_SIZE && shown < 16; i++) {
		char name[16];

		if (native[i] == guest[i] || offset_ignored(a, i))
			continue;
		snprintf(name, sizeof(name), "[+%x]", i);
		check(v, name, native[i], guest[i]);
		shown++;
	}
}

bool results_equal(const struct test_case *c, const struct analysis *a, const struct test_result *native,
		   const struct test_result *guest, FILE *out)
{
	struct verdict v = { true, out };
	struct flow undefined = undefined_at_end(c, a, native);

	check_fault(&v, native, guest);
	if (guest->outcome == OUTCOME_NONE || guest->outcome == OUTCOME_CRASH)
		return v.equal;
	check_integer(&v, c, &native->out, &guest->out, undefined.flags_undefined);
	check_float(&v, a, &native->out, &guest->out, undefined.fsw_undefined);
	check_memory(&v, a, native->data, guest->data);
	return v.equal;
}

static void insn_print(const struct test_case *c, const struct step *s, FILE *out)
{
	const struct insn *insn = &s->insn;
	char text[128] = "(does not decode)";
	ZydisFormatter formatter;

	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	if (ZYAN_SUCCESS(insn->status))
		ZydisFormatterFormatInstruction(&formatter, &insn->d, insn->ops, insn->d.operand_count_visible, text, sizeof(text),
						c->in.rip + insn->offset, NULL);
	fprintf(out, "    %08" PRIx64 "  ", c->in.rip + insn->offset);
	for (uint32_t i = 0; i < 16; i++)
		fprintf(out, i < insn->d.length ? "%02x" : "  ", c->code[(insn->offset + i) % CODE_MAX]);
	fprintf(out, " %s\n", text);
}

static void float_print(const struct cpu_state *in, FILE *out)
{
	static const uint8_t zero[16];

	fprintf(out, "    fcw %04" PRIx64 " fsw %04" PRIx64 " ftw %02" PRIx64 " mxcsr %04" PRIx64 "\n", fx_get(in, FX_FCW, 2),
		fx_get(in, FX_FSW, 2), fx_get(in, FX_FTW, 1), fx_get(in, FX_MXCSR, 4));
	for (uint32_t i = 0; i < 24; i++) {
		const uint8_t *reg = in->fx + FX_ST + i * 16;

		if (!memcmp(reg, zero, 16))
			continue;
		fprintf(out, "    %s%-2u ", i < 8 ? "st" : "xmm", i < 8 ? i : i - 8);
		bytes_print(out, reg, i < 8 ? 10 : 16);
		fputc('\n', out);
	}
}

static void memory_print(const struct test_case *c, FILE *out)
{
	static const uint8_t zero[16];
	uint32_t lines = 0;

	for (uint32_t i = 0; i < DATA_SIZE; i += 16)
		lines += memcmp(c->data + i, zero, 16) != 0;
	if (lines > 48) {
		fprintf(out, "    (%u bytes of memory)\n", lines * 16);
		return;
	}
	for (uint32_t i = 0; i < DATA_SIZE; i += 16) {
		if (!memcmp(c->data + i, zero, 16))
			continue;
		fprintf(out, "    [%08x]", DATA_BASE + i);
		for (uint32_t k = 0; k < 16; k++)
			fprintf(out, " %02x", c->data[i + k]);
		fputc('\n', out);
	}
}

void case_print(const struct test_case *c, const struct analysis *a, FILE *out)
{
	fprintf(out, "  %d-bit code:\n", case_bits(c));
	for (uint32_t i = 0; i < a->count; i++)
		insn_print(c, &a->steps[i], out);
	fprintf(out, "  before (what is not shown is zero):\n    rip=%" PRIx64 " rflags=%" PRIx64, c->in.rip, c->in.rflags);
	for (int i = 0; i < 16; i++)
		if (c->in.gpr[i])
			fprintf(out, " %s=%" PRIx64, gpr_names[i], c->in.gpr[i]);
	fputc('\n', out);
	float_print(&c->in, out);
	memory_print(c, out);
}
