"""Graph attention (Velickovic et al. 2018), and one with a head for each relation.

N nodes, E edges, H heads, C channels of a head, R relations. An edge goes from its
source to the target that it informs; softmaxes are over a target's incoming edges.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of the scores' leaky ReLU
N_PITCH_CLASSES = 12
MOST_INTERVAL = 30  # semitones: larger leaps count as this
N_OCTAVES = 11


def take(rows: Tensor, which: Tensor) -> Tensor:
    """Return rows[which]; its gradient is a plain sum, several times faster."""
    return rows.index_select(0, which)


class Dropout(nn.Module):
    """nn.Dropout by uniform numbers, which a processor draws several times faster."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return x
        kept = torch.rand_like(x) >= self.share
        return x * (kept / max(1 - self.share, 1e-6))  # a share of one leaves zeros


def exponentials(score: Tensor, target: Tensor, n: int) -> Tensor:
    """Return exp of scores (E, H), less the largest of those with the same target."""
    most = score.new_full((n, score.shape[1]), -torch.inf)
    with torch.no_grad():
        most.scatter_reduce_(0, target[:, None].expand_as(score), score, "amax")
    return (score - take(most, target)).exp()


def attend(score: Tensor, message: Tensor, target: Tensor, n: int) -> Tensor:
    """Return softmax-weighted sums of messages (E, H, C) at n targets: (n, H, C).

    The softmax is over the edges (E, H) that share a target. Sums are divided once a
    node and not once an edge; the largest score is taken off first, as everywhere.
    """
    weight = exponentials(score, target, n)
    total = weight.new_zeros(n, score.shape[1]).index_add(0, target, weight)
    summed = message.new_zeros(n, *message.shape[1:])
    summed = summed.index_add(0, target, weight[:, :, None] * message)
    return summed / total.clamp(min=1e-16)[:, :, None]


def attend_in_blocks(
    score: Tensor, h: Tensor, source: Tensor, target: Tensor, block: int
) -> Tensor:
    """Return attend(score, h[source], target, N) for nodes h (N, H, C) in blocks.

    Edges join nodes of the same block, which are in order, so many each: the weights of
    all pairs of a block are a small matrix, and sums of messages products with it.
    """
    n, heads, channels = h.shape
    weight = exponentials(score, target, n)
    pairs = weight.new_zeros(n * block, heads)
    pairs = pairs.index_add(0, target * block + source % block, weight)
    pairs = pairs.view(-1, block, block, heads).permute(0, 3, 1, 2)
    summed = pairs @ h.view(-1, block, heads, channels).transpose(1, 2)
    found = summed / pairs.sum(3, keepdim=True).clamp(min=1e-16)
    return found.transpose(1, 2).reshape(n, heads, channels)


class GATLayer(nn.Module):
    """Graph attention; its parameters are named as torch_geometric's GATConv's.

    score(j -> i) = LeakyReLU(att_src . W h_j + att_dst . W h_i). Given self loops are
    removed, then each node gets one. A pair that two edges join counts twice. Where
    graphs of `block` nodes each are side by side, naming it gives the same several
    times faster.
    """

    def __init__(
        self, in_channels: int, out_channels: int, heads: int = 1, *,
        concat: bool = True, block: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.heads, self.out_channels, self.concat = heads, out_channels, concat
        self.block = block
        self.lin = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.att_src = nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(1, heads, out_channels))
        self.bias = nn.Parameter(
            torch.zeros(heads * out_channels if concat else out_channels)
        )
        for weight in (self.lin.weight, self.att_src, self.att_dst):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Map x (N, F) and edge_index (2, E), sources over targets.

        Return (N, H * C), the heads side by side; their mean (N, C) without concat.
        """
        n = len(x)
        loops = torch.arange(n, device=x.device)
        source, target = edge_index[:, edge_index[0] != edge_index[1]]
        source, target = torch.cat([source, loops]), torch.cat([target, loops])
        h = self.lin(x).view(n, self.heads, self.out_channels)
        from_source, at_target = (h * self.att_src).sum(2), (h * self.att_dst).sum(2)
        score = take(from_source, source) + take(at_target, target)
        score = F.leaky_relu(score, SLOPE)
        if self.block is None:
            out = attend(score, take(h, source), target, n)
        else:
            out = attend_in_blocks(score, h, source, target, self.block)
        out = out.flatten(1) if self.concat else out.mean(1)
        return out + self.bias


class RelationalLayer(nn.Module):
    """A head for each relation, with its own softmax and its intervals.

    The interval from source to target, in semitones, adds a learnt vector to the
    message and a learnt number to the score. Then a residual and a norm.
    """

    def __init__(
        self, width: int, n_relations: int, channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.n_relations, self.channels = n_relations, channels
        self.lin = nn.Linear(width, n_relations * channels, bias=False)
        self.att_src = nn.Parameter(torch.empty(n_relations, channels))
        self.att_dst = nn.Parameter(torch.empty(n_relations, channels))
        n_intervals = 2 * MOST_INTERVAL + 1
        self.interval_message = nn.Parameter(0.1 * torch.randn(n_intervals, channels))
        self.interval_score = nn.Parameter(torch.zeros(n_relations, n_intervals))
        self.out = nn.Linear(n_relations * channels, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        nn.init.xavier_uniform_(self.att_src)
        nn.init.xavier_uniform_(self.att_dst)

    def scores(self, h: Tensor, edges: "Edges") -> Tensor:
        """Return each edge's score before the softmax: (E,)."""
        from_source = (h * self.att_src).sum(2).flatten()
        at_target = (h * self.att_dst).sum(2).flatten()
        score = take(from_source, edges.source) + take(at_target, edges.target)
        of_interval = edges.relation * self.interval_score.shape[1] + edges.interval
        return F.leaky_relu(score, SLOPE) + take(
            self.interval_score.flatten(), of_interval
        )

    def weights(self, x: Tensor, edges: "Edges") -> Tensor:
        """Return each edge's share of its relation's attention at its target: (E,)."""
        h = self.lin(x).view(len(x), self.n_relations, self.channels)
        weight = self.scores(h, edges).exp()
        total = weight.new_zeros(len(x) * self.n_relations)
        return weight / take(total.index_add(0, edges.target, weight), edges.target)

    def forward(self, x: Tensor, edges: "Edges") -> Tensor:
        """Map x (N, width); a node without an edge of a relation gets zeros from it."""
        n = len(x)
        h = self.lin(x).view(n, self.n_relations, self.channels)
        score = self.scores(h, edges)
        message = take(h.flatten(0, 1), edges.source)
        message = message + take(self.interval_message, edges.interval)
        found = attend(
            score[:, None], message[:, None], edges.target, n * self.n_relations
        )
        found = self.out(found.reshape(n, -1))
        return self.norm(x + self.dropout(F.relu(found)))


