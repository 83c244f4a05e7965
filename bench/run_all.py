"""Run every benchmark and write bench/results.md, with machine, versions and date.

python bench/run_all.py             # about 14 minutes on two idle cores
python bench/run_all.py SCRIPT ...  # only these parts
"""

import datetime
import os
import platform
import subprocess
import sys
from pathlib import Path

from machinery.run_folder import versions

HERE = Path(__file__).parent
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


def main() -> None:
    about = ", ".join(f"{name} {version}" for name, version in versions().items())
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`. Timings of a shared or busy machine are noisy: read the",
        "ratios, which compare two things in one run.",
        "",
        f"{datetime.date.today()}, {processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}; {about}.",
    ]
    wanted = sys.argv[1:] or list(PARTS)
    for script in wanted:
        title = PARTS[script]
        print(f"== {title}", flush=True)
        run = subprocess.run(
            [sys.executable, HERE / script], capture_output=True, text=True, check=False
        )
        print(run.stdout + run.stderr, flush=True)
        if run.returncode:
            sys.exit(f"{script} failed with status {run.returncode}")
        lines += ["", f"## {title}", "", f"`python bench/{script}`", ""]
        lines += ["```", run.stdout.strip(), "```"]
        if script in FIGURES:
            lines += ["", f"![{title}]({FIGURES[script]})"]
    (HERE / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
