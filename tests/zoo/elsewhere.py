"""What the networks are held against whose tests stand beside `test_references.py`."""

from __future__ import annotations

EQUATIONS = "its equations"
BY_EQUATIONS = {
    "spatial": "LeNet5 LeNet5_example LeNet5_modern LeNet5_1998",
    "regions": "SegNet",
    "sequences": "LSTMTagger_equations GRUTagger_equations ConvLSTM DCBiLSTM CNNLSTM Seq2Seq "
    "Seq2Seq_Additive Seq2Seq_Bahdanau Seq2Seq_Luong Seq2Seq_LuongDot Seq2Seq_LuongLocal "
    "Seq2Seq_LuongPredictive Seq2Seq_LuongHard",
    "generative": "AutoEncoder DenoisingAutoEncoder VAE DCGAN DCGAN_Generator DCGAN_Discriminator "
    "RBM DBM",
    "metric": "Siamese Triplet TripletBatchHard SoftmaxEmbedding CosFaceEmbedding "
    "ArcFaceEmbedding ASoftmaxEmbedding",
}
"""The networks that `test_<family>.py` builds and holds against their equations."""
ELSEWHERE = {
    "GCN": "torch_geometric.GCNConv",
    "SparseGCN": "torch_geometric.GCNConv",
    "GAT": "torch_geometric.GATConv",
    "SparseGAT": "torch_geometric.GATConv",
    "GraphSAGE": "torch_geometric.SAGEConv",
    "SparseGraphSAGE": "torch_geometric.SAGEConv",
} | {name: EQUATIONS for names in BY_EQUATIONS.values() for name in names.split()}
