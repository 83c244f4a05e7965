"""Classes and functions of the other assignments: found by name, and not mixed up."""

import shutil
from collections.abc import Callable
from textwrap import dedent
from types import SimpleNamespace

import pytest
import torch

from gpt2 import horizon
from grading import sandbox
from grading.classes import Blame, NotOffered
from tests.contract import gpt2_models, gpt2_probe, temperature_probe
from tests.helpers import ROOT

COURSE = ROOT / "tests" / "planted" / "vectorised" / "submission"
BLOCK = """
    import torch
    from torch import nn

    class Own(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.qkv = nn.Linear(size, 3 * size)

        def forward(self, x):
            q, k, v = self.qkv(x).chunk(3, dim=-1)
            mask = torch.full((x.shape[1],) * 2, float("-inf")).triu(1)
            return (q @ k.mT + mask).softmax(-1) @ v

    class TransformerBlock(nn.Module):
        def __init__(self, num_emb, num_neurons, num_heads):
            super().__init__()
            self.norm_a, self.norm_b = nn.LayerNorm(num_emb), nn.LayerNorm(num_emb)
            self.attention = Own(num_emb)
            self.mlp = nn.Linear(num_emb, num_emb)

        def forward(self, x):
            h = self.norm_a(x + self.attention(x))
            return self.norm_b(h + self.mlp(h))
"""
OTHERS = """
    class SelfAttention:
        def __init__(self, d_in, d_out, n_head):
            assert d_in == 3 * d_out

    def log_likelihood(model, x):
        return 0.0

    def classification(features):
        return "a class"
"""
OTHER_CONFIG = """
    import torch

    class SelfAttention(torch.nn.Module):
        def __init__(self, config):
            super().__init__()
            self.c_attn = torch.nn.Linear(config.n_embd, 3 * config.width_of_all)
"""
NOT_FILLED = """
    def temperature_scale(logits, model, new_past, config, temperature, horizon):
        if horizon == 1:
            return logits / temperature
        first_probs = None
        return first_probs[0]
"""
FOLDERS = {
    "own_attention": {"blocks.py": BLOCK},
    "leaks": {"blocks.py": BLOCK.replace(" + mask", "")},
    "other_courses": {
        "blocks.py": BLOCK.replace("num_emb", "width"),
        "parts.py": OTHERS,
    },
    "first": {"transformer.py": BLOCK + OTHERS},
    "other_config": {"it.py": OTHER_CONFIG},
    "broken": {
        "it.py": "import torch\nclass SelfAttention(torch.nn.Modul):\n    pass\n"
    },
    "no_extra_credit": {"sample.py": NOT_FILLED},
    "nested": {},
    "submission": {},
}
FORMULA = "TransformerBlock: residuals and norms"
LIKELIHOOD = "log_likelihood: of a text"


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Callable[[str], dict[str, tuple[str, str]]]:
    """The outcome and the text of each question, of each of the folders."""
    root = tmp_path_factory.mktemp("siblings")
    for folder, files in FOLDERS.items():
        (root / folder).mkdir()
        for name, text in files.items():
            (root / folder / name).write_text(dedent(text))
    shutil.copytree(COURSE, root / "nested" / "src" / "submission")
    shutil.copytree(COURSE, root / "submission", dirs_exist_ok=True)
    rows = sandbox.run([root / folder for folder in FOLDERS], time_limit=100)
    return {
        path.name: {row.title: (row.outcome, row.text) for row in some}
        for path, some in rows.items()
    }.get


def failed(rows: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {
        title: text for title, (outcome, text) in rows.items() if outcome == "failed"
    }


@pytest.mark.slow
def test_a_block_with_attention_of_its_own_is_judged_and_must_not_leak(found):
    assert found("own_attention")[FORMULA] == ("passed", "")
    text = "position 0 changes when token 6 changes: the block leaks"
    assert failed(found("leaks")) == {FORMULA: text}


@pytest.mark.slow
def test_what_other_courses_call_by_these_names_is_not_judged(found):
    rows = found("other_courses")
    assert not failed(rows)
    for title, reason in {
        "TransformerBlock: (B, T, D) in and out": "TransformerBlock takes no num_emb",
        "SelfAttention: (B, L, C) in and out": "SelfAttention has no c_attn, so it is",
        LIKELIHOOD: "log_likelihood takes model, x, not (model, text)",
        "classification: random strings and language": "classification takes features",
    }.items():
        outcome, text = rows[title]
        assert outcome == "skipped"
        assert text.startswith(reason)


@pytest.mark.slow
def test_a_config_that_is_not_known_is_no_mistake(found):
    assert found("other_config")["SelfAttention: (B, L, C) in and out"] == (
        "skipped",
        "what config.width_of_all may be is unknown",
    )


@pytest.mark.slow
def test_helpers_in_the_first_assignment_s_files_are_not_judged(found):
    rows = found("first")
    assert rows[FORMULA] == ("skipped", "no TransformerBlock in the folder")
    assert rows[LIKELIHOOD] == ("skipped", "no log_likelihood in the folder")


@pytest.mark.slow
def test_a_file_that_cannot_be_imported_is_told_once(found):
    rows, title = found("broken"), "SelfAttention can be imported"
    assert list(failed(rows)) == [title]
    assert rows[title][1].startswith("importing stops: it.py line 2 raises Attribute")
    assert rows["SelfAttention: the formula"][1] == "until it.py can be imported"


@pytest.mark.slow
def test_extra_credit_that_is_not_filled_in_is_no_mistake(found):
    rows = found("no_extra_credit")
    assert not failed(rows)
    assert rows["temperature_scale: horizon 1"] == ("passed", "")
    reason = ("skipped", "horizon 2 is not filled in")
    assert rows["temperature_scale: horizon 2"] == reason


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["nested", "submission"])
def test_the_gpt2_course_s_folder_is_read_from_above_and_from_within(found, folder):
    outcomes = [outcome for outcome, _ in found(folder).values()]
    assert outcomes.count("passed") == 6
    assert not failed(found(folder))


