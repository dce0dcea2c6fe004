"""From a command line to a checked configuration: Hydra composes it, and every mistake is answered in two lines."""

import dataclasses
import difflib
import importlib
import itertools
import os
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.run import run
from experiments.schema import ConfigError, meaning
from scaling.backend import BackendError, self_test


def config_folder(name: str) -> Path:
    """The folder of an experiment's YAML: beside this package when installed, one level up in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "conf" / name, here.parent / "conf" / name):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no config.yaml for {name} in {here / 'conf'} or {here.parent / 'conf'}")


def launch(name: str, body: Callable[[Any, list[str]], Any] | None = None) -> None:
    """Run experiment `name` as the command line says; exits with status 2 on a mistake, before anything is written.

    body: takes the checked configuration and the overrides typed; by default it measures, analyses and draws.
    """
    experiment = importlib.import_module(f"experiments.{name}")
    folder = config_folder(name)
    ConfigStore.instance().store(name="schema", node=experiment.Config)

    @hydra.main(version_base="1.3", config_path=str(folder), config_name="config")
    def main(composed) -> None:
        config, typed = OmegaConf.to_object(composed), list(HydraConfig.get().overrides.task)
        body(config, typed) if body else run(name, config, typed)

    os.environ["HYDRA_FULL_ERROR"] = "1"
    arguments = get_args_parser().parse_args()
    overrides = arguments.overrides
    try:
        check(overrides, arguments.multirun, experiment.Config, folder)
        self_test()
        main()
    except (ConfigError, HydraException, OmegaConfBaseException, BackendError) as error:
        print(f"{name}: {explain(error, overrides, experiment.Config)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{name}: stopped; every finished point is on disk, the same command goes on from there", file=sys.stderr)
        sys.exit(130)


def check(overrides: list[str], multirun: bool, schema: type, folder: Path) -> None:
    """Compose and check the configuration of every job that the overrides ask for, before any of them runs.

    Raises:
        ConfigError, HydraException, OmegaConfBaseException: whatever is wrong with them; `explain` words it.
    """
    parsed = OverridesParser.create().parse_overrides(overrides)
    check_keys(parsed, schema)
    choices = []
    for override in parsed:
        if override.is_sweep_override() and not multirun:
            raise ConfigError(f"{override.input_line}: several values need --multirun; a list is written [a,b]")
        if override.value_type in (ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP, ValueType.RANGE_SWEEP):
            choices.append([f"{override.get_key_element()}={text}" for text in override.sweep_string_iterator()])
        elif not override.is_sweep_override():
            choices.append([override.input_line])
    with hydra.initialize_config_dir(str(folder), version_base="1.3"):
        for job in itertools.product(*choices):
            OmegaConf.to_object(hydra.compose("config", overrides=list(job)))


def check_keys(overrides: list[Override], schema: type) -> None:
    """Refuse overrides of settings that do not exist, also with a leading + (which Hydra would take).

    Raises:
        ConfigError: names the setting, its value, the nearest known name and all of them.
    """
    known = sorted(field.name for field in dataclasses.fields(schema))
    for override in overrides:
        key = override.key_or_group
        if key not in known and not key.startswith(("hydra.", "hydra/")):
            near = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{override.input_line}: no such setting{hint}\nKnown are {', '.join(known)}")
        if override.is_delete():
            raise ConfigError(f"{override.input_line}: a setting cannot be removed, accepted is {key}=value")


def explain(error: Exception, overrides: list[str], schema: type) -> str:
    """An error in one or two lines that name the setting, the value and what is accepted."""
    for cause in chain(error):
        if isinstance(cause, ConfigError | BackendError):
            return str(cause)
    if isinstance(error, MissingConfigException) and error.options:
        group, _, value = (error.missing_cfg_file or "").partition("/")
        return f"{group}={value}: accepted is one of {', '.join(sorted(error.options))}"
    if isinstance(error, OverrideParseException):
        return f"{error.override}: accepted is key=value, e.g. seeds=3 or 'sizes=[512,1024]'"
    types = typing.get_type_hints(schema)
    for cause in chain(error):
        key = str(getattr(cause, "full_key", None)).split("[")[0]
        if key in types:
            typed = [o for o in overrides if o.lstrip("+").split("=")[0] == key]
            return f"{typed[-1] if typed else key}: accepted is {meaning(types[key])}"
    return str(error).splitlines()[0]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
