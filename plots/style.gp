# style.gp - what all figures share. Each is run as
#
#   gnuplot -c FIGURE.gp CSV OUTPUT CLASS PAYLOAD_BYTES SUBJECT
#
# in this folder, and reads nothing but that one file, summary.csv or transfer.csv of a run. OUTPUT
# ends in .svg or .png; CLASS and PAYLOAD_BYTES are those of the first sentence, the size whose
# values are written beside the points; SUBJECT is the how manieth target, for figures of one.

csv = ARG1
class = ARG3
payload = ARG4 + 0

figure(width, height) = ARG2[strlen(ARG2) - 3:] eq ".svg" ? \
	sprintf("set terminal svg size %d,%d dynamic enhanced font 'DejaVu Sans,14' background rgb 'white'", width, height) : \
	sprintf("set terminal pngcairo size %d,%d enhanced font 'DejaVu Sans,11' background rgb 'white'", width, height)

set output ARG2
set encoding utf8
set datafile separator comma
set datafile commentschars "#"
set datafile columnheaders
set datafile missing NaN

# Okabe and Ito's colours stay apart for the colour-blind; the shapes do so in grey.
none_color = "#444444"
twin_color = "#8A8A8A"
chachapoly_color = "#D55E00"
aes_color = "#0072B2"
set linetype 1 linecolor rgb none_color pointtype 6 linewidth 2 pointsize 1.1
set linetype 2 linecolor rgb twin_color pointtype 2 linewidth 1.5 pointsize 0.9
set linetype 3 linecolor rgb chachapoly_color pointtype 7 linewidth 2 pointsize 1.2
set linetype 4 linecolor rgb aes_color pointtype 5 linewidth 2 pointsize 1.1

set border 3 linecolor rgb "#444444"
set tics nomirror
set grid ytics linecolor rgb "#dddddd" linewidth 1 linetype -1
set key top left Left reverse noenhanced samplen 2

# ---- subjects: the targets and versions in the order of the file, the newest server first ----
array targets[16]
array versions[16]
subjects = 0
is_new(dummy) = subjects == 0 || strcol("target") ne targets[subjects] || strcol("target_version") ne versions[subjects]
# The harness alone costs nothing worth a place beside others.
is_shown(dummy) = subjects < 16 && (subjects == 0 || strcol("target") ne "null")
add_subject(dummy) = (subjects = subjects + 1, targets[subjects] = strcol("target"), \
	versions[subjects] = strcol("target_version"), subjects)
# For eval: those that have a row for which the condition holds.
find_subjects(condition) = sprintf("subjects = 0; stats csv using ((%s) && is_new(0) && is_shown(0) ? add_subject(0) : NaN) nooutput", condition)
plaintext(metric) = sprintf('strcol("arm") eq "none" && strcol("metric") eq "%s"', metric)
name_of(target, version) = target eq "nats" ? "nats-server " . version : \
	target eq "server" ? "nats-server " . version . " (--server)" : \
	target eq "store" ? "this store" : "the harness alone"
# For eval: the one whose rows are meant from here on.
use_subject(n) = sprintf("target = targets[%d]; version = versions[%d]; subject = name_of(target, version)", n, n)

# The rows of one arm and metric: of the class of the figure, or of every class of the target.
is_here(dummy) = strcol("target") eq target && strcol("target_version") eq version
of_target(arm, metric) = is_here(0) && \
	strcol("arm") eq arm && strcol("metric") eq metric
of_class(arm, metric) = of_target(arm, metric) && strcol("class") eq class
cell(arm, metric, name) = of_class(arm, metric) ? column(name) : NaN
cell_at(arm, metric, name, bytes) = column("payload_bytes") == bytes ? cell(arm, metric, name) : NaN

# The end of an interval, or its middle where there is none (too few rounds).
end_of(name, middle) = column(name) == column(name) ? column(name) : column(middle)

# For eval: NAME_min, NAME_max of what the expression gives over the rows, NaN when nothing does
# (stats then leaves them undefined).
extent(name, expression) = sprintf("undefine %s_min %s_max; stats csv using (%s) name '%s' nooutput; ", name, name, expression, name) . \
	sprintf("if (!exists('%s_max')) { %s_min = NaN; %s_max = NaN }", name, name, name)

# What a row not distinguishable from zero may cost at most: the upper end of its interval, or the
# floor when that is higher.
unseen_here(dummy) = strcol("verdict") eq "indistinguishable"
at_most_pct(dummy) = greater(end_of("high_pct", "overhead_pct"), column("floor_pct"))
at_most_added(dummy) = greater(end_of("added_high", "added"), column("floor_pct") / 100 * column("baseline_value"))

# Drawn hollow: what cannot be told from plaintext, and what has too few rounds for an interval.
hollow_here(dummy) = unseen_here(0) || strcol("verdict") eq "inconclusive"
hollow_text = "hollow: not distinguishable from plaintext; without a bar: too few rounds"

# For eval: the documentation's range, "as little as 1 % to more than 30 %", along axis x or y: it has no
# upper end, so it fades. The longest and faintest first, the others on it; behind all else.
band_color(t) = sprintf("#%02X%02X%02X", 246 + int(9 * t), 239 + int(16 * t), 200 + int(55 * t))
band(axis) = "do for [i = 0:12] { " . (axis eq "y" ? \
	"set object 20 + i rectangle from graph 0, first 1 to graph 1, first (54 - 2 * i) " : \
	"set object 20 + i rectangle from first 1, graph 0 to first (54 - 2 * i), graph 1 ") . \
	"fillcolor rgb band_color((12 - i) / 13.0) fillstyle solid noborder behind }"

