#!/usr/bin/env python3
"""Says where the instructions of a validated request go, by category, from the profiles that count.py
leaves: each function counts by itself, for the first category whose pattern its name has.

Usage: .ci/counts --keep DIRECTORY; benches/counts/categories.py DIRECTORY [OTHER]

With OTHER, profiles of another build, both stand beside each other.
"""

import re
import subprocess
import sys
from pathlib import Path

from count import CONNECTIONS, ROUNDS

# callgrind's processor has no instructions for SHA-256, which real ones have.
CATEGORIES = [
    ("SHA-256 without the processor's help", r"sha2::"),
    ("allocator", r"\bmi_|_mi_|mimalloc|wiping_alloc|__rust_(alloc|dealloc|realloc)"),
    ("moving memory", r"mem(cpy|move|set|cmp)"),
    ("JSON, dates, ids and packed bodies", r"json|timestamp::|packed|uuid|core::fmt|core::num|net::parser|serde|from_utf8"),
    ("HTTP: hyper, headers, parsing", r"hyper|httparse|http::|http_body|headers|memchr|bytes::"),
    ("axum, tower, extensions", r"axum|tower|extensions|hashbrown|matchit|sip::"),
    ("tokio, clocks, system calls", r"tokio|mio::|timespec|clock|libc|socket|pthread|epoll|parking_lot|nix/|__libc|send|recv|readv|writev"),
    ("asking: queue, deadline, client", r"auth_client|batching|reqwest|futures"),
    ("the store and the token", r"session::|crc32|base64"),
    ("server: ids, metrics, limits, log", r"server_runtime|http_server|prometheus|tracing|auth_http"),
    ("handlers", r"auth_service|business_service|auth_api_types"),
    ("the rest", r""),
]
PROFILES = [
    ("/validateToken", "auth-service.out.1"),
    ("/data, business-service", "business-service.out.1"),
    ("/data, auth-service", "auth-service.out.2"),
]


def by_category(profile):
    command = ["callgrind_annotate", "--threshold=100", str(profile)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    sums = dict.fromkeys((name for name, _ in CATEGORIES), 0)
    for line in lines:
        found = re.match(r"\s*([\d,]+) \([^)]*\)\s+(\S+?):(.*)", line)
        if found and "PROGRAM TOTALS" not in line:
            function = re.sub(r"\s\[.*\]$", "", found[3]).lower()
            name = next(name for name, pattern in CATEGORIES if re.search(pattern, function))
            sums[name] += int(found[1].replace(",", "")) / (CONNECTIONS * ROUNDS)
    return sums


def main(directories):
    columns = [(name, by_category(Path(directory) / file))
               for name, file in PROFILES for directory in directories]
    print("| instructions a request | " + " | ".join(name for name, _ in columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for name, _ in CATEGORIES:
        print(f"| {name} | " + " | ".join(f"{sums[name]:,.0f}" for _, sums in columns) + " |")
    print("| in all | " + " | ".join(f"{sum(sums.values()):,.0f}" for _, sums in columns) + " |")


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    main(sys.argv[1:])
