# classes.gp - what a cipher costs each kind of operation: a row per class, the dearest on top, its
# throughput lost as a point with its interval and in figures, beside it the CPU time added per message.
# Of one target and version.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects(plaintext("throughput_msgs_s"))
eval use_subject(int(ARG5))

# Classes of the ready workloads in words; any other keeps its name.
in_words(class) = \
	class eq "publish" ? "publish" : \
	class eq "publish-async" ? "publish, writes coalesced" : \
	class eq "publish-one" ? "publish, one at a time" : \
	class eq "publish-equal-blocks" ? "publish, equal block size" : \
	class eq "publish-always" ? "publish, each synced to the disk" : \
	class eq "read" ? "read in order" : \
	class eq "read-ordered" ? "read, ordered consumer" : \
	class eq "read-cold" ? "read in order, from the disk" : \
	class eq "get" ? "get one, its block deciphered" : \
	class eq "get-cold" ? "get one, its block from the disk" : \
	class eq "get-record" ? "get one, it alone deciphered" : \
	class eq "last" ? "get the last of a subject" : \
	class eq "tail" ? "publish, read right behind" : \
	class eq "mixed" ? "publish and get at once" : \
	class eq "delete" ? "delete, compact" : \
	class eq "purge" ? "purge" : \
	class eq "open" ? "open, with its state file" : \
	class eq "open-recover" ? "open, every block read" : \
	class eq "open-server" ? "start, with its state file" : \
	class eq "open-server-recover" ? "start, every block read" : \
	class eq "encrypt" ? "encrypt a stream" : \
	class eq "change-cipher" ? "change the cipher" : \
	class eq "rotate-key" ? "rotate the key" : \
	class eq "snapshot" ? "write a snapshot" : \
	class eq "restore" ? "restore a snapshot" : class

# ---- the cells: of each class the one with the payload nearest to the one asked for ----
array names[256]
array classes[256]
array sizes[256]
cells = 0
add_cell(dummy) = of_target("none", "throughput_msgs_s") && cells < 256 ? \
	(cells = cells + 1, names[cells] = strcol("workload"), classes[cells] = strcol("class"), \
	sizes[cells] = column("payload_bytes"), cells) : NaN
stats csv using (add_cell(0)) nooutput
apart(i) = abs(log(sizes[i] / payload))
better(i, j) = apart(j) < apart(i) || (apart(j) == apart(i) && j < i)
kept(i) = (sum [j = 1:cells] (classes[j] eq classes[i] && better(i, j) ? 1 : 0)) == 0

# ---- their estimates ----
cell_here(dummy) = sum [i = 1:cells] (names[i] eq strcol("workload") ? i : 0)
value_of(arm, metric, expression, to) = \
	sprintf("array %s[256]; do for [i = 1:256] { %s[i] = NaN }; ", to, to) . \
	sprintf("stats csv using (of_target('%s', '%s') && cell_here(0) > 0 ? (%s[cell_here(0)] = %s, 0) : NaN) nooutput", \
		arm, metric, to, expression)
column_of(arm, metric, name, to) = value_of(arm, metric, "column('" . name . "')", to)
flag_in(arm, metric, condition, to) = \
	sprintf("array %s[256]; do for [i = 1:256] { %s[i] = 0 }; ", to, to) . \
	sprintf("stats csv using (of_target('%s', '%s') && (%s) && cell_here(0) > 0 ? (%s[cell_here(0)] = 1, 0) : NaN) nooutput", \
		arm, metric, condition, to)
