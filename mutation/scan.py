# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
"""As much of C as mutants need: tokens, functions, and where a statement or a condition begins and
ends. It relies on the house's style: braces always, no K&R definitions, a statement has one form."""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<space>\s+|/\*.*?\*/|//[^\n]*|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)
      | (?P<str>"(?:\\.|[^"\\])*")
      | (?P<char>'(?:\\.|[^'\\])*')
      | (?P<num>\.?\d(?:[eEpP][+-]|[\w.])*)
      | (?P<id>[A-Za-z_]\w*)
      | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE)

TYPE_WORDS = {"const", "static", "struct", "enum", "union", "unsigned", "signed", "int", "char",
              "long", "short", "void", "bool", "float", "double", "volatile", "_Atomic"}
OPENING, CLOSING = {"(", "[", "{"}, {")", "]", "}"}


@dataclass
class Token:
    kind: str
    text: str
    line: int
    start: int
    end: int


@dataclass
class Site:
    """A stretch of tokens that can be replaced as a whole. `kind`: condition, loop (the condition of
    one), value (an initialiser), statement, return, jump."""
    kind: str
    first: int
    last: int  # the last token's index
    function: "Function"


@dataclass
class Function:
    name: str
    type: list  # of its result, as words
    first: int
    last: int
    text: str
    sites: list = field(default_factory=list)


def tokens_of(source):
    tokens, line, at = [], 1, 0
    for match in TOKEN.finditer(source):
        if match.lastgroup != "space":
            tokens.append(Token(match.lastgroup, match.group(), line, match.start(), match.end()))
        line += match.group().count("\n")
        at = match.end()
    if at != len(source):
        raise ValueError(f"no token at offset {at}")
    return tokens


def code_lines(source):
    """The numbers of the lines that have more on them than blanks and comments."""
    lines = {token.line for token in tokens_of(source)}
    blank = re.sub(r"/\*.*?\*/|//[^\n]*", lambda m: "\n" * m.group().count("\n"), source,
                   flags=re.DOTALL)
    lines |= {n for n, text in enumerate(blank.split("\n"), 1) if text.lstrip().startswith("#")}
    return lines


class Scanner:
    def __init__(self, source):
        self.source = source
        self.tokens = tokens_of(source)
        self.functions = []
        self.function = None

    def text(self, index):
        return self.tokens[index].text if index < len(self.tokens) else ""

    def match(self, index):
        """The index of what closes the bracket at `index`."""
        depth = 0
        for i in range(index, len(self.tokens)):
            if self.tokens[i].kind == "op":
                depth += (self.text(i) in OPENING) - (self.text(i) in CLOSING)
            if depth == 0:
                return i
        raise ValueError(f"nothing closes line {self.tokens[index].line}")

    def until(self, index, stops):
        """The first of `stops` from `index` on that is in no further bracket."""
        while self.text(index) not in stops:
            index = self.match(index) + 1 if self.text(index) in OPENING else index + 1
        return index

    def scan(self):
        i, start = 0, 0
        while i < len(self.tokens):
            if self.text(i) == "{" and self.text(i - 1) == ")" and i > 0:
                self.scan_function(start, i)
                i = start = self.match(i) + 1
            elif self.text(i) in OPENING:
                i = self.match(i) + 1
            else:
                if self.text(i) == ";":
                    start = i + 1
                i += 1
        return self.functions

    def scan_function(self, start, body):
        name = next(i for i in range(start, body)
                    if self.text(i + 1) == "(" and self.match(i + 1) == body - 1)
        words = [self.text(i) for i in range(start, name)]
        end = self.match(body)
        text = self.source[self.tokens[start].start:self.tokens[end].end]
        skip = {"static", "inline", "const", "__attribute__", "(", ")", "noinline", "always_inline"}
        self.function = Function(self.text(name), [w for w in words if w not in skip], start, end,
                                 text)
        self.functions.append(self.function)
        self.block(body)

    def site(self, kind, first, last):
        if last >= first:
            self.function.sites.append(Site(kind, first, last, self.function))

    def block(self, index):
        end = self.match(index)
        index += 1
        while index < end:
            index = self.statement(index)
        return end + 1

    def statement(self, i):
        """Note the sites of the statement at `i`; the index behind it."""
        word = self.text(i)
        if word == "{":
            return self.block(i)
        if word == ";":
            return i + 1
        if word in ("if", "while", "switch", "for"):
            return self.headed(i)
        if word == "else":
            return self.statement(i + 1)
        if word == "do":
            after = self.statement(i + 1)
            close = self.match(after + 1)
            self.site("loop", after + 2, close - 1)
            return close + 2
        if word in ("case", "default"):
            return self.until(i, {":"}) + 1
        if self.tokens[i].kind == "id" and self.text(i + 1) == ":":
            return i + 2
        end = self.until(i, {";"})
        if word in ("break", "continue", "goto"):
            self.site("jump", i, end)
        elif word == "return":
            self.site("return", i, end)
        elif self.is_declaration(i):
            self.declaration(i, end)
        elif word not in ("assert", "_Static_assert", "__asm__"):
            self.site("statement", i, end)
        return end + 1

    def headed(self, i):
        close = self.match(i + 1)
        if self.text(i) == "for":
            first = self.until(i + 2, {";"})
            if self.is_declaration(i + 2):
                self.declaration(i + 2, first)
            elif first > i + 2:
                self.site("clause", i + 2, first - 1)
            second = self.until(first + 1, {";"})
            self.site("loop", first + 1, second - 1)
            self.site("clause", second + 1, close - 1)
        elif self.text(i) == "switch":
            self.site("value", i + 2, close - 1)
        else:
            self.site("loop" if self.text(i) == "while" else "condition", i + 2, close - 1)
        if self.text(close + 1) == ";":
            return close + 2
        return self.statement(close + 1)

    def is_declaration(self, i):
        if self.text(i) in TYPE_WORDS:
            return True
        if self.tokens[i].kind != "id":
            return False
        j = i + 1
        while self.text(j) in ("*", "const"):
            j += 1
        return self.tokens[j].kind == "id" and self.text(j + 1) in ("=", ";", ",", "[", ")")

    def declaration(self, i, end):
        if self.text(i) == "static":
            return  # initialised with constants
        while i < end:
            i = self.until(i, {"=", ",", ";"})
            if self.text(i) == "=":
                stop = self.until(i + 1, {",", ";"})
                self.initialiser(i + 1, stop)
                i = stop
            i += 1

    def initialiser(self, first, stop):
        """Tokens [first, stop): an expression, or a list of such."""
        if self.text(first) != "{":
            self.site("value", first, stop - 1)
            return
        end = self.match(first)
        i = first + 1
        while i < end:
            while self.text(i) in (".", "["):  # .name = or [index] =
                i = self.until(i, {"="}) + 1
            stop = self.until(i, {",", "}"})
            self.initialiser(i, stop)
            i = stop + 1
