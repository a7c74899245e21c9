"""Tests of rpcdiag."""
