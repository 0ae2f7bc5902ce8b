#!/usr/bin/env python3
"""Counts what a validated request costs in user mode: instructions and allocations, which depend on no
other load, but for what a service does by the clock and does more often while a run takes longer. It
runs the release binaries under callgrind, and fails where a count is more than 5 % above the one in
counts.json beside it.

Usage: count.py [--write] [--keep DIRECTORY]        .ci/counts builds what it runs, and calls it

  --write   writes what was counted to counts.json instead of comparing it
  --keep    leaves the profiles there, for callgrind_annotate
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINARIES = HERE.parent.parent / "target/release"
WRITTEN = HERE / "counts.json"

# Each connection has its own token and asks once a round, and all ask at once.
CONNECTIONS, WARM_UP, ROUNDS = 32, 10, 40

LOGIN = '{"username":"jsf.fusco@gmail.com","password":"postman"}'
ANY = "127.0.0.1:0"
AUTH = {
    "AUTH_PUBLIC_ADDR": ANY,
    "AUTH_INTERNAL_ADDR": ANY,
    "AUTH_DATABASE_URL": "sqlite::memory:",
    "AUTH_DEMO": "true",
    "AUTH_TOKEN_TTL": "6h",
    "AUTH_LOGINS_PER_ADDRESS": "0",
    # It would add to whatever is counted meanwhile.
    "AUTH_SWEEP_INTERVAL": "0",
}
BUSINESS = {
    "BUSINESS_ADDR": ANY,
    "BUSINESS_INTERNAL_ADDR": ANY,
    # Under callgrind everything takes fifty times as long.
    "BUSINESS_AUTH_TIMEOUT": "60s",
}

# What Rust's allocations end in: the functions of mimalloc that its callers are counted at.
ALLOCATE = re.compile(r"mi_(heap_)?(malloc|zalloc|calloc|realloc|rezalloc)(_aligned(_at)?)?$")


class Service:
    """One service under callgrind, which counts only once it is told to."""

    def __init__(self, binary, settings, directory):
        self.profile = directory / f"{binary.name}.out"
        tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet"]
        tool += [f"--callgrind-out-file={self.profile}", str(binary)]
        settings = {"PATH": os.environ["PATH"], "WORKERS": "1", "LOG_FORMAT": "json"} | settings
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(tool, env=settings, cwd=directory, stdout=pipe, text=True)
        self.dumps = 0

    def ports(self, names):
        """The ports of these listeners, once all of them accept."""
        found = {}
        for line in self.process.stdout:
            listening = re.search(r"listening on http://127\.0\.0\.1:(\d+) \(([a-z-]+)\)", line)
            if listening:
                found[listening[2]] = int(listening[1])
            if all(name in found for name in names):
                return [found[name] for name in names]
        sys.exit(f"{self.profile.stem} ended before it listened")

    def control(self, *command):
        command = ["callgrind_control", *command, str(self.process.pid)]
        subprocess.run(command, check=True, capture_output=True)

    def counts(self):
        """What it counted since the last `-z`."""
        self.dumps += 1
        self.control("-d")
        return read(Path(f"{self.profile}.{self.dumps}"))


def read(profile):
    """The instructions of a profile, and the calls that allocate."""
    names, instructions, allocations = {}, 0, 0
    caller = called = ""
    for line in profile.read_text().splitlines():
        function = re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line)
        if function:
            kind, number, name = function.groups()
            name = names.setdefault(number, name and re.sub(r"'\d+$", "", name))
            caller, called = (name, "") if kind == "fn" else (caller, name)
        elif line.startswith("calls="):
            if ALLOCATE.search(called) and "mi_" not in caller:
                allocations += int(line[6:].split()[0])
        elif line.startswith("totals:"):
            instructions = int(line.split()[1])
    return instructions, allocations


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=120)


def answer(connection):
    """The body of one answer, which must be a success."""
    got, whole = b"", None
    while not whole or len(got) < whole:
        got += connection.recv(65536) or sys.exit("a connection was closed")
        head, end, body = got.partition(b"\r\n\r\n")
        if end:
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1]
            whole = len(head) + len(end) + int(length)
    if head.split()[1] != b"200" or b'"authenticated":false' in body:
        sys.exit(f"{head.decode()}\n{body.decode()}")
    return body


def request(method, path, headers="", body=""):
    text = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
    if body:
        text += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{text}\r\n{body}".encode()


def log_in(port):
    connection = connect(port)
    connection.sendall(request("POST", "/login", body=LOGIN))
    return json.loads(answer(connection))["token"]


def ask(service, connections, requests, rounds):
    """Each connection asks once a round. The service is stopped while they do, so that it finds all
    questions at once, however slow it or the machine is."""
    for _ in range(rounds):
        service.process.send_signal(signal.SIGSTOP)
        for connection, one in zip(connections, requests):
            connection.sendall(one)
        service.process.send_signal(signal.SIGCONT)
        for connection in connections:
            answer(connection)


def count(asked, port, requests, counted):
    """What one request costs each of the services that are counted."""
    connections = [connect(port) for _ in requests]
    for service in counted:
        service.control("-i", "on")
    ask(asked, connections, requests, WARM_UP)
    for service in counted:
        service.control("-z")
    ask(asked, connections, requests, ROUNDS)
    total = ROUNDS * len(requests)
    return [[round(n / total, 1) for n in service.counts()] for service in counted]


def measure(directory):
    auth = Service(BINARIES / "auth-service", AUTH, directory)
    services = [auth]
    try:
        public, internal = auth.ports(["public", "internal"])
        tokens = [log_in(public) for _ in range(CONNECTIONS)]
        url = {"BUSINESS_AUTH_URL": f"http://127.0.0.1:{internal}"}
        business = Service(BINARIES / "business-service", BUSINESS | url, directory)
        services.append(business)
        [port] = business.ports(["business"])
        bodies = [f'{{"token":"{token}"}}' for token in tokens]
        validate = [request("POST", "/validateToken", body=body) for body in bodies]
        data = [request("GET", "/data", f"token: {token}\r\n") for token in tokens]
        [alone] = count(auth, internal, validate, [auth])
        of_business, of_auth = count(business, port, data, [business, auth])
    finally:
        for service in services:
            service.process.kill()
    names = ["/validateToken", "/data, business-service", "/data, auth-service"]
    rows = zip(names, [alone, of_business, of_auth])
    return {name: dict(zip(("instructions", "allocations"), row)) for name, row in rows}


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--write", action="store_true")
    options.add_argument("--keep", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = (given.keep or Path(scratch)).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        counted = measure(directory)
    if given.write:
        WRITTEN.write_text(json.dumps(counted, indent=2) + "\n")
    if not WRITTEN.exists():
        sys.exit(f"nothing is written down: {json.dumps(counted)}")
    written = json.loads(WRITTEN.read_text())
    more = False
    for name, row in counted.items():
        for what, number in row.items():
            limit = written[name][what] * 1.05
            more |= number > limit
            mark = "  MORE than 5 % above" if number > limit else ""
            print(f"{name:24} {number:9.1f} {what}, {written[name][what]:9.1f} written down{mark}")
    sys.exit(int(more))


if __name__ == "__main__":
    main()
