"""The language server: what an editor shows beside a spec while it is written.

`server.py` speaks the protocol; the other modules answer from an `Analysis` and know nothing of it
but its types.
"""
