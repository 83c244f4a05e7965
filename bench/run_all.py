"""Run every benchmark and write bench/results.md, with machine, versions and date.

python bench/run_all.py             # about half an hour on two idle cores
python bench/run_all.py SCRIPT ...  # these parts anew; the others stay
"""

import datetime
import os
import platform
import subprocess
import sys
from pathlib import Path

from machinery.run_folder import versions

HERE = Path(__file__).parent
HEAD = """# Benchmarks

Made by `make bench`. Timings of a shared or busy machine are noisy: read the ratios,
which compare two things in one run.
"""
PARTS = {
    "bench_mixtures.py": "The exercise's mixture training against the plain loop",
    "bench_sklearn.py": "The fast fit against scikit-learn",
    "yardsticks_umm.py": "What a uniform mixture is measured against",
    "bench_gpt.py": "The GPT's epoch against the loop that courses hand out",
    "bench_generate.py": "Sampling with and without the key/value cache",
    "bench_speedrun.py": "The speed run against nanoGPT's CPU recipe",
    "bench_headlines.py": "An epoch of headlines against the notebook's loop",
    "bench_sentiment.py": "The assignment's classifier, written out and with kernels",
    "bench_gpt2.py": "GPT-2's size: tokens a second, and looking ahead",
    "bench_composers.py": "Graph attention against torch_geometric's",
    "scaling.py": "Scaling",
}
FIGURES = {"bench_sklearn.py": "frontier.png", "scaling.py": "scaling.png"}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def section(script: str) -> str:
    """Run a benchmark; return its section of results.md."""
    run = subprocess.run(
        [sys.executable, HERE / script], capture_output=True, text=True, check=False
    )
    print(run.stdout + run.stderr, flush=True)
    if run.returncode:
        sys.exit(f"{script} failed with status {run.returncode}")
    about = ", ".join(f"{name} {version}" for name, version in versions().items())
    where = f"{processor()}, {os.cpu_count()} cores; {about}"
    lines = [f"`python bench/{script}`, {datetime.date.today()}, {where}", ""]
    lines += ["```", run.stdout.strip(), "```"]
    if script in FIGURES:
        lines += ["", f"![{PARTS[script]}]({FIGURES[script]})"]
    return "\n".join(lines)


def sections(text: str) -> dict[str, str]:
    """Return the sections of results.md by their titles."""
    parts = (part.partition("\n") for part in text.split("\n## ")[1:])
    return {title: body.strip() for title, _, body in parts}


def main(scripts: list[str]) -> None:
    if unknown := set(scripts) - PARTS.keys():
        sys.exit(f"SCRIPT must be of {sorted(PARTS)}, got {sorted(unknown)}")
    path = HERE / "results.md"
    found = sections(path.read_text("utf-8")) if path.exists() else {}
    for script in scripts or PARTS:
        print(f"== {PARTS[script]}", flush=True)
        found[PARTS[script]] = section(script)
        there = (f"## {t}\n\n{found[t]}\n" for t in PARTS.values() if t in found)
        path.write_text("\n".join([HEAD, *there]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
