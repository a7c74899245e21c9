"""Something that has to be done anyway, while the compiled pass reads and leaves the interpreter alone."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TURN_S = 0.0002  # the pass asks for the interpreter again this often: it would wait for 5 ms each time otherwise


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Do it in a thread; it has been done when the block ends. What goes wrong there shows where it is needed."""

    def quietly() -> None:
        try:
            work()
        except Exception:  # noqa: BLE001  who needs it will meet it
            return

    thread = threading.Thread(target=quietly, name="meanwhile", daemon=True)
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN_S)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        sys.setswitchinterval(before)
