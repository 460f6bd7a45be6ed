# latency.gp - latency percentiles of one operation, by workload and arm.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5 ARG6 ARG7
eval figure(1280, 560)

arms = "none chachapoly aes"
names = "plaintext chachapoly aes"
lines = "1 3 4"
aside(i) = 0.2 * (i - 2)
of(arm, metric) = of_target(arm, metric) ? column("value") : NaN
x(arm, metric, i) = cell_of(arm, metric) + aside(i)

set title sprintf("Latency of one operation, %s\nfilled: median, with its value; open: 99th percentile; cross: 99.9th (where a slice has 1000 or more); medians of the rounds", subject) font ",14" noenhanced
eval extent("P", 'of_target("none", "latency_p50_ns") ? column("value") : NaN')
eval extent("Q", 'strcol("target") eq target && (strcol("metric") eq "latency_p99_ns" || strcol("metric") eq "latency_p999_ns") ? column("value") : NaN')
eval workload_tics
set logscale y 10
set ytics ("10 ns" 10, "100 ns" 100, "1 µs" 1e3, "10 µs" 1e4, "100 µs" 1e5, "1 ms" 1e6, "10 ms" 1e7, "100 ms" 1e8, "1 s" 1e9)
# Room below for the values, above for the names of the arms.
set yrange [P_min == P_min ? P_min / 20 : 10:Q_max == Q_max ? Q_max * 10 : 1000]
set key top left Left reverse horizontal
plot for [i = 1:3] summary using (x(word(arms, i), "latency_p50_ns", i)):(of(word(arms, i), "latency_p50_ns")) with points linetype word(lines, i) + 0 pointtype 7 title word(names, i), \
	for [i = 1:3] summary using (x(word(arms, i), "latency_p99_ns", i)):(of(word(arms, i), "latency_p99_ns")) with points linetype word(lines, i) + 0 pointtype 6 notitle, \
	for [i = 1:3] summary using (x(word(arms, i), "latency_p999_ns", i)):(of(word(arms, i), "latency_p999_ns")) with points linetype word(lines, i) + 0 pointtype 1 notitle, \
	for [i = 1:3] summary using (x(word(arms, i), "latency_p50_ns", i)):(of(word(arms, i), "latency_p50_ns")):(ns_text(column("value"))) with labels rotate by 90 right offset 0, -0.6 font ",11" notitle, \
	nothing_log notitle