do for [arm in "twin chachapoly aes"] {
	row = arm eq "twin" ? "none-twin" : arm
	do for [name in "overhead_pct low_pct high_pct"] {
		eval column_of(row, "throughput_msgs_s", name, arm . "_" . name)
	}
	eval column_of(row, "cpu_ns_per_msg", "added", arm . "_added")
	eval value_of(row, "throughput_msgs_s", "at_most_pct(0)", arm . "_most")
	eval value_of(row, "cpu_ns_per_msg", "at_most_added(0)", arm . "_cpu_most")
	eval flag_in(row, "throughput_msgs_s", "unseen_here(0)", arm . "_unseen")
	eval flag_in(row, "cpu_ns_per_msg", "unseen_here(0)", arm . "_cpu_unseen")
	eval flag_in(row, "throughput_msgs_s", "hollow_here(0)", arm . "_hollow")
}
cost(i) = greater(chachapoly_overhead_pct[i], aes_overhead_pct[i])
known(i) = cost(i) == cost(i) ? cost(i) : -1e9
before(i, j) = known(j) > known(i) || (known(j) == known(i) && j < i)

# ---- rows from the top ----
array row_of[256]
rows = 0
do for [i = 1:cells] {
	row_of[i] = kept(i) ? 1 + (sum [j = 1:cells] (kept(j) && before(i, j) ? 1 : 0)) : 0
	rows = rows + (row_of[i] > 0 ? 1 : 0)
}
left = -2
right = 30
set print $points
print "row,arm,estimate,low,high,hollow"
do for [i = 1:cells] {
	if (row_of[i] > 0) {
		print sprintf("%g,1,%g,%g,%g,%d", row_of[i], twin_overhead_pct[i], \
			or(twin_low_pct[i], twin_overhead_pct[i]), or(twin_high_pct[i], twin_overhead_pct[i]), twin_hollow[i])
		print sprintf("%g,2,%g,%g,%g,%d", row_of[i] - 0.17, chachapoly_overhead_pct[i], \
			or(chachapoly_low_pct[i], chachapoly_overhead_pct[i]), or(chachapoly_high_pct[i], chachapoly_overhead_pct[i]), chachapoly_hollow[i])
		print sprintf("%g,3,%g,%g,%g,%d", row_of[i] + 0.17, aes_overhead_pct[i], \
			or(aes_low_pct[i], aes_overhead_pct[i]), or(aes_high_pct[i], aes_overhead_pct[i]), aes_hollow[i])
		left = lesser(lesser(lesser(left, chachapoly_low_pct[i]), aes_low_pct[i]), twin_overhead_pct[i])
		right = greater(greater(greater(right, chachapoly_high_pct[i]), aes_high_pct[i]), twin_overhead_pct[i])
	}
}
unset print
# Of a machine that was not quiet the ends of intervals may lie far out: they are cut, with an arrow.
cut_text = (left < -25 ? "; ◀ beyond the axis" : "")
left = left < -25 ? -25 : left - 2
right = right > 98 ? 100 : right + 2

high = 216 + 42 * rows
eval figure(1280, high)
set multiplot
set margins 0, 0, 0, 0
set lmargin at screen 0.205
set rmargin at screen 0.64
set tmargin at screen 1 - 112.0 / high
set bmargin at screen 100.0 / high
set title sprintf("What encryption costs, operation by operation: %s", subject) font ",16" noenhanced offset 10, 2.6
set xlabel "throughput lost, % of the same operation in plaintext" noenhanced
set label 7 "bars: 95 % intervals; " . hollow_text . cut_text at screen 0.012, screen 34.0 / high left noenhanced
set label 8 "≤: not distinguishable from plaintext; it costs at most the end of its bar, or the noise floor (what plaintext is off when measured again) where that is higher" \
	at screen 0.012, screen 14.0 / high left noenhanced
set xrange [left:right]
set yrange [rows + 0.6:0.4]
unset grid
set grid xtics linecolor rgb "#dddddd" linewidth 1 linetype -1
set ytics scale 0 noenhanced
set ytics ("" 0)
do for [i = 1:cells] {
	if (row_of[i] > 0) {
		set ytics add (in_words(classes[i]) . (sizes[i] == payload ? "" : ", " . size_text(sizes[i])) row_of[i])
		if (row_of[i] % 2 == 1) {
			set object 100 + i rectangle from screen 0, first row_of[i] - 0.5 to screen 1, first row_of[i] + 0.5 \
				fillcolor rgb "#F4F4F4" fillstyle solid noborder behind
		}
	}
}
set arrow 1 from first 0, graph 0 to first 0, graph 1 nohead linecolor rgb "#444444" linewidth 1

