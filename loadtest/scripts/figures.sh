#!/bin/sh
# Starts a server of its own on an empty data folder, measures it with the load client, and stops it.
#
#   figures.sh bench|soak SOTTOVOCE LOADTEST SPEECH.wav OUTPUT_FOLDER
#
# bench: one stream three times, ten streams, batch jobs, status sockets (about 6 minutes). soak: one stream, 30 minutes.
# Tables go to standard output, the same figures as JSON to the folder. Exit status: as the worst of the runs.
set -eu
kind=$1 sottovoce=$2 loadtest=$3 speech=$4 figures=$5

data=$(mktemp -d)
mkdir -p "$figures"
"$sottovoce" --data-dir "$data" serve --bind 127.0.0.1:0 >"$data/greeting" 2>"$figures/server.log" &
server=$!
trap 'kill -INT $server 2>/dev/null; wait $server 2>/dev/null || true; rm -rf "$data"' EXIT
until url=$(sed -n 's/^serving at //p' "$data/greeting") && [ -n "$url" ]; do
    kill -0 $server || { cat "$figures/server.log" >&2; exit 1; }
    sleep 0.2
done
SOTTOVOCE_KEY=$("$sottovoce" --data-dir "$data" keys create --email bench@localhost | tail -n 1)
export SOTTOVOCE_KEY

worst=0
measure() { # NAME COMMAND OPTIONS…
    name=$1 command=$2
    shift 2
    printf '\n== %s\n' "$name"
    "$loadtest" "$command" --url "$url" --server-pid $server --json "$figures/$name.json" "$@" || worst=$?
}

case $kind in
bench)
    for run in 1 2 3; do measure "one-stream-$run" live --audio "$speech"; done
    measure ten-streams live --streams 10 --audio "$speech" --loop --seconds 90
    measure jobs jobs --files "$speech" --count 10 --concurrency 4
    measure status status --sockets 200 --files "$speech" --count 5
    ;;
soak)
    measure soak live --audio "$speech" --loop --seconds 1800
    ;;
*)
    echo "figures.sh: bench or soak?" >&2
    exit 2
    ;;
esac
exit $worst
