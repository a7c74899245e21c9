"""`rpcdiag explain`: text that a person pasted in; what it means, what can stand behind it, how to find out which, out."""
