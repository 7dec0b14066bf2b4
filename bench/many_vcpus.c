/*
 * What a VM with many vCPUs (1024, or as many as the argument says) costs before any of them has run: time to create them
 * and to map their kvm_run, and this process's resident memory for each. Of a hardware KVM's memory most belongs to the
 * kernel and is not seen here. An ordinary KVM program; see bench.h.
 */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Every vCPU is a descriptor. */
static void descriptors_allow(unsigned count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		bench_fail("RLIMIT_NOFILE");
	if (limit.rlim_cur < count + 64u)
		limit.rlim_cur = limit.rlim_max < count + 64u ? limit.rlim_max : count + 64u;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		bench_fail("RLIMIT_NOFILE");
}

static double resident_bytes(void)
{
	unsigned long total, resident;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%lu %lu", &total, &resident) != 2)
		bench_fail("/proc/self/statm");
	fclose(f);
	return (double)resident * sysconf(_SC_PAGESIZE);
}

/* Creates one vCPU as programs do: with its kvm_run mapped, and looked at. */
static void vcpu_create(int vm_fd, unsigned long id, size_t run_size)
{
	int fd = bench_ioctl(vm_fd, KVM_CREATE_VCPU, "KVM_CREATE_VCPU", (void *)id);
	volatile struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (run == MAP_FAILED)
		bench_fail("mmap of kvm_run");
	run->immediate_exit = 0;
}

int main(int argc, char **argv)
{
	const unsigned vcpus = argc > 1 ? atoi(argv[1]) : 1024;
	double started, resident;
	int system_fd, vm_fd;
	size_t run_size;

	if (vcpus < 1)
		return 2;
	descriptors_allow(vcpus);
	system_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (system_fd < 0)
		bench_fail("open /dev/kvm");
	vm_fd = bench_ioctl(system_fd, KVM_CREATE_VM, "KVM_CREATE_VM", NULL);
	run_size = bench_ioctl(system_fd, KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE", NULL);
	resident = resident_bytes();
	started = bench_now();
	for (unsigned id = 0; id < vcpus; id++)
		vcpu_create(vm_fd, id, run_size);
	printf("create_ms %.1f\n", (bench_now() - started) / 1e6);
	printf("resident_kib_per_vcpu %.1f\n", (resident_bytes() - resident) / 1024 / vcpus);
	return 0;
}
