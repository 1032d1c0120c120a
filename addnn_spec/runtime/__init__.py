"""The runtime beside a compiled network. It needs torch, and nothing of the compiler."""
