/*
 * The guest's own breakpoints: what the resume flag promises. SDM Vol. 3B, 17.3.1.1.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <cmocka.h>

#include "machine.h"

enum { TARGET = 0x1020, HANDLER = 0x1030, HITS = 0x600 };

/* Goes to TARGET by IRETD with these flags, an instruction breakpoint there; how often it hit. */
static uint8_t breakpoint_hits(uint32_t flags)
{
	uint8_t code[0x40] = { 0x66, 0x68, 0, 0, 0, 0,		/* pushl flags */
			       0x66, 0x68, 0, 0, 0, 0,		/* pushl %cs: 0 */
			       0x66, 0x68, 0, 0, 0, 0,		/* pushl TARGET */
			       0x66, 0xcf };			/* iretl */
	static const uint8_t target[] = { 0x90, 0xf4 }, handler[] = { 0xfe, 0x06, HITS & 0xff, HITS >> 8, 0xf4 }; /* incb HITS; hlt */
	const uint32_t to = TARGET;
	struct kvm_debugregs debugregs = { .db = { TARGET }, .dr6 = 0xffff0ff0, .dr7 = 0x401 };
	struct machine m;
	uint8_t hits;

	memcpy(code + 2, &flags, 4);
	memcpy(code + 14, &to, 4);
	memcpy(code + TARGET - MACHINE_CODE, target, sizeof target);
	memcpy(code + HANDLER - MACHINE_CODE, handler, sizeof handler);
	machine_open(&m);
	m.memory[4] = HANDLER & 0xff; /* vector 1 */
	m.memory[5] = HANDLER >> 8;
	machine_code(&m, code, sizeof code);
	assert_int_equal(ioctl_error(m.vcpu, KVM_SET_DEBUGREGS, &debugregs), 0);
	assert_int_equal(vcpu_run(m.vcpu), 0);
	assert_int_equal(m.run->exit_reason, KVM_EXIT_HLT);
	hits = m.memory[HITS];
	machine_close(&m);
	return hits;
}

static void test_breakpoint_hits(void **state)
{
	(void)state;
	assert_int_equal(breakpoint_hits(2), 1);
}

/* RF lasts for one instruction, but not for the IRET that loads it. */
static void test_resume_flag(void **state)
{
	(void)state;
	assert_int_equal(breakpoint_hits(2 | 1 << 16), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_breakpoint_hits), cmocka_unit_test(test_resume_flag) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
