#!/bin/sh
# Runs a command beside a PostgreSQL server of its own, on a free loopback port, that ends with it:
#
#   src/tests/with_postgres.sh cargo nextest run
#   src/tests/with_postgres.sh --check           only says what is missing, if anything
#
# The command finds SOTTOVOCE_TEST_POSTGRES_URL (a superuser's) and SOTTOVOCE_TEST_POSTGRES_CA (the certificate that the
# server shows). The server keeps nothing and does not sync: for tests only.
set -eu

fail() {
    echo "with_postgres.sh: $1" >&2
    exit 1
}

# Debian keeps these programs out of the PATH, a folder for each version.
bin=
for initdb in $(ls -d /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb 2>/dev/null | sort -V) \
    "$(command -v initdb || true)"; do
    [ -x "$initdb" ] && bin=$(dirname "$(readlink -f "$initdb")")
done
[ -n "$bin" ] || fail "no initdb found; install PostgreSQL 12 or newer (\`make setup-test\` does on Debian, as root)"
command -v openssl >/dev/null || fail "no openssl found; install it"
[ "$*" != --check ] || exit 0

home=$(mktemp -d)
# PostgreSQL refuses to run as root.
as_owner=
if [ "$(id -u)" = 0 ]; then
    owner=postgres
    id -u "$owner" >/dev/null 2>&1 || owner=nobody
    chown "$owner" "$home"
    as_owner="setpriv --reuid=$owner --regid=$(id -g "$owner") --clear-groups"
fi
cd "$home"

stop() {
    [ ! -f "$home/data/postmaster.pid" ] || $as_owner "$bin/pg_ctl" -D "$home/data" -m immediate -w stop >/dev/null
    rm -rf "$home"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

password=only-for-tests
(umask 077 && echo "$password" >password)
cat >certificate.cnf <<-'END'
	[req]
	prompt = no
	distinguished_name = name
	x509_extensions = extensions
	[name]
	CN = localhost
	[extensions]
	subjectAltName = IP:127.0.0.1
	basicConstraints = critical, CA:FALSE
END
openssl req -x509 -new -newkey rsa:2048 -nodes -days 2 -config certificate.cnf -keyout key.pem -out certificate.pem 2>openssl.log ||
    fail "no certificate: $(cat openssl.log)"
chmod 600 key.pem
chmod 755 .
[ -z "$as_owner" ] || chown "$owner" password key.pem certificate.pem

$as_owner "$bin/initdb" -D "$home/data" -U tester -A scram-sha-256 --pwfile="$home/password" \
    --encoding=UTF8 --no-locale --no-sync >initdb.log 2>&1 || fail "initdb: $(cat initdb.log)"
cat >>data/postgresql.conf <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
fsync = off
ssl = on
ssl_cert_file = '$home/certificate.pem'
ssl_key_file = '$home/key.pem'
END

# Another program may take the port between the look and the start.
for attempt in 1 2 3 4 5; do
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    if $as_owner "$bin/pg_ctl" -D "$home/data" -l "$home/data/server.log" -w -o "-p $port" start >start.log 2>&1; then
        break
    fi
    [ "$attempt" -lt 5 ] || fail "the server does not start: $(cat start.log data/server.log)"
done

cd "$OLDPWD"
export SOTTOVOCE_TEST_POSTGRES_URL="postgres://tester:$password@127.0.0.1:$port/postgres"
export SOTTOVOCE_TEST_POSTGRES_CA="$home/certificate.pem"
# psql of the same version, for tests that look from outside.
PATH=$PATH:$bin "$@"
