# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
"""Sources with all mutants compiled in, so that they are compiled once: each site becomes a choice."""


def choice(first, alternatives, original, condition):
    """An expression. Each alternative is on a line of its own, by which the compiler's errors are told."""
    wrap = "!!({})" if condition else "({})"
    parts = [f"\n(gm_mutant == {first + n}u) ? {wrap.format(code)} :"
             for n, code in enumerate(alternatives)]
    return "".join(parts) + "\n" + wrap.format(original)


def expression(site_id, first, alternatives, original, condition):
    at = f"GM_MUTANT_AT({site_id}, {first}u, {len(alternatives)}u)"
    wrap = "!!({})" if condition else "({})"
    return (f"({at} ? ({choice(first, alternatives, original, condition)}) : "
            f"{wrap.format(original)})")


def statement(site_id, first, alternatives, original):
    at = f"GM_MUTANT_AT({site_id}, {first}u, {len(alternatives)}u)"
    parts = [f"if (gm_mutant == {first + n}u) {{\n{code or ';'}\n}}"
             for n, code in enumerate(alternatives)]
    return f"{{ if ({at}) {{ {' else '.join(parts)} }} else {{ {original} }} }}"


def of_site(site, site_id, mutants, original):
    codes = [m.code for m in mutants]
    first = mutants[0].id
    if site.kind in ("statement", "return", "jump"):
        return statement(site_id, first, codes, original)
    codes = [code or "(void)0" for code in codes]
    return expression(site_id, first, codes, original, site.kind in ("condition", "loop"))


def write(source, tokens, mutants, next_site):
    """(the text, {line of it: mutant}, {mutant id: site number}, the next free site number)."""
    sites = {}
    for mutant in mutants:
        sites.setdefault(mutant.site.first, []).append(mutant)
    text, at, lines, site_of = '#include "gm_mutant.h"\n', 0, {}, {}
    for first in sorted(sites):
        group = sorted(sites[first], key=lambda m: m.id)
        site = group[0].site
        original = " ".join(t.text for t in tokens[site.first:site.last + 1])
        text += source[at:tokens[site.first].start]
        line = text.count("\n") + 1
        piece = of_site(site, next_site, group, original)
        for number, mutant in enumerate(group):
            # a statement's alternative has three lines: what opens it, itself, what closes it
            step = line + 1 + (number * 2 if piece[0] == "{" else number)
            lines[step] = mutant
            site_of[mutant.id] = next_site
        text += piece
        at = tokens[site.last].end
        next_site += 1
    return text + source[at:], lines, site_of, next_site


def single(source, tokens, mutant):
    """The source with one mutant, each line where it was."""
    site = mutant.site
    start, end = tokens[site.first].start, tokens[site.last].end
    code = mutant.code or ("" if site.kind == "clause" else ";")
    return source[:start] + code + "\n" * source[start:end].count("\n") + source[end:]
