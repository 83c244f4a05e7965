from pathlib import Path

import pandas as pd
import torch
from torch.utils.data import Dataset


class EuropeDataset(Dataset):
    def __init__(self, csv_file):
        df = pd.read_csv(csv_file)  # as the course's skeleton does
        self.X = torch.tensor(df[["long", "lat"]].values, dtype=torch.float32)
        self.y = torch.tensor(df["country"].values)

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
