#!/bin/sh
# Holds both services against their OpenAPI documents with schemathesis: no 5xx, no status and no
# answer that is not described. Wants the binaries in target/debug (or in $BIN), and schemathesis
# in the path (or in $SCHEMATHESIS).
#
#   tests/openapi/run.sh [options of `schemathesis run`, such as --max-examples 100]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${BIN:-$here/../../target/debug}
schemathesis=${SCHEMATHESIS:-schemathesis}
home=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || :; rm -rf "$home"' EXIT
cd "$home"

# $1: a name, $2: a listener. Prints the address that it listens on, once it does.
address() {
    for _ in $(seq 100); do
        found=$(sed -n "s|.*listening on \(http://[0-9.:]*\) ($2).*|\1|p" "$1.log")
        [ -z "$found" ] || { echo "$found"; return; }
        sleep 0.1
    done
    cat "$1.log" >&2
    return 1
}

INTERNAL_KEY=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
AUTH_DEMO=true AUTH_DATABASE_URL=sqlite::memory: AUTH_TOKEN_TTL=1h AUTH_SESSION_TTL=1h \
    AUTH_MAX_SESSIONS_PER_USER=0 AUTH_LOGIN_ATTEMPTS=0 AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT=0 \
    AUTH_LOGIN_ATTEMPTS_PER_ADDRESS=0 AUTH_LOGINS_PER_ADDRESS=0 AUTH_MINTS_PER_USER=0 \
    AUTH_INTERNAL_KEY="$INTERNAL_KEY" \
    AUTH_SIGNUP=open AUTH_MAIL_URL="file:$home/mails" AUTH_MAIL_FROM=auth@example.com \
    AUTH_PUBLIC_ADDR=127.0.0.1:0 AUTH_INTERNAL_ADDR=127.0.0.1:0 \
    RUST_LOG=warn "$bin/auth-service" >auth.log 2>&1 &
pids=$!
AUTH_URL=$(address auth public)
export AUTH_URL
internal=$(address auth internal)
BUSINESS_AUTH_URL=$internal BUSINESS_AUTH_KEY="$INTERNAL_KEY" \
    BUSINESS_ADDR=127.0.0.1:0 BUSINESS_INTERNAL_ADDR=127.0.0.1:0 \
    RUST_LOG=warn "$bin/business-service" >business.log 2>&1 &
pids="$pids $!"
business=$(address business business)

export PYTHONPATH="$here" SCHEMATHESIS_HOOKS=login
# $1: the document's service, $2: where its operations are asked; the rest: options.
check() {
    document=$1/openapi.json base=$2
    shift 2
    "$schemathesis" --config-file "$here/schemathesis.toml" run "$document" --url "$base" \
        --continue-on-failure --no-color "$@"
}
of_backends='^/(authz|validateToken|introspect|metrics|session/data|events|subjects|sessions/backup)'
failed=0
check "$AUTH_URL" "$AUTH_URL" --exclude-path-regex "$of_backends" \
    --exclude-name 'POST /sessions' "$@" || failed=1
check "$business" "$business" "$@" || failed=1
export INTERNAL_KEY
check "$AUTH_URL" "$internal" --include-path-regex "$of_backends" "$@" || failed=1
# Of the one path that both listeners have, the internal one's method.
check "$AUTH_URL" "$internal" --include-name 'POST /sessions' "$@" || failed=1
exit $failed
