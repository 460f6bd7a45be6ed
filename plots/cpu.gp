# cpu.gp - CPU time per message of every workload: the number is what a message costs, the height
# of the bar is relative to plaintext in the same workload.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5 ARG6 ARG7
eval figure(1280, 560)

arms = "none chachapoly aes"
names = "plaintext chachapoly aes"
lines = "1 3 4"
aside(i) = 0.29 * (i - 2)
x(arm, i) = cell_of(arm, "cpu_ns_per_msg") + aside(i)
relative(arm) = of_target(arm, "cpu_ns_per_msg") ? 100.0 * column("value") / column("baseline_value") : NaN

eval extent("R", '(of_target("chachapoly", "cpu_ns_per_msg") || of_target("aes", "cpu_ns_per_msg")) ? 100.0 * column("value") / column("baseline_value") : NaN')
top = R_max > 100 ? R_max : 100

set title sprintf("CPU time per message, %s\nthe number is the cost, the height is relative to plaintext in the same workload", subject) font ",14" noenhanced
set ylabel "% of plaintext" noenhanced
eval workload_tics
set yrange [0:top * 1.3]
set key top left Left reverse horizontal
set boxwidth 0.28
set style fill solid 0.85 noborder
plot for [i = 1:3] summary using (x(word(arms, i), i)):(relative(word(arms, i))) with boxes linetype word(lines, i) + 0 title word(names, i), \
	for [i = 1:3] summary using (x(word(arms, i), i)):(relative(word(arms, i))):(ns_text(column("value"))) with labels rotate by 90 left offset 0, 0.4 font ",12" notitle
