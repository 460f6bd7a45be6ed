# throughput.gp - messages and payload bytes per second of each arm, against payload size. A row per
# target and version, on the same axes.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5
eval find_subjects(plaintext("throughput_msgs_s") . ' && strcol("class") eq class')
height = 56 + (subjects > 1 ? 350 : 460) * subjects
eval figure(1280, height)

arms = "none chachapoly aes"
names = "plaintext chachapoly aes"
lines = "1 3 4"

left = NaN
right = NaN
least = NaN
most = NaN
bytes = NaN
do for [n = 1:subjects] {
	eval use_subject(n)
	eval extent("X", 'cell("none", "throughput_msgs_s", "payload_bytes")')
	left = lesser(left, X_min)
	right = greater(right, X_max)
	do for [arm in arms] {
		eval extent("T", 'cell(arm, "throughput_msgs_s", "value")')
		eval extent("B", 'cell(arm, "throughput_msgs_s", "value") * column("payload_bytes") / 1073741824.0')
		least = lesser(least, T_min)
		most = greater(most, T_max)
		bytes = greater(bytes, B_max)
	}
}

set multiplot
set label 100 sprintf("Throughput, class “%s”", class) at screen 0.5, screen 1 - 22.0 / height center font ",15" noenhanced
do for [n = 1:subjects] {
	eval use_subject(n)
	do for [k = 1:2] {
		eval panel(1280, height, 40, k, 2, n, subjects, 58)
		set logscale x 2
		eval size_tics
		set xrange [left / 1.6:right * 1.6]
		set xlabel "payload per message"
		set title sprintf("%s: %s", subject, k == 1 ? "messages per second" : "payload, GiB per second") font ",13" noenhanced
		if (k == 1) {
			set logscale y 10
			set yrange [least / 2:most * 2]
			set ytics ("100" 100, "1 k" 1e3, "10 k" 1e4, "100 k" 1e5, "1 M" 1e6, "10 M" 1e7, "100 M" 1e8)
		} else {
			set yrange [0:bytes * 1.1]
		}
		if (n == 1 && k == 1) { set key at screen 0.99, screen 1 - 22.0 / height right horizontal Left reverse } else { set key off }
		plot for [i = 1:3] csv using "payload_bytes":(cell(word(arms, i), "throughput_msgs_s", "value") * (k == 1 ? 1 : column("payload_bytes") / 1073741824.0)) \
			with linespoints linetype word(lines, i) + 0 title word(names, i)
		eval clean
	}
}
unset multiplot
