"""Seeds derived from names, so that every random number has a fixed origin."""

import hashlib


def derive_seed(seed: int, name: str) -> int:
    """Returns a seed for one named use of a run's seed.

    The same pair gives the same number in every process and on every replica,
    which Python's `hash` and TensorFlow's operation seeds do not promise.

    Args:
      seed: the run's seed.
      name: what the numbers are for ("vgg16/conv1_1/kernel").

    Returns:
      An integer in [0, 2**31 - 1).

    Example:
      >>> derive_seed(0, "a") == derive_seed(0, "a") != derive_seed(0, "b")
      True
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") % (2**31 - 1)
