# overhead.gp - what a cipher costs, against payload size: in percent of plaintext with the
# documentation's range shaded, and the same in added CPU time per message. A column per target and
# version, all on the same axes; of one target the two stand side by side.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects(plaintext("throughput_msgs_s") . ' && strcol("class") eq class')

width = subjects > 3 ? 420 * subjects : 1280
height = subjects > 1 ? 904 : 624
eval figure(width, height)

arms = "none-twin chachapoly aes"
aside = "1 0.93 1.075" # intervals stand beside, not on each other

positive(ns) = ns > 0 ? ns : NaN
unseen(arm, metric) = of_class(arm, metric) && unseen_here(0)
hollow(arm, metric) = of_class(arm, metric) && hollow_here(0)
bound_at(arm, bytes) = unseen(arm, "throughput_msgs_s") && column("payload_bytes") == bytes ? at_most_pct(0) : NaN
added_bound_at(arm, bytes) = unseen(arm, "cpu_ns_per_msg") && column("payload_bytes") == bytes ? at_most_added(0) : NaN
# "8 %", or "≤ 14 %"
percent_text(estimate, bound) = estimate != estimate ? "-" : bound == bound ? sprintf("≤ %.0f %%", bound) : sprintf("%.0f %%", estimate)
time_or_bound(ns, bound) = ns != ns ? "-" : bound == bound ? "≤ " . ns_text(bound) : ns_text(ns)

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
# Room for the figures above all.
height_pct = (top - bottom) * 1.2
bottom = bottom - height_pct * 0.04
top = bottom + height_pct
# Whole decades, so that both ends are labelled and every interval lies within; an end that is
# not above zero has no place on this axis and gets an arrow.
N_low = N_low == N_low ? N_low : 10
N_high = N_high == N_high && N_high > N_low ? N_high : N_low * 10
low_end = 10 ** floor(log10(N_low < 1 ? 1 : N_low))
high_end = 10 ** ceil(log10(N_high * 1.3))

# What lies below an axis is a triangle at its foot.
foot_pct = bottom + height_pct * 0.03
foot_ns = low_end * (high_end / low_end) ** 0.03
at_foot_or(y, foot) = y < foot ? foot : y
above_foot(y, foot) = y >= foot ? y : NaN
below_foot(y, foot) = y < foot ? foot : NaN
x_of(i) = column("payload_bytes") * word(aside, i)
# For eval: what both cost at the payload of the first sentence, above all points.
figures_in(C, A) = sprintf("set label 4 'at %s:' at graph 0.03, graph 0.95 left textcolor rgb '#7A6A10' noenhanced; ", size_text(payload)) . \
	sprintf("set label 5 '● %s' at graph (subjects == 1 ? 0.17 : 0.25), graph 0.95 left textcolor rgb chachapoly_color noenhanced; ", C) . \
	sprintf("set label 6 '■ %s' at graph (subjects == 1 ? 0.37 : 0.55), graph 0.95 left textcolor rgb aes_color noenhanced", A)

place(n, k) = subjects == 1 ? panel(width, height, 94, k, 2, 1, 1, 62) : \
	panel(width, height, 108, n, subjects, k, 2, 58)
head_of(n, what) = subjects == 1 ? sprintf("%s: %s", subject, what) : what
# Sizes that were measured and what lies between; narrow panels have room for every fourth.
eval subjects == 1 ? "sizes = size_tics" : "sizes = size_tics_few"
set multiplot
set label 100 sprintf("What encryption costs, class “%s”, with 95 %% intervals", class) \
	at screen 0.5, screen 1 - 20.0 / height center font ",16" noenhanced
set label 101 "shaded: the documented range, “as little as 1 % to more than 30 %”; ≤: not distinguishable from plaintext, costs at most so much; ▼ beyond the axis" \
	at screen 0.5, screen 1 - 48.0 / height center textcolor rgb "#7A6A10" noenhanced
