/* XCR0, the XSAVE area and the legacy FPU state: what is taken, refused, and kept. */
#include "probe.h"

/* Places in the XSAVE area (Intel SDM vol. 1, 13.4), as indices of struct kvm_xsave's 32-bit words. */
enum { FCW = 0, MXCSR = 24 / 4, SOFTWARE = 464 / 4, XSTATE_BV = 512 / 4, XCOMP_BV = 520 / 4, HEADER_RESERVED = 528 / 4 };

static u64 xsave_get64(const struct kvm_xsave *x, int at)
{
	return x->region[at] | (u64)x->region[at + 1] << 32;
}

static void xsave_put64(struct kvm_xsave *x, int at, u64 value)
{
	x->region[at] = value;
	x->region[at + 1] = value >> 32;
}

static void xcrs_try(struct vcpu *c, const char *name, struct kvm_xcrs *x, const struct kvm_xcrs *base)
{
	struct kvm_xcrs g = {0};

	answer(CALL(c->fd, KVM_SET_XCRS, x), "SET_XCRS.%s", name);
	ioctl(c->fd, KVM_GET_XCRS, &g);
	say("  -> nr=%u xcr0=%#llx", g.nr_xcrs, g.xcrs[0].value);
	ioctl(c->fd, KVM_SET_XCRS, base);
}

static void xsave_try(struct vcpu *c, const char *name, struct kvm_xsave *x, const struct kvm_xsave *base)
{
	struct kvm_xsave g;

	answer(CALL(c->fd, KVM_SET_XSAVE, x), "SET_XSAVE.%s", name);
	ioctl(c->fd, KVM_GET_XSAVE, &g);
	say("  -> fcw=%#x mxcsr=%#x xstate_bv=%#lx xcomp=%#lx", g.region[FCW] & 0xffff, g.region[MXCSR],
	    xsave_get64(&g, XSTATE_BV), xsave_get64(&g, XCOMP_BV));
	ioctl(c->fd, KVM_SET_XSAVE, base);
}

/* Statements on x, a copy of *base, as an argument: a table would need a row type for every field. */
#define FPU_TRY(try, name, change)                                                                                               \
	do {                                                                                                                     \
		__typeof__(*base) x = *base;                                                                                     \
		change;                                                                                                          \
		try(c, name, &x, base);                                                                                          \
	} while (0)
#define XCRS_TRY(name, change) FPU_TRY(xcrs_try, name, change)
#define XSAVE_TRY(name, change) FPU_TRY(xsave_try, name, change)

static void fpu_xcrs(struct vcpu *c)
{
	struct kvm_xcrs b = {0}, *base = &b;

	answer(CALL(c->fd, KVM_GET_XCRS, &b), "GET_XCRS");
	say("nr=%u xcr0=%#llx", b.nr_xcrs, b.xcrs[0].value);
	XCRS_TRY("same", );
	XCRS_TRY("flags1", x.flags = 1);
	XCRS_TRY("nr0", x.nr_xcrs = 0);
	XCRS_TRY("nr17", x.nr_xcrs = 17);
	XCRS_TRY("nr16", x.nr_xcrs = 16);
	XCRS_TRY("xcr1", x.xcrs[0].xcr = 1);
	XCRS_TRY("val0", x.xcrs[0].value = 0);
	XCRS_TRY("val2", x.xcrs[0].value = 2);
	XCRS_TRY("val3", x.xcrs[0].value = 3);
	XCRS_TRY("val4", x.xcrs[0].value = 4);
	XCRS_TRY("val5", x.xcrs[0].value = 5);
	XCRS_TRY("val7", x.xcrs[0].value = 7);
	XCRS_TRY("val9", x.xcrs[0].value = 9);
	XCRS_TRY("valf", x.xcrs[0].value = 0x1b);
	XCRS_TRY("val_e7", x.xcrs[0].value = 0xe7);
	XCRS_TRY("val_bit63", x.xcrs[0].value = 1ULL << 63 | 3);
}

static void fpu_xsave(struct vm *v, struct vcpu *c)
{
	struct kvm_xsave xb, *base = &xb;

	answer(CALL(c->fd, KVM_GET_XSAVE, &xb), "GET_XSAVE");
	say_bytes("xsave", &xb, sizeof xb);
	say("xsave2 size: %d", ioctl(v->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2));
	XSAVE_TRY("same", );
	XSAVE_TRY("xstate_bv3", xsave_put64(&x, XSTATE_BV, 3));
	XSAVE_TRY("xstate_bv0", xsave_put64(&x, XSTATE_BV, 0));
	XSAVE_TRY("xstate_bv7", xsave_put64(&x, XSTATE_BV, 7));
	XSAVE_TRY("xstate_bv_bit62", xsave_put64(&x, XSTATE_BV, 1ULL << 62));
	XSAVE_TRY("xstate_bv_pkru200", xsave_put64(&x, XSTATE_BV, 0x200));
	XSAVE_TRY("xcomp_bit63", xsave_put64(&x, XCOMP_BV, 1ULL << 63));
	XSAVE_TRY("hdr_reserved", xsave_put64(&x, HEADER_RESERVED, 1));
	XSAVE_TRY("mxcsr_reserved", x.region[MXCSR] = 0xffff0000; xsave_put64(&x, XSTATE_BV, 3));
	XSAVE_TRY("mxcsr_reserved_bv0", x.region[MXCSR] = 0xffff0000; xsave_put64(&x, XSTATE_BV, 0));
	XSAVE_TRY("mxcsr_1f00", x.region[MXCSR] = 0x1f00; xsave_put64(&x, XSTATE_BV, 3));
	XSAVE_TRY("all_ff", memset(&x, 0xff, sizeof x));
	XSAVE_TRY("all_00", memset(&x, 0, sizeof x));
	XSAVE_TRY("sw_reserved_ff", memset(x.region + SOFTWARE, 0xff, 48));
}

static void fpu_legacy(struct vcpu *c)
{
	struct kvm_fpu f;

	ioctl(c->fd, KVM_GET_FPU, &f);
	memset(&f, 0xff, sizeof f);
	answer(CALL(c->fd, KVM_SET_FPU, &f), "SET_FPU.ff");
	memset(&f, 0, sizeof f);
	answer(CALL(c->fd, KVM_GET_FPU, &f), "GET_FPU");
	say("fpu: fcw=%#x fsw=%#x ftwx=%#x mxcsr=%#x last_ip=%#llx xmm0=%02x fpr0=%02x", f.fcw, f.fsw, f.ftwx, f.mxcsr, f.last_ip,
	    f.xmm[0][0], f.fpr[0][0]);
	answer_run(vcpu_run(c), c, "run.after_fpu_ff");
}

void probe_fpu(void)
{
	struct vm *v;
	struct vcpu *c = guest_create(&v, 1);

	say("## XCRS/XSAVE/FPU");
	fpu_xcrs(c);
	fpu_xsave(v, c);
	fpu_legacy(c);
	vm_free(v, c);
}