lesser(a, b) = a != a || b < a ? b : a
greater(a, b) = a != a || b > a ? b : a
or(y, other) = y == y ? y : other

# For eval: panel i of columns, r of rows of a picture of that size, below a head of so many pixels;
# beside each room for its numbers, above it for its title, below it for so much.
panel(width, height, head, i, columns, r, rows, foot) = sprintf( \
	"set lmargin at screen %g; set rmargin at screen %g; set tmargin at screen %g; set bmargin at screen %g", \
	(i - 1.0) / columns + 68.0 / width, real(i) / columns - 10.0 / width, \
	1 - (head + (height - head) * (r - 1.0) / rows + 44) / height, \
	1 - (head + (height - head) * real(r) / rows - foot) / height)
# For eval: which mark is which arm, in a line so many pixels below the top.
arm_key(height, y) = sprintf("set label 102 '✕ plaintext again' at screen 0.17, screen %g center textcolor rgb twin_color noenhanced; ", 1 - y / height) . \
	sprintf("set label 103 '● chachapoly' at screen 0.29, screen %g center textcolor rgb chachapoly_color noenhanced; ", 1 - y / height) . \
	sprintf("set label 104 '■ aes' at screen 0.37, screen %g center textcolor rgb aes_color noenhanced; ", 1 - y / height) . \
	sprintf("set label 105 hollow_text at screen 0.42, screen %g left noenhanced; ", 1 - y / height)
# For eval: the next panel begins with nothing of the last.
clean = "unset label; unset arrow; unset object; unset logscale; set autoscale xy; set xtics auto; set ytics auto; unset xlabel; unset ylabel; unset title; set format"

# Below every axis, linear and logarithmic: a plot without a single point would be an error.
nothing = -1e9
nothing_log = 1e-9

# Figures by workload: the how manieth cell of the target a row belongs to, which its plaintext
# throughput row opens, or, of an open loop, that of the rate it was offered. A figure of something
# that both have sets open_cells. Evaluated row by row, from the first.
closed_cells = 1
open_cells = 0
opens(dummy) = (closed_cells && of_target("none", "throughput_msgs_s")) || (open_cells && of_target("none", "offered_msgs_s"))
cell_number = 0
cell_of(arm, metric) = (cell_number = (column(0) == 0 ? 0 : cell_number) + opens(0), \
	of_target(arm, metric) ? cell_number : NaN)

# For eval: the most cells that one target has. Their names are turned when they are many.
cells_most = "cells_max = 0; do for [s = 1:subjects] { eval use_subject(s); " . \
	"eval extent('K', 'opens(0) ? 1 : NaN'); " . \
	"cells_max = exists('K_records') && K_records > cells_max ? K_records : cells_max }"

# For eval in those figures: how many cells there are, and their workloads below the axis.
array workloads[256]
cell_named(dummy) = (cell_of("none", "throughput_msgs_s"), \
	opens(0) && cell_number <= 256 ? (workloads[cell_number] = strcol("workload"), cell_number) : NaN)
workload_tics = "stats csv using (cell_named(0)) name 'CELLS' nooutput; " . \
	"set xrange [0.4:CELLS_max + 0.6]; unset xtics; set xtics noenhanced scale 0 ('' 0); " . \
	"do for [c = 1:int(CELLS_max)] { set xtics add (workloads[c] c) }; " . \
	"if (CELLS_max > 8) { set xtics rotate by 25 right } else { set xtics norotate center }"

size_tics = "set xtics ('16 B' 16, '64 B' 64, '256 B' 256, '1 KiB' 1024, '4 KiB' 4096, '16 KiB' 16384, '64 KiB' 65536, '256 KiB' 262144, '1 MiB' 1048576, '8 MiB' 8388608)"
size_tics_few = "set xtics ('64 B' 64, '1 KiB' 1024, '16 KiB' 16384, '256 KiB' 262144, '4 MiB' 4194304)"
time_tics = "set ytics ('1 ns' 1, '10 ns' 10, '100 ns' 100, '1 µs' 1e3, '10 µs' 1e4, '100 µs' 1e5, '1 ms' 1e6, '10 ms' 1e7, '100 ms' 1e8, '1 s' 1e9, '10 s' 1e10)"
size_text(bytes) = bytes >= 1048576 ? sprintf("%.3g MiB", bytes / 1048576.0) : \
	bytes >= 1024 ? sprintf("%.3g KiB", bytes / 1024.0) : sprintf("%.0f B", bytes)

# 842 ns, 1.24 µs, 3.1 ms
ns_text(ns) = abs(ns) < 999.5 ? sprintf("%.0f ns", ns) : \
	abs(ns) < 9995 ? sprintf("%.2f µs", ns / 1e3) : \
	abs(ns) < 99950 ? sprintf("%.1f µs", ns / 1e3) : \
	abs(ns) < 999500 ? sprintf("%.0f µs", ns / 1e3) : \
	abs(ns) < 999.5e6 ? sprintf("%.3g ms", ns / 1e6) : sprintf("%.3g s", ns / 1e9)
