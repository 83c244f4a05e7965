"""Train the character GPT on Shakespeare; answer every question of the exercise.

python train_gpt.py        # figures, samples, numbers and the model in outputs/gpt/
"""

import math
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from gpt import plots as gpt_plots
from gpt import runs as gpt_runs
from gpt.runs import Config, Run, Text
from gpt.samples import as_markdown, judge, sentences
from machinery import cli
from machinery.errors import Diverged, Interrupted
from machinery.ngram import NgramLosses, ngram_losses
from machinery.progress import Progress
from machinery.run_folder import RunFolder, versions
from transformer import attention_weights, next_token_distribution

NGRAM_CONTEXT = 10  # characters, as many as the exercise's model sees
AFTER_EPOCH, AT_THE_END = 1, 2  # streams of random numbers for sentences


def main(config: Config) -> None:
    began = time.perf_counter()
    np.random.seed(config.seed)
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    text = gpt_runs.load_text(config)
    with RunFolder(config.output_dir) as folder:
        if config.resume:
            run = gpt_runs.resume(config, text, folder.path / "checkpoint.pt")
        else:
            run = gpt_runs.start(config, text)
        try:
            train(run, folder)
        except (Interrupted, Diverged):
            draw_curves(run, folder, baselines={})
            raise
        baselines = count_baselines(text, config.block_size)
        draw_curves(run, folder, baselines)
        kept_by_top_k = draw_lessons(run, folder)
        judged = judge_sampling(run)
        folder.write_figure("top_k.png", gpt_plots.compare_sampling(judged))
        report(run, baselines, judged)
        measured = {
            "baselines": baselines,
            "kept_by_top_k": kept_by_top_k,
            "sampling": judged,
        }
        write_summary(run, folder, measured, began)


def train(run: Run, folder: RunFolder) -> None:
    """Train epoch by epoch; after each, everything so far is on disk."""
    config = run.config
    steps_per_epoch = math.ceil(config.epoch_windows / config.batch_size)
    with Progress((config.epochs - run.epoch) * steps_per_epoch) as progress:
        for epoch in gpt_runs.train(run, progress):
            progress.label(f"epoch {epoch} done")
            if epoch:
                run.samples.append(sample_both(run, AFTER_EPOCH, config.n_sentences)[0])
                title = f"{config.prompt!r} and {config.sample_length} characters"
                samples = as_markdown(run.samples, title)
                folder.write("samples.md", samples.encode())
            folder.write_csv("metrics.csv", run.rows)
            folder.write("model.pt", run.model_file())
            folder.write("checkpoint.pt", run.checkpoint_file())
            progress.print(describe_epoch(run))


def sample_both(run: Run, stream: int, n: int) -> tuple[dict, dict]:
    """Draw n sentences by plain and by top-k sampling: (texts, token ids) by kind."""
    config, vocabulary = run.config, run.text.vocabulary
    device = next(run.model.parameters()).device
    prompt = config.prompt or vocabulary.beginning
    idx = torch.tensor(vocabulary.encode(prompt), device=device)
    kinds = {"plain sampling": None, f"top-k, k = {config.top_k}": config.top_k}
    ids = {
        kind: sentences(
            run.model, idx, n, config.sample_length, top_k,
            seed=[config.seed, run.epoch, stream, i],
        )
        for i, (kind, top_k) in enumerate(kinds.items())
    }  # fmt: skip
    texts = {
        kind: [vocabulary.decode(s) for s in x.tolist()] for kind, x in ids.items()
    }
    return texts, ids


def describe_epoch(run: Run) -> str:
    row = run.rows[-1]
    lines = [
        f"epoch {run.epoch:2}: loss train {row['train_loss']:.4f} "
        f"test {row['test_loss']:.4f}; accuracy of the last character "
        f"train {row['train_accuracy']:.4f} test {row['test_accuracy']:.4f}, "
        f"of all test {row['test_accuracy_all']:.4f}"
    ]
    if run.samples:
        for kind, texts in run.samples[-1].items():
            lines += [f"  {kind}: {text!r}" for text in texts]
    return "\n".join(lines)


