"""Page, styles, scripts and weights to one file that opens from disk.

A browser lets no page from disk load modules or fetch anything, so all is in the page;
a second file is a script that hands its weights over.
"""

import base64
import hashlib
import json
from pathlib import Path

from playground.pack import Pack

HERE = Path(__file__).parent
ARITHMETIC = (
    "weights.js", "math.js", "random.js", "sampling.js", "gpt.js", "headlines.js",
    "mixtures.js", "sentiment.js", "checks.js",
)  # fmt: skip
DRAWING = (
    "page.js", "state.js", "plots.js", "map.js", "gpt_panel.js",
    "mixtures_panel.js", "headlines_panel.js", "sentiment_panel.js", "start.js",
)  # fmt: skip


def script(names: tuple[str, ...] = ARITHMETIC + DRAWING) -> str:
    """Return scripts one after the other; each may use what stands before it."""
    parts = [(HERE / name).read_text("utf-8") for name in names]
    return '"use strict";\n' + "\n".join(parts)


def make_page(packs: dict[str, Pack], commands: dict[str, str]) -> str:
    """Return the page with some models; commands say what makes each that is missing.

    Its policy lets only this very script run, and a file beside the page.
    """
    code = script()
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    data = {name: pack.as_json() for name, pack in packs.items()}
    data["commands"] = json.dumps(commands)
    elements = "\n".join(
        f'<script type="application/json" id="data-{name}">{text}</script>'
        for name, text in data.items()
    )
    page = (HERE / "page.html").read_text("utf-8")
    style = (HERE / "style.css").read_text("utf-8")
    for mark, text in (
        ("DIGEST", digest),
        ("/* STYLE */", style),
        ("<!-- DATA -->", elements),
        ("<!-- SCRIPT -->", f"<script>{code}</script>"),
    ):
        page = page.replace(mark, text, 1)
    return page


def second_file(name: str, pack: Pack) -> str:
    """Return a script that hands a model over to the page that asks for it."""
    return f'receiveModel("{name}", {pack.as_json()});\n'
