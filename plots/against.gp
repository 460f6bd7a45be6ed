# against.gp - the same workloads on servers and on the embedded store: what a cipher takes of the
# throughput, and the CPU time that it adds to a message. A line per workload, target and version.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects(plaintext("throughput_msgs_s"))

# ---- workloads that the store and a server have, as they stand in the file ----
array names[256]
array firsts[256] # their first lines
cells = 0
is_server(dummy) = strcol("target") eq "nats" || strcol("target") eq "server"
is_plain(dummy) = strcol("arm") eq "none" && strcol("metric") eq "throughput_msgs_s"
number_of(name) = sum [c = 1:cells] (names[c] eq name ? c : 0)
add_name(dummy) = is_plain(0) && is_server(0) && cells < 256 && number_of(strcol("workload")) == 0 ? \
	(cells = cells + 1, names[cells] = strcol("workload"), cells) : NaN
stats csv using (add_name(0)) nooutput
array in_store[256]
do for [c = 1:256] { in_store[c] = 0 }
mark_store(dummy) = is_plain(0) && strcol("target") eq "store" && number_of(strcol("workload")) > 0 ? \
	(in_store[number_of(strcol("workload"))] = 1, 1) : NaN
stats csv using (mark_store(0)) nooutput

# ---- lines from the top: of each such workload one per target and version that has it ----
gap = 1.0 # between workloads, for their names
array line_of[4096] # 16 * workload + subject - 16, 0: none
do for [i = 1:4096] { line_of[i] = 0 }
next_line = 0.6
do for [c = 1:cells] {
	firsts[c] = next_line + 1
	do for [n = 1:subjects] {
		eval use_subject(n)
		eval extent("W", 'of_target("none", "throughput_msgs_s") && strcol("workload") eq names[c] ? 1 : NaN')
		if (in_store[c] && W_max == 1) {
			next_line = next_line + 1
			line_of[16 * c + n - 16] = next_line
		}
	}
	next_line = in_store[c] ? next_line + gap : next_line
}
line_here(n) = number_of(strcol("workload")) > 0 ? line_of[16 * number_of(strcol("workload")) + n - 16] : 0
y(arm, metric, n) = of_target(arm, metric) && line_here(n) > 0 ? line_here(n) + (arm eq "aes" ? 0.16 : -0.16) : NaN

# ---- axes ----
left = -2
right = 34
N_low = NaN
N_high = NaN
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [arm in "chachapoly aes"] {
		eval extent("H", 'of_target(arm, "throughput_msgs_s") && line_here(n) > 0 ? end_of("high_pct", "overhead_pct") : NaN')
		eval extent("L", 'of_target(arm, "throughput_msgs_s") && line_here(n) > 0 ? end_of("low_pct", "overhead_pct") : NaN')
		eval extent("E", 'of_target(arm, "cpu_ns_per_msg") && line_here(n) > 0 && end_of("added_high", "added") > 0 ? end_of("added_high", "added") : NaN')
		eval extent("F", 'of_target(arm, "cpu_ns_per_msg") && line_here(n) > 0 && end_of("added_low", "added") > 0 ? end_of("added_low", "added") : NaN')
		right = greater(right, H_max)
		left = lesser(left, L_min)
		N_low = lesser(N_low, F_min)
		N_high = greater(N_high, E_max)
	}
}
left = left < -25 ? -25 : left - 2
right = right > 98 ? 100 : right + 4
low_end = 10 ** floor(log10(N_low == N_low ? N_low : 10))
high_end = 10 ** ceil(log10((N_high == N_high ? N_high : 1000) * 1.2))

high = int(182 + 34 * next_line)
eval figure(1280, high)
set multiplot
set tmargin at screen 1 - 100.0 / high
set bmargin at screen 68.0 / high
set label 100 "Store against server: the same workloads, with 95 % intervals" at screen 0.5, screen 1 - 22.0 / high center font ",16" noenhanced
set label 101 "shaded: the documented range; hollow: not distinguishable from plaintext (without a bar: too few rounds); ◀ beyond the axis; on the edge, right: nothing added" \
	at screen 0.5, screen 1 - 48.0 / high center textcolor rgb "#7A6A10" noenhanced
set yrange [next_line + 0.6 - gap:0.2]
unset grid
set grid xtics linecolor rgb "#dddddd" linewidth 1 linetype -1
set key off

hollow(arm, metric) = of_target(arm, metric) && hollow_here(0)
do for [k = 1:2] {
	metric = k == 1 ? "throughput_msgs_s" : "cpu_ns_per_msg"
	estimate = k == 1 ? "overhead_pct" : "added"
	low = k == 1 ? "low_pct" : "added_low"
	top = k == 1 ? "high_pct" : "added_high"
	set lmargin at screen (k == 1 ? 0.225 : 0.635)
	set rmargin at screen (k == 1 ? 0.605 : 0.985)
	set ytics scale 0 noenhanced
	set ytics ("" 0)
	if (k == 1) {
		do for [c = 1:cells] {
			do for [n = 1:subjects] {
				if (line_of[16 * c + n - 16] > 0) { set ytics add (name_of(targets[n], versions[n]) line_of[16 * c + n - 16]) }
			}
			if (in_store[c]) { set label 200 + c names[c] at screen 0.006, first firsts[c] - 0.75 left font ",13" noenhanced }
		}
		set xrange [left:right]
		set xlabel "throughput lost, % of the same target in plaintext" noenhanced
		eval band("x")
		set arrow 1 from first 0, graph 0 to first 0, graph 1 nohead linecolor rgb "#444444" linewidth 1
		set key at screen 0.605, screen 1 - 76.0 / high right center horizontal noenhanced samplen 1
	} else {
		unset label
		unset object
		unset arrow 1
		set key off
		set logscale x 10
		set xrange [low_end * 0.98:high_end * 1.02]
		set xtics ("1 ns" 1, "10 ns" 10, "100 ns" 100, "1 µs" 1e3, "10 µs" 1e4, "100 µs" 1e5, "1 ms" 1e6, "10 ms" 1e7, "100 ms" 1e8, "1 s" 1e9)
		set xlabel "CPU time added per message" noenhanced
	}
	# Where a bar is cut there is an arrow.
	edge = k == 1 ? left : low_end
	tip = k == 1 ? left + 0.03 * (right - left) : low_end * (high_end / low_end) ** 0.03
	at_least(value) = value > edge ? value : edge
	is_cut(arm, n) = y(arm, metric, n) > 0 && end_of(low, estimate) < edge
	plot for [n = 1:subjects] for [arm in "chachapoly aes"] csv \
		using (target = targets[n], version = versions[n], at_least(column(estimate))):(y(arm, metric, n)):(at_least(end_of(low, estimate))):(at_least(end_of(top, estimate))) \
		with xerrorbars linetype (arm eq "aes" ? 4 : 3) title (n == 1 ? arm : ""), \
		for [n = 1:subjects] for [arm in "chachapoly aes"] csv \
		using (target = targets[n], version = versions[n], is_cut(arm, n) && column(estimate) > tip ? tip : NaN):(y(arm, metric, n)):(edge - tip):(0) \
		with vectors head size screen 0.007, 28 filled linetype (arm eq "aes" ? 4 : 3) notitle, \
		for [n = 1:subjects] for [arm in "chachapoly aes"] csv \
		using (target = targets[n], version = versions[n], hollow(arm, metric) ? at_least(column(estimate)) : NaN):(y(arm, metric, n)) \
		with points linecolor rgb "white" pointtype (arm eq "aes" ? 5 : 7) pointsize 0.6 notitle
}
unset multiplot
