/*
 * What the probes of Xen share: one VM with a Xen guest's settings and two vCPUs, ids 0 and 5, and asking it about them.
 */
#ifndef PROBE_XEN_H
#define PROBE_XEN_H

#include "probe.h"

#include <sys/eventfd.h>
#include <time.h>

/* Guest-physical addresses. */
#define DATA 0x20000UL
#define HYPERCALL_PAGE 0x40000UL
#define SHARED_INFO 0x100000UL
#define VCPU_INFO 0x110000UL
#define TIME_INFO 0x120000UL
#define RUNSTATE 0x130000UL

/* Of public/event_channel.h: EVTCHNSTAT_*. */
enum { INTERDOMAIN = 2, IPI = 5 };

extern struct vm *v;
extern struct vcpu *c0, *c1;
extern int efd;
extern char nm[128]; /* a name that is made up */
extern const int vecs[10]; /* vectors, good and bad */

/* The answers of the last hvm_get() and vcpu_get(). */
extern struct kvm_xen_hvm_attr hvm_got;
extern struct kvm_xen_vcpu_attr vcpu_got;

int hvm_set(struct vm *vm, const char *name, struct kvm_xen_hvm_attr attribute);
int hvm_get(struct vm *vm, int type, const char *name);
int vcpu_set(struct vcpu *c, const char *name, struct kvm_xen_vcpu_attr attribute);
int vcpu_get(struct vcpu *c, int type, const char *name);
void config_set(struct vm *vm, const char *name, u32 flags, u32 msr, u64 blob32, u64 blob64, u8 size32, u8 size64);
/* KVM_XEN_ATTR_TYPE_EVTCHN, by its fields. */
void target_set(struct vm *vm, const char *name, u32 send_port, u32 type, u32 flags, u32 port, u32 vcpu, u32 priority);
void say_ports(struct vm *vm, const char *name, int wide, int count, ...);
void say_info(struct vm *vm, const char *name);
u64 guest_clock(struct vm *vm);
u64 monotonic(void);

void probe_xen_targets(void);
void probe_xen_vcpus(void);
void probe_xen_events(void);
void probe_xen_calls(void);

#endif
