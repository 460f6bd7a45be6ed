# disk.gp - how much more a stream takes on disk than in plaintext, by workload: bytes of the
# files, and blocks that the file system gave for them.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5 ARG6 ARG7
eval figure(1280, 520)

arms = "chachapoly aes"
lines = "3 4"
aside(i) = 0.36 * (i - 1.5)
growth(arm, metric) = of_target(arm, metric) ? column("overhead_pct") : NaN
percent_text(p) = abs(p) < 0.00005 ? "0 %" : abs(p) < 0.1 ? sprintf("%.2g %%", p) : sprintf("%.2f %%", p)

eval extent("G", '(of_target("chachapoly", "disk_allocated_bytes") || of_target("aes", "disk_allocated_bytes")) ? column("overhead_pct") : NaN')
eval extent("H", '(of_target("chachapoly", "disk_apparent_bytes") || of_target("aes", "disk_apparent_bytes")) ? column("overhead_pct") : NaN')
top(g) = g > 0 ? g * 1.9 : 0.01

set multiplot layout 1,2 margins 0.06, 0.995, 0.25, 0.80 spacing 0.07 \
	title sprintf("Disk growth against plaintext at equal block size, %s", subject) font ",16" noenhanced
set ylabel "%" noenhanced
eval workload_tics
set xtics rotate by 35 right
set key top left Left reverse horizontal
set boxwidth 0.34
set style fill solid 0.85 noborder

do for [metric in "disk_allocated_bytes disk_apparent_bytes"] {
	set title metric eq "disk_allocated_bytes" ? "allocated by the file system" : "bytes in the files"
	set yrange [0:top(metric eq "disk_allocated_bytes" ? G_max : H_max)]
	plot for [i = 1:2] summary using (cell_of(word(arms, i), metric) + aside(i)):(growth(word(arms, i), metric)) with boxes linetype word(lines, i) + 0 title word(arms, i), \
		for [i = 1:2] summary using (cell_of(word(arms, i), metric) + aside(i)):(growth(word(arms, i), metric)):(percent_text(column("overhead_pct"))) with labels noenhanced rotate by 90 left offset 0, 0.4 font ",12" notitle, \
		nothing notitle
}
unset multiplot
