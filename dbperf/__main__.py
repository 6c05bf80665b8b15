"""``python -m dbperf``, and what the console script calls."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit; Ctrl-C while its modules are imported, when nothing has begun, ends it at once."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and & ignore it
        signal.signal(signal.SIGINT, _end)
    from dbperf import cli

    cli.main()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Without an exception, which an import may take for its own."""
    os.write(2, b"dbperf: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
