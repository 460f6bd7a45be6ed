# disk.gp - how much more a stream takes on disk than in plaintext, by workload: bytes of the
# files, and blocks that the file system gave for them. A row per target and version.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
open_cells = 1
eval find_subjects(plaintext("disk_allocated_bytes"))
eval cells_most
height = 56 + (subjects > 1 ? 350 : 460) * subjects
eval figure(1280, height)

arms = "chachapoly aes"
lines = "3 4"
aside(i) = 0.36 * (i - 1.5)
growth(arm, metric) = of_target(arm, metric) ? column("overhead_pct") : NaN
percent_text(p) = abs(p) < 0.00005 ? "0 %" : abs(p) < 0.1 ? sprintf("%.2g %%", p) : sprintf("%.2f %%", p)
either(metric) = of_target("chachapoly", metric) || of_target("aes", metric) ? column("overhead_pct") : NaN

# One axis for all: bars of one height are one growth, on either side.
least = 0
most = 0
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [metric in "disk_allocated_bytes disk_apparent_bytes"] {
		eval extent("G", 'either(metric)')
		least = lesser(least, G_min)
		most = greater(most, G_max)
	}
}

set multiplot
set label 100 "Disk growth against plaintext" at screen 0.5, screen 1 - 22.0 / height center font ",15" noenhanced
set boxwidth 0.34
set style fill solid 0.85 noborder
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [k = 1:2] {
		metric = k == 1 ? "disk_allocated_bytes" : "disk_apparent_bytes"
		eval workload_tics
		set xtics rotate by 35 right
		eval panel(1280, height, 40, k, 2, n, subjects, 96)
		set title sprintf("%s: %s", subject, k == 1 ? "allocated by the file system" : "bytes in the files") font ",13" noenhanced
		set format y "%g %%"
		set yrange [least < 0 ? least * 1.9 : 0:most > 0 ? most * 1.9 : 0.01]
		if (n == 1 && k == 1) { set key at screen 0.99, screen 1 - 22.0 / height right center horizontal Left reverse } else { set key off }
		plot for [i = 1:2] csv using (cell_of(word(arms, i), metric) + aside(i)):(growth(word(arms, i), metric)) with boxes linetype word(lines, i) + 0 title word(arms, i), \
			for [i = 1:2] csv using (cell_of(word(arms, i), metric) + aside(i)):(growth(word(arms, i), metric)):(percent_text(column("overhead_pct"))) with labels noenhanced rotate by 90 left offset 0, 0.4 font (cells_max > 12 ? ",8" : ",12") notitle, \
			nothing notitle
		eval clean
	}
}
unset multiplot
