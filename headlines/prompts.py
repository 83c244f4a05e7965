"""A saved model as generate.py asks for one: a prompt's tokens to the next one's."""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

from headlines import runs
from headlines.data import MAX_LENGTH, NUM_TOKEN_VALS, Tokenizer
from headlines.model import PAD, DecoderTransformer
from machinery.errors import BadInput


class LineModel(nn.Module):
    """Maps the tokens (B, T) of lines, T <= block_size, to logits (B, T, V)."""

    def __init__(self, model: DecoderTransformer) -> None:
        super().__init__()
        self.model = model
        self.block_size = model.num_tokens

    def forward(self, idx: Tensor) -> Tensor:
        return self.model.transformer_forward(idx)


class LineVocabulary:
    """The tokenizer's characters; a prompt begins a line, and the pad ends it."""

    end = PAD

    def __init__(self) -> None:
        self.tokenizer = Tokenizer(0)  # a prompt has no pads

    def encode_prompt(self, prompt: str) -> list[int]:
        """Return cls and the prompt's tokens; BadInput for one that is no line."""
        if len(prompt) > MAX_LENGTH - 1:
            raise BadInput(
                f"a prompt has at most {MAX_LENGTH - 1} characters for this model, "
                f"got {len(prompt)}"
            )
        return self.tokenizer.encode([prompt.lower()])[0].tolist()

    def decode(self, ids: Iterable[int]) -> str:
        shown = self.tokenizer.decoded_alphabet
        return "".join(shown[i] for i in ids if PAD < i < NUM_TOKEN_VALS - 1)


def restore(content: dict, path: str | Path) -> tuple[LineModel, LineVocabulary]:
    """Return a checkpoint's model and vocabulary; CheckpointError where it has none."""
    return LineModel(runs.restore(content, path)).eval(), LineVocabulary()
