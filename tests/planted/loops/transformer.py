import torch
import torch.nn as nn

from dataset import DataHandler


class Head(nn.Module):
    def __init__(self, n_embd, size):
        super().__init__()
        self.query = nn.Linear(n_embd, size, bias=False)
        self.key = nn.Linear(n_embd, size, bias=False)
        self.value = nn.Linear(n_embd, size, bias=False)

    def forward(self, x):
        T = x.shape[1]
        q, k = self.query(x), self.key(x)
        scores = torch.einsum("btd,bsd->bts", q, k) * q.shape[-1] ** -0.5
        mask = torch.full((T, T), float("-inf")).triu(1)
        return torch.softmax(scores + mask, dim=-1) @ self.value(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, n_embd, n_head, block_size=10):
        super().__init__()
        self.heads = nn.ModuleList(
            [Head(n_embd, n_embd // n_head) for _ in range(n_head)]
        )
        self.proj = nn.Linear(n_embd, n_embd)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.drop(self.proj(torch.cat([h(x) for h in self.heads], dim=-1)))


class GPT(nn.Module):
    def __init__(self, vocab_size, block_size=10, n_layer=3, n_head=3, n_embd=48):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, n_embd)
        self.positions = nn.Embedding(block_size, n_embd)
        self.attention = nn.ModuleList(
            [CausalSelfAttention(n_embd, n_head) for _ in range(n_layer)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(n_embd) for _ in range(n_layer)])
        self.head = nn.Linear(n_embd, vocab_size)

    def forward(self, idx):
        x = self.tokens(idx) + self.positions(torch.arange(idx.shape[1]))
        for norm, attention in zip(self.norms, self.attention, strict=True):
            x = x + attention(norm(x))
        return self.head(x)


def evaluate(model, loader, criterion, device):
    loss, right, total = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x.to(device))
            loss += criterion(logits.view(-1, logits.size(-1)), y.reshape(-1)).item()
            right += (logits[:, -1, :].argmax(-1) == y[:, -1]).sum().item()
            total += len(x)
    return loss / len(loader), right / total


def generate_text(model, data_handler, prompt, max_chars, block_size, top_k=None):
    text = prompt
    for _ in range(max_chars):
        idx = torch.tensor(data_handler.encoder(text[-block_size:]))[None]
        logits = model(idx)[0, -1]
        if top_k is not None:
            values, tokens = torch.topk(logits, top_k)
            choice = torch.multinomial(torch.softmax(values, dim=0), 1)
            token = tokens[choice].item()
        else:
            token = torch.multinomial(torch.softmax(logits, dim=0), 1).item()
        text += data_handler.decoder([token])
    return text


def train_model(train_path, test_path, epochs=10):
    data = DataHandler(train_path, test_path, 10)
    return GPT(data.get_vocab_size())
