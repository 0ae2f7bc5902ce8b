#!/usr/bin/env python3
"""Draws what a run of the load bench has measured: `render.py RESULTS.json DIRECTORY` writes
performance.md, the prose of performance.md.in and notes.md.in with the figures in it, and
images/performance-*.svg beside it. It measures nothing and needs nothing but Python."""

import json
import math
import re
import sys
from html import escape
from pathlib import Path
from statistics import median

LINES = ["hello", "validate", "data", "data-unbatched", "validate-redis", "data-redis"]
RATIOS = [
    ("auth-service, `/validateToken`", "validate"),
    ("both services, `/data`", "data"),
    ("auth-service, `/validateToken`, Redis", "validate-redis"),
    ("both services, `/data`, Redis", "data-redis"),
]
AGAINST = [
    ("auth-service, `/validateToken`, against the build of before", "validate", "validate-before"),
    ("the same, optimised by a profile", "validate-profiled", "validate-before"),
    ("both services, `/data`, against the build of before", "data", "data-before"),
    ("the same, optimised by a profile", "data-profiled", "data-before"),
    ("`reinflate`, `/data`, against the build of before", "pair", "pair-before"),
    ("the same, optimised by a profile", "pair-profiled", "pair-before"),
    ("auth-service, `/validateToken`, Redis, against the build of before", "validate-redis",
     "validate-redis-before"),
    ("both services, `/data`, Redis, against the build of before", "data-redis", "data-redis-before"),
    ("auth-service, `/validateToken`, session file, against memory", "validate-durable", "validate"),
    ("both services, `/data`, against one call a request", "data", "data-unbatched"),
    ("both services, `/data`, against nginx with `auth_request`", "data", "nginx-auth"),
    ("both services, `/data`, against two Flask services", "data", "flask"),
    ("both services, `/data`, against axum-login in one process", "data", "axum-login"),
    ("the same, where axum-login saves each use as well", "data", "axum-login-saved"),
    ("both services, `/data`, Redis, against axum-login, Redis", "data-redis", "axum-login-redis"),
    ("the same, where axum-login saves each use as well", "data-redis", "axum-login-saved-redis"),
]

# Told apart without colour vision too (after Okabe and Ito).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#59636e"]
INK, PALE, GRID = "#1f2328", "#59636e", "#d8dee4"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 880, 84, 562, 56, 360


def grouped(value):
    return f"{value:,.0f}"


def ratio(value):
    return f"{value:.4f}" if value < 0.1 else f"{value:.2f}"


def ms(micros):
    value = micros / 1000
    return f"{value:.{3 if value < 1 else 2 if value < 10 else 0}f} ms"


def mib(size):
    value = size / 2**20
    return f"{value:.{1 if value < 100 else 0}f} MiB"


def table(head, rows):
    """Markdown, names to the left and figures to the right."""
    lines = ["|" + "|".join(f" {cell} ".replace("  ", " ") for cell in head) + "|"]
    lines.append("| --- |" + " ---: |" * (len(head) - 1))
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


