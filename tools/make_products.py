"""Write what the files of products say as JSON, which the program reads without PyYAML.

Run it after a change in `rpcdiag/policy/products/`; until then the program reads the changed file itself.
"""

import json

from rpcdiag.policy import product


def text() -> str:
    """A line for each product, by id."""
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(product.parsed().items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    (product.FOLDER / product.PARSED).write_text(text(), encoding="utf-8")
