# cpu.gp - CPU time per message of every workload: the number is what a message costs, the height
# of the bar is relative to plaintext in the same workload. A row per target and version.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects(plaintext("cpu_ns_per_msg"))
eval cells_most
foot = cells_max > 8 ? 84 : 34
height = 66 + ((subjects > 1 ? 340 : 440) + foot) * subjects
eval figure(1280, height)

arms = "none none-twin chachapoly aes"
names = "plaintext 'plaintext again' chachapoly aes"
lines = "1 2 3 4"
aside(i) = 0.22 * (i - 2.5)
x(arm, i) = cell_of(arm, "cpu_ns_per_msg") + aside(i)
of(arm) = of_target(arm, "cpu_ns_per_msg")
# The estimate over the rounds' pairs, which the interval is of.
relative(arm) = !of(arm) ? NaN : arm eq "none" ? 100 : 100 + column("overhead_pct")
low_of(arm) = !of(arm) ? NaN : arm eq "none" ? 100 : 100 + end_of("low_pct", "overhead_pct")
high_of(arm) = !of(arm) ? NaN : arm eq "none" ? 100 : 100 + end_of("high_pct", "overhead_pct")
# Of a machine that was not quiet the ends of intervals may lie far out: they are cut.
high_cut(arm) = high_of(arm) > top ? top : high_of(arm)

top = 100
ends = 100
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [arm in arms] {
		eval extent("R", 'relative(arm)')
		eval extent("H", 'high_of(arm)')
		ends = greater(ends, H_max)
		top = greater(top, R_max)
	}
}

top = lesser(1.5 * top, ends)
set multiplot
set label 100 "CPU time per message: the number is the cost, the height is relative to plaintext in the same workload, with 95 % intervals" \
	at screen 0.5, screen 1 - 22.0 / height center font ",14" noenhanced
set boxwidth 0.21
set style fill solid 0.85 noborder
do for [n = 1:subjects] {
	eval use_subject(n)
	eval workload_tics
	eval panel(1280, height, 64, 1, 1, n, subjects, foot)
	set title subject font ",13" noenhanced
	set ylabel "% of plaintext" noenhanced
	set yrange [0:top * 1.38]
	if (n == 1) { set key at screen 0.99, screen 1 - 50.0 / height right horizontal Left reverse } else { set key off }
	plot for [i = 1:4] csv using (x(word(arms, i), i)):(relative(word(arms, i))) with boxes linetype word(lines, i) + 0 title word(names, i), \
		for [i = 2:4] csv using (x(word(arms, i), i)):(low_of(word(arms, i))):(0):(high_cut(word(arms, i)) - low_of(word(arms, i))) \
		with vectors nohead linecolor rgb "#222222" linewidth 1.5 notitle, \
		for [i = 1:4] csv using (x(word(arms, i), i)):(high_cut(word(arms, i))):(ns_text(column("value"))) with labels rotate by 90 left offset 0, 0.4 font (cells_max > 12 ? ",8" : ",11") notitle, \
		nothing notitle
	eval clean
}
unset multiplot
