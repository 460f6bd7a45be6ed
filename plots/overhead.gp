# overhead.gp - what a cipher costs, against payload size: in percent of plaintext with the
# documentation's range shaded, and the same in added CPU time per message. A column per target and
# version, all on the same axes; of one target the two stand side by side.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects(plaintext("throughput_msgs_s") . ' && strcol("class") eq class')

width = subjects > 3 ? 420 * subjects : 1280
height = subjects > 1 ? 880 : 600
eval figure(width, height)

arms = "none-twin chachapoly aes"
aside = "1 0.955 1.047" # intervals stand beside, not on each other

positive(ns) = ns > 0 ? ns : NaN
unseen(arm, metric) = of_class(arm, metric) && unseen_here(0)
bound_at(arm, bytes) = unseen(arm, "throughput_msgs_s") && column("payload_bytes") == bytes ? at_most_pct(0) : NaN
added_bound_at(arm, bytes) = unseen(arm, "cpu_ns_per_msg") && column("payload_bytes") == bytes ? at_most_added(0) : NaN
# "8 %", or "≤ 14 %"
percent_text(estimate, bound) = bound == bound ? sprintf("≤ %.0f %%", bound) : sprintf("%.0f %%", estimate)
time_or_bound(ns, bound) = bound == bound ? "≤ " . ns_text(bound) : ns_text(ns)

# ---- axes that hold every target ----
left = NaN
right = NaN
top = 34
bottom = -1
N_low = NaN
N_high = NaN
do for [n = 1:subjects] {
	eval use_subject(n)
	eval extent("X", 'cell("none", "throughput_msgs_s", "payload_bytes")')
	left = lesser(left, X_min)
	right = greater(right, X_max)
	do for [arm in arms] {
		eval extent("H", 'of_class(arm, "throughput_msgs_s") ? end_of("high_pct", "overhead_pct") : NaN')
		eval extent("L", 'of_class(arm, "throughput_msgs_s") ? end_of("low_pct", "overhead_pct") : NaN')
		top = H_max > top ? H_max : top
		bottom = L_min < bottom ? L_min : bottom
	}
	do for [arm in "chachapoly aes"] {
		eval extent("E", 'cell(arm, "cpu_ns_per_msg", "added_high")')
		eval extent("F", 'positive(cell(arm, "cpu_ns_per_msg", "added_low"))')
		eval extent("G", 'positive(cell(arm, "cpu_ns_per_msg", "added"))')
		N_high = greater(greater(N_high, E_max), G_max)
		N_low = lesser(lesser(N_low, F_min), G_min)
	}
}
# Of a machine that was not quiet the ends of intervals may lie far out.
bottom = bottom < -50 ? -50 : bottom
# Room for a label at the point that lies highest and lowest.
height_pct = (top - bottom) * 1.22
bottom = bottom - height_pct * 0.07
top = bottom + height_pct
# Whole decades, so that both ends are labelled and every interval lies within; an end that is
# not above zero has no place on this axis and gets an arrow.
N_low = N_low == N_low ? N_low : 10
N_high = N_high == N_high && N_high > N_low ? N_high : N_low * 10
low_end = 10 ** floor(log10(N_low < 1 ? 1 : N_low))
high_end = 10 ** ceil(log10(N_high * 1.3))

inside(y) = y < bottom ? bottom : y > top ? top : y
# Names are pushed apart when their points are close; above for the higher of the two.
name_at(y, other, step) = other != other || abs(y - other) >= step ? y : \
	(y + other) / 2 + (y >= other ? step / 2 : -step / 2)
above(y, other) = other != other || y >= other
log_of(ns) = ns > 0 ? log10(ns) : NaN
# Not on the zero line: a label goes beyond it when it would lie there.
off_zero(y, up) = up ? (y + 0.036 * height_pct > -0.02 * height_pct && y + 0.036 * height_pct < 0.03 * height_pct ? 0.005 * height_pct : y) : \
	(y - 0.036 * height_pct > -0.03 * height_pct && y - 0.036 * height_pct < 0.03 * height_pct ? -0.005 * height_pct : y)

place(n, k) = subjects == 1 ? panel(width, height, 70, k, 2, 1, 1, 62) : \
	panel(width, height, 84, n, subjects, k, 2, 58)
head_of(n, what) = subjects == 1 ? sprintf("%s: %s", subject, what) : what
# Narrow panels have room for every fourth size.
eval subjects == 1 ? "sizes = size_tics" : "sizes = size_tics_few"
set multiplot
set label 100 sprintf("What encryption costs, class “%s”, with 95 %% intervals", class) \
	at screen 0.5, screen 1 - 20.0 / height center font ",16" noenhanced