class Run:
    """The figures of a run: medians over its rounds, and ratios to "hello" in the same round."""

    def __init__(self, results):
        self.__dict__.update(results)
        self.titles = dict(self.rows)

    def connections(self, pinning):
        return sorted({s["connections"] for s in self.samples if s["pinning"] == pinning})

    def figure(self, pinning, row, connections):
        def of(name):
            at = (pinning, name, connections)
            return [s for s in self.samples if (s["pinning"], s["row"], s["connections"]) == at]

        samples, hello = of(row), {s["round"]: s["per_second"] for s in of("hello")}
        ratios = [s["per_second"] / hello[s["round"]] for s in samples if s["round"] in hello]
        if not ratios:
            return None
        names = ["per_second", "p50_us", "p99_us", "p999_us", "cpu_us"]
        return {"ratio": median(ratios)} | {n: median(s[n] for s in samples) for n in names}

    def by_round(self, pinning, row, connections):
        """Requests a second, by the number of the round."""
        at = (pinning, row, connections)
        return {s["round"]: s["per_second"] for s in self.samples
                if (s["pinning"], s["row"], s["connections"]) == at}

    def short_title(self, row):
        saved = {"axum-login-saved": "memory", "axum-login-saved-redis": "Redis"}
        if row in saved:
            return f"axum-login, {saved[row]}, each use saved"
        return self.titles[row].replace("`", "").replace(" with tower-sessions", "")

    # The parts of the document.

    def comparison(self):
        columns = [(p, c) for p in "PU" for c in self.connections(p) if c in (64, 256)]
        head = [f"{p} {c}" for p, c in columns]

        def part(title, entries, cell):
            rows = [[name] + [cell(column, *rest) for column in columns] for name, *rest in entries]
            return table([title] + head, [row for row in rows if any(row[1:])])

        def of_hello(column, name):
            found = self.figure(column[0], name, column[1])
            return ratio(found["ratio"]) if found else ""

        def times(column, name, other):
            ours, theirs = (self.by_round(column[0], row, column[1]) for row in (name, other))
            rounds = ours.keys() & theirs.keys()
            if not rounds:
                return ""
            value = median(ours[n] / theirs[n] for n in rounds)
            return f"{value:.{2 if value < 10 else 0}f} ×"

        return (part("requests a second, as a part of axum “hello”", RATIOS, of_hello) + "\n"
                + part("how many times as many requests a second", AGAINST, times))

    def tails(self):
        text = ""
        for connections in (64, 256):
            pair = [self.figure("P", row, connections) for row in ("data", "data-unbatched")]
            if all(pair):
                shared, each = (figure["p99_us"] / 1000 for figure in pair)
                text += (f"At {connections} connections 99 % of the answers of `/data` come within "
                         f"{shared:.2f} ms, and within {each:.2f} ms with one call a request.\n")
        return text

    def alone(self):
        pair = [self.figure("P", row, 1) for row in ("data", "data-unbatched")]
        if not all(pair):
            return ""
        shared, each = (figure["p50_us"] for figure in pair)
        return (f"With one connection, where no two requests meet, half of the answers of `/data` come "
                f"within {shared:.0f} µs, and within {each:.0f} µs with one call a request.")

    def tables(self, pinning):
        head = ["", "requests/s", 'of "hello"', "p50", "p99", "p99.9", "CPU a request"]
        text = ""
        # What most is said about first.
        for connections in sorted(self.connections(pinning), key=lambda c: (c not in (64, 256), c)):
            rows = []
            for name, title in self.rows:
                if f := self.figure(pinning, name, connections):
                    rows.append([title, grouped(f["per_second"]), ratio(f["ratio"]), ms(f["p50_us"]),
                                 ms(f["p99_us"]), ms(f["p999_us"]), f"{f['cpu_us']:.1f} µs"])
            text += f"{connections} connection{'s' * (connections > 1)}:\n\n{table(head, rows)}\n"
        return text

    def plots(self):
        return "\n".join(
            f"![{what} against connections, {p}](images/performance-{what}-{p.lower()}.svg)\n"
            for p in "PU" if len(self.connections(p)) > 1 for what in ("throughput", "latency"))

    def percentiles(self, **parts):
        rows = [[name.replace("_", " ")] + [ms(part[of]) for of in ("p50", "p99", "p999", "longest")]
                for name, part in parts.items()]
        return table(["", "p50", "p99", "p99.9", "longest"], rows)

    def expired(self):
        if not (e := self.expiry):
            return ""
        latencies = self.percentiles(before=e["before"], in_the_two_seconds_from_then_on=e["during"])
        return (f"{grouped(e['sessions'])} sessions end in the same moment. In the {e['watched']:.0f} "
                f"seconds that were watched the service swept {grouped(e['swept'])} sessions, with "
                f"{e['sweep_ms']:.0f} ms of sweeping in all.\n\n{latencies}\n"
                "![validations while sessions expire](images/performance-expiry.svg)\n")

    def memory(self):
        text = "| live sessions | resident |\n| ---: | ---: |\n"
        text += "".join(f"| {grouped(n)} | {mib(size)} |\n" for n, size in self.growth)
        if self.growth:
            (none, empty), (most, full) = self.growth[0], self.growth[-1]
            size = max(full - empty, 0) / max(most - none, 1)
            text += ("\nWithout any session it is more than the [idle process](#start-idle-size) has: its "
                     "users have logged in, and the memory of an Argon2id hash (19 MiB) is kept. From there "
                     f"it is {size:.0f} bytes a session on average, the growth of the whole process, with "
                     "what the allocator holds ready; the store by itself takes "
                     "[less](#where-the-time-goes).\n")
            if d := self.durable:
                text += (f"With a session file it is as much; the file has {d['bytes'] / most:.0f} bytes a "
                         f"session. At 64 connections {grouped(d['minted_per_second'])} tokens a second are "
                         f"minted, each on the disk before it is answered; the disk alone syncs "
                         f"{grouped(d['syncs_per_second'])} times a second.\n")
            if self.redis:
                size = max(self.redis[1] - self.redis[0], 0) / max(most, 1)
                text += (f"In Redis it is {size:.0f} bytes a session, the growth of Redis' process; Redis "
                         "itself counts [less](scaling.md#the-arithmetic), where a user has 50 sessions and "
                         "not thousands, whose list takes 100 bytes more for each.\n")
        return text + "\n![memory against live sessions](images/performance-memory.svg)\n"

    def flooded(self):
        text = ""
        for f in self.floods:
            p = f["pinning"]
            latencies = self.percentiles(before=f["before"], during_the_flood=f["during"])
            text += (f"{p}: {f['logins']:.0f} logins a second succeed, {f['turned_away']:.0f} are turned away "
                     f"with a 503.\n\n{latencies}\n![validations during a flood of logins, {p}]"
                     f"(images/performance-flood-{p.lower()}.svg)\n\n")
        return text

    def started(self):
        return table(["", "start to ready", "resident when idle", "binary"],
                     [[f"`{s['name']}`", f"{s['ready_ms']:.0f} ms", mib(s["resident"]), mib(s["binary"])]
                      for s in self.starts])

    def facts(self):
        elsewhere = median(s["elsewhere"] for s in self.samples) * 100 if self.samples else 0
        facts = self.machine + [["what else took time while a row was measured, median",
                                 f"{elsewhere:.1f} % of all cores"]]
        return "| | |\n| --- | --- |\n" + "".join(f"| {name} | {value} |\n" for name, value in facts)

    def document(self, template, notes):
        missing = f"Left out in this run: {'; '.join(self.missing)}." if self.missing else ""
        values = {
            "comparison": self.comparison(), "tails": self.tails(), "alone": self.alone(),
            "tables P": self.tables("P"), "tables U": self.tables("U"), "plots": self.plots(),
            "missing": missing, "live": grouped(self.live), "in use": grouped(self.in_use),
            "rounds": str(self.rounds), "seconds": str(self.seconds), "rate": grouped(self.rate),
            "expiry": self.expired(), "memory": self.memory(), "flood": self.flooded(),
            "starts": self.started(), "machine": self.facts(), "notes": notes,
        }
        return re.sub(r"\{\{(.+?)\}\}", lambda mark: values[mark[1]].rstrip(), template)

    # The charts.

    def charts(self):
        yield "ratios", self.bars()
        for p in "PU":
            if len(self.connections(p)) > 1:
                thousands = self.against_connections(p, lambda f: f["per_second"] / 1000)
                yield (f"throughput-{p.lower()}", chart(f"Throughput against connections ({p})",
                       thousands, "connections", "requests a second, in thousands"))
                p99 = self.against_connections(p, lambda f: f["p99_us"] / 1000)
                yield (f"latency-{p.lower()}", chart(f"Latency against connections: p99 ({p})",
                       p99, "connections", "99 % are answered within, ms", logarithmic=True))
        if len(self.growth) > 1:
            points = [(n, size / 2**20) for n, size in self.growth]
            yield "memory", chart("Memory against live sessions", [("auth-service,\nsessions in memory",
                                  points)], "live sessions", "resident memory, MiB")
        if e := self.expiry:
            words = f"{grouped(e['sessions'])} sessions\nend, and are swept"
            span = (e["ended"], e["ended"] + 1, words)
            yield "expiry", over_time("Validations while sessions expire", e["windows"], span)
        for f in self.floods:
            span = (f["began"], f["ended"], f"{f['logins']:.0f} logins a second,\nmore are waiting")
            title = f"Validations during a flood of logins ({f['pinning']})"
            yield f"flood-{f['pinning'].lower()}", over_time(title, f["windows"], span)

    def against_connections(self, pinning, value):
        lines = []
        for row in LINES:
            at = [(str(c), self.figure(pinning, row, c)) for c in self.connections(pinning)]
            if points := [(c, value(figure)) for c, figure in at if figure]:
                lines.append((self.short_title(row), points))
        return lines

    def bars(self):
        kinds = ["all servers on one core, the generator on the other (P)", "unpinned, all cores (U)"]
        rows = [(self.short_title(row), [self.figure(p, row, 64) for p in "PU"]) for row, _ in self.rows]
        rows = [(name, figures) for name, figures in rows if any(figures)]
        longest = max([1] + [f["ratio"] for _, figures in rows for f in figures if f])
        body, y = legend(kinds, 334), 104
        for name, figures in rows:
            body += text(322, y + 14, name, 15, INK, "end")
            for figure, colour in zip(figures, COLOURS):
                if figure:
                    length = max(round(figure["ratio"] / longest * 380), 1)
                    body += f'<rect x="330" y="{y}" width="{length}" height="9" fill="{colour}"/>\n'
                    body += text(336 + length, y + 9, ratio(figure["ratio"]), 11, PALE)
                y += 11
            y += 12
        return page("Requests a second as a part of axum “hello”, 64 connections", body, y + 16)


