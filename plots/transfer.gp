# transfer.gp - what a cipher adds to a published message, against its size: measured, and the line
# through the cells of 1 KiB and 64 KiB that predicts the others. A panel per server version; the
# line of the embedded store is the floor in each.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects('strcol("metric") eq "cpu_ns_per_msg"')
servers = sum [n = 1:subjects] (targets[n] ne "store" ? 1 : 0)
columns = servers > 1 ? servers : 1
width = columns > 2 ? 480 * columns : 1280
eval figure(width, 560)

added(arm) = strcol("target") eq target && strcol("target_version") eq version && strcol("arm") eq arm && \
	strcol("metric") eq "cpu_ns_per_msg"
of(arm, name) = added(arm) ? column(name) : NaN
fitted(arm) = added(arm) && strcol("role") eq "fit" ? column("measured") : NaN

# ---- axes, and the lines ----
left = NaN
right = NaN
low = NaN
high = NaN
array fixed[64] # 2 * subject - 1: chachapoly, 2 * subject: aes
array slope[64]
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [i = 1:2] {
		arm = word("chachapoly aes", i)
		eval extent("A", 'of(arm, "fixed_ns")')
		eval extent("B", 'of(arm, "ns_per_byte")')
		fixed[2 * n - 2 + i] = A_max
		slope[2 * n - 2 + i] = B_max
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
line(k, bytes) = fixed[k] + slope[k] * bytes
above_zero(ns) = ns > 0 ? ns : NaN
floor_number = sum [n = 1:subjects] (targets[n] eq "store" ? n : 0)
# "98 ns + 0.133 ns per byte (7.5 GB/s)"
line_text(k) = fixed[k] == fixed[k] ? sprintf("%s + %.3g ns per byte (%.2g GB/s)", ns_text(fixed[k]), slope[k], 1 / slope[k]) : "no line: 1 KiB or 64 KiB is missing"

set multiplot
set label 100 "CPU time that a cipher adds to a published message" at screen 0.5, screen 1 - 22.0 / 560 center font ",16" noenhanced
set label 101 "points: measured, 95 % intervals; line: predicted from the two ringed sizes; dashed: this store, the floor" \
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
	plot for [i = 1:2] above_zero(line(2 * n - 2 + i, x)) with lines linetype i + 2 linewidth 1.5 notitle, \
		for [i = 1:2] (floor_number > 0 ? above_zero(line(2 * floor_number - 2 + i, x)) : NaN) with lines linetype i + 2 linewidth 1.2 dashtype (8, 6) notitle, \
		for [i = 1:2] csv using (column("payload_bytes") * (i == 1 ? 0.965 : 1.035)):(of(word("chachapoly aes", i), "measured") > 0 ? column("measured") : NaN):(end_of("measured_low", "measured") > low_end ? end_of("measured_low", "measured") : low_end):(end_of("measured_high", "measured")) \
		with yerrorbars linetype i + 2 notitle, \
		for [i = 1:2] csv using (column("payload_bytes") * (i == 1 ? 0.965 : 1.035)):(fitted(word("chachapoly aes", i))) \
		with points linetype i + 2 pointtype 6 pointsize 2.4 linewidth 1.5 notitle, nothing_log notitle
	eval clean
}
unset multiplot
