"""The notebook's cleaning of a text, without the data that nltk downloads.

Tokens in lower case, those with anything but letters left out, and function words too;
nouns in the singular. What differs from the notebook:

- tokens come from a regular expression instead of nltk's Treebank tokenizer; both keep
  "up-to-date" whole, and so drop it, and split "don't" into "do" and "n't";
- the function words are a list of our own, near to nltk's;
- plurals are undone by simplemma and a short list of irregular ones instead of WordNet,
  which also reads some other words as plurals (it makes "u" of "us").
"""

import re

from machinery.packages import module

# a word, with what joins its parts; then the endings that are tokens of their own
TOKEN = re.compile(r"[^\W_]+(?:[.'’&/-][^\W_]+)*")
ENDING = re.compile(r"(?:n['’]t|['’](?:s|m|d|ll|re|ve))(?![\w-])")

CLOSED_CLASSES = """
    i me my mine myself we our ours ourselves you your yours yourself yourselves
    he him his himself she her hers herself it its itself
    they them their theirs themselves one oneself
    this that these those who whom whose which what
    am is are was were be been being do does did doing have has had having
    can could will would shall should may might must ought
    a an the and but or nor so yet if because as until while although though since
    unless whether than of at by for with about against between among into onto
    through throughout during before after above below to from up down in out on off
    over under upon toward towards within without
    again further then once here there when where why how
    all any both each few more most other some such every either neither
    no not only own same too very just now also even
    ain aren couldn didn doesn don hadn hasn haven isn mightn mustn needn shan shouldn
    wasn weren won wouldn
    s t d m o y ll re ve
"""
FUNCTION_WORDS = frozenset(CLOSED_CLASSES.split())
IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "feet": "foot",
    "teeth": "tooth", "mice": "mouse", "geese": "goose", "oxen": "ox",
    "phenomena": "phenomenon", "criteria": "criterion",
}  # fmt: skip


def clean(text: str) -> str:
    """Return a text's content words, nouns in the singular, separated by spaces.

    Raise BadInput where the package simplemma is missing.
    """
    tokens = TOKEN.findall(ENDING.sub(" ", text.lower()))
    words = (word for word in tokens if word.isalpha() and word not in FUNCTION_WORDS)
    return " ".join(map(singular, words))


def singular(word: str) -> str:
    """Return a plural's singular, and any other word as it is.

    A verb's third person loses its s too, as in the notebook, where every word is
    looked up as a noun; its other forms stay.
    """
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return word
    lemma = lemmatizer()(word, lang="en").lower()
    return lemma if lemma.isalpha() and lemma[:2] == word[:2] else word


def lemmatizer():
    return module("simplemma", extra="headlines").lemmatize