def text(x, y, words, size, colour, anchor="start", more=""):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"'
            f"{more}>{escape(words)}</text>\n")


def page(title, body, height=420):
    """A chart brings its own light background, since the page that shows it may be dark."""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" font-family="sans-serif">\n<rect width="100%" height="100%" fill="#fff"/>\n'
            f"{text(20, 32, title, 21, INK)}{body}</svg>\n")


def legend(names, x, colours=COLOURS, y=60):
    body = ""
    for name, colour in zip(names, colours):
        body += f'<rect x="{x}" y="{y}" width="18" height="8" fill="{colour}"/>\n'
        for part in name.split("\n"):
            body += text(x + 26, y + 9, part, 14, INK)
            y += 19
        y += 7
    return body


def even(least):
    """Labels from 0 in steps of 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(max(least / 5, 1e-9)))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= least / 5 * 0.999)
    return [step * n for n in range(math.ceil(least / step - 0.001) + 1)]


def decades(low, high):
    """Labels around these values, a factor of ten always as far apart."""
    ticks = [digit * 10.0**exponent for exponent in range(-6, 9) for digit in (1, 2, 5)]
    first = max((i for i, tick in enumerate(ticks) if tick <= low), default=0)
    return ticks[first:next(i for i, tick in enumerate(ticks) if tick >= high) + 1]


def chart(title, lines, x_title, y_title, logarithmic=False, span=None, dots=True):
    """Lines of (name, points) over two axes; names stand for an x where it is text."""
    xs, ys = ([point[i] for _, points in lines for point in points] for i in (0, 1))
    named = isinstance(xs[0], str)
    names = sorted(set(xs), key=int) if named else []
    x_ticks = list(range(len(names))) if named else even(max(xs))
    y_ticks = decades(min(ys), max(ys)) if logarithmic else even(max(ys))
    scale = math.log10 if logarithmic else float
    x_from, x_to = (-0.1, len(names) - 0.9) if named else (0, x_ticks[-1] if dots else max(xs))

    def at_x(x):
        x = names.index(x) if isinstance(x, str) else x
        return LEFT + (RIGHT - LEFT) * (x - x_from) / (x_to - x_from)

    def at_y(y):
        low, high = scale(y_ticks[0]), scale(y_ticks[-1])
        return BOTTOM - (BOTTOM - TOP) * (scale(y) - low) / (high - low)

    body = ""
    if span:
        left, right = at_x(span[0]), at_x(span[1])
        body += (f'<rect x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{BOTTOM - TOP}" '
                 f'fill="{COLOURS[4]}" opacity="0.25"/>\n')
    for tick in y_ticks:
        body += f'<path d="M{LEFT} {at_y(tick):.1f}H{RIGHT}" stroke="{GRID}"/>\n'
        body += text(LEFT - 8, at_y(tick) + 5, f"{tick:g}", 15, PALE, "end")
    for tick in (tick for tick in x_ticks if tick <= x_to):
        words = names[tick] if named else grouped(tick)
        body += text(at_x(tick), BOTTOM + 20, words, 15, PALE, "middle")
    body += text((LEFT + RIGHT) / 2, BOTTOM + 46, x_title, 14, INK, "middle")
    middle = (TOP + BOTTOM) // 2
    body += text(22, middle, y_title, 14, INK, "middle", f' transform="rotate(-90 22 {middle})"')
    for (_, points), colour in zip(lines, COLOURS):
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points)
        body += f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
        for x, y in points if dots else []:
            body += f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="4" fill="{colour}"/>\n'
    legend_names, colours = [name for name, _ in lines], COLOURS[:len(lines)]
    if span:
        legend_names, colours = legend_names + [span[2]], colours + ["#f9e7bf"]
    return page(title, body + legend(legend_names, RIGHT + 16, colours))


def over_time(title, windows, span):
    lines = [(name, [(at, seen[of] / 1000) for at, seen in windows])
             for name, of in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))]
    y_title = "answered within, ms (windows of half a second)"
    return chart(title, lines, "seconds", y_title, logarithmic=True, span=span, dots=False)


def main(results, directory):
    run, here = Run(json.loads(Path(results).read_text())), Path(__file__).parent
    images = Path(directory) / "images"
    images.mkdir(parents=True, exist_ok=True)
    for name, drawing in run.charts():
        (images / f"performance-{name}.svg").write_text(drawing)
    parts = [(here / name).read_text() for name in ("performance.md.in", "notes.md.in")]
    (Path(directory) / "performance.md").write_text(run.document(*parts))


if __name__ == "__main__":
    main(*sys.argv[1:])
