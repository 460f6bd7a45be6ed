# overhead.gp - what a cipher costs, against payload size: in percent of plaintext with the
# documentation's range shaded, and beside it the same in added CPU time per message.
call "style.gp" ARG1 ARG2 ARG3 ARG4 ARG5 ARG6 ARG7
eval figure(1280, 600)

arms = "none-twin chachapoly aes"
aside = "1 0.955 1.047" # intervals stand beside, not on each other

positive(ns) = ns > 0 ? ns : NaN
unseen(arm, metric) = of_class(arm, metric) && strcol("verdict") eq "indistinguishable"
bound(low, high, floor) = abs(low) > abs(high) ? (abs(low) > floor ? abs(low) : floor) : \
	(abs(high) > floor || floor != floor ? abs(high) : floor)
bound_at(arm, bytes) = unseen(arm, "throughput_msgs_s") && column("payload_bytes") == bytes ? \
	bound(column("low_pct"), column("high_pct"), column("floor_pct")) : NaN
# "8 %", or "≤ 14 %"
percent_text(estimate, bound) = bound == bound ? sprintf("≤ %.0f %%", bound) : sprintf("%.0f %%", estimate)

# Extents first: stats would leave out what lies outside of a range that is set.
eval extent("X", 'cell("none", "throughput_msgs_s", "payload_bytes")')
top = 30
bottom = -1
do for [arm in arms] {
	eval extent("H", sprintf('cell("%s", "throughput_msgs_s", "high_pct")', arm))
	eval extent("L", sprintf('cell("%s", "throughput_msgs_s", "low_pct")', arm))
	if (H_max > top) { top = H_max }
	if (L_min < bottom) { bottom = L_min }
}
# At the largest payload, where the names stand, and at the one whose values are written.
eval extent("T_end", 'cell_at("none-twin", "throughput_msgs_s", "overhead_pct", X_max)')
eval extent("C_end", 'cell_at("chachapoly", "throughput_msgs_s", "overhead_pct", X_max)')
eval extent("A_end", 'cell_at("aes", "throughput_msgs_s", "overhead_pct", X_max)')
eval extent("C_one", 'cell_at("chachapoly", "throughput_msgs_s", "overhead_pct", payload)')
eval extent("A_one", 'cell_at("aes", "throughput_msgs_s", "overhead_pct", payload)')
# Labels stand clear of the intervals: at their far ends.
eval extent("C_top", 'cell_at("chachapoly", "throughput_msgs_s", "high_pct", payload)')
eval extent("C_foot", 'cell_at("chachapoly", "throughput_msgs_s", "low_pct", payload)')
eval extent("A_top", 'cell_at("aes", "throughput_msgs_s", "high_pct", payload)')
eval extent("T_top", 'cell_at("none-twin", "throughput_msgs_s", "high_pct", payload)')
eval extent("T_foot", 'cell_at("none-twin", "throughput_msgs_s", "low_pct", payload)')
eval extent("A_foot", 'cell_at("aes", "throughput_msgs_s", "low_pct", payload)')
eval extent("C_ns_end", 'cell_at("chachapoly", "cpu_ns_per_msg", "added", X_max)')
eval extent("A_ns_end", 'cell_at("aes", "cpu_ns_per_msg", "added", X_max)')
eval extent("C_ns_one", 'cell_at("chachapoly", "cpu_ns_per_msg", "added", payload)')
eval extent("A_ns_one", 'cell_at("aes", "cpu_ns_per_msg", "added", payload)')
N_max = NaN
N_min = NaN
lesser(a, b) = a != a || b < a ? b : a
greater(a, b) = a != a || b > a ? b : a
do for [arm in "chachapoly aes"] {
	eval extent("E", sprintf('cell("%s", "cpu_ns_per_msg", "added_high")', arm))
	eval extent("F", sprintf('positive(cell("%s", "cpu_ns_per_msg", "added_low"))', arm))
	eval extent("G", sprintf('positive(cell("%s", "cpu_ns_per_msg", "added"))', arm))
	N_max = greater(greater(N_max, E_max), G_max)
	N_min = lesser(lesser(N_min, F_min), G_min)
}
# The bound where nothing is distinguishable from zero, as in the table.
eval extent("C_bound", 'bound_at("chachapoly", payload)')
eval extent("A_bound", 'bound_at("aes", payload)')