class Edges:
    """Edges whose ends are slots of (node, relation), node * R + relation."""

    def __init__(
        self, source: Tensor, target: Tensor, relation: Tensor, pitch: Tensor, r: int
    ) -> None:
        leap = pitch[target] - pitch[source]
        self.interval = leap.clamp(-MOST_INTERVAL, MOST_INTERVAL) + MOST_INTERVAL
        self.source, self.target = source * r + relation, target * r + relation
        self.relation = relation


class PlainLayer(nn.Module):
    """GATLayer with a residual and a norm: all relations as one."""

    def __init__(self, width: int, heads: int, dropout: float, block: int) -> None:
        super().__init__()
        self.gat = GATLayer(width, width // heads, heads, block=block)
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.norm(x + self.dropout(F.relu(self.gat(x, edge_index))))


class ComposerNetwork(nn.Module):
    """Logits of a scrap's composer, from its graph."""

    def __init__(
        self, n_classes: int, n_numbers: int, n_relations: int, n_nodes: int, *,
        relational: bool = True, width: int = 64, n_layers: int = 2,
        channels: int = 8, heads: int = 4, dropout: float = 0.3,
    ) -> None:  # fmt: skip
        super().__init__()
        self.n_nodes, self.n_relations = n_nodes, n_relations
        self.relational = relational
        n_inputs = N_PITCH_CLASSES + N_OCTAVES + n_numbers
        self.embed = nn.Sequential(
            nn.Linear(n_inputs, width), nn.ReLU(), nn.LayerNorm(width)
        )
        self.layers = nn.ModuleList(
            RelationalLayer(width, n_relations, channels, dropout)
            if relational
            else PlainLayer(width, heads, dropout, n_nodes)
            for _ in range(n_layers)
        )
        self.query = nn.Linear(width, 1)
        self.head = nn.Sequential(
            nn.Linear(2 * width, width), nn.ReLU(), Dropout(dropout),
            nn.Linear(width, n_classes),
        )  # fmt: skip

    def features(self, pitch: Tensor, numbers: Tensor) -> Tensor:
        """Return nodes as vectors: pitch class, octave and numbers side by side."""
        pitch_class = F.one_hot(pitch % 12, N_PITCH_CLASSES)
        octave = F.one_hot((pitch // 12).clamp(0, N_OCTAVES - 1), N_OCTAVES)
        return torch.cat([pitch_class, octave, numbers], 1)

    def attention(
        self, pitch: Tensor, numbers: Tensor, source: Tensor, target: Tensor,
        relation: Tensor,
    ) -> Tensor:  # fmt: skip
        """Return each edge's attention weight in the first, relational layer: (E,)."""
        x = self.embed(self.features(pitch, numbers))
        edges = Edges(source, target, relation, pitch, self.n_relations)
        return self.layers[0].weights(x, edges)

    def forward(
        self, pitch: Tensor, numbers: Tensor, source: Tensor, target: Tensor,
        relation: Tensor,
    ) -> Tensor:  # fmt: skip
        """Map B scraps as one graph of B * n_nodes nodes to logits (B, classes)."""
        x = self.embed(self.features(pitch, numbers))
        if self.relational:
            edges = Edges(source, target, relation, pitch, self.n_relations)
        else:
            edges = torch.stack([source, target])
        for layer in self.layers:
            x = layer(x, edges)
        x = x.view(-1, self.n_nodes, x.shape[1])
        weight = self.query(x).softmax(1)
        return self.head(torch.cat([x.mean(1), (weight * x).sum(1)], 1))


class Committee(nn.Module):
    """Networks of other seeds or works; together they say their mean probability."""

    def __init__(self, members: list[ComposerNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, *graph: Tensor) -> Tensor:
        """Map a graph of B scraps, as a member does, to logits (B, classes)."""
        said = torch.stack([member(*graph).softmax(1) for member in self.members])
        return said.mean(0).log()
