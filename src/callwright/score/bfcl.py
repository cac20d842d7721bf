"""The Berkeley leaderboard's rows and its own checker, from its wheel -> conversations to ask, and verdicts on replies.

Its checker imports every vendor's SDK for one table of models: a module of that name with an empty table stands in.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import os
import signal
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

from callwright.data.bfcl import from_row
from callwright.data.fields import Fields
from callwright.data.sources import bfcl_installed
from callwright.errors import DataError, RecipeError, did_you_mean
from callwright.score.bfcl_strict import difference, nearest
from callwright.score.run import EXACT, score_row
from callwright.types import Conversation, Ending, JsonObject, Message, Reply, ToolCall

GROUPS: dict[str, tuple[str, ...]] = {
    "non_live": (
        *("simple_python", "simple_java", "simple_javascript"),
        *("multiple", "parallel", "parallel_multiple", "irrelevance"),
    ),
    "live": (
        *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"),
        *("live_irrelevance", "live_relevance"),
    ),
    "multi_turn": tuple(f"multi_turn_{kind}" for kind in ("base", "miss_func", "miss_param", "long_context")),
}
"""The leaderboard's groups and their categories, of what runs offline."""

CATEGORIES = tuple(category for group in GROUPS.values() for category in group)
SINGLE_TURN = GROUPS["non_live"] + GROUPS["live"]

