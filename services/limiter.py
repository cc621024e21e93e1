"""The Limiter: one replica that keeps the allowances of all keys, for all gateways."""

from ray import serve

from cluster.keys import Key
from services.allowances import Buckets, Grant


@serve.deployment
class Limiter:
    """When it is replaced its buckets are full again: a key may then burst once more than it should."""

    def __init__(self) -> None:
        self._buckets = Buckets()

    async def take(self, key: Key, wanted: int) -> Grant:
        """See `Buckets.take`."""
        return self._buckets.take(key, wanted)
