/*
 * KVM_GET_MP_STATE and KVM_SET_MP_STATE (api.rst 4.38, 4.39). PSCI changes the state too, of other vCPUs: so it is the VM's lock's.
 */
#include <errno.h>

#include "arm64/ioctl.h"
#include "core/why.h"

void arm64_mp_state_get(const struct arm64_vcpu *cpu, struct kvm_mp_state *state)
{
	state->mp_state = __atomic_load_n(&cpu->mp_state, __ATOMIC_SEQ_CST);
}

int arm64_mp_state_set(struct arm64_vcpu *cpu, const struct kvm_mp_state *state)
{
	switch (state->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
	case KVM_MP_STATE_STOPPED:
	case KVM_MP_STATE_SUSPENDED:
		break;
	default:
		return why(-EINVAL, "mp_state: %u is none of arm64's", state->mp_state);
	}
	pthread_mutex_lock(&cpu->vcpu.vm->lock);
	__atomic_store_n(&cpu->mp_state, state->mp_state, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&cpu->vcpu.vm->lock);
	return 0;
}