# ---- figures in words, to the right ----
lost_text(estimate, unseen, most) = estimate != estimate ? "-" : \
	unseen ? sprintf("≤ %.0f %%", most) : sprintf("%.0f %%", estimate)
# Per message of a whole stream it may be well below a nanosecond.
time_text(ns) = abs(ns) < 9.95 ? sprintf("%.1f ns", ns) : ns_text(ns)
added_text(ns, unseen, most) = ns != ns ? "-" : \
	unseen ? "≤ " . time_text(most) : (ns > 0 ? "+" : "") . time_text(ns)
at_x(n) = n < 3 ? 0.63 + 0.068 * n : 0.655 + 0.075 * n
top_y = 1 - 62.0 / high
set label 1 "throughput lost" at screen (at_x(1) + at_x(2)) / 2, screen top_y center noenhanced
set label 2 "CPU added per message" at screen (at_x(3) + at_x(4)) / 2, screen top_y center noenhanced
do for [n = 1:4] {
	name = n % 2 == 1 ? "chachapoly" : "aes"
	set label 2 + n name at screen at_x(n), screen top_y - 26.0 / high center \
		textcolor rgb (n % 2 == 1 ? chachapoly_color : aes_color)
}
do for [i = 1:cells] {
	if (row_of[i] > 0) {
		set label 10 + 4 * i lost_text(chachapoly_overhead_pct[i], chachapoly_unseen[i], chachapoly_most[i]) \
			at screen at_x(1), first row_of[i] center textcolor rgb chachapoly_color noenhanced
		set label 11 + 4 * i lost_text(aes_overhead_pct[i], aes_unseen[i], aes_most[i]) \
			at screen at_x(2), first row_of[i] center textcolor rgb aes_color noenhanced
		set label 12 + 4 * i added_text(chachapoly_added[i], chachapoly_cpu_unseen[i], chachapoly_cpu_most[i]) at screen at_x(3), first row_of[i] center textcolor rgb chachapoly_color noenhanced
		set label 13 + 4 * i added_text(aes_added[i], aes_cpu_unseen[i], aes_cpu_most[i]) at screen at_x(4), first row_of[i] center textcolor rgb aes_color noenhanced
	}
}
set key at screen 0.62, screen top_y right horizontal noenhanced samplen 1
show(arm) = column("arm") == arm && column("estimate") >= left ? column("estimate") : NaN
on_axis(x) = x < left ? left : x
# An estimate that the axis has no place for: what of its bar lies within.
beyond(arm) = column("arm") == arm && column("estimate") < left ? left : NaN
# An arrow where a bar is cut; of the twin, a point alone, where its point lies beyond.
cut_left(arm) = column("arm") == arm && column(arm == 1 ? "estimate" : "low") < left ? left : NaN
width_pct = right - left
plot $points using (show(1)):"row" with points linetype 2 title "plaintext again", \
	$points using (show(2)):"row":(on_axis(column("low"))):(on_axis(column("high"))) with xerrorbars linetype 3 title "chachapoly", \
	$points using (show(3)):"row":(on_axis(column("low"))):(on_axis(column("high"))) with xerrorbars linetype 4 title "aes", \
	$points using (column("arm") > 1 && column("hollow") > 0 && column("estimate") >= left ? column("estimate") : NaN):"row" \
	with points linecolor rgb "white" pointtype 7 pointsize 0.5 notitle, \
	for [arm = 2:3] $points using (beyond(arm)):"row":(greater(left, on_axis(column("high"))) - left):(0) with vectors nohead linetype arm + 1 notitle, \
	for [arm = 1:3] $points using (cut_left(arm) + 0.03 * width_pct):"row":(-0.03 * width_pct):(0) with vectors head size screen 0.007, 28 filled linetype arm + 1 notitle
unset multiplot
