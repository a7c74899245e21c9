"""The one pass over the bytes of a capture: records, packets, TCP flows, and the payload of those that matter.

Written in a small part of Python: integers, flat arrays, no objects. The same functions run interpreted and, where
Numba has compiled them, as machine code; both give the same rows.
"""
