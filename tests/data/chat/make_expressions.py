#!/usr/bin/env python3
"""Renders small templates with transformers' own environment and writes what came of them.

  pip install transformers==5.23.0 jinja2==3.1.6
  python3 make_expressions.py

Two kinds: snippets.txt, written by hand (statements, scopes, white space, errors), and a sample of
every filter, test, method and operator on every kind of value. expressions.json gets the variables
and a list of [template, text], with null for the text where rendering raised.
"""

import copy
import json
import pathlib
import random
import re
import warnings

from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
SAMPLES = 1500

VARIABLES = {
    "s": "Hello, World",
    "e": "",
    "u": "Ünïcödé ßig ΣΑΣ 日本 🙂",
    "ws": "  pad\t\n ",
    "q": "it's \"q\" \\ \n\x01\u200b",
    "n": 42,
    "z": 0,
    "neg": -7,
    "f": 2.5,
    "big": 12345678901234567890,
    "t": True,
    "no": None,
    "l": [3, 1, 2],
    "ls": ["b", "A", "c", "a"],
    "ld": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"b": "z"}],
    "le": [],
    "d": {"b": 1, "A": [1, 2], "c": {"x": None}},
    "de": {},
    "tree": [{"n": "a", "c": [{"n": "b"}, {"n": "c", "c": [{"n": "d"}]}]}, {"n": "e"}],
    "num": " 12 ",
    "fl": "3.75e2",
    "html": "<a href='x'>&</a>",
    "ml": "one\ntwo\n\nthree\r\nfour",
}
VALUES = [*VARIABLES, "undef", "range(4)", "(1,'x')", "namespace(a=1)", "d.items()", "1e20", "1.0", "0.1", "'%'|safe"]

FILTER_ARGUMENTS = {
    "attr": ["('a')"],
    "batch": ["(2)|list", "(2,'x')|list"],
    "center": ["", "(20)"],
    "d": ["(1,true)"],
    "default": ["(1)", "(1,true)"],
    "dictsort": ["", "(by='value')", "(reverse=true)", "(true)"],
    "filesizeformat": ["", "(true)"],
    "float": ["", "(1.5)"],
    "format": ["", "(1)", "(1,2)", "(a=1)"],
    "groupby": ["('b')", "('a',default=0)"],
    "indent": ["", "(2)", "(2,true)", "(first=true,blank=true)", "('>')"],
    "int": ["", "(5)", "(base=16)"],
    "items": ["|list"],
    "join": ["", "('-')", "('-',attribute='b')"],
    "list": ["", "|length"],
    "map": ["('upper')|list", "(attribute='a')|list", "(attribute='a',default=9)|list"],
    "max": ["", "(case_sensitive=true)"],
    "min": ["", "(attribute='a')"],
    "reject": ["|list", "('none')|list"],
    "rejectattr": ["('a')|list"],
    "replace": ["('l','L')", "('','-')", "('o','0',1)"],
    "reverse": ["|list"],
    "round": ["", "(1)", "(1,'floor')", "(0,'ceil')", "(-1)"],
    "select": ["|list", "('odd')|list", "('string')|list"],
    "selectattr": ["('a')|list", "('a','equalto',1)|list"],
    "slice": ["(2)|list", "(3,'x')|list"],
    "sort": ["", "(reverse=true)", "(attribute='b')", "(case_sensitive=true)"],
    "sum": ["", "(start=1)", "(attribute='a')", "(start=[])"],
    "tojson": ["", "(indent=2)", "(ensure_ascii=true)", "(sort_keys=true)", "(separators=(',',':'))"],
    "trim": ["", "('H')"],
    "truncate": ["", "(5)", "(5,true)", "(8,false,'..',0)"],
    "unique": ["|list", "(true)|list"],
    "xmlattr": ["", "(false)"],
}
PLAIN_FILTERS = """abs capitalize count e escape first forceescape last length lower safe string title upper
urlencode wordcount""".split()

TEST_ARGUMENTS = {
    "divisibleby": [" 2"],
    "eq": [" 42", " ''"],
    "equalto": [" 1"],
    "ge": [" 1"],
    "greaterthan": [" 3"],
    "gt": [" 'a'"],
    "in": [" [1,'x']", " 'Hello'", " l"],
    "le": [" 1"],
    "lessthan": [" 3"],
    "lt": [" 5"],
    "ne": [" 1"],
    "sameas": [" none"],
}
PLAIN_TESTS = """boolean callable defined escaped even false filter float integer iterable lower mapping none number
odd sequence string test true undefined upper""".split()

