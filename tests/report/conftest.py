"""What the drivers write, tiny, and the scripts of report/ as modules."""

import json
import shutil
import sys
from pathlib import Path

import pytest

import check_theory
import compare_similarity
import train_gmm
import train_umm
from tests.helpers import ROOT

sys.path.append(str(ROOT / "report"))


@pytest.fixture(scope="session")
def finished(
    places,
    finished_gpt,
    finished_headlines,
    finished_sentiment,
    finished_gpt2,
    finished_composers,
    tmp_path_factory,
) -> Path:
    """The folder with all drivers' outputs; not to be changed."""
    outputs = tmp_path_factory.mktemp("outputs")
    for driver in (train_gmm, train_umm):
        folder = outputs / driver.__name__.removeprefix("train_")
        driver.main(
            driver.Config(
                data_dir=str(places), output_dir=str(folder), epochs=2, n_seeds=2
            )
        )
    compare_similarity.main(
        compare_similarity.Config(
            output_dir=str(outputs / "similarity"), height=3, width=4, n_sets=5
        )
    )
    check_theory.main(
        check_theory.Config(output_dir=str(outputs / "theory"), n_draws=1000)
    )
    shutil.copytree(finished_gpt[0], outputs / "gpt")
    shutil.copytree(finished_headlines, outputs / "headlines")
    shutil.copytree(finished_sentiment, outputs / "sentiment")
    shutil.copytree(finished_gpt2, outputs / "gpt2")
    shutil.copytree(finished_composers, outputs / "composers")
    return outputs


@pytest.fixture
def outputs(finished, tmp_path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(finished, tmp_path / "outputs")


@pytest.fixture
def change(outputs):
    """Edit the summary of one of the outputs."""

    def edit(name: str, how) -> None:
        path = outputs / name / "summary.json"
        summary = json.loads(path.read_text("utf-8"))
        how(summary)
        path.write_text(json.dumps(summary), "utf-8")

    return edit
