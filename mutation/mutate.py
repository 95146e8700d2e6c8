#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
"""Mutation testing of src/: see README.md beside this."""

import argparse
import hashlib
import os
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from build import Tree
from judge import Judge, stop, try_mutant

HERE = Path(__file__).resolve().parent
SWEEP_STATES = 2  # of the eight, for each mutant and function: all of them take an hour more


class Cache:
    """What earlier runs found. A killed mutant stays killed while its function is the same; a survivor
    is tried again when anything has changed."""

    def __init__(self, path, state):
        self.path, self.state, self.lock = path, state, threading.Lock()
        self.found, self.survivors = {}, set()
        if path.exists():
            for line in path.read_text().splitlines():
                key, state_then, judge = line.split("\t")
                if not judge:
                    self.survivors.add(key)
                if judge or state_then == state:
                    self.found[key] = judge
                else:
                    self.found.pop(key, None)

    def get(self, mutant):
        return self.found.get(mutant.hash)

    def survived_before(self, mutant):
        return mutant.hash in self.survivors

    def put(self, mutant, judge):
        with self.lock, self.path.open("a") as file:
            self.found[mutant.hash] = judge
            file.write(f"{mutant.hash}\t{self.state}\t{judge}\n")


class Survivors:
    """The committed list: a key, and below it `equivalent: why` or `gap: why`. A key may end in ` *`:
    every mutant of that line."""

    def __init__(self, path):
        self.entries, self.used = {}, set()
        key = None
        for line in path.read_text().splitlines() if path.exists() else []:
            if not line.strip() or line.startswith("#"):
                continue
            if not line.startswith("    "):
                key = line
            elif re.match(r"    (equivalent|gap): \S", line) and key not in self.entries:
                self.entries[key] = line.strip()
            elif key in self.entries and line.startswith("      "):
                self.entries[key] += " " + line.strip()
            else:
                sys.exit(f"{path}: neither `equivalent: why` nor `gap: why`: {line}")

    def reason(self, mutant):
        if mutant.key in self.entries:
            self.used.add(mutant.key)
            return self.entries[mutant.key]
        return None

    def stale(self, mutants):
        tried = {m.key for m in mutants}
        return [key for key in self.entries if key in tried and key not in self.used]

    def unknown(self, mutants):
        tried = {m.key for m in mutants}
        return [key for key in self.entries if key not in tried]


def state_of(project):
    """A hash of all that decides a test's outcome."""
    digest = hashlib.sha1()
    for folder in ("src", "include", "host", "tests"):
        for path in sorted((project / folder).glob("**/*")):
            if path.is_file():
                digest.update(str(path.relative_to(project)).encode() + path.read_bytes())
    return digest.hexdigest()


def sweep_functions(project):
    """The sweep is judged function by function: who reaches a mutant is then few of them."""
    names = set()
    for path in (project / "tests/sweep").glob("calls_*.c"):
        names |= set(re.findall(r'^\s*\{\s*"([\w.]+)",', path.read_text(), re.MULTILINE))
    return sorted(names)


def judges_of(tree, project):
    judges = []
    for name, command, extra in tree.judges():
        program = Path(command[0]).name
        if program == "threads-stress":
            judges.append(Judge(name, [command[0], "0.4", *command[2:]], extra))
        elif program != "test_sweep":
            judges.append(Judge(name, command, extra))
        elif not extra:  # with shared VMs it takes as long again; the other suites are run so, too
            judges += [Judge(f"{name}:{function}", command,
                             {**extra, "GUESTMEM_SWEEP_ONLY": function}, SWEEP_STATES)
                       for function in sweep_functions(project)]
    return judges


