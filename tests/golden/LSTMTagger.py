"""LSTMTagger, compiled from rnn.net by addnn-spec 0.1.0.

Inputs: words: int[N, T].
Parameters: 4,312,517.
Multiply-accumulates: 160,850,000.
SHA-256 of the spec: beeea49f3ea89a4bf7e5b23cbf685346661053bea6e9d92776f8af94f0bd5b30
"""

from __future__ import annotations

from torch import Tensor, nn


class LSTMTagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9000, 300)
        self.rnn = nn.LSTM(300, 500, batch_first=True)
        self.fc = nn.Linear(500, 17)

    def forward(self, words: Tensor) -> Tensor:
        states, _ = self.rnn(self.embed(words))  # [N, T, 500]
        tags: Tensor = self.fc(states)  # [N, T, 17]
        return tags
