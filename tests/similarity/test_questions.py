"""The assignment's answers against loops, sums by hand and planted findings."""

import colorsys
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from similarity import functions, questions, rules
from similarity.config import Config
from similarity.data import make_image, make_kernels, pixels
from similarity.rules import DOMAINS, RULES, Verdict

IMAGE = make_image(3, 4)
GENERATOR = torch.Generator()


@pytest.fixture
def rows():
    """How near attention comes to a 3 x 3 convolution of IMAGE."""
    kernel = questions.random_kernel(3, 2, GENERATOR.manual_seed(0))
    return kernel, questions.against_sharpness(IMAGE, kernel)


def verdict(rule: str, holds: bool) -> Verdict:
    return Verdict(rule, holds, f"so much for {rule}", "pixels", [[0.0], [1.0]])


def test_the_given_image_has_the_sides_that_were_asked_for():
    image, kernels, names = questions.given(Config(height=3, width=4))
    assert torch.equal(image, IMAGE)
    expected, expected_names = make_kernels(IMAGE)
    assert torch.equal(kernels, expected)
    assert names == expected_names


def test_every_function_is_judged_by_every_rule_on_the_seed_s_sets():
    config = Config(height=3, width=4, n_sets=4, seed=5)
    found = questions.judge(IMAGE, config)
    assert list(found) == [domain.name for domain in DOMAINS]
    sets = rules.random_sets(4, 3, GENERATOR.manual_seed(5))
    for domain in DOMAINS:
        assert found[domain.name] == rules.judge(domain, pixels(IMAGE), sets)


