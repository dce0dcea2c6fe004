"""What tests of several experiments need."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from experiments.launch import config_folder


@pytest.fixture
def configured():
    """Of an experiment, a module, and overrides: the checked configuration that its command line would give."""

    def make(experiment, *overrides):
        ConfigStore.instance().store(name="schema", node=experiment.Config)
        folder = config_folder(experiment.__name__.rpartition(".")[2])
        with initialize_config_dir(str(folder), version_base="1.3"):
            return OmegaConf.to_object(compose("config", overrides=list(overrides)))

    return make
