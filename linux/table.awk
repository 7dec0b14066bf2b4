# SPDX-License-Identifier: GPL-2.0-only
# Lines of `bench|clock KERNEL WHAT KIND COUNT TICKS [TICKS]`, of bench.c: the tables of README.md. `bench` counts instructions, `clock` time.
function ratio(a, b) { return b ? sprintf("%.1f", a / b) : "-" }
function key() { return $2 " " $3 " " $4 " " $5 }
$1 == "clock" { clock[key()] = ratio($6, $7); next }
$3 ~ /^((classic|fewest)-)?[gs]et$/ {
	name = $3; sub(/^classic-/, "(KVM_GET_REGS, ... a register) ", name)
	sub(/^fewest-/, "(all with KVM_GET_REGS, SREGS, MSRS) ", name)
	regs[++nregs] = sprintf("| %s %s: %s | %d | %d | %d | %s |", $2, $4, name, $5, $6, $7, ratio($6, $7)); of_regs[nregs] = key()
}
$3 == "sequence" || $3 == "threads" {
	vms[++nvms] = sprintf("| %s: %d vCPUs, %s | %d | %d | %s |", $2, $5, $3 == "sequence" ? "in sequence" : "a thread each", $6, $7, ratio($6, $7)); of_vms[nvms] = key()
}
$3 == "rest" { vms[++nvms] = sprintf("| %s: of one vCPU all but the registers by id | %d | | |", $2, $6) }
$3 == "memory" { vms[++nvms] = sprintf("| %s: memcpy() of %d MiB of memory | %d | | |", $2, $5, $6) }
END {
	if (nregs) {
		print "| all registers of a vCPU | registers | instructions one by one | in one call | times fewer | times faster, emulated |"
		print "| --- | --- | --- | --- | --- | --- |"
	}
	for (i = 1; i <= nregs; i++) print regs[i] " " clock[of_regs[i]] " |"
	if (nvms) {
		print ""
		print "| the state of a whole VM | instructions one by one | in one call | times fewer | times faster, emulated |"
		print "| --- | --- | --- | --- | --- |"
	}
	for (i = 1; i <= nvms; i++) print vms[i] " " clock[of_vms[i]] " |"
}
