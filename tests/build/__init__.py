"""Builders that tests and stories share: a frame, a PDU, a conversation in a few lines."""
