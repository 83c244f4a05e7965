"""What the norm over (T, d) lets through, and what one norm for each token does not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from sentiment import costs, recipes
from sentiment.config import Config
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


def test_pads_are_moved_to_a_review_s_front_and_the_words_keep_their_order(words):
    built, T = model("sample"), words.shape[1]
    behind = [[0] * row.count(0) + [w for w in row if w] for row in words.tolist()]
    expected = (built(torch.tensor(behind)) - built(words)).detach().abs()
    built.train()  # dropout must not be what moves a logit
    found = costs.moved_padding(built, words.int())
    assert_close(found, expected)
    full = torch.arange(2, 2 + T)[None]
    assert costs.moved_padding(built, full).item() == 0


def test_how_far_a_word_reaches_by_torch_s_norm(words):
    """The first pad turns into the review's first word once more."""
    built = model("sample")
    norm, moved = built.blocks[0].norm1, []
    for row in words.tolist():
        more, n = list(row), 12 - row.count(0)
        more[n] = row[0]
        before, after = (
            F.layer_norm(
                built.embedding(torch.tensor(review)),
                (12, 6), norm.gamma, norm.beta, norm.eps,
            )[0]
            for review in (row, more)
        )  # fmt: skip
        moved.append(((after - before).norm() / before.norm()).item())
    expected = pytest.approx(sum(moved) / len(moved), rel=1e-5)
    full = torch.arange(2, 14)[None]  # has no pad that could turn, and is left out
    assert costs.reach_of_a_word(built, torch.cat([full, words]).int()) == expected


def test_short_test_reviews_leave_half_to_pads():
    lengths = torch.tensor([1, 5, 6, 2, 4, 3, 5])
    data = SimpleNamespace(
        rows={"test": np.array([1, 2, 3, 5, 6])}, lengths=lengths,
        words=torch.arange(14).view(7, 2),
    )  # fmt: skip
    found = [costs.short_reviews(data, 11), costs.short_reviews(data, 11, 3)]
    assert [words[:, 0].tolist() for words in found] == [[2, 6, 10, 12], [2, 6, 10]]
    many = SimpleNamespace(
        rows={"test": np.arange(300)}, lengths=torch.ones(300),
        words=torch.arange(300)[:, None],
    )  # fmt: skip
    assert costs.short_reviews(many, 2).flatten().tolist() == list(range(200))


def test_both_norms_have_every_seed_and_both_ways_to_hide_one():
    jobs = costs.jobs(Config(n_seeds=2))
    assert [job.name for job in jobs] == [
        "assignment_random_0", "assignment_random_1",
        "assignment_random_token_norm_0", "assignment_random_token_norm_1",
        "best_random_0", "best_random_hide_by_zero_0",
    ]  # fmt: skip
    assert len(set(jobs)) == 6


def test_the_norms_are_judged_on_test_and_the_hidings_by_epoch():
    data = SimpleNamespace(
        rows={"test": np.array([1, 2, 4, 5])},
        labels=torch.tensor([1.0, 1, 0, 1, 0, 1]),
    )
    runs = {}
    for hide, values in (("mask", [0.5, 0.75]), ("zero", [0.25, 0.5])):
        rows = [{"validation_accuracy": v, "train_loss": 1 - v} for v in values]
        job = Job("best", "random", 0, hide=hide)
        runs[job.name] = SimpleNamespace(job=job, rows=rows)
    for norm, seed, logits in (
        ("sample", 0, [-9, 1, -1, -9, -1, 0]),  # zero is blame
        ("token", 0, [-9, 1, -1, -9, -1, 0.5]),
        ("sample", 1, [9, -1, 1, 9, 1, 1]),
    ):
        job = Job("assignment", "random", seed, norm=norm)
        runs[job.name] = SimpleNamespace(job=job, logits=torch.tensor(logits))
    assert costs.assess(runs, data) == {
        "norms": {"sample": [0.75, 0.25], "token": [1.0]},
        "hiding": {
            "mask": {"validation": [0.5, 0.75], "training": [0.5, 0.25]},
            "zero": {"validation": [0.25, 0.5], "training": [0.75, 0.5]},
        },
    }


def some_costs(accuracy, loss) -> dict:
    return {
        "norms": {"sample": [0.84, 0.85], "token": [0.85, 0.86]},
        "moved": {"sample": 0.125, "token": 0.00025},
        "reach": {"sample": 0.25, "token": 0.03},
        "hiding": {
            "mask": {"validation": [0.7, 0.8, 0.9], "training": [0.6, 0.5, 0.4]},
            "zero": {"validation": [0.7, 0.8, accuracy], "training": [0.6, 0.5, loss]},
        },
    }


def test_every_sentence_of_the_costs_by_hand():
    found = some_costs(0.85, 0.3)
    said = [
        "norm over (T, d): test accuracy 84.50%; one for each token: 85.50% (seeds: 2)",
        "the pads of a review moved to its front change its logit by 0.125 with the "
        "norm over (T, d), by 2.5e-04 with one for each token",
        "one more word moves the first word's normed vector by 25.00% of its length, "
        "and by 3.00% with one norm for each token",
        "words hidden by masking: validation 90.00%; by zeroed vectors: 85.00%, though "
        "its training loss is 0.300 against 0.400",
    ]
    assert costs.sentences(found) == said
    del found["hiding"]["zero"]
    assert costs.sentences(found) == said[:3]


def test_word_dropout_by_masking_hides_and_by_zeroing_leaves_a_place():
    """The two ways differ in what the network may look at, not in the words."""
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
    [
        (0.85, 0.3, "though"),
        (0.91, 0.3, "and"),
        (0.85, 0.5, "and"),
        (0.9, 0.3, "and"),
        (0.85, 0.4, "and"),
    ],
)
def test_zeroing_is_a_trap_only_where_its_training_looks_better(accuracy, loss, said):
    found = some_costs(accuracy, loss)
    assert f", {said} its training loss is" in costs.sentences(found)[-1]
