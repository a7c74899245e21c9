"""`python -m rpcdiag`"""

from rpcdiag.ui.cli import main

raise SystemExit(main())