set label 101 sprintf("shaded: the documented range, “as little as 1 %% to more than 30 %%”; numbers at the points: %s", size_text(payload)) \
	at screen 0.5, screen 1 - 48.0 / height center textcolor rgb "#7A6A10" noenhanced
set key off
do for [n = 1:subjects] {
	eval use_subject(n)
	# ---- values at the largest payload, where the names stand, and at the one that is written ----
	eval extent("X", 'cell("none", "throughput_msgs_s", "payload_bytes")')
	eval extent("T_end", 'cell_at("none-twin", "throughput_msgs_s", "overhead_pct", X_max)')
	eval extent("C_end", 'cell_at("chachapoly", "throughput_msgs_s", "overhead_pct", X_max)')
	eval extent("A_end", 'cell_at("aes", "throughput_msgs_s", "overhead_pct", X_max)')
	eval extent("C_one", 'cell_at("chachapoly", "throughput_msgs_s", "overhead_pct", payload)')
	eval extent("A_one", 'cell_at("aes", "throughput_msgs_s", "overhead_pct", payload)')
	eval extent("C_top", 'cell_at("chachapoly", "throughput_msgs_s", "high_pct", payload)')
	eval extent("C_foot", 'cell_at("chachapoly", "throughput_msgs_s", "low_pct", payload)')
	eval extent("A_top", 'cell_at("aes", "throughput_msgs_s", "high_pct", payload)')
	eval extent("A_foot", 'cell_at("aes", "throughput_msgs_s", "low_pct", payload)')
	eval extent("T_top", 'cell_at("none-twin", "throughput_msgs_s", "high_pct", payload)')
	eval extent("T_foot", 'cell_at("none-twin", "throughput_msgs_s", "low_pct", payload)')
	# The bound where nothing is distinguishable from zero, as in the table.
	eval extent("C_bound", 'bound_at("chachapoly", payload)')
	eval extent("A_bound", 'bound_at("aes", payload)')
	eval extent("C_bound_ns", 'added_bound_at("chachapoly", payload)')
	eval extent("A_bound_ns", 'added_bound_at("aes", payload)')
	eval extent("C_last_ns", 'cell_at("chachapoly", "cpu_ns_per_msg", "added", X_max)')
	eval extent("A_last_ns", 'cell_at("aes", "cpu_ns_per_msg", "added", X_max)')
	eval extent("C_this_ns", 'cell_at("chachapoly", "cpu_ns_per_msg", "added", payload)')
	eval extent("A_this_ns", 'cell_at("aes", "cpu_ns_per_msg", "added", payload)')

	# ---- percent ----
	eval place(n, 1)
	set logscale x 2
	eval sizes
	set xrange [left / 2.5:right * (subjects == 1 ? 16 : 48)]
	set xlabel "payload per message"
	set yrange [bottom:top]
	if (n == 1) { set ylabel "throughput lost, % of plaintext" noenhanced offset 1 }
	set title head_of(n, "throughput lost") font ",12" noenhanced
	if (subjects > 1) { set label 7 subject at graph 0.5, graph 1 offset 0, 3.1 center font ",15" noenhanced }
	set object 1 rectangle from graph 0, first 1 to graph 1, first 30 fillcolor rgb "#F6EFC8" fillstyle solid noborder behind
	set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead linecolor rgb "#444444" linewidth 1
	step = height_pct * 0.05
	if (T_end_max == T_end_max) { set label 2 "plaintext again" at X_max * 1.25, inside(T_end_max) textcolor rgb twin_color }
	if (C_end_max == C_end_max) { set label 3 "chachapoly" at X_max * 1.25, inside(name_at(C_end_max, A_end_max, step)) textcolor rgb chachapoly_color }
	if (A_end_max == A_end_max) { set label 4 "aes" at X_max * 1.25, inside(name_at(A_end_max, C_end_max, step)) textcolor rgb aes_color }
	# Clear of every arm's interval: above all of them the dearer one, below them the other.
	C_above = above(C_one_max, A_one_max)
	over = greater(greater(greater(C_one_max, A_one_max), greater(C_top_max, A_top_max)), T_top_max)
	under = lesser(lesser(lesser(C_one_max, A_one_max), lesser(C_foot_min, A_foot_min)), T_foot_min)
	# Far above plaintext it may stand between.
	foot = C_above ? or(A_foot_min, A_one_max) : or(C_foot_min, C_one_max)
	under = foot - height_pct * 0.12 > or(T_top_max, 0) ? foot : under
	C_label = off_zero(C_above ? over : under, C_above)
	A_label = off_zero(C_above ? under : over, !C_above)
	if (C_one_max == C_one_max) { set label 5 percent_text(C_one_max, C_bound_max) at payload, inside(C_label) \
		center offset 0, (C_above ? 0.9 : -0.9) textcolor rgb chachapoly_color noenhanced }
	if (A_one_max == A_one_max) { set label 6 percent_text(A_one_max, A_bound_max) at payload, inside(A_label) \
		center offset 0, (C_above ? -0.9 : 0.9) textcolor rgb aes_color noenhanced }
	plot for [i = 1:3] csv using (column("payload_bytes") * word(aside, i)):(cell(word(arms, i), "throughput_msgs_s", "overhead_pct")):(end_of("low_pct", "overhead_pct")):(end_of("high_pct", "overhead_pct")) \
		with yerrorlines linetype i + 1, nothing notitle, \
		for [i = 1:3] csv using (column("payload_bytes") * word(aside, i)):(unseen(word(arms, i), "throughput_msgs_s") ? column("overhead_pct") : NaN) \
		with points linecolor rgb "white" pointtype (i == 3 ? 5 : 7) pointsize (i == 1 ? 0 : 0.7) notitle

	# ---- added CPU ----
	eval clean
	eval place(n, 2)
	set logscale x 2
	eval sizes
	set xrange [left / 2.5:right * (subjects == 1 ? 16 : 48)]
	set xlabel "payload per message"
	set logscale y 10
	set yrange [low_end * 0.98:high_end * 1.02]
	eval time_tics
	if (n == 1 && subjects > 1) { set ylabel "added CPU time" noenhanced offset 1 }
	set title head_of(n, "CPU time added per message") font ",12" noenhanced
	if (target eq "store") { set label 7 "a server's own cipher code\nmay cost several times more" at graph 0.97, graph 0.13 right \
		font ",10" textcolor rgb "#666666" noenhanced }
	if (C_last_ns_max != C_last_ns_max && A_last_ns_max != A_last_ns_max) { set label 8 "not measured" at graph 0.5, 0.5 center textcolor rgb "#666666" }
	step = 0.035 * log10(high_end / low_end) * (subjects == 1 ? 1.2 : 1.7)
	if (C_last_ns_max > 0) { set label 3 "chachapoly" at X_max * 1.25, 10 ** name_at(log_of(C_last_ns_max), log_of(A_last_ns_max), step) textcolor rgb chachapoly_color }
	if (A_last_ns_max > 0) { set label 4 "aes" at X_max * 1.25, 10 ** name_at(log_of(A_last_ns_max), log_of(C_last_ns_max), step) textcolor rgb aes_color }
	# Lines rise to the right: the label above stands left of its point, the one below right of it.
	C_above = above(C_this_ns_max, A_this_ns_max)
	C_text = time_or_bound(C_this_ns_max, C_bound_ns_max)
	A_text = time_or_bound(A_this_ns_max, A_bound_ns_max)
	if (C_this_ns_max > 0 && C_above) { set label 5 C_text at payload, C_this_ns_max right offset -0.5, 1 textcolor rgb chachapoly_color noenhanced }
	if (C_this_ns_max > 0 && !C_above) { set label 5 C_text at payload, C_this_ns_max left offset 1, -1 textcolor rgb chachapoly_color noenhanced }
	if (A_this_ns_max > 0 && C_above) { set label 6 A_text at payload, A_this_ns_max left offset 1, -1 textcolor rgb aes_color noenhanced }
	if (A_this_ns_max > 0 && !C_above) { set label 6 A_text at payload, A_this_ns_max right offset -0.5, 1 textcolor rgb aes_color noenhanced }
	plot for [i = 2:3] csv using (column("payload_bytes") * word(aside, i)):(cell(word(arms, i), "cpu_ns_per_msg", "added") > 0 ? column("added") : NaN):(end_of("added_low", "added") > low_end ? end_of("added_low", "added") : low_end):(end_of("added_high", "added")) \
		with yerrorlines linetype i + 1, nothing_log notitle, \
		for [i = 2:3] csv using (column("payload_bytes") * word(aside, i)):(cell(word(arms, i), "cpu_ns_per_msg", "added") > 0 && column("added_low") < low_end ? low_end * 1.25 : NaN):(0):(low_end * -0.25) \
		with vectors filled linetype i + 1 notitle, \
		for [i = 2:3] csv using (column("payload_bytes") * word(aside, i)):(unseen(word(arms, i), "cpu_ns_per_msg") ? column("added") : NaN) \
		with points linecolor rgb "white" pointtype (i == 3 ? 5 : 7) pointsize 0.7 notitle
	eval clean
}
unset multiplot
