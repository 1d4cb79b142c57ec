#!/bin/sh
# Runs a command beside an S3 server of its own (s3s-fs, which checks signatures), on a free loopback port, that ends with it:
#
#   src/tests/with_s3.sh cargo nextest run
#
# The command finds SOTTOVOCE_TEST_S3_ENDPOINT, SOTTOVOCE_TEST_S3_ACCESS_KEY_ID, SOTTOVOCE_TEST_S3_SECRET_ACCESS_KEY (new
# ones) and SOTTOVOCE_TEST_S3_FOLDER: each folder in it is a bucket, each file in that an object.
set -eu

fail() {
    echo "with_s3.sh: $1" >&2
    exit 1
}

program=$(command -v s3s-fs || echo "${SOTTOVOCE_TEST_TOOLS_DIR:-.tools}/bin/s3s-fs")
[ -x "$program" ] || fail "no s3s-fs found; \`make setup-test\` installs it"

home=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$home"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

random() {
    od -An -N20 -tx1 /dev/urandom | tr -d ' \n'
}
SOTTOVOCE_TEST_S3_ACCESS_KEY_ID=AK$(random)
# The word is one that the logs of the tests are searched for (search_logs.sh).
SOTTOVOCE_TEST_S3_SECRET_ACCESS_KEY=canary-password-$(random)
SOTTOVOCE_TEST_S3_FOLDER=$home/buckets
mkdir "$SOTTOVOCE_TEST_S3_FOLDER"

answers() {
    python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$1" 2>/dev/null
}

# Another program may take the port between the look and the start.
for attempt in 1 2 3 4 5; do
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$program" --host 127.0.0.1 --port "$port" --access-key "$SOTTOVOCE_TEST_S3_ACCESS_KEY_ID" \
        --secret-key "$SOTTOVOCE_TEST_S3_SECRET_ACCESS_KEY" "$SOTTOVOCE_TEST_S3_FOLDER" >"$home/log" 2>&1 &
    server=$!
    for look in $(seq 100); do
        kill -0 "$server" 2>/dev/null || break
        if answers "$port"; then
            break 2
        fi
        sleep 0.1
    done
    kill "$server" 2>/dev/null || true
    [ "$attempt" -lt 5 ] || fail "the server does not start: $(cat "$home/log")"
done

SOTTOVOCE_TEST_S3_ENDPOINT=http://127.0.0.1:$port
export SOTTOVOCE_TEST_S3_ENDPOINT SOTTOVOCE_TEST_S3_FOLDER
export SOTTOVOCE_TEST_S3_ACCESS_KEY_ID SOTTOVOCE_TEST_S3_SECRET_ACCESS_KEY
"$@"
