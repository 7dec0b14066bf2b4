/*
 * What the probes share: see probe.h.
 */
#include "probe.h"

#include <fcntl.h>

#include "names.h"

int kvm;
long psz;
char *guard;

const char *errno_name(int e)
{
	static char b[4][16];
	static int k;
	switch (e) {
	case 0:
		return "0";
	case EPERM:
		return "EPERM";
	case ENOENT:
		return "ENOENT";
	case EINTR:
		return "EINTR";
	case EIO:
		return "EIO";
	case E2BIG:
		return "E2BIG";
	case ENOEXEC:
		return "ENOEXEC";
	case EAGAIN:
		return "EAGAIN";
	case ENOMEM:
		return "ENOMEM";
	case EFAULT:
		return "EFAULT";
	case EBUSY:
		return "EBUSY";
	case EEXIST:
		return "EEXIST";
	case ENODEV:
		return "ENODEV";
	case EINVAL:
		return "EINVAL";
	case ENOTTY:
		return "ENOTTY";
	case ENXIO:
		return "ENXIO";
	case EOPNOTSUPP:
		return "EOPNOTSUPP";
	case ENOSPC:
		return "ENOSPC";
	}
	k = (k + 1) & 3;
	snprintf(b[k], 16, "%d", e);
	return b[k];
}

int g_rc, g_errno;
int fin(int rc)
{
	g_errno = rc < 0 ? errno : 0;
	g_rc = rc;
	return rc;
}

void out(const char *name, const char *val)
{
	printf("%s: rc=%d errno=%s value=%s\n", name, g_rc, errno_name(g_errno), val ? val : "-");
}

void outx(const char *name, u64 v)
{
	char b[32];
	snprintf(b, 32, "0x%llx", (unsigned long long)v);
	out(name, b);
}

unsigned rsize(u64 id)
{
	return 1u << ((id >> 52) & 15);
}

const char *hexval(const void *p, unsigned n)
{
	static char b[4][2 * 4096 + 8];
	static int k;
	const unsigned char *c = p;
	k = (k + 1) & 3;
	char *s = b[k];
	while (n > 1 && !c[n - 1])
		n--;
	s += sprintf(s, "0x%x", c[n - 1]);
	for (int i = (int)n - 2; i >= 0; i--)
		s += sprintf(s, "%02x", c[i]);
	return b[k];
}

const char *rname(u64 id)
{
	unsigned cop = (id >> 16) & 0xfff, lo = id & 0xffff;
	switch (cop) {
	case 0x10: {
		unsigned o = lo;
		if (o < 62 && !(o & 1))
			return N("core.x%u", o / 2);
		if (o == 62)
			return "core.sp";
		if (o == 64)
			return "core.pc";
		if (o == 66)
			return "core.pstate";
		if (o == 68)
			return "core.sp_el1";
		if (o == 70)
			return "core.elr_el1";
		if (o >= 72 && o < 82)
			return N("core.spsr%u", (o - 72) / 2);
		if (o >= 84 && o < 212)
			return N("core.v%u", (o - 84) / 4);
		if (o == 212)
			return "core.fpsr";
		if (o == 213)
			return "core.fpcr";
		return N("core.off%u", o);
	}
	case 0x11:
		return N("demux.%02x.%u", lo >> 8, lo & 255);
	case 0x13:
		for (unsigned i = 0; i < sizeof regnames / sizeof *regnames; i++)
			if (regnames[i].e == lo)
				return N("sys.%s", regnames[i].n);
		return N("sys.S%u_%u_C%u_C%u_%u", lo >> 14, (lo >> 11) & 7, (lo >> 7) & 15, (lo >> 3) & 15, lo & 7);
	case 0x14:
		return N("fw.%u", lo);
	case 0x15:
		if (lo == 0xffff)
			return "sve.vls";
		if (lo < 0x400)
			return N("sve.z%u.%u", lo >> 5, lo & 31);
		if (lo < 0x600)
			return N("sve.p%u.%u", (lo - 0x400) >> 5, lo & 31);
		return N("sve.ffr.%u", lo & 31);
	case 0x16:
		return N("fwbmap.%u", lo);
	}
	return N("id%016llx", (unsigned long long)id);
}

