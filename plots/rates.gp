# rates.gp - open loops: what a cipher adds to percentiles of the response time, by workload (which
# stands for a rate). A row per target and version, a panel per percentile.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
closed_cells = 0
open_cells = 1
eval find_subjects(plaintext("response_p99_ns"))
height = 120 + 400 * subjects
eval figure(1280, height)

arms = "none-twin chachapoly aes"
lines = "2 3 4"
metrics = "response_p50_ns response_p99_ns response_p999_ns"
titles = "'median' '99th percentile' '99.9th percentile'"
aside(i) = 0.16 * (i - 2)
x(arm, metric, i) = cell_of(arm, metric) + aside(i)
of(arm, metric) = of_target(arm, metric) ? column("overhead_pct") : NaN
hollow(arm, metric) = of_target(arm, metric) && hollow_here(0) ? column("overhead_pct") : NaN

# Below each cell its workload, the rate and what the percentile is in plaintext.
array rates[256]
array plain[256]
count_text(n) = n >= 999500 ? sprintf("%.3g M", n / 1e6) : n >= 999.5 ? sprintf("%.3g k", n / 1e3) : sprintf("%.3g", n)
note_rate(dummy) = (cell_of("none", "offered_msgs_s"), \
	of_target("none", "offered_msgs_s") && cell_number <= 256 ? (rates[cell_number] = column("value"), cell_number) : NaN)
# What was reached at least by any arm, as a share of what was offered.
array reached[256]
note_reached(dummy) = (cell_of("none", "reached_msgs_s"), \
	is_here(0) && strcol("metric") eq "reached_msgs_s" && cell_number > 0 && cell_number <= 256 ? \
	(reached[cell_number] = lesser(reached[cell_number], column("value") / rates[cell_number]), cell_number) : NaN)
note_plain(metric) = (cell_of("none", metric), \
	of_target("none", metric) && cell_number <= 256 ? (plain[cell_number] = column("value"), cell_number) : NaN)

set multiplot
set key off
# As in the table: below that share an arm does not take the rate.
reached_least = 0.95
set label 106 "✗ after a rate: not reached by every arm; those response times are of a queue that grows" \
	at screen 0.5, screen 14.0 / height center noenhanced
eval arm_key(height, 74.0)
set label 100 "Response time at a given rate: what a cipher adds to plaintext at the same rate, with 95 % intervals" \
	at screen 0.5, screen 1 - 22.0 / height center font ",15" noenhanced
set label 101 "below each workload: messages offered a second, and the percentile in plaintext; the response time counts from the moment an operation was to start" \
	at screen 0.5, screen 1 - 48.0 / height center noenhanced
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [k = 1:3] {
		metric = word(metrics, k)
		eval workload_tics
		eval panel(1280, height, 92, k, 3, n, subjects, 90)
		stats csv using (note_rate(0)) nooutput
		do for [c = 1:256] { reached[c] = NaN }
		stats csv using (note_reached(0)) nooutput
		do for [c = 1:256] { plain[c] = NaN }
		stats csv using (note_plain(metric)) nooutput
		do for [c = 1:int(CELLS_max)] {
			set xtics add (sprintf("%s\n%s/s%s\n%s", workloads[c], count_text(rates[c]), reached[c] < reached_least ? " ✗" : "", plain[c] == plain[c] ? ns_text(plain[c]) : "-") c)
		}
		# Of a machine that was not quiet the ends of intervals may lie far out: they are cut.
		top = 50
		end = 0
		least = 0
		drawn = 0
		do for [i = 1:3] {
			eval extent("E", 'of(word(arms, i), metric)')
			eval extent("H", 'of_target(word(arms, i), metric) ? end_of("high_pct", "overhead_pct") : NaN')
			drawn = drawn + (E_max == E_max ? 1 : 0)
			top = greater(top, 3 * E_max)
			end = greater(end, H_max)
			eval extent("L", 'of_target(word(arms, i), metric) ? end_of("low_pct", "overhead_pct") : NaN')
			least = lesser(least, L_min)
		}
		# Room at both ends, so that no point lies on the frame.
		top = lesser(top, end)
		room = 0.08 * greater(top - least, 10)
		set yrange [least - room:top + room]
		if (drawn == 0) {
			set yrange [-1:1]
			set ytics scale 0 ("" 0)
			set label 8 k == 3 ? "not measured: it takes slices\nof 1000 operations or more" : "not measured" at graph 0.5, graph 0.6 center textcolor rgb "#666666" noenhanced
		}
		set title subject . ": " . word(titles, k) font ",12" noenhanced
		if (k == 1) { set ylabel "added, % of plaintext" noenhanced offset 1, 0 }
		if (drawn > 0) { set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead linecolor rgb "#444444" linewidth 1 }
		plot for [i = 1:3] csv using (x(word(arms, i), metric, i)):(of(word(arms, i), metric)):(end_of("low_pct", "overhead_pct")):(end_of("high_pct", "overhead_pct")) \
			with yerrorbars linetype word(lines, i) + 0 notitle, \
			for [i = 2:3] csv using (x(word(arms, i), metric, i)):(hollow(word(arms, i), metric)) \
			with points linecolor rgb "white" pointtype 7 pointsize 0.5 notitle, \
			nothing notitle
		unset arrow 1
		eval clean
	}
}
unset multiplot
