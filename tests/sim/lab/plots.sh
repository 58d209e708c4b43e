#!/bin/sh
# Draws the plots of docs/pacing.md from the laboratory's CSV.
# usage: plots.sh ONRAMP_LAB TABLE.csv OUTPUT_DIRECTORY
set -eu
lab=$1 table=$2 out=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$lab" enterprise 7 --csv "$work/run.csv" > "$work/run.txt"
tail -n +2 "$work/run.csv" | awk -F, '{ n++; print $1, $3, n }' > "$work/run.dat"
gnuplot <<PLOT
set terminal svg size 860,420 font "sans,13" background "white"
set output "$out/pacing-run.svg"
set title "enterprise (50 tokens, 16 a second), 200 users, seed 7"
set xlabel "seconds"
set ylabel "tokens left, as the tenant knows"
set y2label "users created"
set ytics nomirror
set y2tics
set yrange [0:52]
set y2range [0:208]
set key bottom right
plot "$work/run.dat" using 1:2 with lines lw 2 lc rgb "#1b6ca8" title "tokens left after each request", \
     "$work/run.dat" using 1:3 axes x1y2 with steps lw 2 lc rgb "#d1603d" title "users created"
PLOT

# Every plan, and every trouble of the two that most tenants have.
awk -F, 'NR > 1 && $2 == "onramp" && $1 !~ /rude|stacked/ &&
         ($1 ~ /^(enterprise|essentials)/ ||
          $1 ~ /^(free|nonprod|private-[0-9a-z]+|api-150|connections|small)(-w1)?$/) {
             m = $4 < 0.01 ? 0.01 : $4; q = $5 < 0.01 ? 0.01 : $5; print $1, m, q }' "$table" > "$work/over.dat"
rows=$(wc -l < "$work/over.dat")
gnuplot <<PLOT
set terminal svg size 900,$((rows * 13 + 140)) font "sans,10" background "white"
set output "$out/pacing-over.svg"
set title "seconds over the client that knows everything: from the median to the 95th percentile"
set logscale x
set xrange [0.01:100]
set yrange [$rows:-1]
set xlabel "seconds"
set grid x
set lmargin 32
set ytics font "sans,9"
plot "$work/over.dat" using 2:0:2:3:(\$0-0.3):(\$0+0.3):ytic(1) with boxxyerrorbars fs solid lc rgb "#1b6ca8" notitle
PLOT