# Names are pushed apart when their points are close; above for the higher of the two.
name_at(y, other, step) = other != other || abs(y - other) >= step ? y : \
	(y + other) / 2 + (y >= other ? step / 2 : -step / 2)
above(y, other) = other != other || y >= other

set multiplot layout 1,2 margins 0.055, 0.995, 0.115, 0.82 spacing 0.075 \
	title sprintf("What encryption costs %s, class “%s”, with 95 %% intervals", subject, class) \
	font ",16" noenhanced
set logscale x 2
eval size_tics
set xrange [X_min / 1.6:X_max * 14]
set xlabel "payload per message"
set key off

# ---- percent ----
height = (top - bottom) * 1.2
bottom = bottom - height * 0.04
top = bottom + height
set yrange [bottom:top]
set ylabel "throughput lost, % of plaintext" noenhanced offset 1
set title sprintf("Throughput lost, in %% of %s in plaintext\n(the less is done per message, the larger the percentage)", subject) noenhanced
set object 1 rectangle from graph 0, first 1 to graph 1, first 30 fillcolor rgb "#F6EFC8" fillstyle solid noborder behind
set label 1 "shaded: the documented range, “as little as 1 % to more than 30 %”" at graph 0.985, 0.965 right textcolor rgb "#7A6A10" noenhanced
set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead linecolor rgb "#444444" linewidth 1

step = height * 0.05
if (T_end_max == T_end_max) { set label 2 "plaintext again" at X_max * 1.25, T_end_max textcolor rgb twin_color }
if (C_end_max == C_end_max) { set label 3 "chachapoly" at X_max * 1.25, name_at(C_end_max, A_end_max, step) textcolor rgb chachapoly_color }
if (A_end_max == A_end_max) { set label 4 "aes" at X_max * 1.25, name_at(A_end_max, C_end_max, step) textcolor rgb aes_color }
or(y, other) = y == y ? y : other # without an interval at the point
C_above = above(C_one_max, A_one_max)
C_label = C_above ? or(C_top_max, C_one_max) : or(C_foot_min, C_one_max)
A_label = C_above ? or(A_foot_min, A_one_max) : or(A_top_max, A_one_max)
# Not on the zero line: the label goes below it when it would lie there.
off_zero(y, up) = up ? (y + 0.036 * height > -0.02 * height && y + 0.036 * height < 0.03 * height ? 0.005 * height : y) : \
	(y - 0.036 * height > -0.03 * height && y - 0.036 * height < 0.03 * height ? -0.005 * height : y)
# Clear of the other arms' intervals too.
all_top = greater(greater(C_top_max, A_top_max), T_top_max)
all_foot = lesser(lesser(C_foot_min, A_foot_min), T_foot_min)
C_label = C_above ? or(all_top, C_label) : or(all_foot, C_label)
A_label = C_above ? or(all_foot, A_label) : or(all_top, A_label)
C_label = off_zero(C_label, C_above)
A_label = off_zero(A_label, !C_above)
if (C_one_max == C_one_max) { set label 5 sprintf("chachapoly %s at %s", percent_text(C_one_max, C_bound_max), size_text(payload)) at payload, C_label \
	center offset 0, (C_above ? 0.9 : -0.9) textcolor rgb chachapoly_color noenhanced }
if (A_one_max == A_one_max) { set label 6 sprintf("aes %s at %s", percent_text(A_one_max, A_bound_max), size_text(payload)) at payload, A_label \
	center offset 0, (C_above ? -0.9 : 0.9) textcolor rgb aes_color noenhanced }
