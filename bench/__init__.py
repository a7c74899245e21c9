"""Benchmarks: captures with known contents, the program and its peers measured side by side, a report in Markdown."""
