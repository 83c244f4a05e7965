"""The page's arithmetic in an engine, a browser if there is one, and trained models."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from playwright.sync_api import sync_playwright
from py_mini_racer import MiniRacer

import export_playground
from gpt import runs
from gpt.config import Config as GptConfig
from gpt.data import load_corpus
from headlines import runs as headline_runs
from headlines.config import Config as HeadlinesConfig
from headlines.data import Corpus, Tokenizer
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
from sentiment import runs as sentiment_runs
from sentiment.config import Config as SentimentConfig
from sentiment.data import Lexicon
from sentiment.model import PAD, MyTransformer
from sentiment.recipes import Job
from sentiment.tokens import Ngrams, Vocabulary

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


def headlines_file(recipe: str) -> bytes:
    """Return a model.pt of train_headlines.py's first size that ends its texts soon."""
    lines = ["a man", "the moon", "in love"]
    tokens = torch.from_numpy(Tokenizer().encode(lines))
    splits = ("train", "validation", "test")
    corpus = Corpus(dict.fromkeys(splits, lines), dict.fromkeys(splits, tokens))
    config = HeadlinesConfig(recipe=recipe)
    run = headline_runs.start("size_1", 1, config, corpus, torch.device("cpu"))
    with torch.no_grad():
        run.model.logits[0].bias[0] += 2
    run.best = run.model.state_dict()
    return run.files()["model.pt"]


def sentiment_file() -> bytes:
    """Return an assignment.pt of train_sentiment.py with random weights."""
    generator = torch.Generator().manual_seed(0)
    words = "the a film is was plot superb lovely awful boring it not bad . , ' s n't"
    words = [*words.split(), *(f"word{i}" for i in range(30))]
    model = MyTransformer(torch.randn(len(words) + 2, 50, generator=generator), 16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        model.embedding.weight[PAD] = 0
    no_ngrams = Ngrams(np.zeros(0, np.int64))
    lexicon = Lexicon(Vocabulary(words), torch.zeros(0, 50), no_ngrams, no_ngrams)
    run = sentiment_runs.Run(Job("assignment", "random", 0), model=model)
    dataset = SimpleNamespace(lexicon=lexicon)
    return sentiment_runs.dump_model(run, dataset, SentimentConfig(max_len=16))


@pytest.fixture(scope="session")
def trained(trained_mixtures, trained_gpt, tmp_path_factory) -> Path:
    """A folder of outputs of all drivers that the page shows."""
    outputs = tmp_path_factory.mktemp("trained") / "outputs"
    shutil.copytree(trained_mixtures[0].parent, outputs)
    shutil.copytree(trained_gpt, outputs / "gpt")
    (outputs / "headlines" / "size_1").mkdir(parents=True)
    model = outputs / "headlines" / "size_1" / "model.pt"
    model.write_bytes(headlines_file("fast"))
    (outputs / "sentiment").mkdir()
    (outputs / "sentiment" / "assignment.pt").write_bytes(sentiment_file())
    return outputs


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory) -> Path:
    """The folder of the page with all models."""
    folder = tmp_path_factory.mktemp("page")
    options = {"outputs": str(trained), "output_dir": str(folder)}
    export_playground.main(export_playground.Config(**options))
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