plot for [i = 1:3] summary using (column("payload_bytes") * word(aside, i)):(cell(word(arms, i), "throughput_msgs_s", "overhead_pct")):(column("low_pct")):(column("high_pct")) \
	with yerrorlines linetype i + 1, nothing notitle, \
	for [i = 1:3] summary using (column("payload_bytes") * word(aside, i)):(unseen(word(arms, i), "throughput_msgs_s") ? column("overhead_pct") : NaN) \
	with points linecolor rgb "white" pointtype (i == 3 ? 5 : 7) pointsize (i == 1 ? 0 : 0.7) notitle

# ---- added CPU ----
unset object 1
unset label
unset arrow 1
set logscale y 10
# Whole decades, so that both ends are labelled and every interval lies within; an end that is
# not above zero has no place on this axis and gets an arrow.
N_min = N_min == N_min ? N_min : 10
N_max = N_max == N_max && N_max > N_min ? N_max : N_min * 10
low_end = 10 ** floor(log10(N_min < 1 ? 1 : N_min))
high_end = 10 ** ceil(log10(N_max * 1.3))
set yrange [low_end * 0.98:high_end * 1.02]
set ytics ("1 ns" 1, "10 ns" 10, "100 ns" 100, "1 µs" 1e3, "10 µs" 1e4, "100 µs" 1e5, "1 ms" 1e6, "10 ms" 1e7, "100 ms" 1e8, "1 s" 1e9, "10 s" 1e10)
unset ylabel
set title sprintf("CPU time added per message\n%s", target eq "store" ? \
	"(of this store: a server's own cipher code may cost several times more)" : \
	sprintf("(of %s)", subject)) noenhanced
log_of(ns) = ns > 0 ? log10(ns) : NaN
step = 0.16
if (C_ns_end_max > 0) { set label 3 "chachapoly" at X_max * 1.25, 10 ** name_at(log_of(C_ns_end_max), log_of(A_ns_end_max), step) textcolor rgb chachapoly_color }
if (A_ns_end_max > 0) { set label 4 "aes" at X_max * 1.25, 10 ** name_at(log_of(A_ns_end_max), log_of(C_ns_end_max), step) textcolor rgb aes_color }
# Lines rise to the right: the label above stands left of its point, the one below right of it.
C_place = above(C_ns_one_max, A_ns_one_max) ? "right offset -1, 1" : "left offset 1, -1"
A_place = above(C_ns_one_max, A_ns_one_max) ? "left offset 1, -1" : "right offset -1, 1"
if (C_ns_one_max > 0) { set label 5 sprintf("%s at %s", ns_text(C_ns_one_max), size_text(payload)) at payload, C_ns_one_max \
	@C_place textcolor rgb chachapoly_color noenhanced }
if (A_ns_one_max > 0) { set label 6 sprintf("%s at %s", ns_text(A_ns_one_max), size_text(payload)) at payload, A_ns_one_max \
	@A_place textcolor rgb aes_color noenhanced }
plot for [i = 2:3] summary using (column("payload_bytes") * word(aside, i)):(cell(word(arms, i), "cpu_ns_per_msg", "added") > 0 ? column("added") : NaN):(column("added_low") > low_end ? column("added_low") : low_end):(column("added_high")) \
	with yerrorlines linetype i + 1, nothing_log notitle, \
	for [i = 2:3] summary using (column("payload_bytes") * word(aside, i)):(cell(word(arms, i), "cpu_ns_per_msg", "added") > 0 && column("added_low") < low_end ? low_end * 1.25 : NaN):(0):(low_end * -0.25) \
	with vectors filled linetype i + 1 notitle, \
	for [i = 2:3] summary using (column("payload_bytes") * word(aside, i)):(unseen(word(arms, i), "cpu_ns_per_msg") ? column("added") : NaN) \
	with points linecolor rgb "white" pointtype (i == 3 ? 5 : 7) pointsize 0.7 notitle
unset multiplot
