#!/bin/sh
# Searches the logs that a test run left (src/tests/logs.rs) for secrets and for what was spoken:
#
#   src/tests/search_logs.sh FOLDER
#
# Fails if it finds one, if there is nothing to search, or if it would not find what it looks for.
set -eu

# API keys, refresh tokens, tickets, links, login states; access tokens; passwords of the tests (each holds the word) and
# their hashes; links to a bucket; words of the scripted engine and of the recordings.
secret='sv[rtls]?_[0-9A-Za-z]{43}|eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}|canary-password|\$argon2id\$|X-Amz-Signature=[0-9a-f]{8}'
spoken='w[0-9]+ w[0-9]+|[Ee]ver tried|[Nn]o matter, try again|best of times'

search() {
    grep -rEohn "$secret|$spoken" "$1"
}

# What it would find, each alone in a line.
control=$(mktemp -d)
trap 'rm -rf "$control"' EXIT
digits=0123456789012345678901234567890123456789012
for sample in "sv_$digits" "svr_$digits" "svt_$digits" "svl_$digits" "svs_$digits" eyJhbGciOiJI.eyJzdWIiOiIx.x my-canary-password \
    '$argon2id$v=19' 'X-Amz-Signature=0123abcd' 'w5 w6' 'Ever tried' 'best of times'; do
    echo "{\"message\":\"x $sample\"}" >"$control/one.log"
    search "$control" >/dev/null || { echo "search_logs.sh: would not find $sample" >&2; exit 1; }
done

lines=$(cat "$1"/*.log | wc -l)
for message in 'security event' 'live stream opens' 'serving'; do
    grep -rqh "$message" "$1" || { echo "search_logs.sh: no log says \"$message\": nothing was kept" >&2; exit 1; }
done
if search "$1" | head -n 20 | cut -c1-60 >"$control/found" && [ -s "$control/found" ]; then
    echo "search_logs.sh: secrets or spoken words are in the logs of $1:" >&2
    cat "$control/found" >&2
    exit 1
fi
echo "search_logs.sh: $lines lines of logs hold no secret and nothing spoken"
