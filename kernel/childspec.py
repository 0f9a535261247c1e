"""The specification of a supervisor: read, and checked for what types alone do not say."""

from __future__ import annotations

import math
import re
from graphlib import CycleError, TopologicalSorter

from pydantic import TypeAdapter, ValidationError

from ..syscalls.errno import EINVAL, SyscallError, did_you_mean
from . import form, limits
from .limits import Limit, Limits
from .messages import ChildSpec, Supervision
from .supervision import serves

_SPEC: TypeAdapter[Supervision] = TypeAdapter(Supervision)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}")
NICES = range(-20, 20)


def parse(text: str) -> Supervision:
    """A specification as JSON. Raises EINVAL, which names the field."""
    try:
        return checked(_SPEC.validate_json(text))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"]) or "the specification"
        raise EINVAL(f"{field}: {problem['msg']}") from None


def as_text(spec: Supervision) -> str:
    return _SPEC.dump_json(spec).decode()


def checked(spec: Supervision) -> Supervision:
    """The same specification. Raises EINVAL, which names the field."""
    if spec.max_restarts < 0:
        raise EINVAL(f"max_restarts: {spec.max_restarts} is not 0 or more")
    _check_seconds("window_s", spec.window_s)
    if not spec.children:
        raise EINVAL("children: a supervisor needs one at least")
    seen: set[str] = set()
    for index, child in enumerate(spec.children):
        field = f"children.{index}"
        if child.name in seen:
            raise EINVAL(f"{field}.name: {child.name!r} is the name of two children")
        seen.add(child.name)
        _check_child(field, child)
    _check_order(spec)
    return spec


def _check_child(field: str, child: ChildSpec) -> None:
    if not _NAME.fullmatch(child.name):
        raise EINVAL(
            f"{field}.name: {child.name!r} is not a name",
            hint="letters, digits, '_', '.' and '-', 40 at most",
        )
    if child.task is None and not child.interactive:
        raise EINVAL(f"{field}.task: {child.name} is not interactive, so it needs one")
    _check_seconds(f"{field}.timeout_s", child.timeout_s)
    _check_seconds(f"{field}.watchdog_s", child.watchdog_s)
    if child.shutdown_s != 0:
        _check_seconds(f"{field}.shutdown_s", child.shutdown_s)
    if child.nice is not None and child.nice not in NICES:
        raise EINVAL(f"{field}.nice: {child.nice} is not from {NICES[0]} to {NICES[-1]}")
    if child.budget is not None and child.budget < 1:
        raise EINVAL(f"{field}.budget: {child.budget} is not 1 or more")
    try:
        limits.parse(child.limits)
    except SyscallError as error:
        raise EINVAL(f"{field}.limits: {error.message}", hint=error.hint) from None
    try:
        form.checked(child.output_schema)
    except SyscallError as error:
        raise EINVAL(f"{field}.{error.message}", hint=error.hint) from None
    if child.program == "supervisor":
        _check_supervisor(field, child)


def _check_order(spec: Supervision) -> None:
    """All that others come after is there, and nobody comes after itself."""
    by_name = {child.name: child for child in spec.children}
    for index, child in enumerate(spec.children):
        for field, names in (("after", child.after), ("reads", child.reads)):
            for name in names:
                if name not in by_name:
                    raise EINVAL(
                        f"children.{index}.{field}: there is no child {name!r}",
                        hint=did_you_mean(name, by_name),
                    )
        for name in child.reads:
            if serves(by_name[name]):
                raise EINVAL(
                    f"children.{index}.reads: {name} is interactive or permanent: it has no end,"
                    " at which there would be something to read"
                )
    before = {child.name: {*child.after, *child.reads} for child in spec.children}
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        circle = " after ".join(reversed(error.args[1]))
        raise EINVAL(f"children: nobody can begin: {circle}") from None


def _check_supervisor(field: str, child: ChildSpec) -> None:
    if child.watchdog_s is not None:
        raise EINVAL(f"{field}.watchdog_s: a supervisor waits for its children, as it should")
    try:
        parse(child.task or "")
    except SyscallError as error:
        raise EINVAL(f"{field}.task: {error.message}", hint=error.hint) from None


def _check_seconds(field: str, value: float | None) -> None:
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise EINVAL(f"{field}: {value:g} is not a number of seconds above 0")


def limits_of(child: ChildSpec) -> Limits:
    """What one run of it may use."""
    given = limits.parse(child.limits)
    if child.timeout_s is None:
        return given
    return given.attenuated(Limits({"wall_s": Limit(child.timeout_s, child.timeout_s)}))
