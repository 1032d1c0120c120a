"""Probing a network: which nodes, on what data, and what is shown. See docs/probes.md."""
