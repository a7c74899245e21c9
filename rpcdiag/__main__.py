"""`python -m rpcdiag`"""

from rpcdiag.ui.cli import program

program()
