"""Tests of `rpcdiag.probe`, against servers on this machine."""
