# SPDX-License-Identifier: GPL-2.0-only
# Lines of `KERNEL WHAT KIND COUNT TICKS [TICKS]`, of bench.c: the tables of README.md.
function ratio(a, b) { return b ? sprintf("%.1f", a / b) : "-" }
{ kernel = $1; what = $2; kind = $3; value[kernel, what, kind, $4] = $5 " " $6 }
what == "get" || what == "set" || what ~ /^(classic|fewest)-/ {
	if (!printed++) {
		print "| instructions for all registers of a vCPU | registers | one by one | one call | times |"
		print "| --- | --- | --- | --- | --- |"
	}
	name = what; sub(/^classic-/, "(KVM_GET_REGS, ... a register) ", name)
	sub(/^fewest-/, "(all with KVM_GET_REGS, SREGS, MSRS) ", name)
	printf "| %s %s: %s | %d | %d | %d | %s |\n", kernel, kind, name, $4, $5, $6, ratio($5, $6)
}
what == "sequence" || what == "threads" { lines[++n] = sprintf("| %s: %d vCPUs, %s | %d | %d | %s |", kernel, $4, what == "sequence" ? "in sequence" : "a thread each", $5, $6, ratio($5, $6)) }
what == "rest" { lines[++n] = sprintf("| %s: of one vCPU all but the registers by id | %d | | |", kernel, $5) }
what == "memory" { lines[++n] = sprintf("| %s: memcpy() of %d MiB of memory | %d | | |", kernel, $4, $5) }
END {
	if (n) {
		print ""
		print "| instructions for the state of a whole VM | one by one | one call | times |"
		print "| --- | --- | --- | --- |"
	}
	for (i = 1; i <= n; i++) print lines[i]
}
