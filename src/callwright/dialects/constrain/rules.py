"""Named Lark rules in llguidance's syntax, and the text and special tokens that they are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from callwright.dialects.base import Unenforced
from callwright.dialects.constrain.patterns import admits


class Rules:
    """The rules of one grammar.

    specials: the tokenizer's special tokens by their text: grammars name these by id, because their bytes are no text.
    unenforced: what the rules could not say.
    """

    def __init__(self, specials: Mapping[str, int] | None = None) -> None:
        self.specials = dict(specials or {})
        self.unenforced: list[Unenforced] = []
        self._bodies: dict[str, str] = {}
        self._attributes: dict[str, str] = {}
        self._names: dict[tuple[str, str], str] = {}
        texts = sorted(filter(None, self.specials), key=len, reverse=True)
        self._special = re.compile("(" + "|".join(map(re.escape, texts)) + ")") if texts else None

    def text(self, text: str) -> str:
        """Lark for exactly this text; special tokens in it by their ids.

        >>> Rules({"<|call|>": 7}).text('<|call|>["')
        '<[7]> "[\\\\""'
        """
        parts = self._special.split(text) if self._special else [text]
        return " ".join(
            f"<[{self.specials[part]}]>" if part in self.specials else json.dumps(part, ensure_ascii=False)
            for part in parts
            if part
        )

    def until(self, mark: str, content: Sequence[str] = ()) -> str:
        """Lark for text, perhaps none, that matches all of `content` ("!" before what it must not), and then `mark`.

        The text cannot hold the mark, nor spell it where it is a special token.
        """
        content = [*content, holding(mark.strip() or mark)]
        if any(special in mark for special in self.specials):
            return " ".join(filter(None, [self.maybe(content), self.text(mark.lstrip("\n"))]))
        body = self.add("BODY", terminal(content))
        return self.add(f"until[suffix={json.dumps(mark, ensure_ascii=False)}]", body)

    def ended(self, pattern: str, mark: str) -> str:
        """Lark for text that matches an expression, and the mark behind it: one lexeme, where text beside it may be."""
        if any(special in mark for special in self.specials):
            return f"{self.add('CONTENT', f'/{_slashed(pattern)}/')} {self.text(mark)}"
        return self.add("ENDED", f"/(?:{_slashed(pattern)})/ {self.text(mark)}")

    def maybe(self, content: Sequence[str]) -> str:
        """Lark for text that matches all of `content`, or none at all where that matches too."""
        if all(one.startswith("!") or _matches_nothing(one) for one in content):
            return f"({self.add('CONTENT', terminal([*content, '(?s:.+)']))})?"
        return self.add("CONTENT", terminal(content))

    def add(self, hint: str, body: str) -> str:
        """The name of a rule with this body; equal bodies share one. Names of terminals are in capitals."""
        if (hint, body) not in self._names:
            self._names[hint, body] = self.reserve(hint, body)
        return self._names[hint, body]

    def reserve(self, hint: str, body: str = "") -> str:
        """A new name, whose body may be set later: for rules that refer to themselves."""
        plain, bracket, attributes = hint.partition("[")
        name = plain
        while name in self._bodies:
            name = f"{plain}_{len(self._bodies)}"
        self._bodies[name] = body
        self._attributes[name] = bracket + attributes
        return name

    def set(self, name: str, body: str) -> None:
        """The body of a reserved rule."""
        self._bodies[name] = body

    def lark(self, start: str) -> str:
        """The whole grammar; `start` is the body of the start rule."""
        lines = [f"start: {start}", *(f"{name}{self._attributes[name]}: {body}" for name, body in self._bodies.items())]
        return "\n".join(lines) + "\n"


def either(choices: Iterable[str]) -> str:
    """Lark for one of these."""
    return " | ".join(choices)


def repeated(part: str, low: int, high: int | None) -> str:
    """Lark for a part so many times; `high` None is without end.

    >>> repeated("a b", 0, None), repeated("a", 1, 3), repeated("a", 0, 0)
    ('(a b)*', '(a){1,3}', '')
    """
    if high is not None and high <= 0:
        return ""
    return f"({part})*" if high is None and not low else f"({part}){{{low},{'' if high is None else high}}}"


def listed(first: Sequence[str], more: str, low: int, high: int | None, comma: str) -> str:
    """Lark for at least `low` and at most `high` items: those of `first` in order, then `more` ("" for no others).

    >>> listed(["a", "b"], "", 1, None, "','"), listed([], "x", 1, 3, "','")
    ("a (',' b)?", "x (',' x){0,2}")
    """
    if not first:
        some = f"{more} {repeated(f'{comma} {more}', max(low - 1, 0), None if high is None else high - 1)}".strip()
        return "" if not more or high == 0 else some if low else f"({some})?"
    first = first[:high]
    known = len(first)
    body = repeated(f"{comma} {more}", max(low - known, 0), None if high is None else high - known) if more else ""
    for number in range(known - 1, -1, -1):
        body = f"{comma if number else ''} {first[number]} {body}".strip()
        body = body if number < low else f"({body})?"
    return body


def in_order(
    pairs: Sequence[tuple[str, bool]], comma: str, rules: Rules, other: str = "", low: int = 0, high: int | None = None
) -> str:
    """Lark for members in order, those that are not required perhaps left out: (Lark, required) each.

    other: what may follow them, any number of times. low: 1 where there must be a member. high: how many there can be,
    where all of `pairs` are required.
    """
    room = None if high is None else high - len(pairs)
    after = [repeated(f"{comma} {other}", 0, room) if other else ""]
    for member, required in reversed(pairs):
        more = f"{comma} {member} {after[-1]}" if required else f"({comma} {member})? {after[-1]}"
        after.append(rules.add("more", more.strip()))
    empty = listed([], other, low, room, comma)
    first = empty if empty or not low else None
    for number, (member, required) in enumerate(reversed(pairs)):
        whole = f"{member} {after[number]}".strip()
        if first and not required:
            whole = f"{whole} | {first}"
        elif not required and first is not None:
            whole = f"({whole})?"
        first = rules.add("members", whole)
    return first or ""


def literally(text: str) -> str:
    """A regular expression for exactly this text."""
    return re.escape(text).replace("\\\n", "\\n").replace("\\\t", "\\t")


def holding(*texts: str, lines: Sequence[str] = ()) -> str:
    """What text must not match so as to hold none of some texts, nor a line that begins with some expression.

    Counts of repetitions are dropped from the expressions: with them llguidance gives up, silently, half way.
    """
    lines = [re.sub(r"\{0,\d+\}", "*", line) for line in lines]
    anywhere = "|".join(map(literally, texts))
    parts = [f"(?s:.*)(?:{anywhere})"] if anywhere else []
    parts += [rf"(?s:(?:.*\n)?)(?:{'|'.join(lines)})"] if lines else []
    return f"!(?:{'|'.join(parts)})(?s:.*)"


def terminal(content: Sequence[str]) -> str:
    """A terminal that matches all of some expressions, and none of those with "!" before them.

    All that it must not match is one alternation: llguidance stops matching, silently, where there are many of them.

    >>> terminal(["a+", "!aa", "!b"])
    '/a+/ & ~/(?:aa)|(?:b)/'
    """
    whole = [f"/{_slashed(one)}/" for one in content if not one.startswith("!")] or ["/(?s:.*)/"]
    never = "|".join(f"(?:{_slashed(one[1:])})" for one in content if one.startswith("!"))
    return " & ".join([*whole, *([f"~/{never}/"] if never else [])])


def _slashed(pattern: str) -> str:
    """A regular expression between slashes."""
    return re.sub(r"(?<!\\)((?:\\\\)*)/", r"\1\\/", pattern)


def _matches_nothing(pattern: str) -> bool:
    return admits({"pattern": f"^(?:{pattern})$"}, "")
