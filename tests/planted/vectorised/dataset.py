import numpy as np
import torch
from torch.utils.data import Dataset


class EuropeDataset(Dataset):
    def __init__(self, csv_file):
        table = np.loadtxt(csv_file, delimiter=",", skiprows=1)  # index first
        self.features = torch.tensor(table[:, [1, 2]], dtype=torch.float32)
        self.labels = torch.tensor(table[:, 3], dtype=torch.long)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.features[i], self.labels[i]


class ShakespeareDataset(Dataset):
    def __init__(self, text, block_size, encoder):
        self.block_size = block_size
        self.data = torch.tensor(encoder(text))

    def __len__(self):
        return len(self.data) - self.block_size

    def __getitem__(self, i):
        window = self.data[i : i + self.block_size + 1]
        return window[:-1], window[1:]


class DataHandler:
    def __init__(self, train_path, test_path=None, block_size=10):
        with open(train_path) as file:
            self.train_text = file.read()
        with open(test_path or train_path) as file:
            self.test_text = file.read()
        self.block_size = block_size
        self.vocabulary = sorted(set(self.train_text))
        self.numbers = {c: i for i, c in enumerate(self.vocabulary)}

    def encoder(self, text):
        return [self.numbers[c] for c in text]

    def decoder(self, ids):
        return "".join(self.vocabulary[i] for i in ids)

    def get_vocab_size(self):
        return len(self.vocabulary)

    def get_dataset(self, split):
        text = self.train_text if split == "train" else self.test_text
        return ShakespeareDataset(text, self.block_size, self.encoder)
