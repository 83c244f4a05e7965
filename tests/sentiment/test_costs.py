"""What the norm over (T, d) lets through, and what one norm for each token does not."""

import pytest
import torch

from sentiment import costs, recipes
from sentiment.recipes import Job


def model(norm: str):
    torch.manual_seed(0)
    vectors = torch.randn(30, 6)
    vectors[0] = 0
    built = recipes.build(
        Job("assignment", "random", 0, norm=norm), vectors, 12, (0, 0)
    )
    for block in built.blocks:  # as if it had been trained
        for one in (block.norm1, block.norm2):
            for p in one.parameters():
                torch.nn.init.normal_(p, 1.0, 0.3)
    return built.eval()


@pytest.fixture
def words():
    found = torch.randint(2, 30, (5, 12), generator=torch.Generator().manual_seed(1))
    return found.masked_fill(
        torch.arange(12) >= torch.tensor([[2], [3], [6], [5], [4]]), 0
    )


def test_moved_pads_change_a_logit_only_under_the_norm_over_all(words):
    assert costs.moved_padding(model("sample"), words).min() > 1e-3
    assert costs.moved_padding(model("token"), words).max() < 1e-5


def test_another_word_reaches_the_first_only_under_the_norm_over_all(words):
    assert costs.reach_of_a_word(model("sample"), words) > 1e-3
    assert costs.reach_of_a_word(model("token"), words) == 0


def test_word_dropout_by_masking_hides_and_by_zeroing_leaves_a_place():
    """The two ways differ in what the network may look at, not in the words."""
    from types import SimpleNamespace

    seen = {}
    data = SimpleNamespace(
        lengths=torch.full((4,), 50),
        labels=torch.tensor([0.0, 1, 0, 1]),
        ids=torch.ones(3, 4, 256, dtype=torch.int32),
    )

    class Spy(torch.nn.Linear):
        def forward(self, ids, there):
            seen["ids"], seen["there"] = ids, there
            return super().forward(there.float().mean(1, keepdim=True)).squeeze(1)

    for hide in ("mask", "zero"):
        loss = recipes.loss_function(Job("best", "random", 0, hide=hide), data)
        torch.manual_seed(0)
        loss(Spy(1, 1), torch.arange(4))
        if hide == "mask":
            assert (seen["ids"] == 1).all()
            assert 0.7 < seen["there"].float().mean() < 0.97
        else:
            assert seen["there"].all()
            assert 0.7 < (seen["ids"] > 0).float().mean() < 0.97


@pytest.mark.parametrize(
    ("accuracy", "loss", "said"),
    [(0.85, 0.3, "though"), (0.91, 0.3, "and"), (0.85, 0.5, "and")],
)
def test_zeroing_is_a_trap_only_where_its_training_looks_better(accuracy, loss, said):
    found = {
        "norms": {"sample": [0.84], "token": [0.85]},
        "moved": {"sample": 0.1, "token": 0.0},
        "reach": {"sample": 0.1, "token": 0.0},
        "hiding": {
            "mask": {"validation": [0.7, 0.9], "training": [0.6, 0.4]},
            "zero": {"validation": [0.7, accuracy], "training": [0.6, loss]},
        },
    }
    assert f", {said} its training loss is" in costs.sentences(found)[-1]
