#!/usr/bin/env bash
# A walk with curl: each command is printed, run, and its answer shown and checked. The exit code is
# 0 if every answer was as expected.
#
# Usage: postman/demo.sh
#
# Needs a server, by default that of `cargo run`; elsewhere: BASE_URL, BUSINESS_URL, INTERNAL_URL.
# With Docker the internal listener is not published: INTERNAL_URL= postman/demo.sh
set -euo pipefail

BASE_URL=${BASE_URL:-http://localhost:8080}
BUSINESS_URL=${BUSINESS_URL:-http://localhost:8090}
INTERNAL_URL=${INTERNAL_URL-http://localhost:8081}
DEMO='{"username":"jsf.fusco@gmail.com","password":"postman"}'

case ${1:-} in
  '') ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
  *) echo "demo.sh takes no arguments; see --help" >&2; exit 2 ;;
esac
command -v curl >/dev/null || { echo "demo.sh: curl is needed" >&2; exit 2; }

for url in "$BASE_URL" "$BUSINESS_URL"; do
  curl -fs -o /dev/null --max-time 10 "$url/livez" \
    || { echo "demo.sh: no server at $url: start one with 'cargo run'" >&2; exit 1; }
done

bold= green= red= dim= plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
fi

checks=0 failures=0 answer= TOKEN=

say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; }
check() {
  checks=$((checks + 1))
  if [ "$1" = held ]; then
    printf '%s✓ %s%s\n' "$green" "$2" "$plain"
  else
    failures=$((failures + 1))
    printf '%s✗ %s%s\n' "$red" "$2" "$plain"
  fi
}

# Every curl of the walk: bounded, and with the status on a last line of its own.
curl() { command curl --max-time 10 -w '\n%{http_code}' "$@"; }

# Prints a command, runs it, shows what it answered, and checks the status.
ask() {
  local wanted=$1 command=$2 got
  show "$command"
  answer=$(eval "$command") || true
  got=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  [ -z "$answer" ] || printf '%s\n' "$answer"
  if [ "$got" = "$wanted" ]; then check held "$wanted"; else check failed "$got, but expected $wanted"; fi
}

# Checks that the last answer has this in it.
has() { case $answer in *"$1"*) check held "it has $1" ;; *) check failed "it lacks $1" ;; esac; }

# Keeps the token of the last answer.
keep_token() {
  show "$1=...        # the token of this answer"
  printf -v "$1" '%s' "$(sed -n 's/.*"token":"\([^"]*\)".*/\1/p' <<<"$answer")"
}

pause() { show "sleep $1"; sleep "$1"; }

show "BASE_URL=$BASE_URL BUSINESS_URL=$BUSINESS_URL INTERNAL_URL=$INTERNAL_URL"
show "DEMO='$DEMO'"

say "Log in: a token that lives 30 seconds"
ask 200 'curl -s $BASE_URL/login -H "Content-Type: application/json" -d "$DEMO"'
has '"token_type":"Bearer"'
has '"refresh_count":0'
keep_token TOKEN

say "Each use gives it its time again, and counts"
ask 200 'curl -s $BUSINESS_URL/data -H "Authorization: Bearer $TOKEN"'
has '"refresh_count":1'
pause 2
ask 200 'curl -s $BUSINESS_URL/data -H "token: $TOKEN"'
has '"expires_in":30'
has '"refresh_count":2'
ask 200 'curl -s $BUSINESS_URL/protected-resource -H "Authorization: Bearer $TOKEN"'
has '"message":"This is a protected resource"'

say "My sessions"
ask 200 'curl -s $BASE_URL/sessions -H "Authorization: Bearer $TOKEN"'
has '"current":true'

if [ -n "$INTERNAL_URL" ]; then
  say "What a backend asks: is it alive? (and without a use: only looking)"
  ask 200 'curl -s $INTERNAL_URL/validateToken -H "Content-Type: application/json" -d "{\"token\":\"$TOKEN\",\"touch\":false}"'
  has '"authenticated":true'
  ask 200 'curl -s $INTERNAL_URL/validateToken -H "Content-Type: application/json" -d "{\"tokens\":[\"$TOKEN\",\"nonsense\"]}"'
  has '"reason":"malformed"'
fi

say "Another token for the same session; the old one is dead at once"
OLD=$TOKEN
ask 200 'curl -s -X POST $BASE_URL/session/rotate -H "Authorization: Bearer $TOKEN"'
show 'OLD=$TOKEN'
keep_token TOKEN
ask 401 'curl -s $BUSINESS_URL/data -H "Authorization: Bearer $OLD"'
has '"code":"invalid_token"'

say "A token that lives two seconds, and is left alone for three"
ask 201 'curl -s $BASE_URL/tokens -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d "{\"kind\":\"sliding\",\"ttl\":\"2s\"}"'
keep_token SHORT
ask 200 'curl -s $BUSINESS_URL/data -H "Authorization: Bearer $SHORT"'
pause 3
ask 401 'curl -s $BUSINESS_URL/data -H "Authorization: Bearer $SHORT"'
has '"code":"invalid_token"'

say "A token for one use"
ask 201 'curl -s $BASE_URL/tokens -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d "{\"kind\":\"single_use\"}"'
keep_token ONCE
ask 200 'curl -s $BUSINESS_URL/data -H "Authorization: Bearer $ONCE"'
ask 401 'curl -s $BUSINESS_URL/data -H "Authorization: Bearer $ONCE"'

say "What is refused"
ask 401 'curl -s $BUSINESS_URL/data'
has '"code":"missing_token"'
ask 401 'curl -s $BASE_URL/login -H "Content-Type: application/json" -d "{\"username\":\"nobody$RANDOM@example.com\",\"password\":\"wrong\"}"'
has '"code":"invalid_credentials"'

say "Log out: it is final"
ask 204 'curl -s -X POST $BASE_URL/logout -H "Authorization: Bearer $TOKEN"'
ask 401 'curl -s $BUSINESS_URL/data -H "Authorization: Bearer $TOKEN"'
has '"code":"invalid_token"'

if [ "$failures" -eq 0 ]; then
  printf '\n%s%s of %s as expected%s\n' "$green" "$checks" "$checks" "$plain"
else
  printf '\n%s%s of %s not as expected%s\n' "$red" "$failures" "$checks" "$plain"
  exit 1
fi