eval arm_key(height, 72.0)
set key off
do for [n = 1:subjects] {
	eval use_subject(n)
	# ---- values at the payload that is written ----
	eval extent("C_one", 'cell_at("chachapoly", "throughput_msgs_s", "overhead_pct", payload)')
	eval extent("A_one", 'cell_at("aes", "throughput_msgs_s", "overhead_pct", payload)')
	# The bound where nothing is distinguishable from zero, as in the table.
	eval extent("C_bound", 'bound_at("chachapoly", payload)')
	eval extent("A_bound", 'bound_at("aes", payload)')
	eval extent("C_bound_ns", 'added_bound_at("chachapoly", payload)')
	eval extent("A_bound_ns", 'added_bound_at("aes", payload)')
	eval extent("C_this_ns", 'cell_at("chachapoly", "cpu_ns_per_msg", "added", payload)')
	eval extent("A_this_ns", 'cell_at("aes", "cpu_ns_per_msg", "added", payload)')

	# ---- percent ----
	eval place(n, 1)
	set logscale x 2
	eval sizes
	set xrange [left / 2:right * 2]
	set xlabel "payload per message"
	set yrange [bottom:top]
	if (n == 1) { set ylabel "throughput lost, % of plaintext" noenhanced offset 1 }
	set title head_of(n, "throughput lost") font ",12" noenhanced
	if (subjects > 1) { set label 7 subject at graph 0.5, graph 1 offset 0, 3.1 center font ",15" noenhanced }
	eval band("y")
	set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead linecolor rgb "#444444" linewidth 1
	if (C_one_max == C_one_max || A_one_max == A_one_max) { eval figures_in(percent_text(C_one_max, C_bound_max), percent_text(A_one_max, A_bound_max)) }
	plot for [i = 1:3] csv using (x_of(i)):(at_foot_or(cell(word(arms, i), "throughput_msgs_s", "overhead_pct"), foot_pct)) with lines linetype i + 1 notitle, \
		for [i = 1:3] csv using (x_of(i)):(above_foot(cell(word(arms, i), "throughput_msgs_s", "overhead_pct"), foot_pct)):(end_of("low_pct", "overhead_pct")):(end_of("high_pct", "overhead_pct")) \
		with yerrorbars linetype i + 1 notitle, \
		for [i = 1:3] csv using (x_of(i)):(cell(word(arms, i), "throughput_msgs_s", "low_pct") < bottom ? bottom + height_pct * 0.05 : NaN):(0):(height_pct * -0.05) \
		with vectors head size screen 0.006, 25 filled linetype i + 1 notitle, \
		for [i = 1:3] csv using (x_of(i)):(below_foot(cell(word(arms, i), "throughput_msgs_s", "overhead_pct"), foot_pct)):(foot_pct):(at_foot_or(end_of("high_pct", "overhead_pct"), foot_pct)) \
		with yerrorbars linetype i + 1 pointtype 10 pointsize 1.4 notitle, \
		for [i = 2:3] csv using (x_of(i)):(hollow(word(arms, i), "throughput_msgs_s") ? above_foot(column("overhead_pct"), foot_pct) : NaN) \
		with points linecolor rgb "white" pointtype (i == 3 ? 5 : 7) pointsize 0.7 notitle, \
		nothing notitle

	# ---- added CPU ----
	eval clean
	eval place(n, 2)
	set logscale x 2
	eval sizes
	set xrange [left / 2:right * 2]
	set xlabel "payload per message"
	set logscale y 10
	set yrange [low_end * 0.98:high_end * 1.02]
	eval time_tics
	if (n == 1 && subjects > 1) { set ylabel "added CPU time" noenhanced offset 1 }
	set title head_of(n, "CPU time added per message; ▽ zero or less") font ",12" noenhanced
	if (target eq "store") { set label 7 "a server's own cipher code\nmay cost several times more" at graph 0.97, graph 0.13 right \
		font ",10" textcolor rgb "#666666" noenhanced }
	eval extent("M", 'of_class("chachapoly", "cpu_ns_per_msg") || of_class("aes", "cpu_ns_per_msg") ? column("added") : NaN')
	if (M_max != M_max) { set label 8 "not measured" at graph 0.5, 0.5 center textcolor rgb "#666666" }
	if (C_this_ns_max == C_this_ns_max || A_this_ns_max == A_this_ns_max) { eval figures_in(time_or_bound(C_this_ns_max, C_bound_ns_max), time_or_bound(A_this_ns_max, A_bound_ns_max)) }
	plot for [i = 2:3] csv using (x_of(i)):(at_foot_or(cell(word(arms, i), "cpu_ns_per_msg", "added"), foot_ns)) with lines linetype i + 1 notitle, \
		for [i = 2:3] csv using (x_of(i)):(above_foot(cell(word(arms, i), "cpu_ns_per_msg", "added"), foot_ns)):(at_foot_or(end_of("added_low", "added"), low_end)):(end_of("added_high", "added")) \
		with yerrorbars linetype i + 1 notitle, \
		for [i = 2:3] csv using (x_of(i)):(below_foot(cell(word(arms, i), "cpu_ns_per_msg", "added"), foot_ns)):(foot_ns):(at_foot_or(end_of("added_high", "added"), foot_ns)) \
		with yerrorbars linetype i + 1 pointtype 10 pointsize 1.4 notitle, \
		for [i = 2:3] csv using (x_of(i)):(above_foot(cell(word(arms, i), "cpu_ns_per_msg", "added"), foot_ns) > 0 && column("added_low") < low_end ? foot_ns : NaN):(0):(low_end - foot_ns) \
		with vectors head size screen 0.006, 25 filled linetype i + 1 notitle, \
		for [i = 2:3] csv using (x_of(i)):(hollow(word(arms, i), "cpu_ns_per_msg") ? above_foot(column("added"), foot_ns) : NaN) \
		with points linecolor rgb "white" pointtype (i == 3 ? 5 : 7) pointsize 0.7 notitle, \
		nothing_log notitle
	eval clean
}
unset multiplot