FORMS = [
    "{{ VALUE }}",
    "{{ [VALUE] }}",
    "{{ not (VALUE) }}",
    "{{ -(VALUE) }}",
    "{% for x in (VALUE) %}[{{ x }},{{ loop.index }}/{{ loop.length }}{{ loop.last }}]{% else %}E{% endfor %}",
    "{{ (VALUE)[0] }}",
    "{{ (VALUE)[-1] }}",
    "{{ (VALUE).a }}",
    "{{ (VALUE)['a'] }}",
    "{{ (VALUE).upper is defined }}",
    "{{ 'x%s' % (VALUE) }}",
    "{{ '%r' % [VALUE] }}",
    "{{ '{}|{!r}'.format(VALUE,VALUE) }}",
    "{{ '%5d|' % (VALUE) }}",
    "{{ '%.2f' % (VALUE) }}",
    "{{ '{:>8}|'.format(VALUE) }}",
    "{{ (VALUE) ~ '!' }}",
]
SLICES = ["1:", "::-1", "-3:-1", "::2", ":2", "1:1"]

OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", ">=", "in", "not in", "and", "or", "~"]
OPERANDS = ["s", "e", "u", "z", "neg", "f", "t", "no", "l", "ls", "le", "d", "undef", "(1,'x')", "1.0", "range(3)", "'H'", "2"]

METHODS = """capitalize() casefold() center(9,'*') count('l') endswith('d') endswith(('x','d')) expandtabs()
expandtabs(4) find('o') find('o',5) find('zz') index('l') isalnum() isalpha() isascii() isdecimal() isdigit()
isidentifier() islower() isnumeric() isprintable() isspace() istitle() isupper() join(['1','2']) ljust(15,'.')
lower() lstrip() lstrip('H') partition('o') partition('zz') removeprefix('He') removesuffix('ld') replace('l','')
replace('l','LL',1) rfind('o') rindex('l') rjust(15) rpartition('o') rpartition('zz') rsplit() rsplit(None,1)
rsplit('o',1) rstrip() rstrip('d') split() split(None,1) split('o') split('o',1) split(sep=',',maxsplit=1)
splitlines() splitlines(true) startswith('H') startswith('e',1) startswith('e',1,3) strip() strip('Hd') swapcase()
title() upper() zfill(15) format(1)""".split()
STRINGS = ["s", "e", "u", "ws", "q", "num", "html", "ml", "'ǆ ŉ ﬁ İ ı'", "'ΑΣ Σ Σα'", "'-12'", "'１２³'", "'a_b1'", "'Ab Cd'", "'AB'"]


def systematic():
    for value in VALUES:
        for name in PLAIN_FILTERS:
            yield f"{{{{ ({value})|{name} }}}}"
        for name, endings in FILTER_ARGUMENTS.items():
            for ending in endings:
                yield f"{{{{ ({value})|{name}{ending} }}}}"
        for name in PLAIN_TESTS:
            yield f"{{{{ ({value}) is {name} }}}}"
        for name, endings in TEST_ARGUMENTS.items():
            for ending in endings:
                yield f"{{{{ ({value}) is {name}{ending} }}}}"
        for form in FORMS:
            yield form.replace("VALUE", value)
    for value in VARIABLES:
        for bounds in SLICES:
            yield f"{{{{ {value}[{bounds}] }}}}"
    for left in OPERANDS:
        for right in OPERANDS:
            for operator in OPERATORS:
                if operator != "**":  # complex numbers and integers without bound are left out
                    yield f"{{{{ ({left}) {operator} ({right}) }}}}"
    for string in STRINGS:
        for method in METHODS:
            yield f"{{{{ ({string}).{method} }}}}"


def render(template):
    try:
        compiled = chat_template_utils._compile_jinja_template(template)
        return compiled.render(**copy.deepcopy(VARIABLES))
    except Exception:
        return None


def main():
    warnings.simplefilter("ignore")  # of escapes that Python finds odd
    templates = (HERE / "snippets.txt").read_bytes().decode().split("\n===\n")
    templates += random.Random(1).sample(sorted(set(systematic())), SAMPLES)
    cases = [[template, render(template)] for template in templates]
    addresses = re.compile(r" at 0x[0-9a-f]+>")
    cases = [case for case in cases if case[1] is None or not addresses.search(case[1])]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    variables = json.dumps(VARIABLES, ensure_ascii=False)
    (HERE / "expressions.json").write_text(f'{{"variables": {variables},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
