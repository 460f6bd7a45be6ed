# rates.gp - open loops: what a cipher adds to percentiles of the response time, by workload (which
# stands for a rate). A row per target and version, a panel per percentile.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
closed_cells = 0
open_cells = 1
eval find_subjects(plaintext("response_p99_ns"))
height = 100 + 400 * subjects
eval figure(1280, height)

arms = "none-twin chachapoly aes"
lines = "2 3 4"
metrics = "response_p50_ns response_p99_ns response_p999_ns"
titles = "'median' '99th percentile' '99.9th percentile'"
aside(i) = 0.16 * (i - 2)
x(arm, metric, i) = cell_of(arm, metric) + aside(i)
of(arm, metric) = of_target(arm, metric) ? column("overhead_pct") : NaN
unseen(arm, metric) = of_target(arm, metric) && unseen_here(0) ? column("overhead_pct") : NaN

# Below each cell its workload, the rate and what the percentile is in plaintext.
array rates[256]
array plain[256]
count_text(n) = n >= 999500 ? sprintf("%.3g M", n / 1e6) : n >= 999.5 ? sprintf("%.3g k", n / 1e3) : sprintf("%.3g", n)
note_rate(dummy) = (cell_of("none", "offered_msgs_s"), \
	of_target("none", "offered_msgs_s") && cell_number <= 256 ? (rates[cell_number] = column("value"), cell_number) : NaN)
note_plain(metric) = (cell_of("none", metric), \
	of_target("none", metric) && cell_number <= 256 ? (plain[cell_number] = column("value"), cell_number) : NaN)

set multiplot
set key off
set label 102 "✕ plaintext again" at screen 0.40, screen 1 - 74.0 / height center textcolor rgb twin_color noenhanced
set label 103 "● chachapoly" at screen 0.53, screen 1 - 74.0 / height center textcolor rgb chachapoly_color noenhanced
set label 104 "■ aes" at screen 0.62, screen 1 - 74.0 / height center textcolor rgb aes_color noenhanced
set label 100 "Response time at a given rate: what a cipher adds to plaintext at the same rate, with 95 % intervals" \
	at screen 0.5, screen 1 - 22.0 / height center font ",15" noenhanced
set label 101 "below each workload: messages offered a second, and the percentile in plaintext; hollow: not distinguishable from plaintext" \
	at screen 0.5, screen 1 - 48.0 / height center noenhanced
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [k = 1:3] {
		metric = word(metrics, k)
		eval workload_tics
		eval panel(1280, height, 92, k, 3, n, subjects, 70)
		stats csv using (note_rate(0)) nooutput
		do for [c = 1:256] { plain[c] = NaN }
		stats csv using (note_plain(metric)) nooutput
		do for [c = 1:int(CELLS_max)] {
			set xtics add (sprintf("%s\n%s/s\n%s", workloads[c], count_text(rates[c]), plain[c] == plain[c] ? ns_text(plain[c]) : "-") c)
		}
		# Of a machine that was not quiet the ends of intervals may lie far out: they are cut.
		top = 50
		end = 0
		do for [i = 1:3] {
			eval extent("E", 'of(word(arms, i), metric)')
			eval extent("H", 'of_target(word(arms, i), metric) ? end_of("high_pct", "overhead_pct") : NaN')
			top = greater(top, 3 * E_max)
			end = greater(end, H_max)
		}
		if (end > top) { set yrange [*:top] }
		set title subject . ": " . word(titles, k) font ",12" noenhanced
		if (k == 1) { set ylabel "added, % of plaintext" noenhanced offset 1, 0 }
		set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead linecolor rgb "#444444" linewidth 1
		plot for [i = 1:3] csv using (x(word(arms, i), metric, i)):(of(word(arms, i), metric)):(end_of("low_pct", "overhead_pct")):(end_of("high_pct", "overhead_pct")) \
			with yerrorbars linetype word(lines, i) + 0 notitle, \
			for [i = 1:3] csv using (x(word(arms, i), metric, i)):(unseen(word(arms, i), metric)) \
			with points linecolor rgb "white" pointtype 7 pointsize 0.5 notitle, \
			0 linecolor rgb "#444444" linewidth 1 notitle
		unset arrow 1
		eval clean
	}
}
unset multiplot
