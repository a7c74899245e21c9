"""The full-screen view. In: what `live` knows at each look. Out: a screen, and what its keys ask for.

`view` takes what the capture's thread knows and makes snapshots, without a terminal; `app` draws the latest of them, and
alone imports Textual. Text of others is made harmless where a row is made, and no markup is ever read.
"""
