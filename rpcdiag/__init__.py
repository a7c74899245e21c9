"""rpcdiag: from a capture and a firewall log to the cause of "The RPC server is unavailable"."""
