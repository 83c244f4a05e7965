import csv
from pathlib import Path

import torch
from torch.utils.data import Dataset


class EuropeDataset(Dataset):
    def __init__(self, csv_file):
        with open(csv_file) as file:
            rows = list(csv.DictReader(file))
        self.X = torch.tensor([[float(r["long"]), float(r["lat"])] for r in rows])
        self.y = torch.tensor([int(r["country"]) for r in rows])

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return {"features": self.X[i], "label": self.y[i]}


class TextDataset(Dataset):
    def __init__(self, ids, block_size):
        self.ids, self.block_size = ids, block_size

    def __len__(self):
        return len(self.ids) - self.block_size - 1

    def __getitem__(self, i):
        x = self.ids[i : i + self.block_size]
        y = self.ids[i + 1 : i + self.block_size + 1]
        return torch.tensor(x), torch.tensor(y)


class DataHandler:
    def __init__(self, train_path, test_path, block_size):
        paths = {"train": train_path, "test": test_path}
        self.texts = {split: Path(path).read_text() for split, path in paths.items()}
        self.chars = sorted(set("".join(self.texts.values())))
        self.stoi = {c: i for i, c in enumerate(self.chars)}
        self.block_size = block_size
        self.encoder = lambda text: [self.stoi[c] for c in text]
        self.decoder = lambda ids: "".join(self.chars[int(i)] for i in ids)
        print(f"{len(self.texts['train'])} characters, {len(self.chars)} unique")

    def get_vocab_size(self):
        return len(self.chars)

    def get_dataset(self, split):
        return TextDataset(self.encoder(self.texts[split]), self.block_size)
