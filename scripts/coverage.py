#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
"""coverage.py EXPORT.json EXPORT.lcov: a table of what the tests reach, and what they don't.

Both are what llvm-cov exports of one run: lines come from the second, branches and conditions from the
first. A header's inline function is there once for each file that includes it; a line, a way out of a
branch or a condition counts as reached if it was in any of them.

A line with the comment  coverage: excluded: REASON  isn't counted, nor is the line below one that has
nothing but this comment. Exit status 1: a limit isn't held, which the last line says.
"""
import json
import os
import re
import sys

EXCLUSIONS_BELOW = 10
HOST_LINES = 95.0
# The pure core: every condition is to decide its decision (MC/DC).
PURE = re.compile(r"^src/(range\.h|range_index\.[ch]|range_alloc\.[ch]|frame_plan\.[ch]"
                  r"|extent(_list)?\.[ch]|lookup_cache\.h)$")
MARK = re.compile(r"/\* coverage: excluded: (.*?)\s*\*/")


class File:
    def __init__(self, name):
        self.name = name
        self.lines = {}       # line: times
        self.branches = {}    # (line, column, true or false): times
        self.conditions = {}  # (line, column of the decision, position): decided it
        self.excluded = {}    # line: reason
        with open(name, encoding="utf-8") as source:
            lines = source.read().split("\n")
        for number, text in enumerate(lines, 1):
            mark = MARK.search(text)
            if mark:
                alone = text.strip() == mark.group(0)
                self.excluded[number + 1 if alone else number] = mark.group(1)

    def take_out_excluded(self):
        for part in (self.lines, self.branches, self.conditions):
            for key in list(part):
                if (key if isinstance(key, int) else key[0]) in self.excluded:
                    del part[key]


class Source:
    """The files of src/ and host/, by name from the top of the tree."""

    def __init__(self, top):
        self.top = top + os.sep
        self.files = {}

    def file(self, path):
        name = path[len(self.top):] if path.startswith(self.top) else ""
        if not name.startswith(("src/", "host/")):
            return None
        if name not in self.files:
            self.files[name] = File(name)
        return self.files[name]


def add(counts, key, times):
    counts[key] = counts.get(key, 0) + times


def read_lines(source, lcov):
    file = None
    with open(lcov, encoding="utf-8") as export:
        for text in export:
            kind, _, rest = text.rstrip("\n").partition(":")
            if kind == "SF":
                file = source.file(rest)
            elif kind == "DA" and file:
                line, times = rest.split(",")[:2]
                add(file.lines, int(line), int(times))


def read_function(source, function):
    for branch in function["branches"]:
        line, column, _, _, taken, not_taken, at = branch[:7]
        file = source.file(function["filenames"][at])
        if file:
            add(file.branches, (line, column, True), taken)
            add(file.branches, (line, column, False), not_taken)
    for record in function["mcdc_records"]:
        line, column, at, decided = record[0], record[1], record[4], record[-1]
        file = source.file(function["filenames"][at])
        if file:
            for position, independent in enumerate(decided):
                add(file.conditions, (line, column, position), int(independent))


def read_branches(source, export):
    with open(export, encoding="utf-8") as text:
        functions = json.load(text)["data"][0]["functions"]
    owner = {}
    for function in functions:
        read_function(source, function)
        # Static functions are told apart by their file's name without its folder only.
        name, path = function["name"], function["filenames"][0]
        if ":" in name and source.file(path) and owner.setdefault(name, path) != path:
            sys.exit(f"coverage: {name} is in {owner[name]} and in {path}: rename one of the two")


def reached(part):
    return sum(1 for times in part.values() if times), len(part)


def percent(part):
    got, of = part
    return 100.0 if of == 0 else 100.0 * got / of


def cell(part):
    got, of = part
    # 99.96 % is not 100 %.
    return "-".rjust(17) if of == 0 else f"{got:6}/{of:<5}{int(percent(part) * 10) / 10:5.1f}"


def row(name, parts):
    print(f"{name:28}" + "  ".join(cell(part) for part in parts))


def total(files):
    parts = [[reached(part) for part in (f.lines, f.branches, f.conditions)] for f in files]
    return [tuple(sum(f[i][j] for f in parts) for j in (0, 1)) for i in range(3)]


def table(title, files):
    print(f"{title:28}{'lines':>14}{'branches':>20}{'conditions':>20}")
    for file in sorted(files, key=lambda f: f.name):
        row(file.name, total([file]))
    row("sum", total(files))
    print()


def missing(files):
    for file in sorted(files, key=lambda f: f.name):
        dead = sorted(line for line, times in file.lines.items() if not times)
        for line in dead:
            print(f"{file.name}:{line}: never reached")
        for (line, column, way), times in sorted(file.branches.items()):
            if not times and line not in dead:
                print(f"{file.name}:{line}:{column}: never {'true' if way else 'false'}")
        if PURE.match(file.name):
            for (line, column, position), decided in sorted(file.conditions.items()):
                if not decided:
                    print(f"{file.name}:{line}:{column}: condition {position + 1} never decides")


def judge(ours, host, pure, excluded):
    lines, branches, _ = total(ours)
    conditions = total(pure)[2]
    host_lines = total(host)[0]
    held = [("src lines", lines, 100.0), ("src branches", branches, 100.0),
            ("pure core MC/DC", conditions, 100.0), ("host lines", host_lines, HOST_LINES)]
    failed = [name for name, part, least in held if percent(part) < least or part[1] == 0]
    if excluded >= EXCLUSIONS_BELOW:
        failed.append(f"{excluded} lines excluded")
    print("coverage: " + ", ".join(f"{name} {part[0]}/{part[1]} ({int(percent(part) * 100) / 100:.2f} %)"
                                   for name, part, _ in held)
          + f", {excluded} lines excluded: " + ("all limits held" if not failed else
                                               "NOT HELD: " + ", ".join(failed)))
    return 1 if failed else 0


def main():
    source = Source(os.getcwd())
    read_lines(source, sys.argv[2])
    read_branches(source, sys.argv[1])
    files = list(source.files.values())
    for file in files:
        file.take_out_excluded()
    ours = [f for f in files if f.name.startswith("src/")]
    host = [f for f in files if f.name.startswith("host/")]
    table("src/", ours)
    table("host/", host)
    for file in files:
        for line, reason in sorted(file.excluded.items()):
            print(f"{file.name}:{line}: excluded: {reason}")
    missing(host)
    missing(ours)
    return judge(ours, host, [f for f in ours if PURE.match(f.name)],
                 sum(len(f.excluded) for f in files))


if __name__ == "__main__":
    sys.exit(main())
