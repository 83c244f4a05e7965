"""Notebooks: definitions are read as a file's are, and the rest is left alone."""

import ast
import contextlib
import json
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from check_solution import check_input
from grading import notebooks, sandbox
from grading.classes import Blame, NotOffered
from grading.loader import Solution
from machinery.errors import BadInput
from tests.helpers import assert_one_line, run_driver


def notebook(*cells: str) -> str:
    """The text of a notebook with these cells, and one of prose between."""
    code = [
        {"cell_type": "code", "source": dedent(cell).splitlines(keepends=True)}
        for cell in cells
    ]
    prose = {"cell_type": "markdown", "source": ["class GMM is asked for\n"]}
    return json.dumps({"cells": [code[0], prose, *code[1:]], "nbformat": 4})


def solution(folder: Path, *cells: str, name: str = "my homework 2.ipynb") -> Solution:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(notebook(*cells))
    return Solution(folder)


GMM = """
    class GMM:
        def __init__(self, n_components):
            self.start = start(n_components)
"""


def gmm(folder: Path, *cells: str) -> object:
    """The GMM that a notebook builds, of which the last cells are these."""
    own = solution(folder, *cells, GMM)
    with own.active():
        return own.get("mixture_models.py", "GMM")(3)


IN_A_TRY = """
    try:
        import google.colab
        HERE = 0
    except ImportError:
        HERE = 7
    start = lambda k: HERE
"""
DEVICE = """
    import torch
    if torch.cuda.is_available():
        device = torch.device("cuda")
        print(device)
    else:
        device = "cpu"
    def start(k, device=device): return 7
"""
NO_MAGIC = """
    text = '''
    %d points
    !'''
    def start(k): return 7 if text == "\\n%d points\\n!" else 0
"""
ENDLESS = """
    for i in range(10**12):
        pass
    while True: pass
    def start(k): return 7
"""
LAYERS = """
    import torch.nn as nn
    softmax, relu = nn.Softmax(dim=-1), nn.ReLU()
    def start(k): return 7 * softmax(relu(k * torch.ones(1))).item()
    import torch
"""
CONFIG = """
    class Config:
        size = 7
    config = Config()
    def start(k, config=config): return config.size
"""
LATER = "from __future__ import annotations\ndef start(k: Unknown) -> No: return 7"


@pytest.mark.parametrize(
    "cell",
    [
        "def start(k):\n    return 7",
        "import math\nSEVEN = math.sqrt(49)\nstart = lambda k: SEVEN",
        "%matplotlib inline\n!pip install torch \\\n    numpy\ndef start(k): return 7",
        "%%time\ndef start(k):\n    %time x = 7\n    return 7",
        "%%writefile starts.py\ndef start(k): return 7",
        "files = !ls\nstart?\ndef start(k):\n    return 7",
        "def start(k): return 0\ndef start(k): return 7",
        "import module_of_nobody, math\ndef start(k): return round(math.pi) + 4",
        "try:\n    import math\nexcept ImportError:\n    pass\nelse:\n    N = 7\n"
        "start = lambda k: N",
        "def start(k):\n    return 7\nraise RuntimeError\nstart = start(print)",
        LAYERS,
        CONFIG,
        IN_A_TRY,
        DEVICE,
        NO_MAGIC,
        ENDLESS,
        LATER,
    ],
)
def test_what_a_notebook_defines_is_there(tmp_path, cell):
    assert gmm(tmp_path / "a", cell).start == 7


def test_what_trains_prints_or_writes_is_not_run(tmp_path, capsys):
    cells = (
        "from pathlib import Path\ndef start(k): return 7\nprint('trained')",
        "Path('left.txt').write_text('x')\nmodel = start(Path('here.txt').touch())",
        "!touch shell.txt\n%%bash\ntouch cell.txt",
    )
    assert gmm(tmp_path / "a", *cells).start == 7
    assert {path.suffix for path in (tmp_path / "a").iterdir()} == {".ipynb"}
    assert capsys.readouterr().out == ""


def test_a_broken_cell_is_named_and_the_others_are_checked(tmp_path):
    cells = ("def start(k):\n    return 7", "x = 1\n\ndef draw(:\n    pass")
    own, remarks = solution(tmp_path / "a", *cells, GMM), []
    with own.active():
        own.check_imports("mixture_models.py", remark=remarks.append)
        assert own.get("mixture_models.py", "GMM")(3).start == 7
    assert remarks == [
        "my homework 2.ipynb cell 2 line 3 is not valid Python: invalid syntax: "
        "the cell is left out"
    ]


@pytest.mark.parametrize(
    ("cell", "blame"),
    [
        ("class UMM(:\n    pass", "cell 2 line 1 is not valid Python: invalid syntax"),
        ("class UMM:\n    size = 1 / 0", "cell 2 line 2 raises ZeroDivisionError"),
        (
            "import math\nclass UMM(math.Nothing):\n    pass",
            "cell 2 line 2 raises Attr",
        ),
    ],
)
def test_a_class_that_cannot_be_made_is_blamed_at_its_place(tmp_path, cell, blame):
    own = solution(tmp_path / "a", "def start(k): return 7", cell, GMM)
    with own.active():
        assert own.get("mixture_models.py", "GMM")(3).start == 7
        with pytest.raises(Blame, match=f"my homework 2.ipynb {blame}"):
            own.get("mixture_models.py", "UMM")


