# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
"""Which test cases reach a mutant, and whether one of them kills it."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

BYTES_MAX = 6 << 30  # of private memory, for a mutant that allocates for ever; Unicorn takes some GiB
# Freed and fresh memory is filled, so that who uses it is wrong the same way each time.
ENVIRONMENT = {"MALLOC_PERTURB_": "165"}

stop = threading.Event()  # no more of them


class Judge:
    """A test program, or a part of one that its environment selects."""

    def __init__(self, name, command, extra, most=None):
        self.name, self.command, self.most = name, command, most
        self.environment = {**os.environ, **ENVIRONMENT, **extra}
        self.cases = []  # (number, CPU ms, sites reached)

    def cover(self, cache):
        """Run all of it once; the same program isn't run again in the next run."""
        digest = hashlib.sha1(Path(self.command[0]).read_bytes() + self.name.encode()).hexdigest()
        path = cache / digest
        if not path.exists():
            new = path.with_suffix(".new")
            done = self.run({"GM_MUTANT_COVER": str(new)}, 600)
            if done != 0:
                sys.exit(f"mutate: {self.name} fails without a mutant ({done})")
            new.rename(path)
        for line in path.read_text().splitlines():
            number, ms, *sites = map(int, line.split())
            self.cases.append((number, ms, frozenset(sites)))

    def reaching(self, site):
        """The cases, cheapest first; of many that do the same in other surroundings, the first ones."""
        return sorted((ms, number) for number, ms, sites in self.cases if site in sites)[:self.most]

    def kills(self, mutant, cases):
        """Cases are (ms, number). Time is the processor's, so that others' load decides nothing."""
        listed = ",".join(f"{number}:{200 + 5 * ms}" for ms, number in cases)
        seconds = 8 + sum(ms for ms, _ in cases) / 20
        return self.run({"GM_MUTANT": str(mutant.id), "GM_MUTANT_CASES": listed}, seconds) != 0

    def run(self, extra, seconds):
        with tempfile.TemporaryDirectory(prefix="guestmem-mutant-") as folder:
            child = subprocess.Popen(self.command, cwd=folder, env={**self.environment, **extra},
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, start_new_session=True)
            resource.prlimit(child.pid, resource.RLIMIT_DATA, (BYTES_MAX, BYTES_MAX))
            resource.prlimit(child.pid, resource.RLIMIT_CORE, (0, 0))
            try:
                return wait(child, seconds)
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()


def wait(child, seconds):
    """Its exit status; -1 when the time is up."""
    while seconds > 0 and not stop.is_set():
        try:
            return child.wait(min(seconds, 1))
        except subprocess.TimeoutExpired:
            seconds -= 1
    if stop.is_set():
        raise KeyboardInterrupt
    return -1


def try_mutant(mutant, site, judges):
    """The name of what killed it, or None. Cheapest first: most are killed by the first."""
    order = []
    for judge in judges:
        cases = judge.reaching(site)
        if cases:
            order.append((sum(ms for ms, _ in cases) + 2, judge, cases))
    for _, judge, cases in sorted(order, key=lambda entry: (entry[0], entry[1].name)):
        if judge.kills(mutant, cases):
            return judge.name
    return None
