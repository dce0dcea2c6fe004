"""What every experiment's configuration has in common, and how its values are checked."""

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from enum import Enum
from typing import Any


class ConfigError(ValueError):
    """A configuration value out of range; one or two lines: the key, the value, what is accepted."""


def require(accepted: bool, key: str, value: Any, meaning: str) -> None:
    """Refuse a value unless `accepted` is true; write conditions so that nan fails them."""
    if not accepted:
        raise ConfigError(f"{key}={show(value)}: accepted is {meaning}")


def require_whole(config: Any, least: int, *keys: str) -> None:
    """Refuse settings below `least`."""
    for key in keys:
        require(getattr(config, key) >= least, key, getattr(config, key), f"a whole number from {least}")


def require_positive(config: Any, *keys: str) -> None:
    """Refuse settings that are not positive and finite."""
    for key in keys:
        require(0 < getattr(config, key) < math.inf, key, getattr(config, key), "a positive number")


def require_numbers(config: Any, *keys: str) -> None:
    """Refuse lists of anything but one or more whole numbers from 1, each once."""
    for key in keys:
        values = getattr(config, key)
        fine = 0 < len(set(values)) == len(values) and min(values) >= 1
        require(fine, key, values, "a list of at least one whole number from 1, no repetition")


def require_distinct(config: Any, meaning: str, *keys: str) -> None:
    """Refuse lists that are empty or hold an entry twice."""
    for key in keys:
        values = getattr(config, key)
        require(0 < len(set(map(show, values))) == len(values), key, values, meaning)


def show(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list):
        return "[" + ",".join(map(show, value)) + "]"
    return str(value)


@dataclass(slots=True)
class Experiment:
    """Settings of every experiment; those listed in ELSEWHERE say where and how it runs, not what it measures."""

    preset: str
    results: str
    workers: int
    quiet: bool
    vmap_seeds: int  # seeds trained as one program: 1 on a CPU, where threads are faster; all of them on a GPU

    def __post_init__(self) -> None:
        require(self.results.strip() != "", "results", repr(self.results), "the path of a folder")
        require(self.workers >= 1, "workers", self.workers, "a whole number of threads from 1")
        require(self.vmap_seeds >= 1, "vmap_seeds", self.vmap_seeds, "a whole number from 1")


@dataclass(slots=True)
class Seeded(Experiment):
    """Settings of every experiment that repeats its measurements with consecutive seeds."""

    seeds: int
    first_seed: int

    def seed_list(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)


ELSEWHERE = ("preset", "results", "workers", "quiet", "vmap_seeds", "checkpoint_seconds")


def plain(config: Any) -> dict[str, Any]:
    """The configuration as numbers, texts and lists: what determines the results, without ELSEWHERE."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}

    def name(value):
        return [name(v) for v in value] if isinstance(value, list) else value.name if isinstance(value, Enum) else value

    return {k: name(v) for k, v in values.items() if k not in ELSEWHERE}


_MEANING = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def meaning(kind: Any) -> str:
    """What values a field of this type accepts, in words."""
    if typing.get_origin(kind) is list:
        (item,) = typing.get_args(kind)
        return f"a list such as [a,b], each {meaning(item)}"
    if isinstance(kind, types.UnionType):
        return " or ".join("null" if item is type(None) else meaning(item) for item in typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(kind.__members__)
    return _MEANING[kind]
