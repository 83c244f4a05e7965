"""Shared by all tests: a small data folder, drivers in and out of process."""

import random
import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

import sample_gpt2
import train_composers
import train_gmm
import train_headlines
import train_sentiment
from composers import baselines
from gpt2.recipe import Recipe
from gpt2.tokens import BytePairs
from headlines import why
from headlines.recipes import SIZES, Size
from machinery import cli, progress, workers
from sentiment import recipes
from tests.composers.conftest import write_scores
from tests.gpt2.conftest import MERGES
from tests.helpers import run_driver, write_places, write_texts

torch.set_num_threads(1)
hypothesis.settings.register_profile(
    "steady", derandomize=True, deadline=None, max_examples=25, database=None
)
hypothesis.settings.load_profile("steady")


@pytest.fixture(scope="session")
def places(tmp_path_factory) -> Path:
    """A data folder of three countries."""
    return write_places(tmp_path_factory.mktemp("data"))


@pytest.fixture
def restored_signals():
    """Put the handlers and the noted signals back after code that installs its own."""
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)
    progress._received.clear()


@pytest.fixture
def asked_of_workers(monkeypatch) -> list[tuple[int, int]]:
    """What workers.each is asked for from here on: processes, and threads of each."""
    asked, each = [], workers.each

    def watched(function, shared, jobs, n, *arguments, threads=1, **more):
        asked.append((n, threads))
        return each(function, shared, jobs, n, *arguments, threads=threads, **more)

    monkeypatch.setattr(workers, "each", watched)
    return asked


@pytest.fixture
def train_gmm_here(monkeypatch, capsys, tmp_path, restored_signals):
    """train_gmm.py as from a command line, in this process: (status, out, err)."""
    monkeypatch.chdir(tmp_path)

    def run(*flags):
        argv = ["train_gmm.py", "--epochs", "2", "--n-seeds", "1", *map(str, flags)]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as end:
            cli.run(train_gmm.main, train_gmm.Config, train_gmm.__doc__)
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return run


@pytest.fixture(scope="session")
def gpt_flags(tmp_path_factory) -> tuple:
    """The flags of train_gpt.py for a tiny model of a small text, two epochs long."""
    train, test = write_texts(tmp_path_factory.mktemp("text"))
    sizes = "--n-layer 1 --n-head 2 --n-embd 8 --epoch-windows 256 --test-windows 64"
    run = "--epochs 2 --n-evaluated 20 --threads 1 --learning-rate 3e-3"
    return ("--train-text", train, "--test-text", test, *sizes.split(), *run.split())


