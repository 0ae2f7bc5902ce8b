#!/usr/bin/env python3
"""Has the services do for some seconds what they do all day, so that the counters that they were built
with say which code is worth the compiler's room: .ci/profile builds what it runs, and calls it.

Usage: train.py BINARIES PROFILES      the counters of each process go to a file of its own in PROFILES

What is never done here, the compiler makes small instead of fast: so every store is used, each way to
ask about a token, and some of what people and proxies do.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ANY = "127.0.0.1:0"
AUTH = {
    "AUTH_PUBLIC_ADDR": ANY,
    "AUTH_INTERNAL_ADDR": ANY,
    "AUTH_DATABASE_URL": "sqlite::memory:",
    "AUTH_DEMO": "true",
    "AUTH_TOKEN_TTL": "6h",
    "AUTH_MAX_SESSIONS_PER_USER": "0",
    "AUTH_MINTS_PER_USER": "0",
    "AUTH_LOGINS_PER_ADDRESS": "0",
    "AUTH_LOGIN_ATTEMPTS": "0",
    "AUTH_LOGIN_ATTEMPTS_PER_ADDRESS": "0",
}
BUSINESS = {
    "BUSINESS_ADDR": ANY,
    "BUSINESS_INTERNAL_ADDR": ANY,
    "BUSINESS_COOKIE_NAME": "reinflate",
    # Counting takes its time.
    "BUSINESS_AUTH_TIMEOUT": "10s",
}
USER, PASSWORD = "jsf.fusco@gmail.com", "postman"

# How long each kind of load takes, in seconds, and from how many connections it comes in turn.
SECONDS, CROWDS = 1.5, (64, 16, 1)


class Process:
    """A server with counters, which it writes when it ends as it should."""

    def __init__(self, command, settings, profiles):
        common = {
            "PATH": os.environ["PATH"],
            "LLVM_PROFILE_FILE": f"{profiles}/%m-%p.profraw",
            "LOG_FORMAT": "json",
            "DRAIN_DELAY": "0s",
        }
        self.name = Path(command[0]).name
        self.process = subprocess.Popen(
            command, env=common | settings, stdout=subprocess.PIPE, text=True
        )

    def ports(self, *names):
        """The ports of these listeners, once all of them accept."""
        found = {}
        for line in self.process.stdout:
            listening = re.search(r"listening on http://127\.0\.0\.1:(\d+) \(([a-z-]+)\)", line)
            if listening:
                found[listening[2]] = int(listening[1])
            if all(name in found for name in names):
                return [found[name] for name in names]
        sys.exit(f"{self.name} ended before it listened")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.read()
        if self.process.wait() != 0:
            sys.exit(f"{self.name} did not end as it should")


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)

    def send(self, request):
        self.socket.sendall(request)

    def answer(self, *expected):
        """The head and the body of one answer, which has one of these statuses."""
        got, whole = b"", None
        while whole is None or len(got) < whole:
            got += self.socket.recv(65536) or sys.exit("a connection was closed")
            head, end, _ = got.partition(b"\r\n\r\n")
            if end and whole is None:
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                whole = len(head) + len(end) + (int(length[1]) if length else 0)
        if int(head.split()[1]) not in (expected or (200,)):
            sys.exit(got.decode())
        return head.decode(), got[len(head) + 4 :].decode()


def request(method, path, headers=None, body="", kind="application/json"):
    headers = {"Host": "127.0.0.1"} | (headers or {})
    if body:
        headers |= {"Content-Type": kind, "Content-Length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n{body}".encode()


def ask(port, one, *expected):
    connection = Connection(port)
    connection.send(one)
    return connection.answer(*expected)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def cookie(token):
    return {"Cookie": f"reinflate={token}"}


def log_in(public):
    login = json.dumps({"username": USER, "password": PASSWORD})
    return json.loads(ask(public, request("POST", "/login", body=login))[1])["token"]


def mint(public, maker, kind, count):
    connection, tokens = Connection(public), []
    for _ in range(count):
        body = json.dumps({"kind": kind, "name": "ci"})
        connection.send(request("POST", "/tokens", bearer(maker), body))
        tokens.append(json.loads(connection.answer(201)[1])["token"])
    return tokens


def load(port, requests):
    """Each connection asks for its own, and all of a crowd ask at once."""
    for crowd in CROWDS:
        connections = [Connection(port) for _ in requests[:crowd]]
        until = time.monotonic() + SECONDS / len(CROWDS)
        while time.monotonic() < until:
            for connection, one in zip(connections, requests):
                connection.send(one)
            for connection in connections:
                connection.answer()


def validations(tokens):
    return [request("POST", "/validateToken", body=json.dumps({"token": t})) for t in tokens]


def data(tokens):
    ways = [bearer, lambda token: {"token": token}, cookie]
    return [request("GET", "/data", ways[n % 3](token)) for n, token in enumerate(tokens)]


def errands(public, internal, business, tokens):
    """What happens once a session, or is refused."""
    form = f"username={USER.replace('@', '%40')}&password={PASSWORD}"
    urlencoded = "application/x-www-form-urlencoded"
    html = {"Accept": "text/html"}
    ask(public, request("GET", "/login", html))
    head, _ = ask(public, request("POST", "/login", body=form, kind=urlencoded), 303)
    visitor = html | cookie(re.search(r"(?i)\r\nset-cookie: reinflate=([^;]+)", head)[1])
    ask(public, request("GET", "/account", visitor))
    for path in ("/dashboard", "/protected", "/notes"):
        ask(business, request("GET", path, visitor))
        ask(business, request("GET", path, html), 303)
    for token in tokens:
        ask(public, request("GET", "/session", bearer(token)))
        ask(public, request("GET", "/sessions", bearer(token)))
        ask(internal, request("GET", "/authz/forward-auth", bearer(token)))
        ask(internal, request("GET", "/authz/auth-request", cookie(token)))
        ask(internal, request("POST", "/introspect", body=f"token={token}", kind=urlencoded))
        ask(public, request("POST", "/logout", bearer(token)), 204)
        ask(business, request("GET", "/data", bearer(token)), 401)
        ask(internal, validations([token])[0])
    for refused in ("nonsense", tokens[0][:-1] + "_"):
        ask(business, request("GET", "/data", bearer(refused)), 401)
    ask(business, request("GET", "/data"), 401)
    for port in (public, internal, business):
        ask(port, request("GET", "/livez"))
        ask(port, request("GET", "/nowhere"), 404)
    ask(internal, request("GET", "/metrics"))


def two_services(binaries, profiles, settings):
    auth = Process([f"{binaries}/auth-service"], AUTH | settings, profiles)
    public, internal = auth.ports("public", "internal")
    url = {"BUSINESS_AUTH_URL": f"http://127.0.0.1:{internal}"}
    service = Process([f"{binaries}/business-service"], BUSINESS | url, profiles)
    [business] = service.ports("business")
    maker = log_in(public)
    tokens = mint(public, maker, "sliding", max(CROWDS))
    load(internal, validations(tokens))
    load(business, data(tokens))
    for kind in ("fixed", "single_use"):
        for one in validations(mint(public, maker, kind, 50)):
            ask(internal, one)
    errands(public, internal, business, tokens[:10])
    service.end()
    auth.end()


def both_in_one(binaries, profiles):
    pair = Process([f"{binaries}/reinflate"], AUTH | BUSINESS, profiles)
    public, internal, business = pair.ports("public", "internal", "business")
    tokens = mint(public, log_in(public), "sliding", max(CROWDS))
    load(business, data(tokens))
    errands(public, internal, business, tokens[:10])
    pair.end()


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    binaries, profiles = sys.argv[1:]
    two_services(binaries, profiles, {})
    both_in_one(binaries, profiles)
    with tempfile.TemporaryDirectory() as scratch:
        users = {"AUTH_DATABASE_URL": f"sqlite:{scratch}/users.db"}
        store = {"AUTH_SESSION_STORE": f"sqlite:{scratch}/sessions.db"}
        two_services(binaries, profiles, users | store)
        port = unused_port()
        redis = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        redis = subprocess.Popen(redis, cwd=scratch, stdout=subprocess.PIPE, text=True)
        try:
            if not any("Ready to accept connections" in line for line in redis.stdout):
                sys.exit("redis-server ended before it listened")
            users = {"AUTH_DATABASE_URL": f"sqlite:{scratch}/users-beside-redis.db"}
            store = {"AUTH_SESSION_STORE": f"redis://127.0.0.1:{port}"}
            two_services(binaries, profiles, users | store)
        finally:
            redis.kill()


if __name__ == "__main__":
    main()