def test_an_error_says_in_which_cell_it_arose(tmp_path):
    own = solution(tmp_path / "a", "x = 1", "def start(k):\n\n    return k.shape", GMM)
    with own.active(), pytest.raises(AttributeError) as error:
        own.get("mixture_models.py", "GMM")(3)
    assert own.describe(error.value).startswith(
        "my homework 2.ipynb cell 2 line 3 raises AttributeError: 'int' object has"
    )


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("class Net: pass\nconfig = Net(3)\ndef start(k): return config",
         "needs config, which cell 1 makes: only definitions are run"),
        ("config = make()\ndef start(k): return config",
         "needs config, which cell 1 makes: only definitions are run"),
        ("import module_of_nobody as m\ndef start(k): return m.x",
         "needs the module module_of_nobody, which is not installed here and not in"),
        ("for start in range(3):\n    pass", "needs start, which cell 1 makes: only"),
    ],
)  # fmt: skip
def test_what_is_not_run_is_no_mistake(tmp_path, cell, reason):
    own = solution(tmp_path / "a", cell, GMM)
    with own.active(), pytest.raises(NameError) as error:
        own.get("mixture_models.py", "GMM")(3)
    assert reason in own.lacks(error.value)


def test_a_name_that_nothing_makes_is_a_mistake(tmp_path):
    own = solution(tmp_path / "a", "x = 1", GMM)
    with own.active(), pytest.raises(NameError) as error:
        own.get("mixture_models.py", "GMM")(3)
    assert own.lacks(error.value) == ""


def test_classes_may_lie_in_several_notebooks_and_files_come_first(tmp_path):
    folder = tmp_path / "a"
    solution(folder, GMM, name="one.ipynb")
    solution(folder, "class UMM:\n    pass", "class GPT:\n    pass", name="two.ipynb")
    (folder / "transformer.py").write_text("class CausalSelfAttention:\n    pass\n")
    own = Solution(folder)
    with own.active():
        modules = own.modules("mixture_models.py")
        assert [m.__name__ for m in modules] == ["one_notebook", "two_notebook"]
        own.get("mixture_models.py", "UMM")
        with pytest.raises(Blame, match=r"transformer\.py has no Head"):
            own.get("transformer.py", "Head")
        with pytest.raises(NotOffered, match=r"no dataset\.py in the folder"):
            own.module("dataset.py")


def test_what_a_file_lacks_a_notebook_has_and_what_both_have_is_the_file_s(tmp_path):
    folder, remarks = tmp_path / "a", []
    cells = ("class MySelfAttention:\n    of = 2", "class MyLayerNorm:\n    of = 2")
    solution(folder, *cells, name="run.ipynb")
    (folder / "models.py").write_text("class MySelfAttention:\n    of = 1\n")
    own = Solution(folder)
    with own.active():
        own.check_imports("models.py", remark=remarks.append)
        assert own.get("models.py", "MySelfAttention").of == 1
        assert own.get("models.py", "MyLayerNorm").of == 2
    assert remarks == ["models.py was checked; run.ipynb defines MySelfAttention too"]


def test_a_call_that_is_not_run_is_read_all_the_same(tmp_path):
    own = solution(tmp_path / "a", GMM, "x = 1\nnormalize(test_x)")
    assert list(own.calls("mixture_models.py", "normali[sz]")) == [
        ("my homework 2.ipynb cell 2 line 2", {"test_x"})
    ]


DAMAGED = (
    b"", b"{", b"[]", b"{}", b'{"cells": 3}', b'{"cells": [{}]}', b"\xff\xfe\xfa",
    b'{"cells": [{"cell_type": "code"}]}', b'{"worksheets": [{}]}', b"<html>",
)  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_notebook_is_bad_input(tmp_path, content):
    (tmp_path / "mine.ipynb").write_bytes(content)
    with pytest.raises(BadInput, match="mine.ipynb must be a Jupyter notebook, it is"):
        check_input(tmp_path, None)


def test_fault_32_a_damaged_notebook_is_one_line_and_status_2(tmp_path):
    (tmp_path / "dataset.py").touch()
    (tmp_path / "mine.ipynb").write_text(notebook("x = 1")[:40])
    result = run_driver("check_solution.py", tmp_path, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert_one_line(
        result.stderr, "check_solution.py: ", "mine.ipynb", "damaged", "line"
    )


def test_a_notebook_of_a_very_large_size_is_bad_input(tmp_path):
    with open(tmp_path / "mine.ipynb", "wb") as file:
        file.truncate(sandbox.LARGEST_FILE + 1)
    with pytest.raises(BadInput, match="at most 20 MB, got 20 MB: clear its outputs"):
        check_input(tmp_path, None)


@given(st.binary() | st.integers(0, 200).map(lambda n: notebook(GMM)[:n].encode()))
def test_what_is_no_notebook_is_refused_in_one_line(content):
    with pytest.raises(BadInput) as error:
        notebooks.read(Path("mine.ipynb"), content)
    assert "\n" not in str(error.value)


@given(st.text(alphabet="x=%!?(:\n\\ '\"#1"))
def test_a_cell_of_whatever_is_parsed_or_is_broken(cell):
    try:
        found = ast.dump(notebooks.parse(cell))
    except SyntaxError:
        found = "broken"
    # what is Python already is left as it is
    with contextlib.suppress(SyntaxError):
        assert found == ast.dump(ast.parse(cell))
