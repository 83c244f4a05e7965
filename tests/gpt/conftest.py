"""A small corpus, the finished run of conftest.py over it, and train_gpt.py itself."""

import pytest
import torch

import train_gpt
from gpt import runs
from gpt.config import Config
from gpt.data import load_corpus
from machinery import cli


@pytest.fixture(scope="module")
def folder(finished_gpt):
    return finished_gpt[0]


@pytest.fixture(scope="module")
def config(gpt_flags) -> Config:
    """The configuration of gpt_flags."""
    return cli.parse(Config, list(map(str, gpt_flags)))[0]


@pytest.fixture(scope="module")
def corpus(config):
    return load_corpus(config)


@pytest.fixture
def begun(config, corpus) -> runs.Run:
    """A run whose model has random weights, so that no two outputs are alike."""
    run = runs.start(config, corpus, torch.device("cpu"))
    for parameter in run.model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    run.epoch = 2
    return run


@pytest.fixture
def train_here(run_here, gpt_flags):
    """train_gpt.py of the tiny model in this process: (status, out, err)."""
    return lambda *flags: run_here(train_gpt, *gpt_flags, *flags)