def test_a_map_is_won_by_its_largest_pixel():
    colors = torch.arange(18, dtype=torch.float64).view(3, 2, 3)
    kernels = colors.flatten(1).T[[1, 5], :, None, None]  # of these two pixels
    maps = torch.tensor(
        [[[1.0, 4.0, 2.0], [7.0, 0.0, 7.0]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]
    ).double()
    one, two = questions.winners(colors, kernels, maps, ["one", "two"])
    assert one == {
        "kernel": "one", "own": 4.0, "most": 7.0, "row": 1, "column": 0,
        "beaten": True, "as_large": 2,
    }  # fmt: skip
    assert two == {
        "kernel": "two", "own": 6.0, "most": 6.0, "row": 1, "column": 2,
        "beaten": False, "as_large": 1,
    }  # fmt: skip


def test_a_kernel_finds_its_own_colour_where_another_pixel_has_the_same_sum():
    colors = torch.tensor([[[3.0, 1.0]], [[1.0, 3.0]], [[0.0, 0.0]]]).double()
    kernel = colors[:, :, 1:].permute(2, 0, 1)[..., None]
    maps = torch.tensor([[[8.0, 9.0]]]).double()
    (found,) = questions.winners(colors, kernel, maps, ["second"])
    assert found["own"] == 9.0


@pytest.mark.parametrize(
    ("own", "ahead", "beaten"),
    [(1.0, 5e-10, False), (1.0, 2e-9, True), (0.0, 1e-9, False), (0.0, 1.1e-9, True)],
)
def test_a_billionth_more_beats_no_kernel(own, ahead, beaten):
    colors = torch.eye(3, dtype=torch.float64)[:, None]  # (3, 1, 3)
    maps = torch.tensor([[[own, own + ahead, own - 0.5]]], dtype=torch.float64)
    kernel = colors[:, 0, :1].T[:, :, None, None]
    (found,) = questions.winners(colors, kernel, maps, ["first"])
    assert found["beaten"] == beaten
    assert found["as_large"] == (1 if beaten else 2)


def test_each_kernel_needs_a_map_and_a_name():
    kernels, names = make_kernels(IMAGE)
    maps = functions.activation_maps(IMAGE, kernels)
    for fewer in ((kernels[1:], maps, names), (kernels, maps, names[1:])):
        with pytest.raises(ValueError, match="zip"):
            questions.winners(IMAGE, *fewer)


@pytest.mark.parametrize("error", [0.25, -0.25])
def test_the_difference_by_convolution_is_the_largest_of_either_sign(
    monkeypatch, error
):
    assert questions.difference_by_convolution(IMAGE) < 1e-14
    planted = functions.scaled_cosine(pixels(IMAGE))
    planted[2, 5] += error
    planted[5, 2] -= error / 2
    monkeypatch.setattr(functions, "scaled_cosine_by_convolution", lambda _: planted)
    assert questions.difference_by_convolution(IMAGE) == pytest.approx(0.25)


def test_a_random_kernel_is_standard_normal_and_its_generator_s():
    kernel = questions.random_kernel(7, 50, GENERATOR.manual_seed(0))
    assert (kernel.shape, kernel.dtype) == ((50, 3, 7, 7), torch.float64)
    assert kernel.mean().item() == pytest.approx(0, abs=0.05)
    assert kernel.std().item() == pytest.approx(1, abs=0.05)
    again = questions.random_kernel(7, 50, GENERATOR.manual_seed(0))
    assert torch.equal(kernel, again)
    other = questions.random_kernel(7, 50, GENERATOR.manual_seed(1))
    assert not torch.equal(kernel, other)


def attention_by_loops(image: np.ndarray, kernel: np.ndarray, sharpness: float):
    """Average the padded image around each offset by exp(-sharpness d^2)."""
    d_out, _, size, _ = kernel.shape
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), *[(size // 2, size // 2)] * 2))
    places = np.stack(np.indices(padded.shape[1:]), 2)  # (H, W, 2)
    out = np.zeros((d_out, height, width))
    for row in range(height):
        for column in range(width):
            for i in range(size):
                for j in range(size):
                    far = ((places - [row + i, column + j]) ** 2).sum(2)
                    weights = np.exp(-sharpness * far)
                    seen = (padded * weights).sum((1, 2)) / weights.sum()
                    out[:, row, column] += kernel[:, :, i, j] @ seen
    return out


def test_the_error_is_the_distance_of_soft_attention_from_conv2d(rows):
    kernel, found = rows
    assert [row["sharpness"] for row in found] == list(range(1, 21))
    wanted = F.conv2d(IMAGE[None], kernel, padding=1)[0].numpy()
    for row in (found[0], found[4]):
        soft = attention_by_loops(IMAGE.numpy(), kernel.numpy(), row["sharpness"])
        assert row["error"] == pytest.approx(np.abs(soft - wanted).max(), rel=1e-9)
    assert found[-1]["error"] < 1e-7


@pytest.mark.parametrize("size", [1, 5])
def test_no_error_is_left_for_a_kernel_of_another_size(size):
    kernel = questions.random_kernel(size, 2, GENERATOR.manual_seed(0))
    assert questions.against_sharpness(IMAGE, kernel)[-1]["error"] < 1e-6


def test_what_leaves_a_head_s_offset_is_a_sum_of_exponentials(rows):
    def most(n_places: int, sharpness: float) -> float:
        """Sum exp(-sharpness d^2) around the place with the most neighbours."""
        return max(
            math.fsum(math.exp(-sharpness * (i - j) ** 2) for i in range(n_places))
            for j in range(n_places)
        )

    _, found = rows
    for row in found:
        a = row["sharpness"]
        share = 1 / (most(3 + 2, a) * most(4 + 2, a))  # rows and columns, padded
        assert row["leaves"] == pytest.approx(1 - share, rel=1e-6, abs=1e-15)


@pytest.mark.parametrize(
    ("errors", "least"),
    [
        ([0.0] * 20, 1),
        ([9e-6] * 19 + [1e-5], None),
        ([1.0] * 20, None),
        ([1.0] * 18 + [9e-6] * 2, 19),
        ([1.0] * 19 + [9e-6], 20),
        ([1.0, 1e-6, 1e-5, *[1e-6] * 17], 4),  # below, and above once more
    ],
)
def test_the_sharpness_that_is_enough_has_no_larger_error_after_it(errors, least):
    rows = [{"sharpness": a, "error": e} for a, e in enumerate(errors, 1)]
    assert questions.sharp_enough(rows) == least


@pytest.mark.parametrize(("height", "width"), [(3, 4), (4, 3), (5, 5)])
@pytest.mark.parametrize("size", [1, 3])
def test_heads_look_from_the_middle_each_at_its_own_offset(height, width, size):
    seen = questions.heads(make_image(height, width), size, 3.0)
    assert seen.shape == (size**2, height + size - 1, width + size - 1)
    torch.testing.assert_close(
        seen.sum((1, 2)), torch.ones(size**2, dtype=torch.float64)
    )
    for head, weights in enumerate(seen):
        row, column = divmod(int(weights.argmax()), width + size - 1)
        assert (row, column) == (height // 2 + head // size, width // 2 + head % size)
        if row:  # a pixel beside has e^-3 of the weight
            ratio = weights[row - 1, column] / weights[row, column]
            assert ratio.item() == pytest.approx(math.exp(-3))


def test_a_third_pixel_changes_a_softmax_of_two_and_no_product():
    kept = IMAGE.clone()
    found = questions.depends_on_others(IMAGE)
    assert torch.equal(IMAGE, kept)
    before = pixels(IMAGE)
    after = before.clone()
    torch.testing.assert_close(after[-1], torch.full((3,), 0.3).double())
    after[-1, 0], after[-1, 1:] = 0.0, 0.6  # brighter, and no longer grey
    assert list(found) == [domain.name for domain in DOMAINS]
    for domain in DOMAINS:
        values = found[domain.name]
        assert values["before"] == domain.function(before)[0, 1].item()
        assert values["after"] == pytest.approx(domain.function(after)[0, 1].item())
        moved = abs(values["after"] - values["before"]) > 1e-6
        assert moved == ("softmax" in domain.name)
    x, y = (colorsys.hsv_to_rgb(hue, 0.8, 1) for hue in (0, 1 / 3))  # the first two
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    assert found["dot product"]["before"] == pytest.approx(dot)


VERDICTS = {
    "good": {rule: verdict(rule, True) for rule in RULES},
    "mixed product": {rule: verdict(rule, rule != "itself") for rule in RULES},
}
MAPS = {
    "dot": [{"kernel": k, "beaten": k != "red"} for k in ("red", "grey", "blue")],
    "cosine": [{"kernel": "red", "beaten": False}],
}


def test_a_table_has_a_line_a_function_and_a_column_a_rule():
    header, good, mixed = questions.describe(VERDICTS).splitlines()
    assert header.split() == ["bounded", "itself", "no", "other", "symmetric"]
    assert good.split() == ["good", *["holds"] * 4]
    assert mixed.split() == ["mixed", "product", "holds", "broken", "holds", "holds"]
    for line, words in ((good, ["holds"] * 4), (mixed, mixed.split()[2:])):
        ends = [header.index(rule) + len(rule) for rule in RULES]
        assert len(line) == len(header) == ends[-1]
        for end, word in zip(ends, words, strict=True):  # right under the rule
            assert line[:end].endswith(f"  {word}")
    assert good.startswith("good".ljust(len("mixed product")) + "  ")


def test_the_sentences_follow_the_numbers():
    errors = [1.0] * 11 + [1e-6] * 9
    steps = [{"sharpness": a, "error": e} for a, e in enumerate(errors, 1)]
    assert questions.sentences(VERDICTS, MAPS, steps, 1.25e-7, 56) == [
        "good: no search has found a counterexample to any rule",
        "mixed product: “s(x, x) = b” is broken, so much for itself (pixels)",
        "dot maps: another colour than the kernel's own is the largest for "
        "2 of 3 kernels (grey, blue)",
        "cosine maps: another colour than the kernel's own is the largest for "
        "0 of 1 kernels",
        "f(Z) by a convolution with 56 kernels, a pixel each, differs from its "
        "formula by at most 1.2e-07",
        "attention is within 1e-05 of the convolution from sharpness 12 on",
    ]
    steps[-1]["error"] = 1.0
    never = questions.sentences(VERDICTS, MAPS, steps, 1.25e-7, 56)
    assert never[-1] == "attention stays further than 1e-05 from the convolution"


def test_the_summary_has_what_the_report_quotes(rows):
    _, steps = rows
    others = questions.depends_on_others(IMAGE)
    found = questions.summarize(VERDICTS, MAPS, steps, 1.25e-7, IMAGE, others)
    assert found == {
        "n_pixels": 12,
        "verdicts": {
            name: [asdict(of_rule[rule]) for rule in RULES]
            for name, of_rule in VERDICTS.items()
        },
        "maps": MAPS,
        "by_convolution": 1.25e-7,
        "apart": "1.2e-07",
        "sharpness": steps,
        "sharp_enough": questions.sharp_enough(steps),
        "close": 1e-5,
        "others": others,
        "sentences": questions.sentences(VERDICTS, MAPS, steps, 1.25e-7, 12),
    }
    assert 10 < found["sharp_enough"] <= 20
