# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
"""The tree whose sources have all mutants in them, and its build."""

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import operators
import schemata

HERE = Path(__file__).resolve().parent
ERROR = re.compile(r"^(/[^:\n]+):(\d+):\d+: (?:fatal )?error: (.*)$", re.MULTILINE)
# What a local variable holds before it is set is the same each time, and no pointer.
FLAGS = "-O1 -w -ftrivial-auto-var-init=pattern -fno-strict-aliasing"
JUDGES = re.compile(r"/tests/(unit/src|conformance|defects|sweep|toy)/|"
                    r"/(unit_vm_(access|code|lazy|lazy_stop|vm)|threads-rules|threads-stress)$")


class Source:
    def __init__(self, project, path):
        self.path = path
        self.name = str(path.relative_to(project / "src"))
        self.text = path.read_text()
        mutator = operators.Mutator(self.name, self.text)
        self.every = mutator.all()
        self.tokens = mutator.tokens
        self.lines = len(operators.code_lines(self.text))


class Tree:
    def __init__(self, project, build, library, jobs, every=False):
        self.project, self.folder, self.library = project, build, library
        self.jobs, self.every = jobs, every
        self.tree, self.cmake = build / "tree", build / "cmake"
        self.sources = [Source(project, path) for path in
                        sorted([*project.glob("src/**/*.c"), *project.glob("src/**/*.h")])]
        self.refused_file = build / "refused"  # what doesn't compile, by hash
        self.refused = set(self.refused_file.read_text().split()) \
            if self.refused_file.exists() else set()
        self.lines_of, self.site_of = {}, {}
        self.single, self.compiled = threading.Lock(), {}

    def mutants(self):
        return [m for s in self.sources for m in self.tried(s)]

    def tried(self, source):
        good = [m for m in source.every if m.hash not in self.refused]
        return good if self.every else operators.select(good, source.text)

    def write(self):
        """Number the mutants and write the sources. What stays the same isn't touched."""
        number, site = 1, 0
        self.lines_of, self.site_of = {}, {}
        for source in self.sources:
            tried = self.tried(source)
            for mutant in tried:
                mutant.id = number
                number += 1
            text, lines, sites, site = schemata.write(source.text, source.tokens, tried, site)
            out = self.tree / "src" / source.name
            put(out, text)
            self.lines_of[str(out)] = lines
            self.site_of.update(sites)
        put(self.tree / "src/gm_mutant_sites.h",
            f"#pragma once\nenum {{ GM_MUTANT_SITES = {site + 1} }};\n")

    def link(self):
        """All but src/ is the project's own, by links."""
        (self.tree / "src").mkdir(parents=True, exist_ok=True)
        for entry in self.project.iterdir():
            there = self.tree / entry.name
            if entry.name not in ("src", "build", ".git") and not there.is_symlink():
                there.symlink_to(entry)
        for name in ("gm_mutant.h", "gm_mutant.c"):
            put(self.tree / "src" / name, (HERE / "runtime" / name).read_text())
        put(self.tree / "src/CMakeLists.txt", (self.project / "src/CMakeLists.txt").read_text() + f"""
target_sources({self.library} PRIVATE gm_mutant.c)
set_source_files_properties(gm_mutant.c PROPERTIES COMPILE_OPTIONS -std=gnu11)
target_include_directories({self.library} INTERFACE $<BUILD_INTERFACE:${{CMAKE_CURRENT_SOURCE_DIR}}>)
target_link_options({self.library} INTERFACE -Wl,--wrap=_cmocka_run_group_tests)
""")

    def configure(self):
        run(["cmake", "-S", self.tree, "-B", self.cmake, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
             f"-DCMAKE_C_FLAGS_DEBUG={FLAGS}", "-DGUESTMEM_WERROR=OFF", "-DGUESTMEM_BENCH=OFF"])

    def judges(self):
        """The test programs: (name, command, environment)."""
        out = run(["ctest", "--test-dir", self.cmake, "--show-only=json-v1"])
        found = []
        for test in json.loads(out)["tests"]:
            properties = {p["name"]: p["value"] for p in test["properties"]}
            command = test.get("command", [""])
            if JUDGES.search(command[0]):
                extra = dict(e.split("=", 1) for e in properties.get("ENVIRONMENT", [])
                             if e.startswith("GUESTMEM_"))
                found.append((test["name"], command, extra))
        return found

    def build(self):
        """Mutants that don't compile are taken out until the rest does."""
        self.link()
        self.write()
        self.configure()
        for _ in range(12):
            out = run(self.ninja(f"lib{self.library}.a", "-k", "0"), allowed=(0, 1))
            bad = self.blamed(out)
            if not bad:
                break
            self.refused |= bad
            self.refused_file.write_text("\n".join(sorted(self.refused)) + "\n")
            self.write()
        run(self.ninja(*self.programs()))

    def programs(self):
        """ctest doesn't name programs that aren't built yet; its input does."""
        text = "".join(p.read_text() for p in self.cmake.glob("**/CTestTestfile.cmake"))
        paths = set(re.findall(r'^add_test\(\S+ "([^"]+)"', text, re.MULTILINE))
        return sorted(Path(path).name for path in paths if JUDGES.search(path))

    def ninja(self, *arguments):
        targets = [a if "/" in a or a.startswith("-") or not a.endswith(".a") else f"src/{a}"
                   for a in arguments]
        return ["ninja", "-C", self.cmake, "-j", str(self.jobs), *targets]

    def blamed(self, output):
        bad = set()
        for path, line, text in ERROR.findall(output):
            mutant = self.lines_of.get(path, {}).get(int(line))
            if mutant is None:
                sys.exit(f"mutate: {path}:{line}: {text}\nmutate: no mutant is to blame for that")
            bad.add(mutant.hash)
        if not bad and "FAILED" in output:
            sys.exit(output[-3000:])
        return bad

    def same_code(self, mutant):
        """Whether an optimising compiler makes the same of it, in every file that it is in."""
        with self.single:
            return self.same_code_alone(mutant)

    def same_code_alone(self, mutant):
        source = next(s for s in self.sources if s.name == mutant.file)
        text = schemata.single(source.text, source.tokens, mutant)
        for user in self.users(source):
            files = {} if user is source else {source.name: text}
            changed = text if user is source else user.text
            if user.name not in self.compiled:
                self.compiled[user.name] = self.assembly(user.text, {})
            if self.compiled[user.name] != self.assembly(changed, files):
                return False
        return True

    def users(self, source):
        if source.name.endswith(".c"):
            return [source]
        found, todo = set(), [Path(source.name).name]
        while todo:
            name = todo.pop()
            for other in self.sources:
                if other.name not in found and re.search(rf'"(.*/)?{re.escape(name)}"', other.text):
                    found.add(other.name)
                    todo.append(Path(other.name).name)
        return [s for s in self.sources if s.name in found and s.name.endswith(".c")]

    def assembly(self, text, others):
        """What -O2 makes of this text, with headers replaced by `others`."""
        scratch = self.folder / "single"
        headers = scratch / "headers"
        headers.mkdir(parents=True, exist_ok=True)
        for old in headers.iterdir():
            old.unlink()
        for source in self.sources:
            if source.name.endswith(".h") and "/" not in source.name:
                put(headers / source.name, others.get(source.name, source.text))
        put(scratch / "source.c", text)
        include = [f"-I{headers}", f"-I{self.project}/src", f"-I{self.project}/include",
                   f"-I{self.project}/host/include/guestmem-host"]
        return run(["cc", "-std=c11", "-O2", "-DNDEBUG", "-w", "-S", "-o", "-", *include,
                    scratch / "source.c"], allowed=(0, 1), errors=subprocess.DEVNULL)


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def run(command, allowed=(0,), errors=subprocess.STDOUT):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=errors,
                          text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
    if done.returncode not in allowed:
        sys.exit(f"mutate: this failed: {' '.join(map(str, command))}\n{done.stdout[-4000:]}")
    return done.stdout