def count_baselines(text: Text, block_size: int) -> dict[str, float]:
    """Return the counted models' losses on the test text, in nats per character.

    Like the GPT's, the n-gram's is over windows, whose first characters have little
    context; texts too short to count are left without.
    """
    ids = [np.asarray(data.ids) for data in (text.train, text.test)]
    context = min(block_size, NGRAM_CONTEXT, len(ids[0]) // 10 - 1, len(ids[1]) - 1)
    if context < 1:
        return {}
    losses: NgramLosses = ngram_losses(*ids, len(text.vocabulary), context)
    by_position = np.array(losses.by_context)
    longer = block_size - context  # positions with more context than is counted
    windowed = (by_position.sum() + longer * by_position[-1]) / block_size
    return {
        "unigram": losses.unigram,
        "bigram": losses.bigram,
        f"best n-gram in windows of {block_size}": float(windowed),
        f"best n-gram with {context} characters before each": losses.best,
    }


def draw_curves(run: Run, folder: RunFolder, baselines: dict[str, float]) -> None:
    figure = gpt_plots.learning_curves(run.rows, baselines)
    folder.write_figure("learning_curves.png", figure)
    if run.step_losses:
        steps = math.ceil(run.config.epoch_windows / run.config.batch_size)
        figure = gpt_plots.step_losses(run.step_losses, steps)
        folder.write_figure("step_losses.png", figure)


def draw_lessons(run: Run, folder: RunFolder) -> float:
    """Draw who attends to whom in a test sentence, and what top-k keeps.

    Return the probability of what it keeps.
    """
    run.model.eval()
    vocabulary, config = run.text.vocabulary, run.config
    device = next(run.model.parameters()).device
    idx = run.text.test.ids[: min(config.block_size, 20)].to(device)
    characters = vocabulary.decode(idx.tolist())
    weights = attention_weights(run.model, idx).cpu().numpy()
    folder.write_figure("attention.png", gpt_plots.attention(weights, characters))
    context = torch.tensor(
        [vocabulary.encode(config.prompt or vocabulary.beginning)], device=device
    )
    with torch.no_grad():
        logits = run.model(context[:, -config.block_size :])[:, -1].cpu()
    full, kept = (
        next_token_distribution(logits, 1.0, top_k, None)[0].numpy()
        for top_k in (None, config.top_k)
    )
    figure = gpt_plots.next_character(full, kept, vocabulary.characters, config.prompt)
    folder.write_figure("next_character.png", figure)
    return float(full[kept > 0].sum())


def judge_sampling(run: Run) -> dict[str, dict[str, float]]:
    """Measure many sentences of each kind."""
    _, ids = sample_both(run, AT_THE_END, run.config.n_judged)
    n_prompt = max(1, len(run.config.prompt))
    return {kind: judge(run.model, run.text, x, n_prompt) for kind, x in ids.items()}


def report(run: Run, baselines: dict[str, float], judged: dict[str, dict]) -> None:
    """Print what the run has shown."""
    print("\ntest loss in nats (bits) per character:")
    losses = {"this model": run.rows[-1]["test_loss"], **baselines}
    for name, loss in losses.items():
        print(f"  {loss:.4f} ({loss / math.log(2):.4f})  {name}")
    print("\n" + describe_sampling(judged))


def describe_sampling(judged: dict[str, dict]) -> str:
    """Answer, in numbers, whether top-k changes the quality of the samples."""
    plain, top_k = judged.values()
    lines = [f"over {plain['n_sentences']} sentences of each kind:"]
    for kind, j in judged.items():
        lines.append(
            f"  {kind:15}: {j['real_words']:.1%} of {j['n_words']} words occur in the "
            f"training text, {j['distinct_words']} distinct, "
            f"log-likelihood {j['log_likelihood']:.3f} nats per character"
        )
    better = "more" if top_k["real_words"] > plain["real_words"] else "no more"
    fewer = "fewer" if top_k["distinct_words"] < plain["distinct_words"] else "no fewer"
    lines.append(f"  top-k writes {better} real words and {fewer} different ones")
    return "\n".join(lines)


def write_summary(
    run: Run, folder: RunFolder, measured: dict[str, Any], began: float
) -> None:
    """Write summary.json, the numbers that a report quotes, and name all files."""
    summary: dict[str, Any] = {
        "config": asdict(run.config),
        "units": "loss in nats per character, over all positions of a window",
        "n_parameters": sum(p.numel() for p in run.model.parameters()),
        "epochs": run.rows,
        **measured,
        "samples": run.samples,
        "seconds": time.perf_counter() - began,
        "versions": versions(),
    }
    folder.write_json("summary.json", summary)
    print(f"\n{summary['seconds']:.0f} s; wrote", *folder.written, sep="\n  ")


if __name__ == "__main__":
    cli.run(main, Config, __doc__)