class Run:
    def __init__(self, options):
        self.options = options
        self.project = Path(options.project).resolve()
        build = Path(options.build or self.project / "build/mutate").resolve()
        build.mkdir(parents=True, exist_ok=True)
        self.build = build
        self.tree = Tree(self.project, build, options.library, options.jobs, options.all)
        self.survivors = Survivors(Path(options.survivors or self.project / "mutation/survivors.txt"))
        self.killed, self.alive, self.same = {}, [], []

    def chosen(self):
        mutants = self.tree.mutants()
        if self.options.files:
            mutants = [m for m in mutants if m.file in self.options.files]
        if self.options.listed:
            mutants = [m for m in mutants if m.key in self.survivors.entries]
        if self.options.sample:
            mutants = sorted(mutants, key=lambda m: m.hash)[:self.options.sample]
        return mutants

    def prepare(self):
        start = time.time()
        self.tree.build()
        say(f"built: {len(self.tree.mutants())} mutants in {len(self.tree.sources)} files, "
            f"{len(self.tree.refused)} more didn't compile; {time.time() - start:.0f} s")
        self.judges = judges_of(self.tree, self.project)
        coverage = self.build / "coverage"
        coverage.mkdir(exist_ok=True)
        start = time.time()
        self.each(self.judges, lambda judge: judge.cover(coverage))
        for old in coverage.iterdir():
            if time.time() - old.stat().st_mtime > 86400:
                old.unlink()
        say(f"judges: {len(self.judges)}, {sum(len(j.cases) for j in self.judges)} cases; "
            f"{time.time() - start:.0f} s")

    def each(self, items, work):
        with ThreadPoolExecutor(self.options.jobs) as pool:
            futures = [pool.submit(lambda i: None if stop.is_set() else work(i), item)
                       for item in items]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                stop.set()
                raise

    def judge_all(self, mutants):
        state = state_of(self.project) + ("quick" if self.options.quick else "")
        cache = Cache(self.build / "results", state)
        todo = [m for m in mutants if cache.get(m) is None and
                not (self.options.trust and m.key in self.survivors.entries)]
        say(f"mutants: {len(mutants)}, of which {len(mutants) - len(todo)} are known from before")
        todo.sort(key=cache.survived_before)
        slow = [j for j in self.judges if j.name.startswith(("test_sweep", "test_random", "threads-stress"))]
        fast = [j for j in self.judges if j not in slow]
        slow = [] if self.options.quick else slow
        progress = Progress(len(todo))

        def judge(mutant):
            site = self.tree.site_of[mutant.id]
            by = try_mutant(mutant, site, fast)
            if by is None and self.tree.same_code(mutant):
                by = "same"
            elif by is None and (self.options.listed or mutant.key not in self.survivors.entries):
                by = try_mutant(mutant, site, slow)
            cache.put(mutant, by or "")
            progress.step(mutant, cache.get(mutant))

        self.each(todo, judge)
        for mutant in mutants:
            by = cache.get(mutant)
            if by == "same":
                self.same.append(mutant)
            elif by:
                self.killed[mutant.key] = by
            else:
                self.alive.append(mutant)

    def report(self, mutants):
        print(f"\n{'file':26} {'lines':>6} {'mutants':>8} {'killed':>7} {'equivalent':>11} {'gaps':>5}")
        equivalent = {m.key for m in self.same}
        for mutant in self.alive:
            if (self.survivors.reason(mutant) or "").startswith("equivalent"):
                equivalent.add(mutant.key)
        for source in self.tree.sources:
            own = [m for m in mutants if m.file == source.name]
            if own:
                dead = sum(m.key in self.killed for m in own)
                same = sum(m.key in equivalent for m in own)
                print(f"{source.name:26} {source.lines:6} {len(own):8} {dead:7} {same:11} "
                      f"{len(own) - dead - same:5}")
        wrong = self.report_list(mutants)
        lines = sum(s.lines for s in self.tree.sources)
        gaps = len(mutants) - len(self.killed) - len(equivalent)
        share = 100 * len(self.killed) / max(1, len(self.killed) + gaps)
        whole = len(mutants) == len(self.tree.mutants())
        if whole:
            print(f"\n{100 * len(mutants) / lines:.1f} mutants for 100 lines of code ({lines})")
        print(f"mutants {len(mutants)}, killed {len(self.killed)}, equivalent {len(equivalent)} "
              f"({len(self.same)} the same machine code), gaps {gaps}: {share:.1f} %")
        dense = not whole or self.options.density * lines <= 100 * len(mutants)
        return 0 if not wrong and share >= self.options.least and dense else 1

    def report_list(self, mutants):
        unlisted = [m for m in self.alive if self.survivors.reason(m) is None]
        for mutant in unlisted:
            print(f"survives, and isn't listed: {mutant.key}\n    src/{mutant.file}:{mutant.line}: "
                  f"{mutant.code or 'nothing'}")
        stale = self.survivors.stale(mutants)
        for key in stale:
            print(f"listed as a survivor, but isn't: {key}")
        if len(mutants) == len(self.tree.mutants()):
            for key in self.survivors.unknown(mutants):
                print(f"listed, but there is no such mutant: {key}")
                stale.append(key)
        return unlisted or stale


class Progress:
    def __init__(self, count):
        self.count, self.done, self.alive = count, 0, 0
        self.start, self.last, self.lock = time.time(), time.time(), threading.Lock()

    def step(self, mutant, by):
        with self.lock:
            self.done += 1
            self.alive += by == ""
            if time.time() - self.last > 15 or self.done == self.count:
                self.last = time.time()
                say(f"  {self.done} of {self.count}, {self.alive} survive; "
                    f"{time.time() - self.start:.0f} s; {mutant.file}")


def say(text):
    print(text, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="only these, as they are called in src/")
    parser.add_argument("--sample", type=int, help="only so many")
    parser.add_argument("--all", action="store_true", help="every mutant that there is")
    parser.add_argument("--listed", action="store_true", help="only those in the list of survivors")
    parser.add_argument("--trust", action="store_true",
                        help="don't try what the list says survives")
    parser.add_argument("--quick", action="store_true",
                        help="without the sweep: more survive, in a tenth of the time")
    parser.add_argument("--project", default=HERE.parent)
    parser.add_argument("--library", default="guestmem")
    parser.add_argument("--build", help="default: build/mutate in the project")
    parser.add_argument("--survivors", help="default: mutation/survivors.txt in the project")
    parser.add_argument("--least", type=float, default=95, help="percent that have to be killed")
    parser.add_argument("--density", type=float, default=30, help="mutants for 100 lines")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    run = Run(parser.parse_args())
    run.prepare()
    mutants = run.chosen()
    run.judge_all(mutants)
    status = run.report(mutants)
    used = os.times()
    say(f"processor time: {(used.children_user + used.children_system) / 60:.1f} min")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("mutate: interrupted; what was found is kept, and the next run goes on from there")
