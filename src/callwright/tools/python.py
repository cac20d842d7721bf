"""Python functions, with their signatures and docstrings -> Tool."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import docstring_parser

from callwright.errors import ToolError, did_you_mean
from callwright.schema import normalise
from callwright.tools.annotations import Reader, one_line, plain_text, type_hints, with_default
from callwright.types import JsonObject, Tool

_GUESSED = {bool: bool, int: int, float: float, str: str, list: list, dict: dict, tuple: tuple, set: set}


def tool_from_function(function: Callable[..., Any]) -> Tool:
    '''The tool that a function is: its name, its docstring, and its signature as JSON Schema.

    The docstring may be in Google, NumPy or Sphinx style. A parameter with a default may be left out. One without an
    annotation takes the type of its default, else any value. `*args` is left out; `**kwargs` admits further names.

    Raises ToolError, with file and line, where a parameter cannot be given by name or its type has no JSON form.

    >>> def set_light(room: str, level: int = 50) -> None:
    ...     """Set a light.
    ...
    ...     Args:
    ...         room: Which room.
    ...     """
    >>> tool_from_function(set_light).parameters["properties"]
    {'room': {'type': 'string', 'description': 'Which room.'}, 'level': {'type': 'integer', 'default': 50}}
    '''
    name = getattr(function, "__name__", "")
    if not name.isidentifier():
        raise ToolError(f"{_place(function)}: {function!r} has no name to call it by; write a function with def")
    try:
        parameters = _parameters(function)
    except ToolError as error:
        raise ToolError(f"{_place(function)}: function '{name}': {error}") from error
    doc = docstring_parser.parse(inspect.getdoc(function) or "")
    return Tool(name, plain_text(doc), normalise(parameters))


def tools_from_module(source: Path | str | ModuleType, names: Sequence[str] | None = None) -> tuple[Tool, ...]:
    """The tools of a Python file (a Path), of a module (its dotted name), or of a module that is loaded.

    Without `names`: the public functions that the module defines, in source order, or those in its `__all__`.
    **The file is run**, as `python file.py` would run it, but for its `if __name__ == "__main__"` part: it is the
    user's own code.

    Raises ToolError where it cannot be run, has no such function, or has no functions at all.
    """
    return tuple(tool_from_function(function) for function in functions_of(source, names).values())


def functions_of(source: Path | str | ModuleType, names: Sequence[str] | None = None) -> dict[str, Callable[..., Any]]:
    """The functions that `tools_from_module` makes tools of, by the names of those tools, in the same order.

    Raises ToolError for all that `tools_from_module` raises it for, but for what a signature may hold.
    """
    module = source if isinstance(source, ModuleType) else _load(source)
    functions = _functions(module)
    where = str(getattr(module, "__file__", None) or module.__name__)
    if names is None:
        chosen = list(functions)
        if not chosen:
            raise ToolError(f"{where}: defines no public functions; write one, or name those to use in __all__")
    else:
        chosen = list(names)
        for name in names:
            if not _is_function(getattr(module, name, None)):
                raise ToolError(f"{where}: has no function '{name}'{did_you_mean(name, functions) or _list(functions)}")
    # a function's own name is the tool's, whatever the module calls it
    found: dict[str, Callable[..., Any]] = {}
    for name in chosen:
        function = getattr(module, name)
        known = found.setdefault(getattr(function, "__name__", name), function)
        if known is not function:
            raise ToolError(f"{where}: two functions are both named '{function.__name__}'; rename or remove one")
    return found


def _list(functions: dict[str, Any]) -> str:
    return f"; it has {', '.join(functions)}" if functions else "; it has no public functions"


def _functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    listed = getattr(module, "__all__", None)
    for name in listed or ():
        if not hasattr(module, name):
            hint = did_you_mean(name, vars(module)) or "; define it or remove it from __all__"
            raise ToolError(f"{module.__file__}: __all__ names '{name}', which the module does not define{hint}")
    found = {}
    for name, value in vars(module).items():
        if listed is not None:
            chosen = name in listed
        else:
            chosen = not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        if chosen and _is_function(value):
            found[name] = value
    return found


def _is_function(value: object) -> bool:
    # A decorated function may be an object that wraps one, as functools.cache makes.
    return callable(value) and inspect.isfunction(inspect.unwrap(value))


def _parameters(function: Callable[..., Any]) -> JsonObject:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ToolError("has no signature that Python can read; wrap it in a function of your own") from error
    hints = type_hints(inspect.unwrap(function))
    doc = docstring_parser.parse(inspect.getdoc(function) or "")
    described = {each.arg_name.lstrip("*"): one_line(each.description) for each in doc.params}
    reader = Reader()
    schema: JsonObject = {"type": "object", "properties": {}}
    required = []
    for name, parameter in signature.parameters.items():
        annotation = hints.get(name, parameter.annotation)
        if parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ToolError(f"parameter '{name}' cannot be given by name; remove the '/' from the signature")
        if parameter.kind is parameter.VAR_KEYWORD:
            schema["additionalProperties"] = _read(reader, name, annotation) or True
            continue
        schema["properties"][name] = _property(reader, parameter, annotation, described.get(name, ""))
        if parameter.default is parameter.empty:
            required.append(name)
    if required:
        schema["required"] = required
    return reader.finished(schema)


def _property(reader: Reader, parameter: inspect.Parameter, annotation: Any, text: str) -> JsonObject:
    default = parameter.default
    if annotation is parameter.empty and default is not parameter.empty:
        annotation = _GUESSED.get(type(default), parameter.empty)
    schema = _read(reader, parameter.name, annotation)
    # What stands at the parameter says more than what its class says of itself.
    schema = {**schema, "description": text} if text else schema
    return schema if default is parameter.empty else with_default(schema, default)


def _read(reader: Reader, name: str, annotation: Any) -> JsonObject:
    try:
        return reader.schema(annotation)
    except ToolError as error:
        raise ToolError(f"parameter '{name}': {error}") from error


def _place(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else str(getattr(function, "__module__", "tool"))


def _load(source: Path | str) -> ModuleType:
    if isinstance(source, Path):
        with _importable(source.parent.resolve()):
            return _run_file(source)
    with _importable(Path.cwd()):
        try:
            return importlib.import_module(source)
        except Exception as error:
            raise ToolError(_why(source, error)) from error


def _run_file(path: Path) -> ModuleType:
    # The name must be the file's own, for a file called json.py must not replace Python's json.
    name = f"callwright_tools_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ToolError(f"{path}: is not a Python file; give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and get_type_hints look the module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ToolError(_why(str(path), error)) from error
    return module


def _why(source: str, error: BaseException) -> str:
    """Where in the user's own code loading failed, and with what."""
    if isinstance(error, ModuleNotFoundError) and error.name == source:
        return f"{source}: there is no such module; give its dotted name, or the path of a .py file"
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == Path(source).name
    ]
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    place = f"{source}:{line}" if line else source
    return f"{place}: cannot be loaded: {type(error).__name__}: {error}; run it with python to see more"


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Imports from `folder` work, as they do when Python runs a file there."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