int is_volatile_reg(u64 id)
{
	unsigned lo = id & 0xffff;
	return ((id >> 16) & 0xfff) == 0x13 && (lo == 0xdf1a || lo == 0xdf01);
}

static int runsz;
struct vm newvm(void)
{
	struct vm v = {-1, -1, 0};
	v.fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (v.fd < 0) {
		perror("CREATE_VM");
		exit(1);
	}
	v.vcpu = ioctl(v.fd, KVM_CREATE_VCPU, 0);
	if (v.vcpu < 0) {
		perror("CREATE_VCPU");
		exit(1);
	}
	v.run = mmap(0, runsz, PROT_READ | PROT_WRITE, MAP_SHARED, v.vcpu, 0);
	return v;
}

void delvm(struct vm *v)
{
	munmap(v->run, runsz);
	close(v->vcpu);
	close(v->fd);
}

u32 ptarget = 5;
int init(int vcpu, u64 f)
{
	struct kvm_vcpu_init i = {.target = ptarget};
	i.features[0] = f;
	return IOC(vcpu, KVM_ARM_VCPU_INIT, &i);
}

int finalize(int vcpu, int what)
{
	return IOC(vcpu, KVM_ARM_VCPU_FINALIZE, &what);
}

unsigned char buf[70000];
int get(int vcpu, u64 id, void *p)
{
	struct kvm_one_reg r = {id, (u64)(uintptr_t)p};
	return IOC(vcpu, KVM_GET_ONE_REG, &r);
}

int set(int vcpu, u64 id, const void *p)
{
	struct kvm_one_reg r = {id, (u64)(uintptr_t)p};
	return IOC(vcpu, KVM_SET_ONE_REG, &r);
}

int set64(int vcpu, u64 id, u64 v)
{
	u64 x[32] = {v};
	return set(vcpu, id, x);
}

u64 get64(int vcpu, u64 id)
{
	u64 x[512];
	memset(x, 0, sizeof x);
	get(vcpu, id, x);
	return x[0];
}

struct vm ready(u64 f)
{
	struct vm v = newvm();
	if (init(v.vcpu, f))
		printf("!! init 0x%llx failed: %s\n", (unsigned long long)f, errno_name(g_errno));
	if (f & F_SVE)
		finalize(v.vcpu, 4);
	return v;
}

struct kvm_reg_list *list(int vcpu)
{
	struct kvm_reg_list *l = calloc(1, 8 + 8 * 4096);
	l->n = 4096;
	if (IOC(vcpu, KVM_GET_REG_LIST, l))
		l->n = 0;
	return l;
}

/* ids */

void get_say(const char *n, int vcpu, u64 id)
{
	memset(buf, 0, 4096);
	get(vcpu, id, buf);
	out(n, g_rc ? "-" : hexval(buf, rsize(id) > 4096 ? 4096 : rsize(id)));
}

void set_say(const char *n, int vcpu, u64 id, u64 v)
{
	set64(vcpu, id, v);
	outx(n, v);
}
/* write then read back */
void set_get_say(const char *n, int vcpu, u64 id, u64 v)
{
	set64(vcpu, id, v);
	int rc = g_rc, e = g_errno;
	memset(buf, 0, 4096);
	get(vcpu, id, buf);
	const char *h = hexval(buf, rsize(id));
	g_rc = rc;
	g_errno = e;
	out(n, N("0x%llx readback=%s", (unsigned long long)v, h));
}

int probe_open(void)
{
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0) {
		perror("/dev/kvm");
		return 0;
	}
	runsz = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	psz = sysconf(_SC_PAGESIZE);
	guard = mmap(0, 2 * psz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(guard + psz, psz, PROT_NONE);
	return 1;
}
