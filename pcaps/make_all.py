"""Makes the captures of all stories again: `python pcaps/make_all.py`."""

import runpy
from pathlib import Path

for script in sorted(Path(__file__).resolve().parent.glob("*/make.py")):
    runpy.run_path(str(script), run_name="__main__")
