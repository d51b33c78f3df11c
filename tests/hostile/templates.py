"""Chat templates that a file from outside may bring: code that reaches out, does not end, or takes all memory."""

from __future__ import annotations

REACHING_OUT = {
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals of a function": "{{ raise_exception.__globals__ }}",
    "globals of a method": "{{ cycler.__init__.__globals__.os.system('true') }}",
    "globals of a generator": "{% macro f() %}{% endmacro %}{{ f._func.__globals__ }}",
    "format": "{{ '{0.__class__.__base__}'.format(messages) }}",
    "attribute filter": "{{ messages|map(attribute='__class__')|list }}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import '/etc/passwd' as x %}{{ x }}",
    "extends": "{% extends '/etc/passwd' %}",
    "changes the conversation": "{{ messages.append(messages) }}",
}

ENDLESS = {
    "nested loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "lorem ipsum": "{{ lipsum(n=10**9, min=1, max=2) }}",
    "macros that double": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
}

GREEDY = {
    "long range": "{% for a in range(10**9) %}{% for b in range(10**9) %}{% endfor %}{% endfor %}",
    "long text": "{{ 'x' * 10**10 }}",
    "long list": "{{ ([0] * 10**9)|length }}",
    "large product": "{% set n = namespace(x=9) %}{% for a in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "large power": "{{ (10**(10**8)) % 2 }}",
    "wide format": "{{ '%01999999999d' % 1 }}",
    "wide format method": "{{ '{:>1999999999}'.format(1) }}",
    "wide filter": "{{ 'x'|center(10**10) }}",
    "indented JSON": "{{ messages|tojson(indent=10**10) }}",
    "doubling text": "{% set n = namespace(x='x') %}{% for a in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "doubling list": "{% set n = namespace(x=[0]) %}{% for a in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "multiplying replacement": "{% set x = 'x' * 10**5 %}{{ x|replace('x', x) }}",
    "100 MB": "{% for a in range(99999) %}{{ 'x' * 1100 }}{% endfor %}",
}

BROKEN = {
    "endless recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "deep blocks": "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
    "deep brackets": "{{ " + "(" * 100_000 + "1" + ")" * 100_000 + " }}",
    "deep lists": "{{ " + "[" * 100_000 + "]" * 100_000 + " }}",
    "long chain": "{{ 1" + "+1" * 20_000 + " }}",
    "many minus signs": "{{ " + "-" * 500_000 + "1 }}",
    "open tags": "{%-" * 300_000,
    "open comments": "{#" * 400_000,
    "no text": r"{{ '\ud800' }}",
    "no template": "{% for %}",
    "refuses": "{{ raise_exception('no') }}",
    "writes nothing": "{% set x = 1 %}",
    "a megabyte": "x" * (2**20 - 99) + "{{ messages[-1]['content'] }}",
    "a list of itself": "{% set n = namespace(x=1) %}{% set n.x = [n] %}{{ [n]|tojson }}",
}

ALL = {**REACHING_OUT, **ENDLESS, **GREEDY, **BROKEN}
