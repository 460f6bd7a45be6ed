# latency.gp - latency percentiles of one operation, by workload and arm. A row per target and
# version, on the same axis.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
open_cells = 1
eval find_subjects(plaintext("latency_p50_ns"))
eval cells_most
foot = cells_max > 8 ? 84 : 34
height = 86 + ((subjects > 1 ? 340 : 440) + foot) * subjects
eval figure(1280, height)

arms = "none none-twin chachapoly aes"
names = "plaintext 'plaintext again' chachapoly aes"
lines = "1 2 3 4"
aside(i) = 0.2 * (i - 2.5)
of(arm, metric) = of_target(arm, metric) ? column("value") : NaN
# The interval of the ratio to plaintext, at the point it belongs to.
end_at(arm, metric, name) = of_target(arm, metric) ? \
	column("value") * (100 + end_of(name, "overhead_pct")) / (100 + column("overhead_pct")) : NaN
x(arm, metric, i) = cell_of(arm, metric) + aside(i)

low = NaN
high = NaN
do for [n = 1:subjects] {
	eval use_subject(n)
	eval extent("P", 'of_target("none", "latency_p50_ns") ? column("value") : NaN')
	eval extent("Q", 'strcol("target") eq target && strcol("target_version") eq version && (strcol("metric") eq "latency_p99_ns" || strcol("metric") eq "latency_p999_ns") ? column("value") : NaN')
	low = lesser(low, P_min)
	high = greater(high, Q_max)
}

# Room below for the values, which are turned: so much of the panel's height is a text of ten letters.
text_share = (cells_max > 12 ? 66.0 : 80.0) / ((subjects > 1 ? 340 : 440) - 44)
high_ns = or(high, 1000) * 3
foot_ns = high_ns / (high_ns / or(low, 1000)) ** (1 / (1 - text_share))

set multiplot
set label 100 "Latency of one operation, from its own start to its end (service time)" at screen 0.5, screen 1 - 22.0 / height center font ",15" noenhanced
set label 101 "filled: median, with its value; open: 99th percentile; cross: 99.9th (where a slice has 1000 or more); medians of the rounds; bars: 95 % intervals against plaintext" \
	at screen 0.5, screen 1 - 48.0 / height center noenhanced
do for [n = 1:subjects] {
	eval use_subject(n)
	eval workload_tics
	eval panel(1280, height, 86, 1, 1, n, subjects, foot)
	set title subject font ",13" noenhanced
	set logscale y 10
	eval time_tics
	set yrange [foot_ns:high_ns]
	if (n == 1) { set key at screen 0.99, screen 1 - 72.0 / height right horizontal Left reverse } else { set key off }
	plot for [i = 1:4] csv using (x(word(arms, i), "latency_p50_ns", i)):(of(word(arms, i), "latency_p50_ns")) with points linetype word(lines, i) + 0 pointtype 7 title word(names, i), \
		for [i = 1:4] csv using (x(word(arms, i), "latency_p99_ns", i)):(of(word(arms, i), "latency_p99_ns")) with points linetype word(lines, i) + 0 pointtype 6 notitle, \
		for [i = 1:4] csv using (x(word(arms, i), "latency_p999_ns", i)):(of(word(arms, i), "latency_p999_ns")) with points linetype word(lines, i) + 0 pointtype 1 notitle, \
		for [i = 2:4] csv using (x(word(arms, i), "latency_p50_ns", i)):(end_at(word(arms, i), "latency_p50_ns", "low_pct")):(0):(end_at(word(arms, i), "latency_p50_ns", "high_pct") - end_at(word(arms, i), "latency_p50_ns", "low_pct")) \
		with vectors nohead linetype word(lines, i) + 0 linewidth 1 notitle, \
		for [i = 2:4] csv using (x(word(arms, i), "latency_p99_ns", i)):(end_at(word(arms, i), "latency_p99_ns", "low_pct")):(0):(end_at(word(arms, i), "latency_p99_ns", "high_pct") - end_at(word(arms, i), "latency_p99_ns", "low_pct")) \
		with vectors nohead linetype word(lines, i) + 0 linewidth 1 notitle, \
		for [i = 1:4] csv using (x(word(arms, i), "latency_p50_ns", i)):(of(word(arms, i), "latency_p50_ns")):(ns_text(column("value"))) with labels rotate by 90 right offset 0, -0.6 font (cells_max > 12 ? ",9" : ",11") notitle, \
		nothing_log notitle
	eval clean
}
unset multiplot
