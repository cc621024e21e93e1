"""A run's data, brought to the machine that reads it."""

from cluster.mirror import mirror
from cluster.object_store import open_store
from cluster.settings import Settings
from training.arguments import Order
from training.recipe import Source


def local_source(order: Order, settings: Settings) -> Source:
    """The order's data on this machine, brought here first where it is in a bucket. Raises StoreError."""
    path = mirror(order.data, settings, settings.cache / "data")
    return Source(
        path=path,
        cache=settings.cache / "pictures",
        store=open_store(settings.bucket_url, settings),
        on_problem=order.on_problem,
    )