@pytest.fixture(scope="session")
def finished_gpt(gpt_flags, tmp_path_factory):
    """A finished run of train_gpt.py in a process of its own: (folder, process)."""
    cwd = tmp_path_factory.mktemp("gpt")
    result = run_driver("train_gpt.py", *gpt_flags, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return cwd / "outputs" / "gpt", result


@pytest.fixture(scope="session")
def headline_texts(tmp_path_factory) -> Path:
    """A file of short texts, a line each."""
    words = ["quill", "zebra", "vex", "jump", "fox", "dog", "lazy", "quick", "gym"]
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("texts") / "lines.txt"
    some = [" ".join(draw.choices(words, k=draw.randint(2, 8))) for _ in range(150)]
    path.write_text("\n".join(some))
    return path


@pytest.fixture(scope="session")
def small_headlines():
    """Within it, words stay as they are and the models are tiny."""

    @contextmanager
    def patched():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("headlines.cleaning.lemmatizer", lambda: lambda w, lang: w)
            for number in SIZES:
                patch.setitem(SIZES, number, Size(2, 2, 2, 6 + number))
            patch.setattr(why, "STEPS", 5)
            yield

    return patched


@pytest.fixture(scope="session")
def finished_headlines(headline_texts, small_headlines, tmp_path_factory) -> Path:
    """The folder of a whole run of two tiny sizes, and of the question why."""
    folder = tmp_path_factory.mktemp("headlines")
    options = {
        "texts": str(headline_texts), "output_dir": str(folder), "sizes": "1,2",
        "epochs": 3, "n_few": 40, "n_evaluated": 64,
    }  # fmt: skip
    with small_headlines():
        for only_why in (True, False):
            config = train_headlines.Config(**options, why=only_why)
            train_headlines.main(config)
    return folder


@pytest.fixture(scope="session")
def reviews_folder(tmp_path_factory) -> Path:
    """A folder like aclImdb: one word of a review tells praise from blame."""
    folder, draw = tmp_path_factory.mktemp("aclImdb"), random.Random(0)
    filler = ["the", "a", "film", "is", "was", "plot", "actor", "scene", "tonight"]
    told = {"pos": ["superb", "lovely"], "neg": ["awful", "boring"]}
    for half, n in (("train", 150), ("test", 30)):
        for name, words in told.items():
            (folder / half / name).mkdir(parents=True)
            for i in range(n):
                review = draw.choices(filler, k=draw.randint(4, 30))
                review.insert(draw.randint(0, 4), draw.choice(words))
                path = folder / half / name / f"{i}_7.txt"
                path.write_text(" ".join(review) + f" {half} {i}")
    return folder


@pytest.fixture(scope="session")
def small_vectors():
    """Within it, a few words have vectors, at random, and the bonus learns at once."""

    @contextmanager
    def patched():
        words = ["film", "superb", "lovely", "awful", "boring", "the", "plot"]
        rows = {word: i for i, word in enumerate(words)}
        table = np.random.default_rng(0).normal(size=(len(words), 50))

        def of_words(wanted, rows):
            found = np.zeros((len(wanted), 50), np.float32)
            for i, word in enumerate(wanted):
                found[i] = table[rows[word]] if word in rows else 0
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sentiment.data.known_words", lambda: rows)
            patch.setattr("sentiment.data.of_words", of_words)
            quick = replace(recipes.RECIPES["best"], batch_size=8, learning_rate=0.02)
            patch.setitem(recipes.RECIPES, "best", quick)
            yield

    return patched


@pytest.fixture
def planted_vectors(small_vectors):
    with small_vectors():
        yield


@pytest.fixture(scope="session")
def finished_sentiment(reviews_folder, small_vectors, tmp_path_factory) -> Path:
    """The folder of a whole run on small reviews, and of its costs."""
    folder = tmp_path_factory.mktemp("sentiment") / "sentiment"
    options = {
        "data_dir": str(reviews_folder), "output_dir": str(folder), "epochs": 2,
        "n_seeds": 1, "max_len": 16,
    }  # fmt: skip
    with small_vectors():
        for costs in (True, False):
            train_sentiment.main(train_sentiment.Config(**options, costs=costs))
    return folder


@pytest.fixture(scope="session")
def small_gpt2():
    """Within it, the stand-in is tiny, its vocabulary short and its reviews few."""

    @contextmanager
    def patched():
        draw = random.Random(0)
        words = ["the", "movie", "is", "there", "then", "a", "man", "in", "moon."]
        rows = [(" ".join(draw.choices(words, k=60)), i % 2) for i in range(90)]
        recipe = Recipe(
            vocab_size=267, n_layer=1, n_head=2, n_embd=16, block_size=64,
            batch_size=4, parts=2, steps=5, n_held_out=40,
        )  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gpt2.corpus.movie_reviews", lambda *_, **__: rows)
            patch.setattr("gpt2.source.from_package", lambda: BytePairs(MERGES))
            patch.setattr("gpt2.source.RECIPE", recipe)
            patch.setattr("gpt2.questions.N_AHEAD", 5)
            yield

    return patched


@pytest.fixture(scope="session")
def finished_gpt2(small_gpt2, tmp_path_factory) -> Path:
    """The folder of a whole run with a tiny stand-in."""
    folder = tmp_path_factory.mktemp("gpt2") / "gpt2"
    with small_gpt2():
        sample_gpt2.main(
            sample_gpt2.Config(
                output_dir=str(folder), length=20, n_openings=2, n_strings=20
            )
        )
    return folder


@pytest.fixture
def run_here(monkeypatch, capsys, tmp_path, restored_signals):
    """A driver as from a command line, in this process: (status, out, err)."""
    monkeypatch.chdir(tmp_path)

    def run(driver, *flags):
        monkeypatch.setattr(sys, "argv", [f"{driver.__name__}.py", *map(str, flags)])
        with pytest.raises(SystemExit) as end:
            cli.run(driver.main, driver.Config, driver.__doc__)
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return run


@pytest.fixture(scope="session")
def finished_composers(tmp_path_factory):
    """The folder of a finished run of train_composers.py on small scores."""
    scores = write_scores(tmp_path_factory.mktemp("scores_of_three"))
    folder = tmp_path_factory.mktemp("outputs") / "composers"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "N_TREES", 20)
        config = train_composers.Config(
            scores=str(scores), output_dir=str(folder), epochs=6, threads=1,
            batch_size=16, n_seeds=1,
        )  # fmt: skip
        train_composers.main(config)
        train_composers.main(replace(config, ablate=True, epochs=1))
    return folder
