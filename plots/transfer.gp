# transfer.gp - what a cipher adds to a published message, against its size: measured, and the line
# through the cells of 1 KiB and 64 KiB that predicts the others. A panel per server version; the
# line of the embedded store is the floor in each.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects('strcol("metric") eq "cpu_ns_per_msg"')
servers = sum [n = 1:subjects] (targets[n] ne "store" ? 1 : 0)
columns = servers > 1 ? servers : 1
width = columns > 2 ? 480 * columns : 1280
eval figure(width, 560)

arms = "chachapoly aes"
added(arm) = strcol("target") eq target && strcol("target_version") eq version && strcol("arm") eq arm && \
	strcol("metric") eq "cpu_ns_per_msg"
of(arm, name) = added(arm) ? column(name) : NaN
fitted(arm) = added(arm) && strcol("role") eq "fit" ? greater(column("measured"), foot) : NaN

# What may be nothing has no place on a logarithmic axis but its upper end.
may_be_zero(arm) = added(arm) && !(column("measured_low") > 0)

# ---- axes, and the lines ----
left = NaN
right = NaN
low = NaN
high = NaN
array small[64] # 2 * subject - 1: chachapoly, 2 * subject: aes
array small_low[64]
array small_high[64]
array large[64]
array large_low[64]
array large_high[64]
fit_at(arm, bytes, name) = added(arm) && strcol("role") eq "fit" && column("payload_bytes") == bytes ? column(name) : NaN
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [i = 1:2] {
		arm = word(arms, i)
		do for [end in "'' _low _high"] {
			eval extent("A", 'fit_at(arm, 1024, "measured" . end)')
			eval extent("B", 'fit_at(arm, 65536, "measured" . end)')
			eval sprintf("small%s[2 * n - 2 + i] = A_max; large%s[2 * n - 2 + i] = B_max", end, end)
		}
		eval extent("X", 'of(arm, "payload_bytes")')
		eval extent("M", 'of(arm, "measured") > 0 ? column("measured") : NaN')
		eval extent("L", 'of(arm, "measured_low") > 0 ? column("measured_low") : NaN')
		eval extent("H", 'of(arm, "measured_high") > 0 ? column("measured_high") : NaN')
		left = target eq "store" ? left : lesser(left, X_min)
		right = target eq "store" ? right : greater(right, X_max)
		low = lesser(low, lesser(M_min, L_min))
		high = greater(high, greater(M_max, H_max))
	}
}
low_end = 10 ** floor(log10(low == low ? low : 10))
high_end = 10 ** ceil(log10((high == high ? high : 1000) * 1.3))
foot = low_end * (high_end / low_end) ** 0.03
floor_number = sum [n = 1:subjects] (targets[n] eq "store" ? n : 0)

# The line and its interval, as harness/analysis/transfer.h has them: on the weighted cells, whose
# ends are added as squares.
span = 65536.0 - 1024.0
share(bytes) = (bytes - 1024.0) / span # of the large cell
line(k, bytes) = (1 - share(bytes)) * small[k] + share(bytes) * large[k]
reach(weight, to_end, to_other) = weight * (weight < 0 ? to_other : to_end)
line_low(k, bytes) = line(k, bytes) - sqrt( \
	reach(1 - share(bytes), small_low[k] - small[k], small_high[k] - small[k]) ** 2 + \
	reach(share(bytes), large_low[k] - large[k], large_high[k] - large[k]) ** 2)
line_high(k, bytes) = line(k, bytes) + sqrt( \
	reach(1 - share(bytes), small_high[k] - small[k], small_low[k] - small[k]) ** 2 + \
	reach(share(bytes), large_high[k] - large[k], large_low[k] - large[k]) ** 2)
slope(k) = (large[k] - small[k]) / span
slope_low(k) = slope(k) - sqrt((large[k] - large_low[k]) ** 2 + (small_high[k] - small[k]) ** 2) / span
slope_high(k) = slope(k) + sqrt((large_high[k] - large[k]) ** 2 + (small[k] - small_low[k]) ** 2) / span
# Without intervals (too few rounds) the sign is all there is.
rises(k) = or(slope_low(k), slope(k)) > 0
on_axis(ns) = ns >= low_end ? ns : NaN

