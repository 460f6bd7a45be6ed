# throughput.gp - messages and payload bytes per second of each arm, against payload size. A row per
# target and version, on the same axes. Plaintext as measured; the others as what they lose of it, round
# by round, with the interval of that: a bar reaches plaintext when the two cannot be told apart.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects(plaintext("throughput_msgs_s") . ' && strcol("class") eq class')
height = 108 + (subjects > 1 ? 350 : 460) * subjects
eval figure(1280, height)

arms = "none none-twin chachapoly aes"
aside(i) = word("1 0.94 0.97 1.03", i) + 0 # intervals stand beside, not on each other
unit(k) = k == 1 ? 1 : column("payload_bytes") / 1073741824.0
# Plaintext less what is lost of it, an estimate or the end of its interval; without one the median.
at_loss(arm, name) = of_class(arm, "throughput_msgs_s") ? \
	or(column("baseline_value") * (100 - end_of(name, "overhead_pct")) / 100, column("value")) : NaN
rate(arm) = arm eq "none" ? cell(arm, "throughput_msgs_s", "value") : at_loss(arm, "overhead_pct")
hollow(arm) = of_class(arm, "throughput_msgs_s") && hollow_here(0)

left = NaN
right = NaN
least = NaN
most = NaN
bytes = NaN
bytes_end = NaN
do for [n = 1:subjects] {
	eval use_subject(n)
	eval extent("X", 'cell("none", "throughput_msgs_s", "payload_bytes")')
	left = lesser(left, X_min)
	right = greater(right, X_max)
	do for [arm in arms] {
		eval extent("T", 'rate(arm)')
		eval extent("L", 'at_loss(arm, "high_pct")')
		eval extent("H", 'at_loss(arm, "low_pct")')
		eval extent("B", 'rate(arm) * unit(2)')
		eval extent("E", 'at_loss(arm, "low_pct") * unit(2)')
		least = lesser(lesser(least, T_min), L_min)
		most = greater(greater(most, T_max), H_max)
		bytes = greater(bytes, B_max)
		bytes_end = greater(bytes_end, E_max)
	}
}
# Whole decades, so that both ends are labelled.
foot = 10 ** floor(log10(least * 0.95))
peak = 10 ** ceil(log10(most * 1.05))
# Of a machine that was not quiet the ends of intervals may lie far out: they are cut, with an arrow.
bytes_top = lesser(1.5 * bytes, 1.06 * greater(bytes, bytes_end))

set multiplot
set label 100 sprintf("Throughput, class “%s”", class) at screen 0.5, screen 1 - 22.0 / height center font ",15" noenhanced
set label 101 "bars: 95 % intervals of what is lost against plaintext of the same rounds; where the bar reaches plaintext no difference can be shown; ▲ beyond the axis" \
	at screen 0.5, screen 1 - 48.0 / height center noenhanced
eval arm_key(height, 74.0)
set label 106 "○ plaintext" at screen 0.07, screen 1 - 74.0 / height center textcolor rgb none_color noenhanced
set key off
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [k = 1:2] {
		eval panel(1280, height, 92, k, 2, n, subjects, 58)
		set logscale x 2
		eval size_tics
		set xrange [left / 1.6:right * 1.6]
		set xlabel "payload per message"
		set title sprintf("%s: %s", subject, k == 1 ? "messages per second" : "payload, GiB per second") font ",13" noenhanced
		if (k == 1) {
			set logscale y 10
			set yrange [foot * 0.98:peak * 1.02]
			set ytics ("10" 10, "100" 100, "1 k" 1e3, "10 k" 1e4, "100 k" 1e5, "1 M" 1e6, "10 M" 1e7, "100 M" 1e8)
		} else {
			set yrange [0:bytes_top]
		}
		top = k == 1 ? peak : bytes_top
		cut(y) = lesser(y, top)
		plot for [i = 1:4] csv using (column("payload_bytes") * aside(i)):(rate(word(arms, i)) * unit(k)) with lines linetype i notitle, \
			for [i = 2:4] csv using (column("payload_bytes") * aside(i)):(rate(word(arms, i)) * unit(k)):(cut(at_loss(word(arms, i), "high_pct") * unit(k))):(cut(at_loss(word(arms, i), "low_pct") * unit(k))) \
			with yerrorbars linetype i notitle, \
			for [i = 2:4] csv using (column("payload_bytes") * aside(i)):(at_loss(word(arms, i), "low_pct") * unit(k) > top ? top * 0.95 : NaN):(0):(top * 0.05) \
			with vectors head size screen 0.006, 25 filled linetype i notitle, \
			for [i = 3:4] csv using (column("payload_bytes") * aside(i)):(hollow(word(arms, i)) ? rate(word(arms, i)) * unit(k) : NaN) \
			with points linecolor rgb "white" pointtype (i == 4 ? 5 : 7) pointsize 0.6 notitle, \
			csv using "payload_bytes":(rate("none") * unit(k)) with points linetype 1 notitle
		eval clean
	}
}
unset multiplot
