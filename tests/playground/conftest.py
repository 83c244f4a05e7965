"""The page's arithmetic in an engine, a browser if there is one, and trained models."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from playwright.sync_api import sync_playwright
from py_mini_racer import MiniRacer

import export_playground
from gpt import runs
from gpt.config import Config as GptConfig
from gpt.data import load_corpus
from machinery import cli
from machinery.progress import Progress
from machinery.run_folder import RunFolder
from mixtures import annealing, experiment
from mixtures.config import GmmConfig, UmmConfig
from mixtures.data import load_places
from mixtures.plan import make_plan
from mixtures.runs import BOXES, GAUSSIANS, model_file
from playground import bundle
from playground.pack import Pack

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")
# typed arrays are no arrays to JSON
PLAIN = "(_, value) => ArrayBuffer.isView(value) ? Array.from(value) : value"


class Engine:
    """Evaluates expressions in which the page's functions and given values stand."""

    def __init__(self, racer: MiniRacer) -> None:
        self.racer = racer
        racer.eval(bundle.script(bundle.ARITHMETIC))

    def __call__(self, expression: str, **values):
        """Return an expression's value; values are what it names."""
        names = ", ".join(values)
        given = ", ".join(
            json.dumps(v, default=torch.Tensor.tolist) for v in values.values()
        )
        found = f"(({names}) => ({expression}))({given})"
        return json.loads(self.racer.eval(f"JSON.stringify({found} ?? null, {PLAIN})"))

    def load(self, pack: Pack) -> str:
        """Unpack what Python has packed; return the name of the result."""
        self.n_loaded = getattr(self, "n_loaded", 0) + 1
        name = f"loaded{self.n_loaded}"
        text = json.dumps(pack.as_json())
        self.racer.eval(f"var {name} = unpackText({text}); 0")
        return name


@pytest.fixture(scope="session")
def js():
    with MiniRacer() as racer:
        yield Engine(racer)


@pytest.fixture(scope="session")
def trained_mixtures(places, tmp_path_factory) -> list[Path]:
    """What the drivers of the mixtures keep, three epochs long; no figures."""
    outputs, folders = tmp_path_factory.mktemp("mixtures"), []
    for config_class, kind in ((GmmConfig, GAUSSIANS), (UmmConfig, BOXES)):
        config = config_class(data_dir=str(places), epochs=3, n_seeds=1)
        loaded = load_places(config.data_dir, torch.device("cpu"))
        plan = make_plan(config, loaded)
        folder = RunFolder(outputs / kind.model_class.__name__.lower())
        with folder, Progress(plan.count_steps(config, loaded)) as progress:
            experiment.train_all(kind, config, loaded, plan, folder, progress)
            if kind is BOXES:
                soft = annealing.run_annealed(config, loaded, config.seed)
                data = model_file(soft.after, config, loaded, snapshots=soft.snapshots)
                folder.write("annealed_model.pt", data)
        folders.append(folder.path)
    return folders


@pytest.fixture(scope="session")
def trained_gpt(gpt_flags, tmp_path_factory) -> Path:
    """What train_gpt.py keeps of a tiny model, two epochs long; no figures."""
    config, _ = cli.parse(GptConfig, list(map(str, gpt_flags)))
    run = runs.start(config, load_corpus(config), torch.device("cpu"))
    folder = tmp_path_factory.mktemp("gpt")
    with Progress(0) as progress:
        for _ in runs.train(run, progress):
            for name, data in run.files().items():
                (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def trained(
    trained_mixtures, trained_gpt, finished_headlines, finished_sentiment,
    tmp_path_factory,
) -> Path:  # fmt: skip
    """A folder of outputs of all drivers that the page shows."""
    outputs = tmp_path_factory.mktemp("trained") / "outputs"
    for name, folder in (
        ("gmm", trained_mixtures[0]),
        ("umm", trained_mixtures[1]),
        ("gpt", trained_gpt),
        ("headlines", finished_headlines),
        ("sentiment", finished_sentiment),
    ):
        shutil.copytree(folder, outputs / name)
    return outputs


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory) -> Path:
    """The folder of the page with all models; the texts' own batch of reviews too."""
    folder = tmp_path_factory.mktemp("page")
    config = export_playground.Config(outputs=str(trained))
    export_playground.main(replace(config, output_dir=str(folder)))
    return folder


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; skip where none is installed, unless one is required."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None and os.environ.get("PLAYGROUND_BROWSER") == "required":
        pytest.fail("no Chromium is installed, and PLAYGROUND_BROWSER=required")
    if path is None:
        pytest.skip("no Chromium is installed: the page was not opened in a browser")
    with sync_playwright() as playwright:
        # a container's root has no sandbox
        launched = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield launched
        launched.close()