def test_the_small_model_reads_on_from_its_past_and_leaves_it_alone():
    model = gpt2_models.Tiny()
    ids = torch.randint(gpt2_models.V, (2, 9))
    whole, _ = model(ids)
    _, past = model(ids[:, :5])
    for _ in range(2):
        torch.testing.assert_close(model(ids[:, 5:], past=past)[0], whole[:, 5:])


@pytest.mark.parametrize("top_k", [gpt2_models.V, 4])
def test_what_all_pairs_give_is_what_the_room_s_horizon_of_two_gives(top_k: int):
    solution = SimpleNamespace(find=lambda name: lambda a, b, c, d, e, f: None)
    with torch.no_grad():
        asked = temperature_probe.Asked(solution, top_k)
        second = temperature_probe.cut(asked.second(), top_k).log_softmax(1)
        first = asked.logits[0].log_softmax(0)
        expected = horizon.temperature_scale(
            asked.model(asked.context)[0][0, -1],
            lambda paths: asked.second()[paths[:, -1]],
            temperature_probe.TEMPERATURE,
            horizon=2,
            top_k=top_k,
        )
    found = temperature_probe.margin(first, second)
    torch.testing.assert_close(found, expected.exp().float(), atol=1e-5, rtol=0)


def test_random_strings_and_language_lie_where_the_course_draws_them():
    model = gpt2_models.TwoKinds()
    for texts, low, high in (
        (gpt2_models.LANGUAGE, -160, -60),
        (gpt2_models.RANDOM, -600, -400),
    ):
        for text in texts:
            log_p = model(text)[0].log_softmax(2)[0, :-1]
            total = log_p.gather(1, text[0, 1:, None]).sum().item()
            assert low < total < high


def offered(text: str, name: str) -> SimpleNamespace:
    """A solution that consists of one function, for the probes."""
    module: dict = {}
    exec(dedent(text), module)
    return SimpleNamespace(find=lambda wanted: module[name])


def said(check: Callable, *arguments) -> str:
    """What a probe blames, or why it does not check; nothing where all is right."""
    try:
        check(*arguments)
    except (Blame, NotOffered) as reason:
        return f"{type(reason).__name__}: {reason}"
    return ""


POSITIONAL = """
    import torch

    def log_likelihood(model, text):
        past, total = None, 0.0
        for t in range(text.shape[1] - 1):
            logits, past = model(text[:, t : t + 1], None, None, past)
            total += logits[0, -1].log_softmax(0)[text[0, t + 1]].item()
        return total
"""


def test_the_past_may_come_fourth_as_in_the_course_s_model():
    solution = offered(POSITIONAL, "log_likelihood")
    assert said(gpt2_probe.check_likelihood, solution, print) == ""


TWO_TOKENS = """
    import torch

    def temperature_scale(logits, model, new_past, config, temperature, horizon):
        values = []
        for token in range(config.vocab_size):
            past = [p for p in new_past]
            second = model(torch.tensor([[token]]), past=past)[0][0, -1]
            joint = logits.log_softmax(1)[0, token] + second.log_softmax(0)
            values.append((joint / temperature).logsumexp(0))
        return torch.tensor(values, device={})
"""


@pytest.mark.parametrize(
    ("device", "text"),
    [
        ("config.device", ""),
        ("config['device']", ""),
        ("config.get('device', 'cuda')", ""),
        ("getattr(config, 'where', 'cpu')", ""),
        ("'cpu' if config.layer_norm_epsilon == 1e-5 else None", ""),
        ("config.where", "NotOffered: what config.where may be is unknown"),
        ("config['where']", "NotOffered: what config.where may be is unknown"),
    ],
)
def test_the_config_is_read_in_any_way_and_what_it_lacks_is_no_mistake(device, text):
    solution = offered(TWO_TOKENS.format(device), "temperature_scale")
    assert said(temperature_probe.check_two, solution) == text


@pytest.mark.parametrize(
    ("line", "logits", "text"),
    [
        ("model.eval()", "logits", ""),
        ("model.train()", "logits", "the model is asked in training mode, so dropout"),
        (
            "pass",
            "torch.dropout(logits, 0.1, True)",
            "two values for one text: dropout",
        ),
    ],
)
def test_dropout_at_work_in_evaluation_is_named(line: str, logits: str, text: str):
    source = POSITIONAL.replace("past, total", f"{line}\n        past, total")
    source = source.replace("logits[0", f"{logits}[0")
    found = said(gpt2_probe.check_likelihood, offered(source, "log_likelihood"), print)
    assert text in found
    assert bool(text) == bool(found)
    classify = f"{source}\n    def classification(model, text):\n"
    classify += "        return log_likelihood(model, text) < -300\n"
    found = said(gpt2_probe.check_classifier, offered(classify, "classification"))
    assert ("in training mode" in found) == ("in training mode" in text)
