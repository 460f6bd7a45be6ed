# throughput.gp - messages and payload bytes per second of each arm, against payload size.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5 ARG6 ARG7
eval figure(1280, 520)

arms = "none chachapoly aes"
names = "plaintext chachapoly aes"
lines = "1 3 4"

eval extent("X", 'cell("none", "throughput_msgs_s", "payload_bytes")')
set multiplot layout 1,2 margins 0.08, 0.995, 0.13, 0.80 spacing 0.085 \
	title sprintf("Throughput of %s, class “%s”", subject, class) font ",16" noenhanced
set logscale x 2
eval size_tics
set xrange [X_min / 1.6:X_max * 1.6]
set xlabel "payload per message"

set logscale y 10
set yrange [*:*]
set ytics ("100" 100, "1,000" 1e3, "10,000" 1e4, "100,000" 1e5, "1 million" 1e6, "10 million" 1e7, "100 million" 1e8)
set title "messages per second"
set key top right Right noreverse
plot for [i = 1:3] summary using "payload_bytes":(cell(word(arms, i), "throughput_msgs_s", "value")) \
	with linespoints linetype word(lines, i) + 0 title word(names, i)

unset logscale y
set yrange [0:*]
set ytics auto
set title "payload, GiB per second"
set key top left Left reverse
plot for [i = 1:3] summary using "payload_bytes":(cell(word(arms, i), "throughput_msgs_s", "value") * column("payload_bytes") / 1073741824.0) \
	with linespoints linetype word(lines, i) + 0 title word(names, i)
unset multiplot
