# cpu.gp - CPU time per message of every workload: the number is what a message costs, the height
# of the bar is relative to plaintext in the same workload. A row per target and version.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects(plaintext("cpu_ns_per_msg"))
eval cells_most
foot = cells_max > 8 ? 84 : 34
height = 42 + ((subjects > 1 ? 340 : 440) + foot) * subjects
eval figure(1280, height)

arms = "none chachapoly aes"
names = "plaintext chachapoly aes"
lines = "1 3 4"
aside(i) = 0.29 * (i - 2)
x(arm, i) = cell_of(arm, "cpu_ns_per_msg") + aside(i)
relative(arm) = of_target(arm, "cpu_ns_per_msg") ? 100.0 * column("value") / column("baseline_value") : NaN

top = 100
do for [n = 1:subjects] {
	eval use_subject(n)
	eval extent("R", '(of_target("chachapoly", "cpu_ns_per_msg") || of_target("aes", "cpu_ns_per_msg")) ? 100.0 * column("value") / column("baseline_value") : NaN')
	top = greater(top, R_max)
}

set multiplot
set label 100 "CPU time per message: the number is the cost, the height is relative to plaintext in the same workload" \
	at screen 0.5, screen 1 - 22.0 / height center font ",14" noenhanced
set boxwidth 0.28
set style fill solid 0.85 noborder
do for [n = 1:subjects] {
	eval use_subject(n)
	eval workload_tics
	eval panel(1280, height, 40, 1, 1, n, subjects, foot)
	set title subject font ",13" noenhanced
	set ylabel "% of plaintext" noenhanced
	set yrange [0:top * 1.38]
	if (n == 1) { set key at screen 0.99, screen 1 - 50.0 / height right horizontal Left reverse } else { set key off }
	plot for [i = 1:3] csv using (x(word(arms, i), i)):(relative(word(arms, i))) with boxes linetype word(lines, i) + 0 title word(names, i), \
		for [i = 1:3] csv using (x(word(arms, i), i)):(relative(word(arms, i))):(ns_text(column("value"))) with labels rotate by 90 left offset 0, 0.4 font ",12" notitle, \
		nothing notitle
	eval clean
}
unset multiplot
