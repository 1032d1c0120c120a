"""LSTMTagger, compiled from rnn.net by addnn-spec 0.1.0.

Inputs: words: int[N, T].
Parameters: 4,312,517.
Multiply-accumulates: 160,850,000.
"""

from __future__ import annotations

from torch import Tensor, nn


class LSTMTagger(nn.Module):
    def __init__(
        self, vocabulary: int = 9000, width: int = 300, hidden: int = 500, classes: int = 17
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.rnn = nn.LSTM(width, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, words: Tensor) -> Tensor:
        states, _ = self.rnn(self.embed(words))  # [N, T, hidden]
        tags: Tensor = self.fc(states)  # [N, T, classes]
        return tags
