"""Records that are logged, formatted and thrown away."""

import io
import logging


def main():
    stream = io.StringIO()
    logger = logging.getLogger("bench")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    logger.handlers = [handler]
    for i in range(22_000):
        logger.info("record %d of %s", i, "many")
        logger.debug("not this one")
    assert stream.tell() > 500_000