_INSTALL = "is not installed; run: pip install --no-deps bfcl-eval==2026.3.23"
_MODELS = "bfcl_eval.constants.model_config"
_LISTS = ("Array", "ArrayList", "array")
_SECONDS = 10.0
"""For its patterns of lists take years over some texts."""
_LANGUAGES = {"simple_java": "java", "simple_javascript": "javascript"}


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """What is used of the wheel: its readers of rows and answers, its checker of calls, its converters of Java's and
    JavaScript's values, and its version."""

    version: str
    rows: Callable[..., list[JsonObject]]
    answers: Callable[[str], list[JsonObject]]
    check: Callable[..., JsonObject]
    languages: Any
    convert: dict[str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a category. asked: as models are to be asked, with the language's hints and types; functions: as the
    checker wants them. answers: what it accepts; None where no call, or any, is right. A multi-turn row's answers are
    the calls of each turn."""

    id: str
    category: str
    asked: JsonObject
    functions: list[JsonObject]
    answers: list[Any] | None

    @property
    def language(self) -> str:
        """Whose values its arguments are."""
        return _LANGUAGES.get(self.category, "python")

    @property
    def turns(self) -> bool:
        """Whether it is a multi-turn row."""
        return self.category in GROUPS["multi_turn"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A row's verdicts. theirs: the leaderboard's, `error` its type of error. strict: ours, `why` not. unread: a call
    could not be read, or the engine failed. differs: the kind of reason where the two differ."""

    theirs: bool
    error: str
    strict: bool
    why: str
    unread: bool
    differs: str


def categories_of(names: str) -> tuple[str, ...]:
    """`live,multi_turn_base` -> categories, in the leaderboard's order; '' is all. Raises RecipeError.

    >>> categories_of("simple_java,simple_python")
    ('simple_python', 'simple_java')
    """
    wanted: set[str] = set()
    known = [*GROUPS, "single_turn", *CATEGORIES]
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name not in known:
            raise RecipeError(f"--bench bfcl:{name}: unknown{did_you_mean(name, known)}; known are {', '.join(known)}")
        wanted.update(SINGLE_TURN if name == "single_turn" else GROUPS.get(name, (name,)))
    return tuple(category for category in CATEGORIES if category in wanted or not wanted)


@functools.cache
def leaderboard() -> Leaderboard:
    """The wheel. Raises DataError where it is not installed, or lacks what it needs."""
    if not bfcl_installed():
        raise DataError("bfcl", f"the leaderboard {_INSTALL}")
    wheel = _Wheel()
    try:
        utils = wheel.module("utils")
        ast = "eval_checker.ast_eval"
        checker = wheel.module(f"{ast}.ast_checker")
        java = wheel.module(f"{ast}.type_convertor.java_type_converter")
        script = wheel.module(f"{ast}.type_convertor.js_type_converter")
        enums = wheel.module("constants.enums")
    except ImportError as error:
        raise DataError("bfcl", f"the leaderboard's wheel cannot be loaded: {error}") from None
    finally:
        wheel.close()
    return Leaderboard(
        importlib.metadata.version("bfcl-eval"),
        utils.load_dataset_entry,
        utils.load_ground_truth_entry,
        checker.ast_checker,
        enums.Language,
        {"java": java.java_type_converter, "javascript": script.js_type_converter},
    )


class _Wheel:
    """Its modules, imported with a scratch folder for what it writes as it is imported."""

    _folder: tempfile.TemporaryDirectory[str] | None = None

    def __init__(self) -> None:
        self._before = os.environ.get("BFCL_PROJECT_ROOT")
        if _Wheel._folder is None:
            # it locks every file that it reads by one in there, so that the folder must last
            _Wheel._folder = tempfile.TemporaryDirectory(prefix="callwright-bfcl-", ignore_cleanup_errors=True)
        os.environ["BFCL_PROJECT_ROOT"] = _Wheel._folder.name
        if _MODELS not in sys.modules:
            stand_in = ModuleType(_MODELS)
            stand_in.__dict__["MODEL_CONFIG_MAPPING"] = defaultdict(lambda: SimpleNamespace(underscore_to_dot=False))
            sys.modules[_MODELS] = stand_in

    def module(self, name: str) -> Any:
        return importlib.import_module(f"bfcl_eval.{name}")

    def close(self) -> None:
        if self._before is None:
            del os.environ["BFCL_PROJECT_ROOT"]
        else:
            os.environ["BFCL_PROJECT_ROOT"] = self._before


@functools.cache
def entries(category: str) -> tuple[Entry, ...]:
    """All rows of a category, in order. What they hold is shared, and not to be changed. Raises DataError."""
    board = leaderboard()
    asked = board.rows(category)
    plain = board.rows(category, include_language_specific_hint=False)
    # answers stand in the order of the rows, whatever their ids
    answers = None if "relevance" in category else board.answers(category)
    return tuple(
        Entry(row["id"], category, row, own["function"], answers[number]["ground_truth"] if answers else None)
        for number, (row, own) in enumerate(zip(asked, plain, strict=True))
    )


def question(entry: Entry, fields: Fields) -> Conversation:
    """A single-turn row as it is asked. Equal tools become one object in one `fields`."""
    row = {key: entry.asked[key] for key in ("id", "question", "function")}
    return from_row({**row, "source": entry.category}, f"bfcl:{entry.category}:{entry.id}", fields)


def judge(entry: Entry, asked: Conversation, reply: Reply) -> Judged:
    """A single-turn row and the reply to it -> both verdicts.

    theirs is that of its evaluation of models with native calls: a reply with a call that cannot be read is none, which
    is right where no call is due. strict: `score_row`'s exact match, with the one of the accepted answers that is
    nearest to the reply. Where any call will do, one that fits an offered function's schema.
    """
    theirs, error = _theirs(entry, reply)
    if entry.language != "python":
        # accepted values are of the language's types, no longer texts as the tools declare them
        reply = replace(reply, calls=tuple(_converted(entry, call) for call in reply.calls))
        asked = replace(asked, tools=())
    strict, why = _strict(entry, asked, reply)
    unread = bool(reply.broken) or reply.ending is Ending.ERROR
    differs = "" if theirs == strict else difference(entry, asked, reply, theirs)
    return Judged(theirs, error, strict, why, unread, differs)


def _theirs(entry: Entry, reply: Reply) -> tuple[bool, str]:
    if entry.answers is None:
        called, due = bool(reply.calls) and not reply.broken, "irrelevance" not in entry.category
        wrong = "relevance_error:decoder_failed" if due else "irrelevance_error:decoder_success"
        return called == due, "" if called == due else wrong
    if reply.broken:
        return False, "ast_decoder:decoder_failed"
    board = leaderboard()
    written = [{call.name: call.arguments} for call in reply.calls]
    language = board.languages(entry.language)
    try:
        with _within(_SECONDS):
            found = board.check(entry.functions, written, entry.answers, language, entry.category, "callwright")
    except Exception as error:  # it reads values of other shapes than the accepted ones, and falls over some
        return False, f"checker_raised:{type(error).__name__}"
    return bool(found["valid"]), "" if found["valid"] else str(found["error_type"])


def _strict(entry: Entry, asked: Conversation, reply: Reply) -> tuple[bool, str]:
    if entry.answers is None and "irrelevance" not in entry.category:
        due = Message("assistant", "", reply.calls[:1] or (ToolCall("any", {}),))
        scored = score_row(_answered(asked, due), reply, "")
        for metric in ("called_when_due", "schema_valid"):
            verdict = scored.verdict(metric)
            if not verdict.value:
                return False, verdict.why
        unread = scored.verdict("parse_failure")
        return not unread.value, unread.why
    gold: tuple[ToolCall, ...] = ()
    if entry.answers is not None:
        gold = nearest(entry.answers, reply.calls, asked.tools)
    verdict = score_row(_answered(asked, Message("assistant", "", gold)), reply, "").verdict(EXACT)
    return bool(verdict.value), verdict.why


def _converted(entry: Entry, call: ToolCall) -> ToolCall:
    """A call with its texts as values of its language. What is no text, as it must be, becomes equal to nothing."""
    declared: JsonObject = next(
        (one["parameters"]["properties"] for one in entry.functions if one["name"] == call.name), {}
    )
    convert = leaderboard().convert[entry.language]
    arguments: JsonObject = {}
    for key, value in call.arguments.items():
        kind = declared.get(key, {}).get("type", "any")
        inner = [declared[key]["items"]["type"]] if kind in _LISTS else []
        arguments[key] = {"no text": value}
        if isinstance(value, str):
            try:
                with _within(_SECONDS):
                    arguments[key] = convert(value, kind, *inner)
            except Exception:  # some of its patterns fall over what is no value of the type
                arguments[key] = value
    return replace(call, arguments=arguments)


def _answered(asked: Conversation, gold: Message) -> Conversation:
    return replace(asked, messages=(*asked.messages, gold))


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in what takes longer. In a thread, where no signal comes, nothing is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no result within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
