# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
"""What is changed: every mutant of a file, and which of them are tried."""

import hashlib
import math
import re
from dataclasses import dataclass

from scan import OPENING, TYPE_WORDS, Scanner, code_lines

RATE = 0.38  # mutants a line of code inside functions; a file's other lines have none

SWAPS = {
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"],
    "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"],
    "/": ["*"], "%": ["/"], "|": ["&"], "^": ["|"], "<<": [">>"], ">>": ["<<"],
    "+=": ["-="], "-=": ["+="], "|=": ["&="], "&=": ["|="], "<<=": [">>="], ">>=": ["<<="],
    "++": ["--"], "--": ["++"],
}
BINARY = {"+": ["-"], "-": ["+"], "*": ["/"], "&": ["|"]}
WORDS = {"true": "false", "false": "true", "GUESTMEM_OK": "GUESTMEM_EINVAL"}


@dataclass
class Mutant:
    file: str
    function: object
    site: object
    line: int
    line_text: str
    what: str
    code: str  # of the site, changed; "" for nothing
    number: int = 0  # among those of its line that are called the same
    id: int = 0

    @property
    def key(self):
        name = f"{self.file} | {self.function.name} | {self.line_text} | {self.what}"
        return name if self.number == 0 else f"{name} #{self.number + 1}"

    @property
    def hash(self):
        """Of all that decides what it does, except other functions."""
        return hashlib.sha1((self.key + self.function.text + self.code).encode()).hexdigest()


class Mutator:
    def __init__(self, file, source):
        self.file = file
        self.source = source
        self.lines = source.split("\n")
        self.scanner = Scanner(source)
        self.tokens = self.scanner.tokens
        self.mutants = []
        self.seen = set()

    def all(self):
        for function in self.scanner.scan():
            for site in function.sites:
                self.of_site(site)
        counts = {}
        for mutant in self.mutants:
            key = mutant.key
            mutant.number = counts.get(key, 0)
            counts[key] = mutant.number + 1
        return self.mutants

    def code(self, first, last, at=None, text=None):
        return " ".join(text if i == at else self.tokens[i].text for i in range(first, last + 1))

    def add(self, site, token, what, code):
        if code == self.code(site.first, site.last) or (site.first, code) in self.seen:
            return
        self.seen.add((site.first, code))
        line = self.tokens[token].line
        self.mutants.append(Mutant(self.file, site.function, site, line,
                                   self.lines[line - 1].strip(), what, code))

    def of_site(self, site):
        if site.kind == "condition":
            self.add(site, site.first, "always", "1")
        if site.kind in ("condition", "loop"):
            self.add(site, site.first, "never", "0")
        if site.kind in ("statement", "jump", "clause") and not self.is_void_cast(site):
            self.add(site, site.first, "removed", "")
        if site.kind == "return":
            self.of_return(site)
        if site.kind != "jump":
            self.of_tokens(site)

    def is_void_cast(self, site):
        return self.code(site.first, site.first + 2) == "( void )"

    def of_return(self, site):
        kind = site.function.type
        value = self.code(site.first + 1, site.last - 1)
        if not value:
            self.add(site, site.first, "removed", "")
        elif "*" in kind:
            if value != "NULL":
                self.add(site, site.first, "NULL", "return NULL;")
        elif kind == ["bool"]:
            self.add(site, site.first, "the opposite", f"return !({value});")
        elif "struct" not in kind and value not in WORDS and not value.startswith("GUESTMEM_"):
            self.add(site, site.first, "0", "return 0;")

    def of_tokens(self, site):
        i = site.first
        while i <= site.last:
            token = self.tokens[i]
            if token.text in ("sizeof", "_Alignof", "offsetof") and self.tokens[i + 1].text == "(":
                i = self.scanner.match(i + 1) + 1
                continue
            for text in self.instead(site, i):
                what = f"{token.text} -> {text}" if text else f"{token.text} left out"
                self.add(site, i, what, self.code(site.first, site.last, i, text))
            i += 1

    def instead(self, site, i):
        token = self.tokens[i]
        if token.kind == "num":
            return numbers(token.text)
        if token.kind == "id":
            if token.text in WORDS:
                return [WORDS[token.text]]
            if token.text.startswith("GUESTMEM_E") and self.is_error(token.text):
                return ["GUESTMEM_OK" if self.tokens[site.first].text == "return" and
                        i == site.first + 1 else "GUESTMEM_EINVAL"]
            return []
        if token.kind != "op":
            return []
        if token.text in BINARY and self.is_binary(site, i):
            return BINARY[token.text]
        if token.text in SWAPS:
            return SWAPS[token.text]
        return [""] if token.text in ("!", "~") else []

    @staticmethod
    def is_error(word):
        return re.fullmatch(r"GUESTMEM_E[A-Z]+", word) and word != "GUESTMEM_EINVAL"

    def is_binary(self, site, i):
        if i == site.first:
            return False
        before = self.tokens[i - 1]
        if before.text == ")":
            return not self.closes_cast(i - 1)
        return before.text == "]" or before.kind == "num" or (
            before.kind == "id" and before.text not in ("return", "case") and
            before.text not in TYPE_WORDS)

    def closes_cast(self, i):
        depth, j = 0, i
        while True:
            depth += (self.tokens[j].text == ")") - (self.tokens[j].text == "(")
            if depth == 0:
                break
            j -= 1
        words = [self.tokens[k].text for k in range(j + 1, i)]
        if j > 0 and self.tokens[j - 1].kind == "id":
            return False  # a call
        return bool(words) and all(re.fullmatch(r"\w+|\*", w) for w in words) and (
            words[0] in TYPE_WORDS or words[-1] == "*" or
            (len(words) == 1 and words[0].endswith("_t")))


def numbers(text):
    match = re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)", text)
    if not match:
        return []
    value = int(match.group(1), 0 if match.group(1)[:2] in ("0x", "0X") else 10)
    near = [value + 1] + ([value - 1] if value > 0 else [])
    return [f"{n}{match.group(2)}" for n in near]


def select(mutants, source):
    """So many of each function that they are RATE a line, spread over its lines: a second one of a line
    when each has one. By hash, so that what is selected depends on nothing outside the function."""
    lines = code_lines(source)
    chosen = []
    for function in {id(m.function): m.function for m in mutants}.values():
        size = len(function.text.split("\n"))
        first = min(m.line for m in mutants if m.function is function)
        size = sum(1 for n in range(first - 1, first - 1 + size) if n in lines)
        chosen += select_of_function([m for m in mutants if m.function is function],
                                     math.ceil(size * RATE))
    return sorted(chosen, key=lambda m: (m.site.first, m.line, m.key))


def select_of_function(mutants, wanted):
    by_line = {}
    for mutant in sorted(mutants, key=lambda m: hashlib.sha1(m.key.encode()).digest()):
        by_line.setdefault(mutant.line, []).append(mutant)
    chosen, depth = [], 0
    while True:
        layer = [queue[depth] for queue in by_line.values() if depth < len(queue)]
        if not layer:
            return chosen
        chosen += layer[:wanted - len(chosen)]
        depth += 1
        if len(chosen) >= wanted:
            return chosen


def mutants_of(file, source):
    """(tried, all) of a source file; a header's only inside its functions."""
    every = Mutator(file, source).all()
    return select(every, source), every