# "98 ns + 0.133 ns per byte (7.5 GB/s)"; what is not distinguishable from zero has a bound, no value.
constant_text(k) = or(line_low(k, 0), line(k, 0)) > 0 ? ns_text(line(k, 0)) : \
	line_high(k, 0) > 0 ? "≤ " . ns_text(line_high(k, 0)) : "0 ns"
no_slope_text(k) = slope_high(k) > 0 ? sprintf("no measurable cost per byte (≤ %.2g ns)", slope_high(k)) : "no measurable cost per byte"
line_text(k) = slope(k) != slope(k) ? "no line: 1 KiB or 64 KiB is missing" : \
	slope_low(k) != slope_low(k) ? (rises(k) ? sprintf("%s + %.3g ns per byte, too few rounds to be sure", constant_text(k), slope(k)) : "too few rounds to tell") : \
	rises(k) ? sprintf("%s + %.3g ns per byte (%.2g GB/s)", constant_text(k), slope(k), 1 / slope(k)) : \
	sprintf("%s, %s", constant_text(k), no_slope_text(k))

set multiplot
set label 100 "CPU time that a cipher adds to a published message" at screen 0.5, screen 1 - 22.0 / 560 center font ",16" noenhanced
set label 101 "points: measured, 95 % intervals, hollow or ▽: may be zero; line: predicted from the ringed sizes, dotted: at most (no cost per byte to be seen); dashed: this store" \
	at screen 0.5, screen 1 - 48.0 / 560 center noenhanced
set samples 400
do for [n = 1:servers] {
	eval use_subject(n)
	eval panel(width, 560, 56, n, columns, 1, 1, 60)
	set logscale x 2
	eval columns > 1 ? size_tics_few : size_tics
	set logscale y 10
	eval time_tics
	set xrange [left / 1.6:right * 1.6]
	set yrange [low_end * 0.98:high_end * 1.02]
	set xlabel "payload per message"
	set title subject font ",14" noenhanced
	set key off
	set label 2 sprintf("chachapoly: %s", line_text(2 * n - 1)) at graph 0.03, 0.96 left textcolor rgb chachapoly_color noenhanced
	set label 3 sprintf("aes: %s", line_text(2 * n)) at graph 0.03, 0.89 left textcolor rgb aes_color noenhanced
	x_of(i) = column("payload_bytes") * (i == 1 ? 0.965 : 1.035)
	point_of(arm) = of(arm, "measured") >= foot ? column("measured") : NaN
	under(arm) = of(arm, "measured") < foot ? foot : NaN
	plot for [i = 1:2] (rises(2 * n - 2 + i) ? on_axis(line(2 * n - 2 + i, x)) : NaN) with lines linetype i + 2 linewidth 1.5 notitle, \
		for [i = 1:2] (rises(2 * n - 2 + i) ? NaN : on_axis(line_high(2 * n - 2 + i, x))) with lines linetype i + 2 linewidth 1.5 dashtype (2, 5) notitle, \
		for [i = 1:2] (floor_number > 0 && rises(2 * floor_number - 2 + i) ? on_axis(line(2 * floor_number - 2 + i, x)) : NaN) with lines linetype i + 2 linewidth 1.2 dashtype (8, 6) notitle, \
		for [i = 1:2] csv using (x_of(i)):(point_of(word(arms, i))):(greater(end_of("measured_low", "measured"), low_end)):(end_of("measured_high", "measured")) \
		with yerrorbars linetype i + 2 notitle, \
		for [i = 1:2] csv using (x_of(i)):(under(word(arms, i))):(foot):(greater(end_of("measured_high", "measured"), foot)) \
		with yerrorbars linetype i + 2 pointtype 10 pointsize 1.4 notitle, \
		for [i = 1:2] csv using (x_of(i)):(point_of(word(arms, i)) > 0 && column("measured_low") < low_end ? foot : NaN):(0):(low_end - foot) \
		with vectors head size screen 0.006, 25 filled linetype i + 2 notitle, \
		for [i = 1:2] csv using (x_of(i)):(may_be_zero(word(arms, i)) ? point_of(word(arms, i)) : NaN) \
		with points linecolor rgb "white" pointtype (i == 2 ? 5 : 7) pointsize 0.7 notitle, \
		for [i = 1:2] csv using (x_of(i)):(fitted(word(arms, i))) \
		with points linetype i + 2 pointtype 6 pointsize 2.4 linewidth 1.5 notitle, nothing_log notitle
	eval clean
}
unset multiplot
