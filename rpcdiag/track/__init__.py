"""Segments of the flows that matter in; RPC connections, calls and their fates, and referrals, out."""
