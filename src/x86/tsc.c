/*
 * The time stamp counter: the host's, scaled to the rate that the program chose, plus an offset. SDM Vol. 3B, 17.17; api.rst,
 * KVM_SET_TSC_KHZ, KVM_VCPU_TSC_OFFSET.
 */
#include <pthread.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "core/why.h"
#include "x86/ioctl.h"

static uint32_t host_khz;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The host's counter; where there is none that can be read, a clock of 1 GHz. */
static uint64_t host_tsc(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	return nanoseconds();
#endif
}

/* Its rate, measured once, over two milliseconds: good to a few parts in 100,000. */
static void measure(void)
{
	uint64_t from = nanoseconds(), tsc = host_tsc(), now;

	do
		now = nanoseconds();
	while (now - from < 2000000);
	host_khz = (uint32_t)((host_tsc() - tsc) * 1000000 / (now - from));
}

uint32_t tsc_host_khz(void)
{
	pthread_once(&once, measure);
	return host_khz;
}

uint64_t x86_tsc_read(const struct x86_vcpu *cpu)
{
	uint64_t tsc = host_tsc();

	if (cpu->tsc_scaled)
		tsc = (uint64_t)((unsigned __int128)tsc * cpu->tsc_khz / tsc_host_khz());
	return tsc + cpu->tsc_offset;
}

void tsc_write(struct x86_vcpu *cpu, uint64_t value, bool from_host)
{
	uint64_t before = cpu->tsc_offset;

	cpu->tsc_offset += value - x86_tsc_read(cpu);
	/* The guest's write shows in TSC_ADJUST (17.17.3). */
	if (!from_host)
		cpu->tsc_adjust += cpu->tsc_offset - before;
}

int tsc_khz_set(struct x86_vcpu *cpu, uint32_t khz)
{
	uint32_t host = tsc_host_khz();
	uint64_t value;

	if (!khz)
		khz = host;
	value = x86_tsc_read(cpu);
	cpu->tsc_khz = khz;
	cpu->tsc_scaled = khz != host;
	/* The counter goes on from where it is. */
	cpu->tsc_offset += value - x86_tsc_read(cpu);
	return 0;
}

uint32_t tsc_khz_get(const struct x86_vcpu *cpu)
{
	return cpu->tsc_khz ? cpu->tsc_khz : tsc_host_khz();
}

uint64_t tsc_offset_get(const struct x86_vcpu *cpu)
{
	return cpu->tsc_offset;
}

void tsc_offset_set(struct x86_vcpu *cpu, uint64_t offset)
{
	cpu->tsc_offset = offset;
}
