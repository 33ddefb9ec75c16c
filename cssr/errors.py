"""How a process ends: quickly, and with what errors say to users."""

import atexit
import gc
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

MISSING = (
    "missing (it belongs in presets/demo.yaml, from which python -m stages.preset NAME writes "
    "params.yaml)"
)
NUMBER = re.compile(r"[-+]?[0-9.]+e[-+]?[0-9]+", re.IGNORECASE)  # that YAML may read as a string
# what PyTorch, oneDNN, OpenCV, onnxruntime and Python's threads say when the machine or the GPU has
# no memory left
NO_MEMORY = (
    "can't allocate memory",
    "bad_alloc",
    "could not create a memory",
    "could not create a primitive",
    "out of memory",
    "ALLOC_FAILED",
    "Failed to allocate memory",
    "Insufficient memory",
    "can't start new thread",
)


def end_quickly() -> None:
    """Let this process end without looking through all that it has imported, which takes seconds.

    Not where ONNX or Triton is imported: their bindings would report what is left.
    """
    atexit.register(lambda: sys.modules.keys() & {"onnx", "triton"} or gc.freeze())


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that memory does not suffice."""
    if isinstance(error, MemoryError) or any(say in str(error) for say in NO_MEMORY):
        return True
    earlier = error.__cause__ or error.__context__
    return earlier is not None and ran_out_of_memory(earlier)


def os_error_line(error: OSError) -> str:
    """The file and what is wrong with it, on one line."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{' '.join(str(error.strerror or error).split())}"


def validation_line(error: "ValidationError", root: "type[BaseModel]") -> str:
    """The first problem that pydantic found as `key: value is not …`, and how many more.

    Args:
        error: pydantic's.
        root: the model that was validated.
    """
    # an unknown key first: where one is missing too, it is the typo
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _line(problems[0], root) + more


def shown(value: Any) -> str:
    """A value as YAML has it, on one line of at most 60 characters."""
    text = {"None": "null", "True": "true", "False": "false"}.get(repr(value), repr(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _line(problem: Mapping[str, Any], root: "type[BaseModel]") -> str:
    key = ".".join(_named(part) for part in problem["loc"] if part != "[key]")
    kind = problem["type"]
    value = problem["input"]
    if kind == "value_error":
        message = str(problem["ctx"]["error"])
        # checks of a whole section name their key themselves
        return message if isinstance(value, Mapping) else f"{key}: {shown(value)} {message}"
    if kind == "missing":
        return f"{key}: {MISSING}"
    if kind == "extra_forbidden":
        return f"{key}: unknown key{_suggestion(problem['loc'], root)}"
    return f"{key}: {shown(value)} is not {_allowed(problem)}"


def _allowed(problem: Mapping[str, Any]) -> str:
    if problem["type"] == "literal_error":
        return f"one of {problem['ctx']['expected'].replace(' or ', ', ')}"
    names = {
        "int_type": "an integer",
        "float_type": "a number",
        "bool_type": "true or false",
        "string_type": "a string",
        "list_type": "a list",
        "dict_type": "a section of keys",
        "invalid_key": "a key: keys are strings",
        "finite_number": "a finite number",
        "model_type": "a section of keys",
    }
    allowed = names.get(problem["type"], problem["msg"])
    if problem["type"] == "float_type" and NUMBER.fullmatch(str(problem["input"])):
        allowed += " (YAML reads it as a string: write 1.0e-5, not 1e-5)"
    return allowed


def _suggestion(loc: tuple, root: "type[BaseModel]") -> str:
    section: Any = root
    for part in loc[:-1]:
        section = section.model_fields[part].annotation
    known = list(section.model_fields)
    close = get_close_matches(str(loc[-1]), known, n=1)
    return f" (did you mean {close[0]}?)" if close else f" (known: {', '.join(known)})"


def _named(key: Any) -> str:
    """A key as text; quoted if it is none or would break the line."""
    return key if isinstance(key, str) and key.isprintable() and len(key) <= 60 else shown(key)
